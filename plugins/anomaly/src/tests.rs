//! What anomaly finds and what it leaves alone, at its boundaries, over days, and through restarts.

use orion_plugin::ParameterValue;
use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<Anomaly> {
    DetectorProbe::new(given).unwrap()
}

/// The minutes at which a series is found.
fn found(probe: &mut DetectorProbe<Anomaly>, minutes: std::ops::Range<i64>, value: impl Fn(i64) -> f64) -> Vec<i64> {
    minutes.filter(|minute| !probe.observe(minute * MINUTE, &[(0, value(*minute))]).is_empty()).collect()
}

/// Repeatable noise that is nearly normal, with a standard deviation of one: the sum of twelve uniform numbers.
fn noise(seed: i64) -> f64 {
    let mut word = seed as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let mut uniform = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        (word >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..8).for_each(|_| drop(uniform().to_string()));
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// 100 with a standard deviation of 2.
fn usual(minute: i64) -> f64 {
    100.0 + 2.0 * noise(minute)
}

#[test]
fn a_constant_is_quiet_and_what_leaves_it_is_found_with_what_was_expected() {
    let mut probe = probe(&[]);
    assert_eq!(found(&mut probe, 0..300, |_| 50.0), []);
    let found = &probe.observe(300 * MINUTE, &[(0, 80.0)])[0];
    assert_eq!(
        found.message,
        "80 is 18.75 times the usual spread above what is expected, 50 (45 to 55): far from the usual and a sudden jump, since now"
    );
    assert_eq!((found.value, found.score), (80.0, Some(18.75)));
}

#[test]
fn noise_is_quiet_for_weeks_and_a_jump_out_of_it_is_found() {
    let mut probe = probe(&[]);
    assert_eq!(found(&mut probe, 0..30_000, usual), []);
    assert_eq!(
        found(&mut probe, 30_000..30_005, |minute| usual(minute) + 30.0),
        [30_000, 30_001, 30_002, 30_003, 30_004]
    );
}

#[test]
fn a_spike_of_any_height_does_not_become_what_is_expected() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..400, usual);
    assert_eq!(found(&mut probe, 400..401, |_| 1e15), [400]);
    assert_eq!(found(&mut probe, 401..500, usual), []);
    assert_eq!(found(&mut probe, 500..501, |minute| usual(minute) + 30.0), [500]);
}

#[test]
fn a_new_level_is_found_for_adapt_after_and_is_the_usual_one_from_then_on() {
    let mut probe = probe(&[("adapt_after", HOUR.into())]);
    found(&mut probe, 0..400, usual);
    let raised = found(&mut probe, 400..800, |minute| usual(minute) + 50.0);
    assert_eq!(raised, (400..460).collect::<Vec<_>>());
    assert_eq!(found(&mut probe, 800..802, usual), [800, 801]);
}

#[test]
fn a_constant_that_steps_is_found_for_adapt_after_too() {
    let mut probe = probe(&[("adapt_after", HOUR.into())]);
    found(&mut probe, 0..400, |_| 0.0);
    assert_eq!(found(&mut probe, 400..800, |_| 7.0), (400..460).collect::<Vec<_>>());
}

#[test]
fn what_comes_and_goes_is_found_at_first_and_usual_after_a_few_times() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..400, usual);
    // Ten minutes of work in every hour.
    let working = |minute: i64| usual(minute) + if minute % 60 < 10 { 60.0 } else { 0.0 };
    let found = found(&mut probe, 400..3_000, working);
    assert_eq!(found.first(), Some(&420));
    assert!(found.len() >= 20 && *found.last().unwrap() < 400 + 8 * 60, "{found:?}");
}

#[test]
fn coming_back_to_what_is_usual_is_no_anomaly() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..400, usual);
    assert_eq!(found(&mut probe, 400..440, |_| 0.0).len(), 40);
    assert_eq!(found(&mut probe, 440..600, usual), []);
}

#[test]
fn only_the_wanted_side_is_found() {
    for (direction, want) in [("up", vec![400]), ("down", vec![420]), ("both", vec![400, 420])] {
        let mut probe = probe(&[("direction", direction.into())]);
        found(&mut probe, 0..400, usual);
        let value = |minute: i64| match minute {
            400 => 200.0,
            420 => 10.0,
            _ => usual(minute),
        };
        assert_eq!(found(&mut probe, 400..440, value), want, "{direction}");
    }
}

