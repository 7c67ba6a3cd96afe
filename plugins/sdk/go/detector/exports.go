//go:build wasip1

package detector

import (
	"runtime"
	"unsafe"

	"orion/plugin"
	"orion/plugin/internal/wire"
)

// The one instance: the host configures it before anything else.
var runner plugin.DetectorRunner

var findings = plugin.NewFindings(emit)

//go:wasmexport orion:plugin/detector@1.0.0#configure
func configure(parameters, count uint32) unsafe.Pointer {
	defer wire.EndCall()
	runner = plugin.DetectorRunner{Detector: makeDetector()}
	return wire.Answer(runner.Detector.Configure(wire.Parameters(parameters, count)))
}

//go:wasmexport orion:plugin/detector@1.0.0#define-series
func defineSeries(ids, count, labelCounts, counts, text, textBytes, ends, endCount uint32) {
	defer wire.EndCall()
	pieces := plugin.Pieces{Text: wire.List[byte](text, textBytes), Ends: wire.List[uint32](ends, endCount)}
	runner.Define(wire.List[uint32](ids, count), wire.List[uint32](labelCounts, counts), pieces)
}

//go:wasmexport orion:plugin/detector@1.0.0#drop-series
func dropSeries(ids, count uint32) {
	defer wire.EndCall()
	runner.Drop(wire.List[uint32](ids, count))
}

//go:wasmexport orion:plugin/detector@1.0.0#restore
func restore(version, entries, count uint32) unsafe.Pointer {
	defer wire.EndCall()
	return wire.Answer(runner.Restore(version, wire.Entries(entries, count)))
}

//go:wasmexport orion:plugin/detector@1.0.0#observe
func observe(now int64, ids, count, timestamps, _, values, _ uint32) {
	defer wire.EndCall()
	runner.Observe(now, wire.List[uint32](ids, count), wire.List[int64](timestamps, count), wire.List[float64](values, count), findings)
}

//go:wasmexport orion:plugin/detector@1.0.0#checkpoint
func checkpoint() unsafe.Pointer { return wire.Saved(runner.Checkpoint()) }

//go:wasmimport orion:plugin/findings@1.0.0 emit
func emitFinding(
	about, series, hasSeverity, severity uint32, timestamp int64, value float64,
	scored uint32, score float64, message, messageBytes, fields, fieldCount uint32,
)

func emit(finding *plugin.Finding) {
	message, fields := wire.OfText(finding.Message), wire.Fields(finding.Fields)
	list := wire.Of(fields)
	said := finding.Severity != plugin.Unsaid
	severity := max(finding.Severity, plugin.Info) - plugin.Info
	emitFinding(
		wire.Bool(finding.About), finding.Series, wire.Bool(said), uint32(severity), finding.Timestamp, finding.Value,
		wire.Bool(finding.Scored), finding.Score, message.At, message.Length, list.At, list.Length,
	)
	runtime.KeepAlive(fields)
	runtime.KeepAlive(finding)
}
