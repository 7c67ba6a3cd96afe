//! A series that is far above its own running mean.

use orion_plugin::{
    Detector, Findings, Frame, Parameters, Refused, Sample, SeriesState, Severity, Stateful, Stored,
};

const STATE_VERSION: u32 = 1;

/// The detector.
pub struct Surge {
    factor: f64,
    warmup: i64,
    weight: f64,
    known: SeriesState<Known>,
}

/// What is known of a series.
#[derive(Clone, Copy)]
struct Known {
    mean: f64,
    samples: i64,
    last: i64,
}

impl Stored for Known {
    fn write(&self, out: &mut Vec<u8>) {
        self.mean.write(out);
        self.samples.write(out);
        self.last.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self { mean: f64::read(from)?, samples: i64::read(from)?, last: i64::read(from)? })
    }
}

impl Detector for Surge {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        Ok(Self {
            factor: parameters.number("factor")?.unwrap_or(3.0),
            warmup: parameters.integer("warmup")?.unwrap_or(10),
            weight: parameters.number("weight")?.unwrap_or(0.1),
            known: SeriesState::of_version(STATE_VERSION),
        })
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        for sample in frame.samples().filter(|sample| sample.value.is_finite()) {
            let known = self.known.get(sample.series().id()).copied();
            if let Some(known) = known {
                self.judge(&sample, known, findings);
            }
            self.teach(&sample, known);
        }
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.known)
    }
}

impl Surge {
    fn judge(&self, sample: &Sample<'_>, known: Known, findings: &mut Findings) {
        let Known { mean, samples, .. } = known;
        let is_far_above = mean > 0.0 && sample.value > self.factor * mean;
        if samples < self.warmup || !is_far_above {
            return;
        }
        let series = sample.series();
        let name = series.label("instance").or_else(|| series.label("job")).unwrap_or("a series");
        let finding = sample.finding().message(format!("{name} is far above its mean")).score(sample.value / mean);
        let finding = finding.field("mean", mean).field("samples", samples);
        let is_critical = sample.value > 2.0 * self.factor * mean;
        findings.emit(if is_critical { finding.severity(Severity::Critical) } else { finding });
    }

    /// A sample that is not newer than the last teaches nothing: an edited rule is shown an instant it has seen.
    fn teach(&mut self, sample: &Sample<'_>, known: Option<Known>) {
        let (value, last) = (sample.value, sample.timestamp);
        let learnt = match known {
            Some(known) if last <= known.last => return,
            Some(Known { mean, samples, .. }) => {
                Known { mean: mean + self.weight * (value - mean), samples: samples + 1, last }
            }
            None => Known { mean: value, samples: 1, last },
        };
        self.known.insert(sample.series().id(), learnt);
    }
}

orion_plugin::detector!(Surge);

#[cfg(test)]
mod tests {
    use orion_plugin::testing::DetectorProbe;

    use super::*;

    fn probe() -> DetectorProbe<Surge> {
        let given = [("factor", 2.0.into()), ("warmup", 2_i64.into()), ("weight", 0.5.into())];
        let mut probe = DetectorProbe::new(&given).unwrap();
        probe.define(7, &[("instance", "höst"), ("job", "node")]);
        probe
    }

    #[test]
    fn a_value_far_above_the_mean_is_found() {
        let mut probe = probe();
        assert!(probe.observe(1, &[(7, 10.0)]).is_empty());
        assert!(probe.observe(2, &[(7, 10.0)]).is_empty());
        let found = probe.observe(3, &[(7, 30.0)]);
        assert_eq!(found[0].message, "höst is far above its mean");
        assert_eq!((found[0].score, found[0].severity), (Some(3.0), None));
    }

    #[test]
    fn what_is_no_number_neither_is_found_nor_teaches() {
        let mut probe = probe();
        probe.observe(1, &[(7, 10.0)]);
        for value in [f64::NAN, f64::INFINITY] {
            assert!(probe.observe(2, &[(7, value)]).is_empty());
        }
        assert!(probe.observe(3, &[(7, 100.0)]).is_empty());
    }
}
