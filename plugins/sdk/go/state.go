package plugin

import (
	"errors"
	"fmt"
	"slices"
)

// Entry is a piece of saved state; a nil value means that the key is gone.
type Entry struct {
	Key   []byte
	Value []byte
}

// Stateful is something that survives a restart: SeriesState or State.
type Stateful interface {
	// Restore takes back what earlier checkpoints handed out.
	Restore(version uint32, entries []Entry) error
	// Checkpoint is what changed since the last call, in the order of the keys.
	Checkpoint() []Entry
	// DropSeries forgets series that will not come again under their numbers.
	DropSeries(ids []SeriesID)
}

var errForeign = errors.New("the saved state is not what this plugin wrote; reset it")

func checkVersion(found, own uint32) error {
	if found == own {
		return nil
	}
	return fmt.Errorf("the saved state has version %d, and this plugin reads %d; reset it", found, own)
}

// pointer is how a value of a state is written and read: *V with the methods of Stored.
type pointer[V any] interface {
	*V
	Stored
}

func readValue[V any, P pointer[V]](entry Entry) (*V, error) {
	value := new(V)
	from := Reader{bytes: entry.Value}
	P(value).Read(&from)
	if entry.Value == nil || !from.done() {
		return nil, errForeign
	}
	return value, nil
}

func written[V any, P pointer[V]](value *V) []byte {
	if value == nil {
		return nil
	}
	// Not nil when a value has no bytes: that would say that it is gone.
	out := Writer{bytes: make([]byte, 0, 32)}
	P(value).Write(&out)
	return out.bytes
}

// slot is a value and what is known of it.
type slot[V any] struct {
	value *V
	dirty bool
}

// SeriesState is a value for each series, saved. Series are numbered densely, so this is a plain row of values.
type SeriesState[V any, P pointer[V]] struct {
	version uint32
	slots   []slot[V]
	dirty   []SeriesID
}

// NewSeriesState is empty, of the version that the manifest says.
func NewSeriesState[V any, P pointer[V]](version uint32) *SeriesState[V, P] {
	return &SeriesState[V, P]{version: version}
}

// Get is a value to look at, or nil.
func (s *SeriesState[V, P]) Get(id SeriesID) *V {
	if int(id) < len(s.slots) {
		return s.slots[id].value
	}
	return nil
}

// Changed says that a value was changed: it will be saved.
func (s *SeriesState[V, P]) Changed(id SeriesID) {
	if !s.slots[id].dirty {
		s.slots[id].dirty = true
		s.dirty = append(s.dirty, id)
	}
}

// Set puts a value: it will be saved.
func (s *SeriesState[V, P]) Set(id SeriesID, value V) {
	s.place(id, &value)
	s.Changed(id)
}

// Delete forgets a value.
func (s *SeriesState[V, P]) Delete(id SeriesID) {
	if s.Get(id) != nil {
		s.slots[id].value = nil
		s.Changed(id)
	}
}

func (s *SeriesState[V, P]) place(id SeriesID, value *V) {
	for len(s.slots) <= int(id) {
		s.slots = append(s.slots, slot[V]{})
	}
	s.slots[id].value = value
}

// Restore takes back what earlier checkpoints handed out.
func (s *SeriesState[V, P]) Restore(version uint32, entries []Entry) error {
	if err := checkVersion(version, s.version); err != nil {
		return err
	}
	for _, entry := range entries {
		key := Reader{bytes: entry.Key}
		id := key.Uint32()
		value, err := readValue[V, P](entry)
		if err != nil || !key.done() {
			return errForeign
		}
		s.place(id, value)
	}
	return nil
}

// Checkpoint is what changed since the last call.
func (s *SeriesState[V, P]) Checkpoint() []Entry {
	slices.Sort(s.dirty)
	entries := make([]Entry, 0, len(s.dirty))
	for _, id := range s.dirty {
		s.slots[id].dirty = false
		key := Writer{}
		key.Uint32(id)
		entries = append(entries, Entry{key.bytes, written[V, P](s.slots[id].value)})
	}
	s.dirty = s.dirty[:0]
	return entries
}

// DropSeries forgets series that will not come again under their numbers.
func (s *SeriesState[V, P]) DropSeries(ids []SeriesID) {
	for _, id := range ids {
		s.Delete(id)
	}
}

// State is a map from texts to values, saved.
type State[V any, P pointer[V]] struct {
	version uint32
	// slots without a value are there until the host was told that their key is gone.
	slots  map[string]*slot[V]
	dirty  []string
	sorted []string
}

// NewState is empty, of the version that the manifest says.
func NewState[V any, P pointer[V]](version uint32) *State[V, P] {
	return &State[V, P]{version: version, slots: map[string]*slot[V]{}}
}

// Get is a value to look at, or nil.
func (s *State[V, P]) Get(key string) *V {
	if slot, ok := s.slots[key]; ok {
		return slot.value
	}
	return nil
}

// Changed says that a value was changed: it will be saved.
func (s *State[V, P]) Changed(key string) {
	if slot := s.slots[key]; !slot.dirty {
		slot.dirty = true
		s.dirty = append(s.dirty, key)
	}
}

// Set puts a value: it will be saved.
func (s *State[V, P]) Set(key string, value V) {
	s.place(key, &value)
	s.Changed(key)
}

// Delete forgets a value.
func (s *State[V, P]) Delete(key string) {
	if s.Get(key) != nil {
		s.slots[key].value = nil
		s.sorted = nil
		s.Changed(key)
	}
}

// Keys are all keys, in the order of their bytes: that of a map is another one each time.
func (s *State[V, P]) Keys() []string {
	if s.sorted == nil {
		s.sorted = make([]string, 0, len(s.slots))
		for key, slot := range s.slots {
			if slot.value != nil {
				s.sorted = append(s.sorted, key)
			}
		}
		slices.Sort(s.sorted)
	}
	return s.sorted
}

func (s *State[V, P]) place(key string, value *V) {
	found, ok := s.slots[key]
	if !ok {
		found = &slot[V]{}
		s.slots[key] = found
	}
	if found.value == nil {
		s.sorted = nil
	}
	found.value = value
}

// Restore takes back what earlier checkpoints handed out.
func (s *State[V, P]) Restore(version uint32, entries []Entry) error {
	if err := checkVersion(version, s.version); err != nil {
		return err
	}
	for _, entry := range entries {
		value, err := readValue[V, P](entry)
		if err != nil {
			return err
		}
		s.place(string(entry.Key), value)
	}
	return nil
}

// Checkpoint is what changed since the last call.
func (s *State[V, P]) Checkpoint() []Entry {
	slices.Sort(s.dirty)
	entries := make([]Entry, 0, len(s.dirty))
	for _, key := range s.dirty {
		slot := s.slots[key]
		slot.dirty = false
		if slot.value == nil {
			delete(s.slots, key)
		}
		entries = append(entries, Entry{[]byte(key), written[V, P](slot.value)})
	}
	s.dirty = s.dirty[:0]
	return entries
}

// DropSeries does nothing: the keys are the plugin's own.
func (s *State[V, P]) DropSeries([]SeriesID) {}
