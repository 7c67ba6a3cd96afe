//! What distribution-change finds and what it leaves alone, over days, and through restarts.

use orion_plugin::ParameterValue;
use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY_MINUTES: i64 = 1_440;

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<DistributionChange> {
    DetectorProbe::new(given).unwrap()
}

/// What is found at each minute: the minute and what differs.
fn found(
    probe: &mut DetectorProbe<DistributionChange>,
    minutes: std::ops::Range<i64>,
    value: impl Fn(i64) -> f64,
) -> Vec<(i64, String)> {
    let mut found = vec![];
    for minute in minutes {
        for finding in probe.observe(minute * MINUTE, &[(0, value(minute))]) {
            let kind = finding.fields.iter().find(|field| field.name == "kind").unwrap();
            found.push((minute, format!("{:?}", kind.value)));
        }
    }
    found
}

/// Repeatable noise between -1 and 1.
fn noise(seed: i64) -> f64 {
    let mut word = seed as u64;
    word = (word ^ (word >> 30)).wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((word ^ (word >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

fn usual(minute: i64) -> f64 {
    100.0 + 10.0 * noise(minute)
}

#[test]
fn what_stays_as_it_is_is_found_no_more_often_than_the_rule_allows() {
    let mut false_alarms = 0;
    for series in 0..4 {
        let value = |minute: i64| usual(minute + series * 1_000_000);
        let found = found(&mut probe(&[("minimum_relative", 0.0.into())]), 0..30 * DAY_MINUTES, value);
        let is_new = |pair: &[(i64, String)]| pair[1].0 > pair[0].0 + 1;
        false_alarms += usize::from(!found.is_empty()) + found.windows(2).filter(|pair| is_new(pair)).count();
    }
    assert!(false_alarms <= 4, "{false_alarms} in four months");
    assert_eq!(found(&mut probe(&[]), 0..5 * DAY_MINUTES, |_| 7.0), []);
}

#[test]
fn neighbours_that_repeat_each_other_make_no_change() {
    // The mean of the last thirty minutes of noise: it wanders, and goes nowhere.
    let wandering = |minute: i64| 100.0 + (0..30).map(|back| noise(minute - back)).sum::<f64>();
    let found = found(&mut probe(&[("minimum_relative", 0.0.into())]), 30..20 * DAY_MINUTES, wandering);
    assert!(found.len() < 120, "{}", found.len());
}

#[test]
fn a_change_of_level_of_spread_and_of_shape_are_told_apart() {
    let two_humps = |minute: i64| 100.0 + if minute % 7 < 4 { 20.0 } else { -20.0 } + 0.5 * noise(minute);
    let cases: [(&str, &dyn Fn(i64) -> f64); 3] = [
        ("Text(\"level\")", &|minute| usual(minute) + 15.0),
        ("Text(\"spread\")", &|minute| 100.0 + 200.0 * noise(minute)),
        ("Text(\"shape\")", &two_humps),
    ];
    for (want, changed) in cases {
        let mut probe = probe(&[]);
        assert_eq!(found(&mut probe, 0..2 * DAY_MINUTES, usual), []);
        let found = found(&mut probe, 2 * DAY_MINUTES..2 * DAY_MINUTES + 90, changed);
        assert_eq!(found.last().map(|(_, kind)| kind.as_str()), Some(want));
    }
}

#[test]
fn a_change_is_found_within_the_window_and_usual_within_the_reference() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..2 * DAY_MINUTES, usual);
    let from = 2 * DAY_MINUTES;
    let found = found(&mut probe, from..from + 3 * DAY_MINUTES, |minute| usual(minute) + 30.0);
    assert!(found.first().unwrap().0 <= from + 45, "{:?}", found.first());
    assert!(found.last().unwrap().0 <= from + DAY_MINUTES + 60, "{:?}", found.last());
}

#[test]
fn a_finding_says_what_was_and_what_is() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..2 * DAY_MINUTES, |_| 5.0);
    found(&mut probe, 2 * DAY_MINUTES..2 * DAY_MINUTES + 55, |_| 8.0);
    let finding = &probe.observe((2 * DAY_MINUTES + 55) * MINUTE, &[(0, 8.0)])[0];
    assert!(
        finding.message.starts_with(
            "the last 1h is unlike the 1d before in its level: median 5 → 8, spread 0 → 0; the distributions are 0."
        ),
        "{}",
        finding.message
    );
    assert_eq!(finding.value, 8.0);
}

