//! A series in a few points.

use orion_model::{Bound, RecordId, SeriesAround};
use serde_json::{Value, json};

/// Points of a sketch: it is some eighty pixels wide.
const POINTS: usize = 24;

/// What of a series fits into a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sketch {
    /// At even distances; nothing where there was no sample, or none that is a number.
    pub(super) values: [Option<f64>; POINTS],
    /// The value that went furthest beyond the bound.
    pub(super) peak: Option<f64>,
    pub(super) bound: Option<Bound>,
    pub(super) missing: Option<String>,
    /// It will not be another.
    pub(crate) whole: bool,
}

impl Sketch {
    /// Of each part of the span the value that is worst, so that no peak is lost between two points.
    pub(crate) fn of(around: &SeriesAround) -> Self {
        let bound = around.bounds.first().cloned();
        let is_below = bound.as_ref().is_some_and(|bound| bound.operator.starts_with('<'));
        let worse = |one: f64, other: f64| if is_below { one.min(other) } else { one.max(other) };
        let span = around.to.millis_since(around.from).max(0) + around.step_millis.max(1);
        let mut values = [None; POINTS];
        for (at, value) in around.samples.iter().filter(|(_, value)| value.is_finite()) {
            let place = at.millis_since(around.from).max(0) as f64 / span as f64 * POINTS as f64;
            if let Some(point) = values.get_mut(place as usize) {
                *point = Some(point.map_or(*value, |known| worse(known, *value)));
            }
        }
        let peak = values.iter().flatten().copied().reduce(worse);
        Self { values, peak, bound, missing: around.missing.clone(), whole: around.whole }
    }

    /// Where there is none, and why.
    pub(crate) fn without(why: &str) -> Self {
        Self { missing: Some(why.to_owned()), whole: true, ..Self::default() }
    }

    pub(super) fn told(&self, incident: RecordId) -> Value {
        let Self { values, peak, bound, missing, .. } = self;
        json!({ "incident_id": incident, "values": values, "peak": peak, "bound": bound, "missing": missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::Timestamp;

    fn around(operator: &'static str, values: &[(i64, f64)]) -> SeriesAround {
        let at = Timestamp::from_millis;
        let samples = values.iter().map(|(millis, value)| (at(*millis), *value)).collect();
        let bounds = vec![Bound { operator, value: 1.0 }];
        SeriesAround { from: at(0), to: at(4_700), step_millis: 100, samples, bounds, ..SeriesAround::default() }
    }

    #[test]
    fn of_each_part_the_worst_is_kept_and_gaps_stay_gaps() {
        let of = |operator| {
            Sketch::of(&around(operator, &[(0, 3.0), (100, 9.0), (199, 1.0), (300, f64::NAN), (4_700, 5.0)]))
        };
        let high = of(">");
        assert_eq!(&high.values[..3], [Some(9.0), None, None]);
        assert_eq!((high.values[POINTS - 1], high.peak), (Some(5.0), Some(9.0)));
        assert_eq!((of("<").values[0], of("<").peak), (Some(1.0), Some(1.0)));
        assert_eq!(Sketch::of(&SeriesAround::default()).peak, None);
    }
}
