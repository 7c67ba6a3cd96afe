//! What anomaly finds and what it leaves alone, at its boundaries, over days, and through restarts.

use orion_plugin::ParameterValue;
use orion_plugin::testing::{DetectorProbe, Saved, TestFrame, found_through_restarts};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Judged after an hour and not after a day, if nothing else is said.
fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<Anomaly> {
    let hour = [("warm_up", HOUR.into())];
    let is_given = given.iter().any(|(name, _)| *name == "warm_up");
    let given: Vec<_> = given.iter().chain(hour.iter().filter(|_| !is_given)).cloned().collect();
    DetectorProbe::new(&given).unwrap()
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
        "80 was never seen: the closest in 5h was 50 (50 to 50), and one in 147 is new at all; since now"
    );
    let field = |name: &str| found.fields.iter().find(|field| field.name == name).unwrap().value.clone();
    assert_eq!((field("fired_by"), field("deviation"), field("seconded")), ("value".into(), 30.0.into(), true.into()));
}

#[test]
fn every_sample_is_told_with_what_would_not_be_new_where_the_rule_wants_it() {
    let mut probe = probe(&[("tells", "everything".into())]);
    let told = |probe: &mut DetectorProbe<Anomaly>, minute: i64, value: f64| {
        let found = probe.observe(minute * MINUTE, &[(0, value)]).remove(0);
        let field = |name: &str| found.fields.iter().find(|field| field.name == name).map(|field| field.value.clone());
        (field("anomaly"), field("near_low"), field("near_high"))
    };
    assert_eq!(told(&mut probe, 0, 0.0), (Some(false.into()), None, None));
    for minute in 1..300 {
        told(&mut probe, minute, if minute % 2 == 0 { 0.0 } else { 100.0 });
    }
    assert_eq!(told(&mut probe, 300, 1.0), (Some(false.into()), Some((-5.0).into()), Some(5.0.into())));
    // What was never seen is beside what was, and is in no band of its own before it is known.
    assert_eq!(told(&mut probe, 301, 300.0), (Some(true.into()), Some(95.0.into()), Some(105.0.into())));
}

#[test]
fn the_value_is_the_distance_in_ranges_where_the_rule_wants_it() {
    let told = |given: &[(&str, ParameterValue)], value: f64| {
        let mut probe = probe(given);
        // Between 10 and 20, all of it seen.
        assert_eq!(found(&mut probe, 0..300, |minute| 10.0 + (minute % 11) as f64), []);
        probe.observe(300 * MINUTE, &[(0, value)])[0].value
    };
    let distance = ("value", "distance".into());
    assert_eq!((told(&[], 60.0), told(std::slice::from_ref(&distance), 60.0)), (60.0, 4.0));
    // On the scale that is told, where 16 is near to 20, it is less. A series that never moved has no scale: everything is far.
    let scale = [distance.clone(), ("lowest", 0.0.into()), ("highest", 100.0.into())];
    assert!((told(&scale, 60.0) - 0.44).abs() < 1e-9);
    for level in [50.0, 0.0] {
        let mut probe = probe(std::slice::from_ref(&distance));
        assert_eq!(found(&mut probe, 0..300, |_| level), []);
        assert_eq!(probe.observe(300 * MINUTE, &[(0, 80.0)])[0].value, 100.0);
    }
}

#[test]
fn noise_is_quiet_for_weeks_and_a_jump_out_of_it_is_found() {
    let mut probe = probe(&[("warm_up", DAY.into())]);
    let weeks = found(&mut probe, 0..4 * 7 * 1_440, usual);
    let begin = |minutes: &[i64]| minutes.iter().filter(|minute| !minutes.contains(&(*minute - 1))).count();
    assert!(begin(&weeks) <= 4, "{weeks:?}");
    assert_eq!(found(&mut probe, 40_320..40_325, |minute| usual(minute) + 30.0).len(), 5);
}

#[test]
fn a_spike_of_any_height_hides_nothing_that_comes_later() {
    let mut probe = probe(&[("cooldown_samples", 10_i64.into())]);
    found(&mut probe, 0..400, usual);
    assert_eq!(found(&mut probe, 400..401, |_| 1e15), [400]);
    assert_eq!(found(&mut probe, 401..500, usual), []);
    assert_eq!(found(&mut probe, 500..501, |minute| usual(minute) + 40.0), [500]);
}

#[test]
fn a_new_level_is_found_for_adapt_after_and_is_usual_from_then_on() {
    let mut probe = probe(&[("adapt_after", HOUR.into())]);
    found(&mut probe, 0..400, usual);
    let raised = found(&mut probe, 400..1_000, |minute| usual(minute) + 50.0);
    assert_eq!(raised, (400..460).collect::<Vec<_>>());
}

