//! What forecast finds: at its boundaries, in noise, and through restarts.

use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use orion_plugin::{ParameterValue, Scalar};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<Forecast> {
    DetectorProbe::new(given).unwrap()
}

fn to_zero() -> Vec<(&'static str, ParameterValue)> {
    vec![("limit", 0.0.into()), ("within", (10 * HOUR).into())]
}

/// What is found at each minute of a series.
fn found(
    probe: &mut DetectorProbe<Forecast>,
    minutes: std::ops::Range<i64>,
    value: impl Fn(i64) -> f64,
) -> Vec<(i64, f64)> {
    let mut found = vec![];
    for minute in minutes {
        found.extend(
            probe.observe(minute * MINUTE, &[(0, value(minute))]).iter().map(|finding| (minute, finding.value)),
        );
    }
    found
}

/// Repeatable noise around zero, no further than one.
fn noise(minute: i64) -> f64 {
    ((minute.wrapping_mul(2_654_435_761) >> 7) % 2_001 - 1_000) as f64 / 1_000.0
}

#[test]
fn a_falling_series_is_found_from_the_minute_on_at_which_the_limit_is_exactly_so_far_away() {
    let mut probe = probe(&to_zero());
    // One unit a minute, 720 of them: ten hours before zero are at minute 120.
    let found = found(&mut probe, 0..130, |minute| (720 - minute) as f64);
    assert_eq!(found.first(), Some(&(120, 36_000.0)));
    assert_eq!(found.len(), 10);
}

#[test]
fn a_rising_series_is_found_before_a_limit_above_it_and_not_by_a_rule_for_falling_ones() {
    let rising = |minute: i64| minute as f64;
    let mut up = probe(&[("limit", 720.0.into()), ("direction", "up".into()), ("within", (10 * HOUR).into())]);
    assert_eq!(found(&mut up, 0..130, rising).first(), Some(&(120, 36_000.0)));
    let mut down = probe(&[("limit", (-100.0).into()), ("within", (1_000 * HOUR).into())]);
    assert_eq!(found(&mut down, 0..400, rising), []);
}

#[test]
fn before_the_minimum_history_nothing_is_projected_and_the_limit_itself_is_found_at_once() {
    let mut falling = probe(&to_zero());
    assert_eq!(found(&mut falling, 0..90, |minute| (100 - minute) as f64).first(), Some(&(60, 2_400.0)));
    let mut beyond = probe(&to_zero());
    let findings = beyond.observe(0, &[(0, 0.0), (1, 0.1), (2, -5.0)]);
    let said: Vec<_> = findings.iter().map(|finding| (finding.series, finding.value, &*finding.message)).collect();
    assert_eq!(said, [(Some(0), 0.0, "is at 0 and has reached 0"), (Some(2), 0.0, "is at -5 and has reached 0")]);
}

#[test]
fn a_series_that_goes_nowhere_is_never_found_however_long_and_noisy() {
    let mut probe = probe(&[("limit", 0.0.into()), ("within", (24 * HOUR).into())]);
    assert_eq!(found(&mut probe, 0..3_000, |minute| 50.0 + 5.0 * noise(minute)), []);
}

#[test]
fn noise_widens_the_interval_and_the_expected_time_lies_in_it() {
    let mut probe = probe(&[("limit", 0.0.into()), ("within", (48 * HOUR).into())]);
    let value = |minute: i64| 1_000.0 - minute as f64 + 20.0 * noise(minute);
    let mut last = None;
    for minute in 0..600 {
        last = probe.observe(minute * MINUTE, &[(0, value(minute))]).pop();
    }
    let last = last.unwrap();
    let field = |name: &str| match last.fields.iter().find(|field| field.name == name).unwrap().value {
        Scalar::Number(number) => number,
        _ => panic!("{name}"),
    };
    let (earliest, latest) = (field("earliest_seconds"), field("latest_seconds"));
    assert!(earliest < last.value && last.value < latest);
    // It is at 400 and falls by one a minute.
    assert!(earliest < 24_060.0 && 24_060.0 < latest, "{earliest} {latest}");
    assert!((field("per_hour") + 60.0).abs() < 5.0);
}

