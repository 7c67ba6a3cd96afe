//! What rate-of-change finds, against a plain model of it, through restarts.

use orion_plugin::ParameterValue;
use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<RateOfChange> {
    DetectorProbe::new(given).unwrap()
}

/// What is found at each of the samples of one series; zero is nothing.
fn rates(given: &[(&str, ParameterValue)], samples: &[(i64, f64)]) -> Vec<f64> {
    let mut probe = probe(given);
    let found =
        |(now, value): &(i64, f64)| probe.observe(*now, &[(0, *value)]).first().map_or(0.0, |found| found.value);
    samples.iter().map(found).collect()
}

#[test]
fn a_change_is_measured_from_exactly_the_windows_start() {
    let given = [("at_least", 10.0.into()), ("window", (10 * MINUTE).into())];
    let samples = [(0, 0.0), (5 * MINUTE, 9.0), (10 * MINUTE, 10.0), (15 * MINUTE, 19.0), (20 * MINUTE, 19.5)];
    assert_eq!(rates(&given, &samples), [0.0, 0.0, 10.0, 10.0, 0.0]);
}

#[test]
fn between_two_samples_the_start_is_on_the_line_that_joins_them() {
    let given = [("at_least", 1.0.into()), ("window", (10 * MINUTE).into())];
    // At 11 minutes the window starts at 1 minute, a quarter of the way from 0 to 8.
    assert_eq!(rates(&given, &[(0, 0.0), (4 * MINUTE, 8.0), (11 * MINUTE, 8.0)]), [0.0, 8.0, 6.0]);
}

#[test]
fn a_series_younger_than_the_window_is_not_projected() {
    let given = [("at_least", 10.0.into()), ("window", (10 * MINUTE).into())];
    assert_eq!(rates(&given, &[(0, 0.0), (MINUTE, 9.0), (2 * MINUTE, 10.0)]), [0.0, 0.0, 10.0]);
}

#[test]
fn a_gap_as_long_as_the_window_begins_anew() {
    let given = [("at_least", 10.0.into()), ("window", (10 * MINUTE).into())];
    assert_eq!(rates(&given, &[(0, 0.0), (10 * MINUTE, 100.0), (11 * MINUTE, 105.0)]), [0.0; 3]);
    assert_eq!(rates(&given, &[(0, 0.0), (10 * MINUTE - 1, 100.0)]), [0.0, 100.0]);
}

#[test]
fn only_the_wanted_direction_is_found() {
    let samples = [(0, 5.0), (MINUTE, 9.0), (20 * MINUTE, 9.0), (21 * MINUTE, 3.0)];
    for (direction, want) in
        [("up", [0.0, 4.0, 0.0, 0.0]), ("down", [0.0, 0.0, 0.0, -6.0]), ("both", [0.0, 4.0, 0.0, -6.0])]
    {
        assert_eq!(rates(&[("at_least", 1.0.into()), ("direction", direction.into())], &samples), want, "{direction}");
    }
}

#[test]
fn a_relative_change_is_in_percent_of_the_start_and_has_its_minimum() {
    let given = [("at_least", 50.0.into()), ("relative", true.into()), ("minimum", 2.0.into())];
    assert_eq!(rates(&given, &[(0, -4.0), (MINUTE, -2.0)]), [0.0, 50.0]);
    assert_eq!(rates(&given, &[(0, 1.0), (MINUTE, 2.9)]), [0.0, 0.0]);
    assert_eq!(rates(&given, &[(0, 0.0), (MINUTE, 900.0)]), [0.0, 0.0]);
}

#[test]
fn the_rate_is_said_for_another_time_than_the_window() {
    let given = [("at_least", 60.0.into()), ("per", (60 * MINUTE).into()), ("window", (10 * MINUTE).into())];
    assert_eq!(rates(&given, &[(0, 0.0), (MINUTE, 9.9), (2 * MINUTE, 10.0)]), [0.0, 0.0, 60.0]);
}

#[test]
fn what_is_no_number_is_not_seen() {
    let given = [("at_least", 10.0.into())];
    let samples = [(0, 0.0), (1, f64::NAN), (2, f64::INFINITY), (3, f64::NEG_INFINITY), (4, 10.0)];
    assert_eq!(rates(&given, &samples), [0.0, 0.0, 0.0, 0.0, 10.0]);
}

#[test]
fn the_same_instant_again_says_the_same_again_and_an_earlier_one_changes_nothing() {
    let mut probe = probe(&[("at_least", 10.0.into())]);
    probe.observe(0, &[(0, 0.0)]);
    let found = probe.observe(MINUTE, &[(0, 12.0)]);
    assert_eq!(probe.observe(MINUTE, &[(0, 99.0)]), found);
    assert_eq!(probe.observe(30_000, &[(0, 0.0)])[0].value, 12.0);
    assert_eq!(probe.observe(2 * MINUTE, &[(0, 12.0)])[0].value, 12.0);
}

