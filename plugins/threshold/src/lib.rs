//! Every series beyond a bound is a finding. Without a bound every series in the answer is one: then the query has decided
//! already, as in a Prometheus alert.
//!
//! Several bounds are alternatives: `above: 90` with `below: 10` finds what has left the band between them. NaN is not a
//! number and breaches no bound.

use orion_plugin::{Detector, Findings, Frame, Parameters, Refused, Values, Wanted};

/// The bounds as three comparisons: most values breach nothing, and what each of them costs is what a frame costs. A
/// number that is none is a bound that no value breaches.
#[derive(Clone, Copy)]
struct Bounds {
    /// This or more.
    high: f64,
    /// This or less.
    low: f64,
    /// Exactly this.
    equal: f64,
}

impl Bounds {
    fn breached_by(self, values: Values) -> Wanted {
        values.at_least(self.high) | values.at_most(self.low) | values.equal_to(self.equal)
    }

    /// More than a number is the next one or more. Nothing is more than infinity.
    fn raise(&mut self, above: f64) {
        if above < f64::INFINITY {
            self.high = self.high.min(above.next_up());
        }
    }

    /// Less than a number is the one before it or less.
    fn lower(&mut self, below: f64) {
        if below > f64::NEG_INFINITY {
            self.low = self.low.max(below.next_down());
        }
    }
}

/// The detector.
pub struct Threshold(Option<Bounds>);

impl Detector for Threshold {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let bound = |name: &str| match parameters.number(name)? {
            Some(bound) if bound.is_nan() => Err(Refused(format!("`{name}` is not a number"))),
            bound => Ok(bound),
        };
        let (above, at_least, below) = (bound("above")?, bound("at_least")?, bound("below")?);
        let (at_most, equal, not_equal) = (bound("at_most")?, bound("equal")?, bound("not_equal")?);
        if [above, at_least, below, at_most, equal, not_equal].iter().all(Option::is_none) {
            return Ok(Self(None));
        }
        let or_none = |bound: Option<f64>| bound.unwrap_or(f64::NAN);
        let mut bounds = Bounds { high: or_none(at_least), low: or_none(at_most), equal: or_none(equal) };
        above.into_iter().chain(not_equal).for_each(|above| bounds.raise(above));
        below.into_iter().chain(not_equal).for_each(|below| bounds.lower(below));
        Ok(Self(Some(bounds)))
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        match self.0 {
            None => frame.samples().for_each(|sample| findings.emit(sample.finding())),
            Some(bounds) => frame
                .samples_where(|values| bounds.breached_by(values))
                .for_each(|sample| findings.emit(sample.finding())),
        }
    }
}

orion_plugin::detector!(Threshold);

#[cfg(test)]
mod tests {
    use orion_plugin::testing::DetectorProbe;
    use proptest::prelude::*;

    use super::*;

    fn found(given: &[(&str, f64)], values: &[f64]) -> Vec<f64> {
        let given: Vec<_> = given.iter().map(|(name, value)| (*name, (*value).into())).collect();
        let mut probe = DetectorProbe::<Threshold>::new(&given).unwrap();
        let samples: Vec<_> = (0..).zip(values.iter().copied()).collect();
        probe.observe(0, &samples).into_iter().map(|finding| finding.value).collect()
    }

    #[test]
    fn each_bound_finds_what_is_beyond_it_and_spares_the_bound_or_takes_it() {
        let values = [9.0, 10.0, 11.0];
        assert_eq!(found(&[("above", 10.0)], &values), [11.0]);
        assert_eq!(found(&[("at_least", 10.0)], &values), [10.0, 11.0]);
        assert_eq!(found(&[("below", 10.0)], &values), [9.0]);
        assert_eq!(found(&[("at_most", 10.0)], &values), [9.0, 10.0]);
        assert_eq!(found(&[("equal", 10.0)], &values), [10.0]);
        assert_eq!(found(&[("not_equal", 10.0)], &values), [9.0, 11.0]);
    }

    #[test]
    fn two_bounds_find_what_left_the_band_between_them() {
        assert_eq!(found(&[("above", 90.0), ("below", 10.0)], &[5.0, 50.0, 95.0]), [5.0, 95.0]);
    }

    #[test]
    fn without_a_bound_every_series_is_a_finding_with_its_value_and_no_message() {
        let mut probe = DetectorProbe::<Threshold>::new(&[]).unwrap();
        let findings = probe.observe(60_000, &[(3, 1.0), (7, f64::NAN)]);
        let said: Vec<_> = findings.iter().map(|finding| (finding.series, finding.timestamp)).collect();
        assert_eq!(said, [(Some(3), 60_000), (Some(7), 60_000)]);
        assert!(findings.iter().all(|finding| finding.message.is_empty()));
        assert!(findings[1].value.is_nan());
    }

    #[test]
    fn a_bound_that_is_not_a_number_is_refused() {
        let refused = DetectorProbe::<Threshold>::new(&[("above", f64::NAN.into())]).err().unwrap();
        assert_eq!(refused.0, "`above` is not a number");
    }

    proptest! {
        #[test]
        fn a_value_is_found_exactly_when_one_of_its_bounds_says_so(
            bounds in proptest::collection::vec(proptest::option::of(prop_oneof![
                -3.0..3.0_f64, (-3_i8..3).prop_map(f64::from), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(f64::MAX),
            ]), 6),
            values in proptest::collection::vec(prop_oneof![
                -4.0..4.0_f64,
                (-3_i8..3).prop_map(f64::from),
                Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0),
            ], 0..20),
        ) {
            type Holds = fn(f64, f64) -> bool;
            let operators: [(&str, Holds); 6] = [
                ("above", |value, bound| value > bound),
                ("at_least", |value, bound| value >= bound),
                ("below", |value, bound| value < bound),
                ("at_most", |value, bound| value <= bound),
                ("equal", |value, bound| value == bound),
                ("not_equal", |value, bound| value != bound && !value.is_nan()),
            ];
            let given: Vec<_> = operators.iter().zip(&bounds).filter_map(|((name, _), bound)| Some((*name, (*bound)?))).collect();
            let breaches = |value: f64| {
                given.is_empty()
                    || operators.iter().zip(&bounds).any(|((_, holds), bound)| bound.is_some_and(|bound| holds(value, bound)))
            };
            let want: Vec<_> = values.iter().filter(|value| breaches(**value)).map(|value| value.to_bits()).collect();
            let have: Vec<_> = found(&given, &values).iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(have, want);
        }
    }
}
