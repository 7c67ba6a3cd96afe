//go:build wasip1

// Package wire is what crosses between plugin and host, as bytes of the plugin's memory. It is the only package that knows
// how they lie there.
package wire

import (
	"math"
	"unsafe"

	"orion/plugin"
)

// chunkWords is the size of the first block that the host's lists are put into, in words of eight bytes.
const chunkWords = 8192

var (
	// arena is where the host's lists go, one behind the other; a call that needs more gets further blocks.
	arena = make([]uint64, chunkWords)
	used  int
	full  [][]uint64
)

//go:wasmexport cabi_realloc
func cabiRealloc(_, _, _, bytes uint32) unsafe.Pointer {
	words := int(bytes+7) / 8
	if used+words >= len(arena) {
		full = append(full, arena)
		arena = make([]uint64, max(2*len(arena), words+1))
		used = 0
	}
	block := unsafe.Pointer(&arena[used])
	used += words
	return block
}

// EndCall lets go what the host put into memory for a call. The largest block stays for the next one.
func EndCall() {
	used = 0
	full = nil
}

// At is the address of something in memory.
func At[T any](thing *T) uint32 { return uint32(uintptr(unsafe.Pointer(thing))) }

// List is a list that the host put there; valid until EndCall.
func List[T any](at, length uint32) []T {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(uintptr(at))), length)
}

// Ref is the address and length of a list.
type Ref struct{ At, Length uint32 }

// Of is where a list lies. It has to be kept alive as long as that is used.
func Of[T any](list []T) Ref {
	return Ref{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(list)))), uint32(len(list))}
}

// OfText is where a text lies.
func OfText(text string) Ref {
	return Ref{uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), uint32(len(text))}
}

func (r Ref) text() string { return string(List[byte](r.At, r.Length)) }

func (r Ref) bytes() []byte {
	// Not nil when there are no bytes: that would say that there is no value.
	return append([]byte{}, List[byte](r.At, r.Length)...)
}

// scalar is a value and its kind: what the contract calls a variant.
type scalar struct {
	kind  uint8
	value uint64
}

// Kinds of values in the contract, in its order.
const (
	text uint8 = iota
	number
	integer
	flag
	texts
)

type parameter struct {
	name  Ref
	value scalar
}

func (s scalar) ref() Ref { return Ref{uint32(s.value), uint32(s.value >> 32)} }

// Parameters are the parameters that the host put there.
func Parameters(at, length uint32) plugin.Parameters {
	given := plugin.Parameters{}
	for _, one := range List[parameter](at, length) {
		given[one.name.text()] = one.value.said()
	}
	return given
}

func (s scalar) said() any {
	switch s.kind {
	case text:
		return s.ref().text()
	case number:
		return math.Float64frombits(s.value)
	case integer:
		return int64(s.value)
	case flag:
		return uint8(s.value) != 0
	}
	said := []string{}
	for _, one := range List[Ref](s.ref().At, s.ref().Length) {
		said = append(said, one.text())
	}
	return said
}

// Field is a field as the contract has it.
type Field struct {
	name  Ref
	value scalar
}

// Fields are fields as the contract has them. The fields have to be kept alive as long as these are used.
func Fields(given []plugin.Field) []Field {
	fields := make([]Field, len(given))
	for i := range given {
		fields[i] = Field{OfText(given[i].Name), lowered(given[i].Value)}
	}
	return fields
}

func lowered(value plugin.Scalar) scalar {
	switch value := value.(type) {
	case plugin.Text:
		ref := OfText(string(value))
		return scalar{text, uint64(ref.At) | uint64(ref.Length)<<32}
	case plugin.Number:
		return scalar{number, math.Float64bits(float64(value))}
	case plugin.Integer:
		return scalar{integer, uint64(value)}
	case plugin.Flag:
		return scalar{flag, uint64(Bool(bool(value)))}
	}
	panic("a field without a value")
}

// Bool is true or false as the contract has it.
func Bool(value bool) uint32 {
	if value {
		return 1
	}
	return 0
}

// entry is an entry as the contract has it.
type entry struct {
	key      Ref
	hasValue uint8
	value    Ref
}

// Entries are the entries that the host put there.
func Entries(at, length uint32) []plugin.Entry {
	given := List[entry](at, length)
	entries := make([]plugin.Entry, len(given))
	for i, one := range given {
		entries[i].Key = one.key.bytes()
		if one.hasValue != 0 {
			entries[i].Value = one.value.bytes()
		}
	}
	return entries
}

// result is what the host reads after a call returned. It is kept until the next call that returns something.
var result struct {
	saved   []plugin.Entry
	entries []entry
	list    Ref
	words   string
	answer  struct {
		refused uint8
		words   Ref
	}
}

// Saved is where the host finds entries.
func Saved(saved []plugin.Entry) unsafe.Pointer {
	entries := make([]entry, len(saved))
	for i, one := range saved {
		entries[i] = entry{Of(one.Key), uint8(Bool(one.Value != nil)), Of(one.Value)}
	}
	result.saved, result.entries, result.list = saved, entries, Of(entries)
	return unsafe.Pointer(&result.list)
}

// Answer is where the host finds nothing, or a refusal in words.
func Answer(refusal error) unsafe.Pointer {
	result.answer.refused = 0
	if refusal != nil {
		result.words = refusal.Error()
		result.answer.refused, result.answer.words = 1, OfText(result.words)
	}
	return unsafe.Pointer(&result.answer)
}
