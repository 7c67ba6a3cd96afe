package plugin

import (
	"encoding/binary"
	"math"
)

// Stored is a value of a plugin's state: one form as bytes for each value, and anything else is no value.
type Stored interface {
	// Write appends its bytes.
	Write(out *Writer)
	// Read takes its bytes. What is missing reads as zero, and refuses the whole.
	Read(from *Reader)
}

// Writer writes values, one behind the other.
type Writer struct{ bytes []byte }

// Flag writes true or false.
func (w *Writer) Flag(value bool) {
	var byte byte
	if value {
		byte = 1
	}
	w.bytes = append(w.bytes, byte)
}

// Uint32 writes a number of 32 bits.
func (w *Writer) Uint32(value uint32) { w.bytes = binary.LittleEndian.AppendUint32(w.bytes, value) }

// Uint64 writes a number of 64 bits.
func (w *Writer) Uint64(value uint64) { w.bytes = binary.LittleEndian.AppendUint64(w.bytes, value) }

// Int64 writes a number of 64 bits.
func (w *Writer) Int64(value int64) { w.Uint64(uint64(value)) }

// Float64 writes a number.
func (w *Writer) Float64(value float64) { w.Uint64(math.Float64bits(value)) }

// Text writes a text.
func (w *Writer) Text(value string) {
	w.Uint32(uint32(len(value)))
	w.bytes = append(w.bytes, value...)
}

// Reader reads what a Writer wrote.
type Reader struct {
	bytes []byte
	short bool
}

func (r *Reader) done() bool { return !r.short && len(r.bytes) == 0 }

func (r *Reader) take(count int) []byte {
	if r.short || count > len(r.bytes) {
		r.short = true
		return nil
	}
	taken := r.bytes[:count]
	r.bytes = r.bytes[count:]
	return taken
}

// Flag reads true or false.
func (r *Reader) Flag() bool {
	taken := r.take(1)
	return taken != nil && taken[0] != 0
}

// Uint32 reads a number of 32 bits.
func (r *Reader) Uint32() uint32 {
	if taken := r.take(4); taken != nil {
		return binary.LittleEndian.Uint32(taken)
	}
	return 0
}

// Uint64 reads a number of 64 bits.
func (r *Reader) Uint64() uint64 {
	if taken := r.take(8); taken != nil {
		return binary.LittleEndian.Uint64(taken)
	}
	return 0
}

// Int64 reads a number of 64 bits.
func (r *Reader) Int64() int64 { return int64(r.Uint64()) }

// Float64 reads a number.
func (r *Reader) Float64() float64 { return math.Float64frombits(r.Uint64()) }

// Text reads a text.
func (r *Reader) Text() string { return string(r.take(int(r.Uint32()))) }

// Count reads a count of things that take at least this many bytes each: never more than there are bytes for.
func (r *Reader) Count(bytesEach int) int {
	count := int(r.Uint32())
	if count > len(r.bytes)/bytesEach {
		r.short = true
		return 0
	}
	return count
}
