package plugin

import "errors"

// DetectorRunner is one instance of a detector being called: the same steps whether a host calls it through WebAssembly or a
// test calls it directly. Plugins have no use for it.
type DetectorRunner struct {
	Detector Detector
	book     seriesBook
}

// Define tells the labels of series.
func (r *DetectorRunner) Define(ids, labelCounts []uint32, pieces Pieces) {
	r.book.define(ids, labelCounts, pieces)
}

// Drop says that series will not come again.
func (r *DetectorRunner) Drop(ids []SeriesID) {
	r.book.drop(ids)
	if state := stateOf(r.Detector); state != nil {
		state.DropSeries(ids)
	}
}

// Restore hands it saved state.
func (r *DetectorRunner) Restore(version uint32, entries []Entry) error {
	return restore(stateOf(r.Detector), version, entries)
}

// Observe shows it a frame.
func (r *DetectorRunner) Observe(now int64, ids []SeriesID, timestamps []int64, values []float64, findings *Findings) {
	r.Detector.Observe(&Frame{Now: now, ids: ids, timestamps: timestamps, values: values, book: &r.book}, findings)
}

// Checkpoint is what changed in its state.
func (r *DetectorRunner) Checkpoint() []Entry { return checkpoint(stateOf(r.Detector)) }

// CorrelatorRunner is one instance of a correlator being called. Plugins have no use for it.
type CorrelatorRunner struct{ Correlator Correlator }

// Restore hands it saved state.
func (r *CorrelatorRunner) Restore(version uint32, entries []Entry) error {
	return restore(stateOf(r.Correlator), version, entries)
}

// Correlate shows it events.
func (r *CorrelatorRunner) Correlate(now int64, columns *Columns, changes *Changes) {
	r.Correlator.Correlate(now, &Batch{columns}, changes)
}

// Checkpoint is what changed in its state.
func (r *CorrelatorRunner) Checkpoint() []Entry { return checkpoint(stateOf(r.Correlator)) }

func stateOf(of any) Stateful {
	if remembering, ok := of.(Remembering); ok {
		return remembering.State()
	}
	return nil
}

func restore(state Stateful, version uint32, entries []Entry) error {
	switch {
	case state != nil:
		return state.Restore(version, entries)
	case len(entries) > 0:
		return errors.New("there is saved state, and this plugin keeps none")
	}
	return nil
}

func checkpoint(state Stateful) []Entry {
	if state == nil {
		return nil
	}
	return state.Checkpoint()
}