#[test]
fn a_value_between_two_levels_is_found_where_there_never_was_one() {
    let mut probe = probe(&[]);
    let either = |minute: i64| if minute % 20 < 10 { 0.0 } else { 100.0 };
    found(&mut probe, 0..1_000, either);
    let finding = &probe.observe(1_000 * MINUTE, &[(0, 60.0)])[0];
    assert!(finding.message.starts_with("60 was never seen: the closest in 16h40m was 100 (95 to 105)"), "{finding:?}");
}

#[test]
fn a_run_of_spikes_is_found_where_single_ones_are_usual() {
    let mut probe = probe(&[]);
    let hourly = |minute: i64| if minute % 60 == 0 { 600.0 } else { usual(minute) };
    found(&mut probe, 0..3_001, hourly);
    let message = (3_001..3_010).find_map(|minute| probe.observe(minute * MINUTE, &[(0, 600.0)]).into_iter().next());
    let message = message.unwrap().message;
    assert!(
        message.starts_with("a mean of 120.8 over 48 samples was never seen: the closest in 2d2h was 110.5"),
        "{message}"
    );
}

#[test]
fn what_stands_still_and_what_becomes_restless_is_found() {
    for (width, word) in [(0.0, "calm"), (2.5, "restless")] {
        let mut probe = probe(&[]);
        found(&mut probe, 0..3_000, usual);
        let swing = |minute: i64| 100.0 + (usual(minute) - 100.0) * width;
        let finding =
            (3_000..3_100).find_map(|minute| probe.observe(minute * MINUTE, &[(0, swing(minute))]).into_iter().next());
        let message = finding.unwrap_or_else(|| panic!("{word}")).message;
        assert!(message.starts_with("48 samples that differ by"), "{message}");
    }
}

#[test]
fn what_comes_and_goes_is_found_the_first_time() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..400, usual);
    // Ten minutes of work in every hour.
    let working = |minute: i64| usual(minute) + if minute % 60 < 10 { 60.0 } else { 0.0 };
    assert_eq!(found(&mut probe, 400..3_000, working), (420..430).collect::<Vec<_>>());
}

/// Every night at two there is an hour of work.
fn nightly(minute: i64) -> f64 {
    let work = if (120..180).contains(&(minute % 1440)) { 400.0 } else { 0.0 };
    work + usual(minute)
}

#[test]
fn what_happens_every_night_is_expected_and_found_when_it_is_missing() {
    let mut probe = probe(&[]);
    found(&mut probe, 0..1_440, nightly);
    assert_eq!(found(&mut probe, 1_440..6 * 1_440, nightly), []);
    let missing = (6 * 1_440..7 * 1_440)
        .find_map(|minute| probe.observe(minute * MINUTE, &[(0, usual(minute))]).into_iter().next());
    let missing = missing.unwrap();
    assert_eq!(missing.timestamp, (6 * 1_440 + 180) * MINUTE);
    assert!(
        missing.message.starts_with("an hour at 99.99 was never that far from the same hour of other days"),
        "{missing:?}"
    );
}

#[test]
fn coming_back_to_what_was_seen_is_no_anomaly() {
    let mut probe = probe(&[("cooldown_samples", 10_i64.into())]);
    found(&mut probe, 0..400, usual);
    assert_eq!(found(&mut probe, 400..404, |_| 0.0).len(), 4);
    assert_eq!(found(&mut probe, 404..440, usual), []);
}

