package main

import (
	"math"

	"orion/plugin"
	"orion/plugin/detector"
)

// stateVersion has to be raised, here and in plugin.toml, when the form of mean changes.
const stateVersion = 1

// mean is what a series taught so far.
type mean struct {
	mean    float64
	samples int64
	last    int64
}

func (m *mean) Write(out *plugin.Writer) {
	out.Float64(m.mean)
	out.Int64(m.samples)
	out.Int64(m.last)
}

func (m *mean) Read(from *plugin.Reader) {
	m.mean, m.samples, m.last = from.Float64(), from.Int64(), from.Int64()
}

// Surge finds series that are far above their own running mean.
type Surge struct {
	factor float64
	warmup int64
	weight float64
	means  *plugin.SeriesState[mean, *mean]
}

func newSurge() plugin.Detector {
	return &Surge{means: plugin.NewSeriesState[mean](stateVersion)}
}

func (s *Surge) Configure(parameters plugin.Parameters) error {
	s.factor = parameters.Number("factor", 3)
	s.warmup = parameters.Integer("warmup", 10)
	s.weight = parameters.Number("weight", 0.1)
	return nil
}

func (s *Surge) State() plugin.Stateful { return s.means }

func (s *Surge) Observe(frame *plugin.Frame, findings *plugin.Findings) {
	for sample := range frame.Samples() {
		if math.IsNaN(sample.Value) || math.IsInf(sample.Value, 0) {
			continue
		}
		known := s.means.Get(sample.ID)
		if known == nil {
			s.means.Set(sample.ID, mean{sample.Value, 1, sample.Timestamp})
			continue
		}
		if s.isSurge(sample.Value, known) {
			findings.Emit(s.finding(sample, known))
		}
		s.teach(sample, known)
	}
}

func (s *Surge) isSurge(value float64, known *mean) bool {
	return known.samples >= s.warmup && known.mean > 0 && value > s.factor*known.mean
}

func (s *Surge) finding(sample plugin.Sample, known *mean) plugin.Finding {
	finding := sample.Finding()
	if sample.Value > 2*s.factor*known.mean {
		finding.Severity = plugin.Critical
	}
	series := sample.Series()
	name := series.LabelOr("instance", series.LabelOr("job", "a series"))
	finding.SetScore(sample.Value / known.mean)
	finding.Message = name + " is far above its mean"
	finding.Add("mean", plugin.Number(known.mean))
	finding.Add("samples", plugin.Integer(known.samples))
	return finding
}

// teach learns from a sample. One that is not newer teaches nothing: after an edit of the rule the same instant may be seen
// again.
func (s *Surge) teach(sample plugin.Sample, known *mean) {
	if sample.Timestamp <= known.last {
		return
	}
	known.mean += s.weight * (sample.Value - known.mean)
	known.samples++
	known.last = sample.Timestamp
	s.means.Changed(sample.ID)
}

func init() { detector.Register(newSurge) }

func main() {}