#[test]
fn a_disk_that_fills_and_is_cleaned_is_not_found() {
    let mut probe = probe(&[("limit", 0.0.into()), ("within", (24 * HOUR).into())]);
    // Over three hours it falls from 100 to 10, and is back at 100.
    let found = found(&mut probe, 0..3_000, |minute| 100.0 - (minute % 180) as f64 / 2.0);
    // The first time nobody can know that it will be cleaned, and what that means shows a while later.
    assert!(found.iter().all(|(minute, _)| *minute < 240), "{found:?}");
}

#[test]
fn a_few_wild_samples_change_nothing_that_is_found() {
    let mut probe = probe(&to_zero());
    let value = |minute: i64| if minute % 17 == 3 { 5_000.0 } else { (720 - minute) as f64 };
    let found = found(&mut probe, 0..200, value);
    assert!(found.iter().any(|(minute, _)| *minute <= 125), "{found:?}");
}

#[test]
fn what_stopped_falling_is_not_found_any_more() {
    let mut probe = probe(&[("limit", 0.0.into()), ("within", (24 * HOUR).into())]);
    assert!(!found(&mut probe, 0..300, |minute| (900 - minute) as f64).is_empty());
    let found = found(&mut probe, 300..700, |_| 600.0);
    assert!(found.iter().all(|(minute, _)| *minute < 300 + 200), "{found:?}");
}

#[test]
fn after_a_gap_as_long_as_the_history_it_begins_anew() {
    let mut probe = probe(&to_zero());
    assert!(!found(&mut probe, 0..200, |minute| (720 - minute) as f64).is_empty());
    assert_eq!(probe.observe((199 + 360) * MINUTE, &[(0, 100.0)]), []);
    assert_eq!(found(&mut probe, 560..600, |_| 100.0), []);
}

#[test]
fn the_same_instant_again_says_the_same_again_and_what_is_no_number_is_not_seen() {
    let mut probe = probe(&to_zero());
    found(&mut probe, 0..130, |minute| (720 - minute) as f64);
    let first = probe.observe(130 * MINUTE, &[(0, 590.0)]);
    assert_eq!(first.len(), 1);
    assert_eq!(probe.observe(130 * MINUTE, &[(0, 1.0)]), first);
    assert_eq!(probe.observe(40 * MINUTE, &[(0, 1.0)])[0].message, first[0].message);
    assert_eq!(probe.observe(131 * MINUTE, &[(0, f64::NAN), (0, f64::NEG_INFINITY)]), []);
}

#[test]
fn a_finding_says_when_how_sure_and_why() {
    let mut probe = probe(&to_zero());
    found(&mut probe, 0..400, |minute| (720 - minute) as f64);
    let found = &probe.observe(400 * MINUTE, &[(0, 320.0)])[0];
    assert_eq!(
        found.message,
        "reaches 0 in about 5h20m (1970-01-01T12:00:00Z), between 5h20m and 5h20m with 90% confidence: it is at 320 and falls by 60 an hour, as of the last 6h"
    );
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<Forecast>::new(given).err().unwrap().0;
    assert_eq!(refused(&[]), "`limit` is needed: the value that is not to be reached");
    assert_eq!(refused(&[("limit", f64::INFINITY.into())]), "`limit` is not a number");
    assert_eq!(
        refused(&[("limit", 0.0.into()), ("confidence", "50%".into())]),
        "`confidence` must be 80%, 90%, 95% or 99%"
    );
    assert_eq!(
        refused(&[("limit", 0.0.into()), ("history", HOUR.into()), ("minimum_history", HOUR.into())]),
        "`minimum_history` must be less than `history`, or nothing is ever projected"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_restart_after_any_frame_changes_nothing(
        steps in proptest::collection::vec((1_i64..40, -3.0..3.0_f64, any::<bool>(), any::<bool>()), 30..150),
    ) {
        let given = [
            ("limit", 0.0.into()), ("within", (10 * HOUR).into()), ("history", 2_000_000_i64.into()), ("minimum_history", 100_000_i64.into()),
        ];
        let mut now = 0;
        let frames: Vec<_> = steps.into_iter().map(|(seconds, noise, other, restart)| {
            now += seconds * 1_000;
            let mut samples = vec![(9, 1_000.0 - now as f64 / 10_000.0 + noise)];
            samples.extend(other.then_some((3, 500.0 - now as f64 / 5_000.0 + noise)));
            TestFrame { now, samples, restart }
        }).collect();
        let found = found_through_restarts::<Forecast>(&given, STATE_VERSION, &frames).unwrap();
        prop_assert!(now < 1_000_000 || found > 0);
    }
}