#[test]
fn only_the_wanted_side_is_found() {
    for (direction, want) in [("up", vec![400]), ("down", vec![420]), ("both", vec![400, 420])] {
        let mut probe =
            probe(&[("direction", direction.into()), ("mode", "light".into()), ("cooldown_samples", 5_i64.into())]);
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
fn the_minima_decide_to_the_bound() {
    let step = |given: &[(&str, ParameterValue)], to: f64| {
        let mut probe = probe(given);
        found(&mut probe, 0..100, |_| 95.0);
        !probe.observe(100 * MINUTE, &[(0, to)]).is_empty()
    };
    // 100 is a twentieth of itself away from 95.
    assert!(step(&[], 100.0) && !step(&[], 99.9));
    assert!(step(&[("minimum_absolute", 20.0.into())], 115.0) && !step(&[("minimum_absolute", 20.0.into())], 114.9));
}

#[test]
fn a_more_sensitive_rule_finds_what_is_less_surprising() {
    // The longer nothing was new, the more surprising is what is just beyond what was seen.
    let first = |given: &[(&str, ParameterValue)]| {
        let light = [given, &[("mode", "light".into())]].concat();
        (60..2_000).step_by(20).find(|minutes| {
            let mut probe = probe(&light);
            found(&mut probe, 0..*minutes, |minute| (minute % 2) as f64);
            !probe.observe(minutes * MINUTE, &[(0, 1.06)]).is_empty()
        })
    };
    let of = |sensitivity: &str| first(&[("sensitivity", sensitivity.into())]).unwrap();
    assert!(of("high") < of("medium") && of("medium") < of("low"));
    assert_eq!(first(&[("threshold", 5.5.into())]), Some(of("medium")));
}

#[test]
fn a_new_series_is_only_learned_until_both_its_time_and_its_samples_are_there() {
    let first = |given: &[(&str, ParameterValue)]| {
        (0..200).find(|minute| {
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
    let second = |samples: i64| {
        let mut probe = probe(&[("cooldown_samples", 10_i64.into()), ("mode", "light".into())]);
        found(&mut probe, 0..400, usual);
        assert_eq!(found(&mut probe, 400..401, |_| 500.0), [400]);
        found(&mut probe, 401..400 + samples, usual);
        found(&mut probe, 400 + samples..401 + samples, |_| 1_500.0).len()
    };
    assert_eq!((second(10), second(11)), (0, 1));
}

#[test]
fn what_was_not_seen_for_long_is_found_again() {
    let again = |days: i64| {
        let mut probe = probe(&[("forget_after", (2 * DAY).into()), ("mode", "light".into())]);
        found(&mut probe, 0..400, usual);
        assert_eq!(found(&mut probe, 400..401, |_| 500.0), [400]);
        found(&mut probe, 401..400 + days * 1_440, usual);
        found(&mut probe, 400 + days * 1_440..401 + days * 1_440, |_| 500.0).len()
    };
    assert_eq!((again(2), again(3)), (0, 1));
}

#[test]
fn known_bounds_take_the_place_of_the_range_that_was_seen() {
    let finds = |given: &[(&str, ParameterValue)]| {
        let mut probe = probe(&[given, &[("mode", "light".into())]].concat());
        found(&mut probe, 0..400, |minute| 10.0 + (minute % 2) as f64);
        !probe.observe(400 * MINUTE, &[(0, 14.5)]).is_empty()
    };
    assert!(finds(&[]) && !finds(&[("lowest", 0.0.into()), ("highest", 100.0.into())]));
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
    assert_eq!(refused(&[("lowest", 1.0.into())]), "`lowest` and `highest` are given both, or neither");
    assert_eq!(refused(&[("lowest", 1.0.into()), ("highest", 1.0.into())]), "`lowest` must be less than `highest`");
}

/// What a whole block of series that never rest takes, for each of them, when it is saved.
fn bytes(mode: &str) -> usize {
    const SERIES: u32 = 64;
    let mut probe = probe(&[("mode", mode.into())]);
    let mut saved = Saved::default();
    for minute in 0..9 * 1_440 {
        let value = |series: u32| noise(minute * 64 + i64::from(series)) * (minute as f64 + 1.0);
        let samples: Vec<_> = (0..SERIES).map(|series| (series, value(series))).collect();
        probe.observe(minute * MINUTE, &samples);
        saved.keep(probe.checkpoint());
    }
    let block = saved.entries().into_iter().filter_map(|entry| entry.value).map(|value| value.len()).max();
    block.unwrap() / SERIES as usize
}

#[test]
fn a_series_is_known_in_few_bytes() {
    assert!(bytes("light") <= 512, "{}", bytes("light"));
    // In memory it is this, and at most 44 values of eight bytes.
    assert!(size_of::<Watched>() + 44 * 8 <= 512, "{}", size_of::<Watched>());
    assert!(bytes("standard") <= 24 * 1024, "{}", bytes("standard"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_restart_after_any_frame_changes_nothing(
        steps in proptest::collection::vec((1_i64..40, prop_oneof![8 => 99.0..101.0_f64, 1 => 0.0..500.0_f64], any::<bool>(), any::<bool>()), 60..250),
        mode in prop_oneof![Just("light"), Just("standard")],
    ) {
        let given = [
            ("mode", mode.into()), ("forget_after", (3 * HOUR).into()), ("warm_up", 0_i64.into()), ("warm_up_samples", 8_i64.into()),
            ("cooldown_samples", 4_i64.into()), ("threshold", 2.0.into()),
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
    let value = |minute: i64| if minute % 200 == 199 { 5.0 * minute as f64 } else { usual(minute) };
    let frame =
        |minute: i64| TestFrame { now: minute * MINUTE, samples: vec![(0, value(minute))], restart: minute % 3 == 0 };
    let frames: Vec<_> = (0..1_000).map(frame).collect();
    let found = found_through_restarts::<Anomaly>(&[("warm_up", HOUR.into())], STATE_VERSION, &frames);
    assert!(found.is_ok_and(|found| found >= 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn values_of_any_size_are_taken(values in proptest::collection::vec(any::<f64>(), 1..400)) {
        let mut probe = probe(&[("warm_up", 0_i64.into()), ("warm_up_samples", 8_i64.into())]);
        for (minute, value) in (0..).zip(values) {
            let findings = probe.observe(minute * 10 * MINUTE, &[(0, value)]);
            prop_assert!(findings.len() <= 1);
        }
    }
}