#[test]
fn a_finding_says_from_where_to_where_and_what_the_rule_says() {
    let mut probe = probe(&[("at_least", 10.0.into())]);
    probe.observe(0, &[(0, 27.1)]);
    let found = &probe.observe(5 * MINUTE, &[(0, 39.4)])[0];
    assert_eq!(found.message, "rose by 12.3 (45.39%) within 5m: 27.1 → 39.4; the rule says 10 within 10m");
    assert!((found.score.unwrap() - 1.23).abs() < 1e-9);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<RateOfChange>::new(given).err().unwrap().0;
    assert_eq!(refused(&[]), "`at_least` is needed: how much is too much");
    assert_eq!(refused(&[("at_least", f64::NAN.into())]), "`at_least` is not a number");
    assert_eq!(refused(&[("at_least", 0.0.into())]), "a change of 0 is always there: say `at_least` or `minimum`");
}

/// Steps of a few seconds, gaps now and then, repeats and steps back.
fn frames() -> impl Strategy<Value = Vec<TestFrame>> {
    let step = prop_oneof![8 => 0_i64..30, 1 => 30_i64..200, 1 => -20_i64..0];
    let samples = proptest::collection::btree_map(0_u32..3, (-40_i8..40).prop_map(f64::from), 0..3);
    let frame = (step, samples, any::<bool>());
    proptest::collection::vec(frame, 1..80).prop_map(|frames| {
        let mut now = 0;
        let mut frame = |(seconds, samples, restart): (i64, std::collections::BTreeMap<_, _>, _)| {
            now += seconds * 1_000;
            TestFrame { now, samples: samples.into_iter().collect(), restart }
        };
        frames.into_iter().map(&mut frame).collect()
    })
}

/// The change of one series within the window, from all samples it ever had.
fn modelled(all: &[(i64, f64)], window: i64) -> Option<f64> {
    let (now, to) = *all.last()?;
    let gap = all.windows(2).rposition(|pair| pair[1].0 - pair[0].0 >= window).map_or(0, |gap| gap + 1);
    let all = &all[gap..];
    let start = now - window;
    let from = match all.windows(2).find(|pair| pair[0].0 <= start && start < pair[1].0) {
        Some([(before, from), (after, to)]) => from + (to - from) * ((start - before) as f64 / (after - before) as f64),
        _ => all[0].1,
    };
    Some(to - from)
}

proptest! {
    #[test]
    fn the_change_is_that_of_all_samples_and_a_restart_after_any_frame_changes_nothing(
        frames in frames(), window in 10_i64..90, at_least in 0.5..20.0_f64,
    ) {
        let window = window * 1_000;
        let given = [("at_least", at_least.into()), ("window", window.into())];
        found_through_restarts::<RateOfChange>(&given, STATE_VERSION, &frames).unwrap();
        let mut all: std::collections::BTreeMap<u32, Vec<(i64, f64)>> = std::collections::BTreeMap::new();
        let mut detector = probe(&given);
        for TestFrame { now, samples, .. } in frames {
            let mut want = vec![];
            for (series, value) in &samples {
                let all = all.entry(*series).or_default();
                if all.last().is_none_or(|(last, _)| *last < now) {
                    all.push((now, *value));
                }
                want.extend(modelled(all, window).filter(|change| change.abs() >= at_least).map(|change| (Some(*series), change)));
            }
            let have: Vec<_> = detector.observe(now, &samples).iter().map(|found| (found.series, found.value)).collect();
            prop_assert_eq!(have.len(), want.len());
            for (have, want) in have.into_iter().zip(want) {
                prop_assert_eq!(have.0, want.0);
                prop_assert!((have.1 - want.1).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn thinning_moves_the_windows_start_by_no_more_than_a_step_of_the_line(steps in proptest::collection::vec(1_i64..20, 200..600)) {
        // On a line it does not matter which samples are kept: the change is slope × window.
        let window = 600_000;
        let given = [("at_least", 0.001.into()), ("window", window.into())];
        let mut detector = probe(&given);
        let mut now = 0;
        for step in steps {
            now += step * 1_000;
            let found = detector.observe(now, &[(0, now as f64)]);
            if now > window + 20_000 {
                prop_assert!((found[0].value - window as f64).abs() < 1.0, "{} at {}", found[0].value, now);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn values_of_any_size_are_taken(values in proptest::collection::vec(any::<f64>(), 1..400)) {
        let mut probe = probe(&[("at_least", 1.0.into())]);
        for (minute, value) in (0..).zip(values) {
            let findings = probe.observe(minute * 10 * MINUTE, &[(0, value)]);
            prop_assert!(findings.len() <= 1);
        }
    }
}