#[test]
fn the_minima_decide_where_there_is_no_spread_to_the_bound() {
    let step = |given: &[(&str, ParameterValue)], to: f64| {
        let mut probe = probe(given);
        found(&mut probe, 0..100, |_| 90.0);
        !probe.observe(100 * MINUTE, &[(0, to)]).is_empty()
    };
    // 100 is a tenth of itself away from 90.
    assert!(step(&[], 100.0) && !step(&[], 99.9));
    assert!(step(&[("minimum_absolute", 20.0.into())], 110.0) && !step(&[("minimum_absolute", 20.0.into())], 109.9));
}

#[test]
fn a_more_sensitive_rule_finds_smaller_deviations() {
    let smallest = |given: &[(&str, ParameterValue)]| {
        (1..40).find(|above| {
            let mut probe = probe(given);
            found(&mut probe, 0..400, usual);
            !probe.observe(400 * MINUTE, &[(0, 100.0 + f64::from(*above))]).is_empty()
        })
    };
    let of =
        |sensitivity: &str| smallest(&[("sensitivity", sensitivity.into()), ("minimum_relative", 1.0.into())]).unwrap();
    assert!(of("high") < of("medium") && of("medium") < of("low"));
    assert_eq!(smallest(&[("threshold", 7.0.into()), ("minimum_relative", 1.0.into())]).unwrap(), of("low"));
}

#[test]
fn a_new_series_is_only_learned_until_both_its_time_and_its_samples_are_there() {
    let first = |given: &[(&str, ParameterValue)]| {
        (0..100).find(|minute| {
            let mut probe = probe(given);
            found(&mut probe, 0..*minute, |_| 10.0);
            !probe.observe(minute * MINUTE, &[(0, 90.0)]).is_empty()
        })
    };
    assert_eq!(first(&[("warm_up", (10 * MINUTE).into()), ("warm_up_samples", 30_i64.into())]), Some(30));
    assert_eq!(first(&[("warm_up", (59 * MINUTE).into()), ("warm_up_samples", 8_i64.into())]), Some(59));
}

#[test]
fn the_next_anomaly_is_kept_to_itself_for_exactly_the_cooldown() {
    let mut probe = probe(&[("cooldown", (10 * MINUTE).into())]);
    found(&mut probe, 0..400, usual);
    let spike = |minute: i64| if minute == 400 || minute >= 403 { 500.0 } else { usual(minute) };
    // The anomaly of 400 ended at 401.
    assert_eq!(found(&mut probe, 400..415, spike), [400, 411, 412, 413, 414]);
    assert!(probe.observe(415 * MINUTE, &[(0, 500.0)])[0].message.ends_with(", since 12m"));
}

/// Every night at two there is an hour of work.
fn nightly(minute: i64) -> f64 {
    let work = if (120..180).contains(&(minute % 1440)) { 400.0 } else { 0.0 };
    work + usual(minute)
}

#[test]
fn what_happens_every_night_is_found_without_a_season_and_expected_with_one() {
    let night = 5 * 1440 + 120;
    let mut plain = probe(&[]);
    found(&mut plain, 0..night, nightly);
    assert_eq!(found(&mut plain, night..night + 60, nightly).len(), 60);
    let mut seasonal = probe(&[("season", "day".into())]);
    found(&mut seasonal, 0..4 * 1440, nightly);
    assert_eq!(found(&mut seasonal, 4 * 1440..9 * 1440, nightly), []);
    // Ten minutes late is the same work.
    assert_eq!(found(&mut seasonal, 9 * 1440..10 * 1440, |minute| nightly(minute - 10)), []);
    // And at noon it is not expected.
    assert_eq!(found(&mut seasonal, 10 * 1440 + 720..10 * 1440 + 721, |_| 500.0).len(), 0, "a gap begins anew");
    found(&mut seasonal, 10 * 1440 + 721..11 * 1440 + 720, nightly);
    assert_eq!(found(&mut seasonal, 11 * 1440 + 720..11 * 1440 + 721, |_| 500.0).len(), 1);
}

