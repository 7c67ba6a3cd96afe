package plugin

import "iter"

// Status says whether a thing began, ended, or just happened.
type Status uint8

// Statuses of an event.
const (
	// StatusOccurred is a thing of one moment.
	StatusOccurred Status = iota
	// StatusFiring holds from now on.
	StatusFiring
	// StatusResolved held until now.
	StatusResolved
)

// Columns are the columns of a batch, as they come from the host.
type Columns struct {
	Positions    []uint64
	Timestamps   []int64
	Severities   []uint8
	Statuses     []uint8
	Fingerprints []uint64
	Values       []float64
	LabelCounts  []uint32
	Pieces
}

// Batch is events in bus order. It is valid until Correlate returns.
type Batch struct{ columns *Columns }

// Len is the number of events. With none time has passed and nothing else.
func (b *Batch) Len() int { return len(b.columns.Positions) }

// fixedPieces are the pieces of text of an event before its labels: key and type.
const fixedPieces = 2

// Events are the events in bus order.
func (b *Batch) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		c := b.columns
		piece := 0
		for i, position := range c.Positions {
			event := Event{
				Position: position, Timestamp: c.Timestamps[i], Severity: Severity(c.Severities[i]) + Info,
				Status: Status(c.Statuses[i]), Fingerprint: c.Fingerprints[i], Value: c.Values[i],
				piece: piece, labels: int(c.LabelCounts[i]), pieces: c.Pieces,
			}
			if !yield(event) {
				return
			}
			piece += fixedPieces + 2*event.labels
		}
	}
}

// Event is one event.
type Event struct {
	// Position on the bus; grows from event to event.
	Position uint64
	// Timestamp is when, in milliseconds.
	Timestamp int64
	Severity  Severity
	Status    Status
	// Fingerprint is the same for the firing and the resolved event of one alert.
	Fingerprint uint64
	// Value is the value it carries; NaN when it carries none.
	Value  float64
	piece  int
	labels int
	pieces Pieces
}

// Key is its group.
func (e Event) Key() string { return e.pieces.at(e.piece) }

// Type is what kind of thing: service_down.
func (e Event) Type() string { return e.pieces.at(e.piece + 1) }

// Labels are its labels, sorted by name.
func (e Event) Labels() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range e.labels {
			name := e.piece + fixedPieces + 2*i
			if !yield(e.pieces.at(name), e.pieces.at(name+1)) {
				return
			}
		}
	}
}

// Label is the value of one label, and whether it is there.
func (e Event) Label(name string) (string, bool) { return labelOf(e.Labels(), name) }