#[test]
fn a_change_that_is_smaller_than_the_minimum_is_none() {
    for (given, is_found) in [(9.0, false), (50.0, true)] {
        let mut probe = probe(&[("minimum_absolute", 10.0.into()), ("minimum_relative", 0.0.into())]);
        found(&mut probe, 0..2 * DAY_MINUTES, |minute| 500.0 + noise(minute));
        let found = found(&mut probe, 2 * DAY_MINUTES..2 * DAY_MINUTES + 90, |minute| 500.0 + given + noise(minute));
        assert_eq!(!found.is_empty(), is_found);
    }
}

#[test]
fn before_the_warm_up_nothing_is_compared() {
    let first = |warm_up: i64| {
        let mut probe = probe(&[("warm_up", warm_up.into())]);
        let value = |minute: i64| usual(minute) + if minute < 610 { 0.0 } else { 50.0 };
        found(&mut probe, 0..20 * 60, value).first().map(|(minute, _)| *minute)
    };
    assert!((611..660).contains(&first(HOUR).unwrap()));
    assert!((660..670).contains(&first(10 * HOUR).unwrap()));
}

#[test]
fn the_next_change_is_kept_to_itself_for_the_cooldown() {
    let first_of_second = |cooldown: i64| {
        let mut probe = probe(&[("cooldown", cooldown.into())]);
        let at = 2 * DAY_MINUTES;
        let value = |minute: i64| {
            usual(minute) + if (at..at + 90).contains(&minute) || minute >= at + 240 { 50.0 } else { 0.0 }
        };
        found(&mut probe, 0..at + 600, value).into_iter().map(|(minute, _)| minute - at).find(|minute| *minute >= 240)
    };
    assert!(first_of_second(MINUTE).unwrap() < 290);
    assert!(first_of_second(5 * HOUR).unwrap() > 400);
}

#[test]
fn after_a_gap_a_window_is_filled_before_it_is_compared() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..2 * DAY_MINUTES, usual);
    let from = 2 * DAY_MINUTES + 120;
    let found = found(&mut probe, from..from + 120, |minute| usual(minute) + 50.0);
    assert!(found.first().unwrap().0 >= from + 30, "{:?}", found.first());
}

#[test]
fn the_same_instant_again_says_the_same_again_and_what_is_no_number_is_not_seen() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..2 * DAY_MINUTES, usual);
    found(&mut probe, 2 * DAY_MINUTES..2 * DAY_MINUTES + 80, |minute| usual(minute) + 50.0);
    let now = (2 * DAY_MINUTES + 80) * MINUTE;
    let first = probe.observe(now, &[(0, 150.0)]);
    assert_eq!(first.len(), 1);
    assert_eq!(probe.observe(now, &[(0, 100.0)]), first);
    assert_eq!(probe.observe(now - HOUR, &[(0, 100.0)])[0].message, first[0].message);
    assert_eq!(probe.observe(now + MINUTE, &[(0, f64::NAN)]), []);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<DistributionChange>::new(given).err().unwrap().0;
    assert_eq!(refused(&[("minimum_absolute", f64::NAN.into())]), "`minimum_absolute` is not a number");
    assert_eq!(refused(&[("recent", (20 * HOUR).into())]), "`reference` must be at least twice as long as `recent`");
    assert_eq!(
        refused(&[("warm_up", (48 * HOUR).into())]),
        "`warm_up` must not be longer than `reference`: older samples are forgotten"
    );
}

#[test]
fn the_seldomer_it_may_be_wrong_the_further_apart_distributions_must_be() {
    assert!(strictness(MINUTE, 24 * HOUR) < strictness(MINUTE, 720 * HOUR));
    // One in twenty is 1.358 in every table.
    assert!((strictness(HOUR, HOUR) - 1.358).abs() < 0.001);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_restart_after_any_frame_changes_nothing(
        steps in proptest::collection::vec((1_i64..60, 0.0..1.0_f64, any::<bool>(), any::<bool>()), 50..250),
    ) {
        let given = [
            ("recent", (10 * MINUTE).into()), ("reference", HOUR.into()), ("warm_up", (10 * MINUTE).into()),
            ("false_alarm_every", HOUR.into()), ("cooldown", (5 * MINUTE).into()),
        ];
        let mut now = 0;
        let frames: Vec<_> = steps.into_iter().map(|(seconds, value, other, restart)| {
            now += seconds * 1_000;
            let value = value + if now > HOUR { 5.0 } else { 0.0 };
            let mut samples = vec![(130, value)];
            samples.extend(other.then_some((2, value * 2.0)));
            TestFrame { now, samples, restart }
        }).collect();
        let found = found_through_restarts::<DistributionChange>(&given, STATE_VERSION, &frames).unwrap();
        prop_assert!(now < HOUR + 15 * MINUTE || found > 0);
    }
}
