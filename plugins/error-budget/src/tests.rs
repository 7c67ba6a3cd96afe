//! What error-budget finds: at its boundaries, after gaps, and through restarts.

use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use orion_plugin::{ParameterValue, Scalar};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// Half of everything may fail: a ratio of 3/4 burns at 1.5, in numbers that floats have.
fn half(windows: &[&str]) -> Vec<(&'static str, ParameterValue)> {
    let windows = windows.iter().map(|text| (*text).to_owned()).collect();
    vec![("objective", 0.5.into()), ("windows", ParameterValue::Texts(windows)), ("period", DAY.into())]
}

fn textbook() -> Vec<(&'static str, ParameterValue)> {
    let windows = ["5m/1h@14.4", "30m/6h@6", "2h/1d@3", "6h/3d@1"].map(str::to_owned).to_vec();
    vec![("objective", 0.999.into()), ("windows", ParameterValue::Texts(windows)), ("period", (30 * DAY).into())]
}

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<ErrorBudget> {
    DetectorProbe::new(given).unwrap()
}

/// The minutes at which a ratio is found, with the burn rate.
fn found(
    probe: &mut DetectorProbe<ErrorBudget>,
    minutes: std::ops::Range<i64>,
    ratio: impl Fn(i64) -> f64,
) -> Vec<(i64, f64)> {
    let mut found = vec![];
    for minute in minutes {
        found.extend(
            probe.observe(minute * MINUTE, &[(0, ratio(minute))]).iter().map(|finding| (minute, finding.value)),
        );
    }
    found
}

#[test]
fn a_pair_is_found_when_both_windows_burn_at_exactly_its_rate_and_not_before() {
    let mut at = probe(&half(&["5m/1h@1.5"]));
    // The first sample speaks for no time; an hour of 3/4 is whole sixty minutes later.
    let found_at = found(&mut at, 0..70, |_| 0.75);
    assert_eq!(found_at.first().map(|(minute, burn)| (*minute, (burn * 1e9).round())), Some((60, 1.5e9)));
    let mut below = probe(&half(&["5m/1h@1.5"]));
    assert_eq!(found(&mut below, 0..200, |_| 0.7499), []);
}

#[test]
fn when_errors_stop_the_short_window_ends_the_finding_long_before_the_long_one_is_clean() {
    let mut probe = probe(&half(&["5m/1h@1"]));
    let found = found(&mut probe, 0..200, |minute| if (10..70).contains(&minute) { 1.0 } else { 0.0 });
    // Half of the hour is lost at 39, and half of the five minutes still at 71.
    assert_eq!((found.first().unwrap().0, found.last().unwrap().0), (39, 71));
}

#[test]
fn a_short_burst_is_not_found_by_the_long_window() {
    let mut probe = probe(&half(&["5m/1h@1"]));
    assert_eq!(found(&mut probe, 0..200, |minute| f64::from(minute == 100)), []);
}

#[test]
fn the_textbook_says_which_windows_how_fast_and_what_is_left() {
    let mut probe = probe(&textbook());
    // Two days of peace, then one request in fifty fails.
    found(&mut probe, 0..2_880, |_| 0.0);
    let found = found(&mut probe, 2_880..2_960, |_| 0.02);
    // 14.4 over an hour are 43 minutes of 20.
    assert_eq!(found.first().unwrap().0, 2_880 + 43);
    let finding = &probe.observe(2_960 * MINUTE, &[(0, 0.02)])[0];
    assert_eq!(
        finding.message,
        "spends its error budget 20 times too fast over 1h and 20 times over 5m (a finding from 14.4 on); 96.25% of the budget for 30d is left (watched for 2d1h), at this pace for 1d10h"
    );
    assert!((finding.score.unwrap() - 20.0 / 14.4).abs() < 1e-9);
    assert!(finding.fields.iter().any(|field| field.name == "windows" && field.value == "5m/1h@14.4".into()));
}

#[test]
fn a_slow_burn_is_found_by_the_slow_pair_and_a_spent_budget_is_said() {
    let mut probe = probe(&textbook());
    let found = found(&mut probe, 0..3_000, |_| 0.0015);
    // A rate of 1.5 reaches 1 over three days when two have passed.
    assert!((2_880..=2_881).contains(&found[0].0), "{found:?}");
    let mut last = None;
    for hour in 50..(33 * 24) {
        last = probe.observe(hour * 60 * MINUTE, &[(0, 1.0)]).pop();
    }
    let last = last.unwrap();
    assert!(last.message.contains("the budget for 30d is spent "), "{}", last.message);
    assert!(!last.fields.iter().any(|field| field.name == "exhausted_in_seconds"));
}

