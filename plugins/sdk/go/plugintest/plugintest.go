// Package plugintest calls plugins directly, on the machine they are written on: the same steps a host takes, without
// WebAssembly.
package plugintest

import (
	"bytes"
	"maps"
	"slices"

	"orion/plugin"
)

// Saved is what a host keeps of a plugin's state.
type Saved struct{ values map[string][]byte }

// Keep takes what a checkpoint returned.
func (s *Saved) Keep(entries []plugin.Entry) {
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	for _, entry := range entries {
		if entry.Value == nil {
			delete(s.values, string(entry.Key))
		} else {
			s.values[string(entry.Key)] = entry.Value
		}
	}
}

// Entries are all of it, to restore from.
func (s *Saved) Entries() []plugin.Entry {
	var entries []plugin.Entry
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		entries = append(entries, plugin.Entry{Key: []byte(key), Value: bytes.Clone(s.values[key])})
	}
	return entries
}

// Labels are the labels of a series or event.
type Labels = map[string]string

// pieces appends texts.
func pieces(to *plugin.Pieces, texts ...string) {
	for _, text := range texts {
		to.Text = append(to.Text, text...)
		to.Ends = append(to.Ends, uint32(len(to.Text)))
	}
}

// labelled appends labels, sorted by name as a host has them.
func labelled(to *plugin.Pieces, labels Labels) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pieces(to, name, labels[name])
	}
}

// Sample is a sample as tests write it. Without At it was taken at the instant of its frame.
type Sample struct {
	ID    plugin.SeriesID
	Value float64
	At    int64
}

// Detector is a detector that is called directly.
type Detector struct{ runner plugin.DetectorRunner }

// NewDetector configures it with these parameters, or returns its refusal.
func NewDetector(detector plugin.Detector, given plugin.Parameters) (*Detector, error) {
	if err := detector.Configure(given); err != nil {
		return nil, err
	}
	return &Detector{plugin.DetectorRunner{Detector: detector}}, nil
}

// Define tells the labels of a series.
func (d *Detector) Define(id plugin.SeriesID, labels Labels) {
	var text plugin.Pieces
	labelled(&text, labels)
	d.runner.Define([]plugin.SeriesID{id}, []uint32{uint32(len(labels))}, text)
}

// Drop says that series will not come again.
func (d *Detector) Drop(ids ...plugin.SeriesID) { d.runner.Drop(ids) }

// Observe shows it a frame, and returns what it finds.
func (d *Detector) Observe(now int64, samples ...Sample) (found []plugin.Finding) {
	var ids []plugin.SeriesID
	var timestamps []int64
	var values []float64
	for _, sample := range samples {
		at := sample.At
		if at == 0 {
			at = now
		}
		ids, timestamps, values = append(ids, sample.ID), append(timestamps, at), append(values, sample.Value)
	}
	findings := plugin.NewFindings(func(finding *plugin.Finding) { found = append(found, *finding) })
	d.runner.Observe(now, ids, timestamps, values, findings)
	return found
}

// Checkpoint is what changed in its state.
func (d *Detector) Checkpoint() []plugin.Entry { return d.runner.Checkpoint() }

// Restore hands it saved state.
func (d *Detector) Restore(version uint32, saved *Saved) error {
	return d.runner.Restore(version, saved.Entries())
}

// Event is an event as tests write it. Without a severity it is an error, without a type it is a "test".
type Event struct {
	Position    uint64
	At          int64
	Key         string
	Severity    plugin.Severity
	Status      plugin.Status
	Fingerprint uint64
	Value       float64
	Type        string
	Labels      Labels
}

// Correlator is a correlator that is called directly.
type Correlator struct{ runner plugin.CorrelatorRunner }

// NewCorrelator configures it with these parameters, or returns its refusal.
func NewCorrelator(correlator plugin.Correlator, given plugin.Parameters) (*Correlator, error) {
	if err := correlator.Configure(given); err != nil {
		return nil, err
	}
	return &Correlator{plugin.CorrelatorRunner{Correlator: correlator}}, nil
}

// Correlate shows it events, or with none that time has passed, and returns what it says.
func (c *Correlator) Correlate(now int64, events ...Event) (said []plugin.Change) {
	changes := plugin.NewChanges(func(change *plugin.Change) { said = append(said, *change) })
	columns := plugin.Columns{}
	for _, event := range events {
		push(&columns, event)
	}
	c.runner.Correlate(now, &columns, changes)
	return said
}

func push(to *plugin.Columns, event Event) {
	severity, kind := event.Severity, event.Type
	if severity == plugin.Unsaid {
		severity = plugin.Error
	}
	if kind == "" {
		kind = "test"
	}
	to.Positions = append(to.Positions, event.Position)
	to.Timestamps = append(to.Timestamps, event.At)
	to.Severities = append(to.Severities, uint8(severity-plugin.Info))
	to.Statuses = append(to.Statuses, uint8(event.Status))
	to.Fingerprints = append(to.Fingerprints, event.Fingerprint)
	to.Values = append(to.Values, event.Value)
	to.LabelCounts = append(to.LabelCounts, uint32(len(event.Labels)))
	pieces(&to.Pieces, event.Key, kind)
	labelled(&to.Pieces, event.Labels)
}

// Checkpoint is what changed in its state.
func (c *Correlator) Checkpoint() []plugin.Entry { return c.runner.Checkpoint() }

// Restore hands it saved state.
func (c *Correlator) Restore(version uint32, saved *Saved) error {
	return c.runner.Restore(version, saved.Entries())
}
