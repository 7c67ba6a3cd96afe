//go:build wasip1

package correlator

import (
	"runtime"
	"unsafe"

	"orion/plugin"
	"orion/plugin/internal/wire"
)

// The one instance: the host configures it before anything else.
var runner plugin.CorrelatorRunner

var changes = plugin.NewChanges(emit)

//go:wasmexport orion:plugin/correlator@1.0.0#configure
func configure(parameters, count uint32) unsafe.Pointer {
	defer wire.EndCall()
	runner = plugin.CorrelatorRunner{Correlator: makeCorrelator()}
	return wire.Answer(runner.Correlator.Configure(wire.Parameters(parameters, count)))
}

//go:wasmexport orion:plugin/correlator@1.0.0#restore
func restore(version, entries, count uint32) unsafe.Pointer {
	defer wire.EndCall()
	return wire.Answer(runner.Restore(version, wire.Entries(entries, count)))
}

// batch is how the host leaves the arguments of a call in memory: they are more than it can hand over one by one.
type batch struct {
	now                               int64
	positions, timestamps, severities wire.Ref
	statuses, fingerprints, values    wire.Ref
	labelCounts, text, ends           wire.Ref
}

//go:wasmexport orion:plugin/correlator@1.0.0#correlate
func correlate(at uint32) {
	defer wire.EndCall()
	given := wire.List[batch](at, 1)[0]
	runner.Correlate(given.now, &plugin.Columns{
		Positions:    list[uint64](given.positions),
		Timestamps:   list[int64](given.timestamps),
		Severities:   list[uint8](given.severities),
		Statuses:     list[uint8](given.statuses),
		Fingerprints: list[uint64](given.fingerprints),
		Values:       list[float64](given.values),
		LabelCounts:  list[uint32](given.labelCounts),
		Pieces:       plugin.Pieces{Text: list[byte](given.text), Ends: list[uint32](given.ends)},
	}, changes)
}

func list[T any](ref wire.Ref) []T { return wire.List[T](ref.At, ref.Length) }

//go:wasmexport orion:plugin/correlator@1.0.0#checkpoint
func checkpoint() unsafe.Pointer { return wire.Saved(runner.Checkpoint()) }

//go:wasmimport orion:plugin/incidents@1.0.0 emit
func emitChange(
	key, keyBytes, kind, severity uint32, timestamp int64, reason, reasonBytes, positions, positionCount, fields, fieldCount uint32,
)

func emit(change *plugin.Change) {
	key, reason := wire.OfText(change.Key), wire.OfText(change.Reason)
	positions, fields := wire.Of(change.Positions), wire.Fields(change.Fields)
	list := wire.Of(fields)
	// A change always has a severity; one that was not said is the least.
	severity := max(change.Severity, plugin.Info) - plugin.Info
	emitChange(
		key.At, key.Length, uint32(change.Kind), uint32(severity), change.Timestamp, reason.At, reason.Length,
		positions.At, positions.Length, list.At, list.Length,
	)
	runtime.KeepAlive(fields)
	runtime.KeepAlive(change)
}