#[test]
fn work_that_is_missing_for_once_is_found_with_its_season() {
    let mut seasonal = probe(&[("season", "day".into()), ("direction", "down".into())]);
    let wave = |minute: i64| 500.0 - 4.0 * ((minute % 1440) as f64 - 720.0).abs() / 6.0 + usual(minute);
    assert_eq!(
        found(&mut seasonal, 0..6 * 1440, wave).into_iter().filter(|minute| *minute > 3 * 1440).collect::<Vec<_>>(),
        []
    );
    // At noon it is as low as at midnight.
    let findings = seasonal.observe((6 * 1440 + 720) * MINUTE, &[(0, 100.0)]);
    assert_eq!(findings.len(), 0, "a gap of half a day begins anew");
    let mut seasonal = probe(&[("season", "day".into()), ("direction", "down".into())]);
    found(&mut seasonal, 0..6 * 1440 + 720, wave);
    let findings = seasonal.observe((6 * 1440 + 720) * MINUTE, &[(0, 100.0)]);
    assert!(findings[0].message.contains("below what is expected at this hour of the day"), "{}", findings[0].message);
}

#[test]
fn after_a_gap_as_long_as_the_history_a_series_is_learned_anew() {
    let mut short = probe(&[]);
    found(&mut short, 0..400, usual);
    assert_eq!(short.observe((399 + 359) * MINUTE, &[(0, 500.0)]).len(), 1);
    let mut long = probe(&[]);
    found(&mut long, 0..400, usual);
    assert_eq!(long.observe((399 + 360) * MINUTE, &[(0, 500.0)]), []);
}

#[test]
fn the_same_instant_again_says_the_same_again_and_what_is_no_number_is_not_seen() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..400, usual);
    let first = probe.observe(400 * MINUTE, &[(0, 500.0)]);
    assert_eq!(first.len(), 1);
    assert_eq!(probe.observe(400 * MINUTE, &[(0, 500.0)]), first);
    assert_eq!(probe.observe(400 * MINUTE, &[(0, f64::NAN)]), []);
    assert_eq!(probe.observe(401 * MINUTE, &[(0, f64::INFINITY)]), []);
    assert_eq!(probe.observe(402 * MINUTE, &[(0, 100.0)]), []);
    // An earlier instant: as it stood.
    assert_eq!(probe.observe(100 * MINUTE, &[(0, 500.0)]), []);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<Anomaly>::new(given).err().unwrap().0;
    assert_eq!(refused(&[("sensitivity", "loud".into())]), "`sensitivity` must be low, medium or high, not `loud`");
    assert_eq!(refused(&[("threshold", f64::NAN.into())]), "`threshold` is not a number");
    assert_eq!(
        refused(&[("warm_up", DAY.into())]),
        "`warm_up` must not be longer than `history`: older samples are forgotten"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_restart_after_any_frame_changes_nothing(
        steps in proptest::collection::vec((1_i64..40, prop_oneof![8 => 99.0..101.0_f64, 1 => 0.0..500.0_f64], any::<bool>(), any::<bool>()), 60..250),
        season in prop_oneof![Just("none"), Just("day")],
    ) {
        let given = [
            ("season", season.into()), ("history", (3 * HOUR).into()), ("warm_up", 0_i64.into()), ("warm_up_samples", 8_i64.into()),
            ("cooldown", HOUR.into()), ("adapt_after", (2 * HOUR).into()),
        ];
        let mut now = 0;
        let frames: Vec<_> = steps.into_iter().map(|(minutes, value, other, restart)| {
            now += minutes * MINUTE;
            let mut samples = vec![(80, value)];
            samples.extend(other.then_some((2, value * 2.0)));
            TestFrame { now, samples, restart }
        }).collect();
        found_through_restarts::<Anomaly>(&given, STATE_VERSION, &frames).unwrap();
    }
}

#[test]
fn the_frames_of_the_restarts_have_something_to_find() {
    let value = |minute: i64| if minute % 20 == 19 { 500.0 } else { usual(minute) };
    let frame =
        |minute: i64| TestFrame { now: minute * MINUTE, samples: vec![(0, value(minute))], restart: minute % 3 == 0 };
    let frames: Vec<_> = (0..1_000).map(frame).collect();
    let found = found_through_restarts::<Anomaly>(&[("season", "day".into())], STATE_VERSION, &frames);
    assert!(found.is_ok_and(|found| found > 5));
}
