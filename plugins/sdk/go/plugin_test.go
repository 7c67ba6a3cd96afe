package plugin_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"orion/plugin"
	"orion/plugin/plugintest"
)

// seen is how often a series or a group was seen, with a text.
type seen struct {
	count uint32
	note  string
}

func (s *seen) Write(out *plugin.Writer) { out.Uint32(s.count); out.Text(s.note) }
func (s *seen) Read(from *plugin.Reader) { s.count, s.note = from.Uint32(), from.Text() }

// echo says back everything that it is told.
type echo struct {
	given plugin.Parameters
	seen  *plugin.SeriesState[seen, *seen]
}

func newEcho() *echo { return &echo{seen: plugin.NewSeriesState[seen](7)} }

func (e *echo) Configure(parameters plugin.Parameters) error {
	e.given = parameters
	if parameters.Flag("refuse", false) {
		return errors.New("`refuse` is sät")
	}
	return nil
}

func (e *echo) State() plugin.Stateful { return e.seen }

func (e *echo) Observe(frame *plugin.Frame, findings *plugin.Findings) {
	for sample := range frame.Samples() {
		finding := sample.Finding()
		for name, value := range sample.Series().Labels() {
			finding.Message += name + "=" + value + ";"
		}
		count := uint32(1)
		if known := e.seen.Get(sample.ID); known != nil {
			count += known.count
		}
		e.seen.Set(sample.ID, seen{count, fmt.Sprint("ß", count)})
		finding.SetScore(float64(count))
		findings.Emit(finding)
	}
}