#[test]
fn a_sample_after_a_gap_speaks_for_the_shortest_window_and_no_longer() {
    let mut probe = probe(&half(&["5m/1h@0.1"]));
    probe.observe(0, &[(0, 1.0)]);
    let found = probe.observe(600 * MINUTE, &[(0, 1.0)]);
    // Five minutes of an hour, and half of everything is allowed.
    assert!((found[0].value - 5.0 / 60.0 * 2.0).abs() < 1e-9);
}

#[test]
fn a_ratio_beyond_its_bounds_counts_as_the_bound_and_what_is_no_number_as_nothing_known() {
    let mut over = probe(&half(&["5m/1h@1"]));
    let mut full = probe(&half(&["5m/1h@1"]));
    for minute in 0..100 {
        let (one, other) = (over.observe(minute * MINUTE, &[(0, 7.0)]), full.observe(minute * MINUTE, &[(0, 1.0)]));
        assert_eq!(one, other);
    }
    let mut unknown = probe(&half(&["5m/1h@0.5"]));
    assert_eq!(found(&mut unknown, 0..300, |minute| if minute % 2 == 0 { f64::NAN } else { -1.0 }), []);
}

#[test]
fn the_same_instant_again_says_the_same_again_and_an_earlier_one_changes_nothing() {
    let mut probe = probe(&half(&["5m/1h@1"]));
    found(&mut probe, 0..100, |_| 1.0);
    let first = probe.observe(100 * MINUTE, &[(0, 1.0)]);
    assert_eq!(probe.observe(100 * MINUTE, &[(0, 0.0)]), first);
    assert_eq!(probe.observe(50 * MINUTE, &[(0, 0.0)])[0].message, first[0].message);
}

#[test]
fn windows_that_an_edited_rule_still_has_go_on_and_new_ones_start_empty() {
    let mut saved = orion_plugin::testing::Saved::default();
    let mut before = probe(&half(&["5m/1h@1"]));
    found(&mut before, 0..100, |_| 1.0);
    saved.keep(before.checkpoint());
    let mut after = probe(&half(&["5m/1h@1.5", "5m/2h@0.5"]));
    after.restore(STATE_VERSION, &saved).unwrap();
    let finding = &after.observe(100 * MINUTE, &[(0, 1.0)])[0];
    assert_eq!(finding.fields[0].value, Scalar::from("5m/1h@1.5"));
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<ErrorBudget>::new(given).err().unwrap().0;
    assert_eq!(refused(&half(&[])), "`windows` must be 1 to 8 pairs such as 5m/1h@14.4");
    assert_eq!(refused(&half(&["1h"])), "`windows`: `1h` is no pair such as 5m/1h@14.4");
    assert!(refused(&half(&["5m/1h@3"])).contains("is never reached"));
}

proptest! {
    #[test]
    fn a_restart_after_any_frame_changes_nothing(
        steps in proptest::collection::vec((1_i64..600, 0_u8..3, any::<bool>(), any::<bool>()), 1..100),
    ) {
        let given = half(&["1m/5m@0.8", "5m/20m@0.4"]);
        let mut now = -MINUTE;
        let frames: Vec<_> = steps.into_iter().map(|(seconds, ratio, other, restart)| {
            now += seconds * 200;
            let mut samples = vec![(65, f64::from(ratio) / 2.0)];
            samples.extend(other.then_some((0, 1.0 - f64::from(ratio) / 2.0)));
            TestFrame { now, samples, restart }
        }).collect();
        found_through_restarts::<ErrorBudget>(&given, STATE_VERSION, &frames).unwrap();
    }
}

#[test]
fn the_frames_of_the_restarts_have_something_to_find() {
    let frame = |minute: i64| TestFrame { now: minute * MINUTE, samples: vec![(0, 1.0)], restart: minute % 3 == 0 };
    let frames: Vec<_> = (0..100).map(frame).collect();
    assert_eq!(found_through_restarts::<ErrorBudget>(&half(&["5m/1h@1"]), STATE_VERSION, &frames), Ok(70));
}
