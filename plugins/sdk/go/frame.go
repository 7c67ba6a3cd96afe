package plugin

import (
	"bytes"
	"iter"
	"slices"
)

// SeriesID is the number of a series: the same from frame to frame, as long as the host does not drop it.
type SeriesID = uint32

// Frame is the answer to the rule's query at one instant. It is valid until Observe returns.
type Frame struct {
	// Now is the instant that was asked for, in milliseconds.
	Now        int64
	ids        []SeriesID
	timestamps []int64
	values     []float64
	book       *seriesBook
}

// Len is the number of samples.
func (f *Frame) Len() int { return len(f.ids) }

// Samples are the samples in the order of the answer.
func (f *Frame) Samples() iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		timestamps, values := f.timestamps[:len(f.ids)], f.values[:len(f.ids)]
		for i, id := range f.ids {
			if !yield(Sample{ID: id, Timestamp: timestamps[i], Value: values[i], book: f.book}) {
				return
			}
		}
	}
}

// Series is a series by its number, whether it is in this frame or not.
func (f *Frame) Series(id SeriesID) Series { return Series{ID: id, book: f.book} }

// Sample is the value of one series.
type Sample struct {
	// ID is the number of its series.
	ID SeriesID
	// Timestamp is when it was taken, in milliseconds.
	Timestamp int64
	Value     float64
	book      *seriesBook
}

// Series is the series it belongs to.
func (s Sample) Series() Series { return Series{ID: s.ID, book: s.book} }

// Finding is a finding about this sample: its series, time and value.
func (s Sample) Finding() Finding {
	return Finding{About: true, Series: s.ID, Timestamp: s.Timestamp, Value: s.Value}
}

// Series is a series and its labels.
type Series struct {
	ID   SeriesID
	book *seriesBook
}

// Labels are its labels, sorted by name.
func (s Series) Labels() iter.Seq2[string, string] { return s.book.labels(s.ID) }

// Label is the value of one label, and whether it is there.
func (s Series) Label(name string) (string, bool) {
	return labelOf(s.Labels(), name)
}

// LabelOr is the value of one label; otherwise when it is not there.
func (s Series) LabelOr(name, otherwise string) string {
	if value, ok := s.Label(name); ok {
		return value
	}
	return otherwise
}

func labelOf(labels iter.Seq2[string, string], name string) (string, bool) {
	for key, value := range labels {
		if key == name {
			return value, true
		}
	}
	return "", false
}

// Pieces are texts one behind the other, and the end of each: the form in which the contract has them.
type Pieces struct {
	Text []byte
	Ends []uint32
}

// at is a piece. It is a copy: what the host tells is gone when its call returns.
func (p Pieces) at(index int) string {
	start := uint32(0)
	if index > 0 {
		start = p.Ends[index-1]
	}
	return string(p.Text[start:p.Ends[index]])
}

// seriesBook holds the labels of all series that were defined.
type seriesBook struct{ rows []row }

// row is where the labels of one series are: in which call they were told, from which piece on, how many.
type row struct {
	told  *Pieces
	first int
	count int
}

func (b *seriesBook) define(ids, labelCounts []uint32, pieces Pieces) {
	told := &Pieces{Text: bytes.Clone(pieces.Text), Ends: slices.Clone(pieces.Ends)}
	first := 0
	for i, id := range ids {
		for len(b.rows) <= int(id) {
			b.rows = append(b.rows, row{})
		}
		count := int(labelCounts[i])
		b.rows[id] = row{told: told, first: first, count: count}
		first += 2 * count
	}
}

func (b *seriesBook) drop(ids []SeriesID) {
	for _, id := range ids {
		if int(id) < len(b.rows) {
			b.rows[id] = row{}
		}
	}
}

func (b *seriesBook) labels(id SeriesID) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if int(id) >= len(b.rows) {
			return
		}
		row := b.rows[id]
		for i := range row.count {
			name := row.first + 2*i
			if !yield(row.told.at(name), row.told.at(name+1)) {
				return
			}
		}
	}
}
