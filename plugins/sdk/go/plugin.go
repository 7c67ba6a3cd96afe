// Package plugin is what a plugin of Orion is written with. A detector reads frames and emits findings; a correlator reads
// events and emits incident changes; neither can do anything else.
//
// A plugin is a main package that registers its one detector or correlator:
//
//	type above struct{ bound float64 }
//
//	func (a *above) Configure(parameters plugin.Parameters) error {
//		a.bound = parameters.Number("above", 90)
//		return nil
//	}
//
//	func (a *above) Observe(frame *plugin.Frame, findings *plugin.Findings) {
//		for sample := range frame.Samples() {
//			if sample.Value > a.bound {
//				finding := sample.Finding()
//				finding.Message = "too much on " + sample.Series().LabelOr("instance", "somewhere")
//				findings.Emit(finding)
//			}
//		}
//	}
//
//	func init() { detector.Register(func() plugin.Detector { return &above{} }) }
//
//	func main() {}
//
// Equal inputs must give equal outputs. There is no clock and no randomness to go wrong with; what is left is the order of
// Go's maps, so State gives its keys in the order of their bytes.
package plugin

// Detector reads frames, emits findings.
type Detector interface {
	// Configure takes the rule's `with:`; an error is a refusal in words. The manifest's types, bounds and defaults were
	// applied already.
	Configure(parameters Parameters) error
	// Observe looks at one frame. At most one finding for each series.
	Observe(frame *Frame, findings *Findings)
}

// Correlator reads events, emits incident changes.
type Correlator interface {
	// Configure takes the correlation's `with:`; an error is a refusal in words.
	Configure(parameters Parameters) error
	// Correlate looks at events in bus order, or at none: then time has passed until now, in milliseconds.
	Correlate(now int64, events *Batch, changes *Changes)
}

// Remembering is a detector or correlator with something that survives a restart. Its manifest has a state-version.
type Remembering interface {
	State() Stateful
}

// Severity is how bad a thing is, in four steps; a higher one is worse.
type Severity uint8

// Severities. Unsaid leaves a finding's severity to the rule.
const (
	Unsaid Severity = iota
	// Info is worth knowing.
	Info
	// Warning will become a problem.
	Warning
	// Error is a problem.
	Error
	// Critical is when people are affected now.
	Critical
)

// Field is a further fact of a finding or a change.
type Field struct {
	Name  string
	Value Scalar
}

// Scalar is the value of a field: Text, Number, Integer or Flag.
type Scalar interface{ isScalar() }

// The kinds of scalars.
type (
	Text    string
	Number  float64
	Integer int64
	Flag    bool
)

func (Text) isScalar()    {}
func (Number) isScalar()  {}
func (Integer) isScalar() {}
func (Flag) isScalar()    {}