func probe(t *testing.T) *plugintest.Detector {
	t.Helper()
	probe, err := plugintest.NewDetector(newEcho(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return probe
}

func TestParametersComeWithTheirTypesAndWhatWasNotSaidIsWhatThePluginSaysInstead(t *testing.T) {
	given := plugin.Parameters{"number": -2.5, "integer": int64(1) << 62, "flag": false, "text": "höst", "texts": []string{"a", ""}}
	if given.Number("number", 1) != -2.5 || given.Integer("integer", 1) != 1<<62 || given.Flag("flag", true) ||
		given.Text("text", "") != "höst" || len(given.Texts("texts")) != 2 {
		t.Error("something that was said is another")
	}
	if given.Number("other", 1) != 1 || given.Number("text", 2) != 2 || given.Millis("other", 3) != 3 || given.Texts("other") != nil {
		t.Error("something that was not said is not what was asked for instead")
	}
}

func TestARefusalComesInWords(t *testing.T) {
	_, err := plugintest.NewDetector(newEcho(), plugin.Parameters{"refuse": true})
	if err == nil || err.Error() != "`refuse` is sät" {
		t.Error(err)
	}
}

func TestASeriesHasTheLabelsItWasLastGivenAndNoneOnceItIsDropped(t *testing.T) {
	probe := probe(t)
	message := func() string { return probe.Observe(1, plugintest.Sample{ID: 3})[0].Message }
	probe.Define(3, plugintest.Labels{"zone": "ä", "job": "😀"})
	probe.Define(0, nil)
	first := message()
	probe.Define(3, plugintest.Labels{"job": "other"})
	second := message()
	probe.Drop(3, 99)
	if told := []string{first, second, message()}; !reflect.DeepEqual(told, []string{"job=😀;zone=ä;", "job=other;", ""}) {
		t.Errorf("%q", told)
	}
}

func TestACheckpointHoldsWhatChangedInOrderAndGoesBackIntoAnotherInstance(t *testing.T) {
	probe, other, saved := probe(t), probe(t), plugintest.Saved{}
	probe.Observe(1, plugintest.Sample{ID: 9}, plugintest.Sample{ID: 2})
	first := probe.Checkpoint()
	if len(first) != 2 || first[0].Key[0] != 2 || first[1].Key[0] != 9 || len(probe.Checkpoint()) != 0 {
		t.Fatalf("%v", first)
	}
	saved.Keep(first)
	probe.Observe(2, plugintest.Sample{ID: 9})
	probe.Drop(2)
	second := probe.Checkpoint()
	if len(second) != 2 || second[0].Value != nil || second[1].Value == nil {
		t.Fatalf("%v", second)
	}
	saved.Keep(second)
	if err := other.Restore(7, &saved); err != nil {
		t.Fatal(err)
	}
	found := other.Observe(3, plugintest.Sample{ID: 9}, plugintest.Sample{ID: 2})
	if found[0].Score != 3 || found[1].Score != 1 {
		t.Errorf("%+v", found)
	}
}

func TestStateOfAnotherVersionOrThatIsSomethingElseIsRefused(t *testing.T) {
	saved := plugintest.Saved{}
	saved.Keep([]plugin.Entry{{Key: []byte{1, 0, 0, 0}, Value: []byte{1, 0, 0, 0, 200, 0, 0, 0, 65}}})
	if err := probe(t).Restore(8, &saved); err == nil || err.Error() != "the saved state has version 8, and this plugin reads 7; reset it" {
		t.Error(err)
	}
	if err := probe(t).Restore(7, &saved); err == nil || err.Error() != "the saved state is not what this plugin wrote; reset it" {
		t.Error(err)
	}
}

// teller says back every event. It keeps no state.
type teller struct{}

func (teller) Configure(plugin.Parameters) error { return nil }

func (teller) Correlate(now int64, events *plugin.Batch, changes *plugin.Changes) {
	for event := range events.Events() {
		reason := event.Type()
		for name, value := range event.Labels() {
			reason += " " + name + "=" + value
		}
		zone, _ := event.Label("zone")
		change := plugin.Change{
			Kind: plugin.Updated, Key: event.Key(), Severity: event.Severity, Timestamp: event.Timestamp, Reason: reason,
			Positions: []uint64{event.Position},
		}
		change.Add("seen", plugin.Text(fmt.Sprint(event.Status, event.Fingerprint, event.Value, now, zone)))
		changes.Emit(change)
	}
}

func TestAnEventIsToldWhole(t *testing.T) {
	probe, err := plugintest.NewCorrelator(teller{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	event := plugintest.Event{
		Position: 1<<63 + 1, At: 5, Key: "schlüssel", Severity: plugin.Critical, Status: plugin.StatusResolved, Fingerprint: 77,
		Value: 1.5, Type: "döwn", Labels: plugintest.Labels{"zone": "日本", "a": ""},
	}
	said := probe.Correlate(8, plugintest.Event{Position: 1, Value: math.NaN()}, event)
	wanted := plugin.Change{
		Kind: plugin.Updated, Key: "schlüssel", Severity: plugin.Critical, Timestamp: 5, Reason: "döwn a= zone=日本",
		Positions: []uint64{1<<63 + 1}, Fields: []plugin.Field{{Name: "seen", Value: plugin.Text("2 77 1.5 8日本")}},
	}
	if len(said) != 2 || said[0].Reason != "test" || !reflect.DeepEqual(said[1], wanted) {
		t.Errorf("%+v", said)
	}
	saved := plugintest.Saved{}
	saved.Keep([]plugin.Entry{{Key: []byte{1}, Value: []byte{1}}})
	if err := probe.Restore(1, &saved); err == nil || err.Error() != "there is saved state, and this plugin keeps none" {
		t.Error(err)
	}
}

func TestKeysAreInTheOrderOfTheirBytesAndWhatIsGoneIsSaidOnce(t *testing.T) {
	state := plugin.NewState[seen](1)
	for _, key := range []string{"😀", "b", "\uFFFD", "", "a"} {
		state.Set(key, seen{})
	}
	state.Delete("b")
	if keys := state.Keys(); !reflect.DeepEqual(keys, []string{"", "a", "\uFFFD", "😀"}) {
		t.Errorf("%q", keys)
	}
	if entries := state.Checkpoint(); len(entries) != 5 || string(entries[2].Key) != "b" || entries[2].Value != nil {
		t.Errorf("%v", entries)
	}
	if entries := state.Checkpoint(); len(entries) != 0 {
		t.Errorf("%v", entries)
	}
}
