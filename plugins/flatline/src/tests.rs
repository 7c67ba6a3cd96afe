//! What flatline finds: at its boundaries, in series of all kinds, and through restarts.

use orion_plugin::ParameterValue;
use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

/// After five minutes, once it has moved three times.
fn given() -> Vec<(&'static str, ParameterValue)> {
    vec![("after", (5 * MINUTE).into()), ("moves", 3_i64.into()), ("forget_after", (60 * MINUTE).into())]
}

fn probe(given: &[(&str, ParameterValue)]) -> DetectorProbe<Flatline> {
    DetectorProbe::new(given).unwrap()
}

/// A series that moves every minute for ten minutes and stands at 9 from the ninth on.
fn moving(probe: &mut DetectorProbe<Flatline>) {
    for minute in 0..10 {
        assert_eq!(probe.observe(minute * MINUTE, &[(0, minute as f64)]), []);
    }
}

/// The minutes of `range` at which a series that stands at 9 is found.
fn found(probe: &mut DetectorProbe<Flatline>, range: std::ops::Range<i64>) -> Vec<i64> {
    range.filter(|minute| !probe.observe(minute * MINUTE, &[(0, 9.0)]).is_empty()).collect()
}

#[test]
fn a_series_that_stopped_is_found_from_exactly_after_on_until_it_moves() {
    let mut probe = probe(&given());
    moving(&mut probe);
    assert_eq!(found(&mut probe, 10..18), [14, 15, 16, 17]);
    assert_eq!(probe.observe(18 * MINUTE, &[(0, 9.1)]), []);
}

#[test]
fn a_finding_says_since_when_and_what_it_used_to_do() {
    let mut probe = probe(&given());
    moving(&mut probe);
    found(&mut probe, 10..14);
    let found = &probe.observe(14 * MINUTE, &[(0, 9.0)])[0];
    assert_eq!(
        found.message,
        "has not moved since 1970-01-01T00:09:00Z (5m): it stands at 9, and used to rest for no more than 1m and then move by 1"
    );
    assert_eq!((found.value, found.score), (300.0, Some(5.0)));
}

#[test]
fn a_constant_is_quiet_and_so_is_what_moved_too_seldom_to_say() {
    let mut probe = probe(&given());
    for minute in 0..500 {
        assert_eq!(probe.observe(minute * MINUTE, &[(0, 7.0), (1, f64::from(minute >= 2))]), []);
    }
}

#[test]
fn what_usually_rests_for_long_may_rest_for_so_many_times_as_long() {
    let mut probe = probe(&[("after", (5 * MINUTE).into()), ("moves", 3_i64.into())]);
    // It moves every twenty minutes, so it may stand for eighty.
    let value = |minute: i64| (minute / 20).min(5) as f64;
    let found: Vec<_> =
        (0..200).filter(|minute| !probe.observe(minute * MINUTE, &[(0, value(*minute))]).is_empty()).collect();
    assert_eq!(found.first(), Some(&180));
}

#[test]
fn noise_within_the_tolerance_is_no_movement_and_a_creep_out_of_it_is_one() {
    let mut probe = probe(&[("after", (5 * MINUTE).into()), ("moves", 3_i64.into()), ("tolerance", 0.5.into())]);
    moving(&mut probe);
    let noise = |minute: i64| 9.0 + if minute % 2 == 0 { 0.5 } else { -0.5 };
    let found: Vec<_> =
        (10..16).filter(|minute| !probe.observe(minute * MINUTE, &[(0, noise(*minute))]).is_empty()).collect();
    assert_eq!(found, [14, 15]);
    let creep = |minute: i64| 9.0 + (minute - 16) as f64 * 0.2;
    let found: Vec<_> =
        (16..40).filter(|minute| !probe.observe(minute * MINUTE, &[(0, creep(*minute))]).is_empty()).collect();
    assert_eq!(found, [16, 17, 18]);
}

#[test]
fn a_gap_longer_than_after_begins_the_time_anew_and_one_as_long_does_not() {
    let mut after_gap = probe(&given());
    moving(&mut after_gap);
    assert_eq!(after_gap.observe(14 * MINUTE + 1, &[(0, 9.0)]), []);
    let mut no_gap = probe(&given());
    moving(&mut no_gap);
    assert_eq!(no_gap.observe(14 * MINUTE, &[(0, 9.0)]).len(), 1);
}

#[test]
fn a_series_that_stands_for_forget_after_is_a_constant_from_then_on() {
    let mut probe = probe(&given());
    moving(&mut probe);
    assert_eq!(found(&mut probe, 10..100).last(), Some(&68));
    // It has to move so often again before it is expected to.
    for minute in 100..102 {
        probe.observe(minute * MINUTE, &[(0, minute as f64)]);
    }
    assert_eq!(found(&mut probe, 102..110), []);
}

#[test]
fn an_outage_does_not_hide_the_next_one() {
    let mut probe = probe(&given());
    moving(&mut probe);
    found(&mut probe, 10..50);
    for minute in 50..60 {
        probe.observe(minute * MINUTE, &[(0, minute as f64)]);
    }
    // Learned in full, forty minutes of rest would be patience for hours.
    assert_eq!(found(&mut probe, 60..70).first(), Some(&66));
}

#[test]
fn the_same_instant_again_says_the_same_again_and_an_earlier_one_changes_nothing() {
    let mut probe = probe(&given());
    moving(&mut probe);
    found(&mut probe, 10..14);
    let first = probe.observe(14 * MINUTE, &[(0, 9.0)]);
    assert_eq!(probe.observe(14 * MINUTE, &[(0, 5.0)]), first);
    assert_eq!(probe.observe(3 * MINUTE, &[(0, 5.0)])[0].message, first[0].message);
    assert_eq!(probe.observe(15 * MINUTE, &[(0, f64::NAN)]), []);
    assert_eq!(found(&mut probe, 16..17), [16]);
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let refused = |given: &[(&str, ParameterValue)]| DetectorProbe::<Flatline>::new(given).err().unwrap().0;
    assert_eq!(refused(&[("tolerance", f64::NAN.into())]), "`tolerance` is not a number");
    let never = "`forget_after` must be longer than `after`, or nothing is ever found";
    assert_eq!(refused(&[("after", MINUTE.into()), ("forget_after", MINUTE.into())]), never);
}

proptest! {
    #[test]
    fn a_restart_after_any_frame_changes_nothing(
        steps in proptest::collection::vec((1_i64..8, 0_u8..3, any::<bool>(), any::<bool>()), 1..120),
        tolerance in 0.0..1.5_f64,
    ) {
        let given = [
            ("after", 10_000_i64.into()), ("moves", 2_i64.into()), ("patience", 1.5.into()),
            ("tolerance", tolerance.into()), ("forget_after", 40_000_i64.into()),
        ];
        let mut now = 0;
        let frames: Vec<_> = steps.into_iter().map(|(seconds, value, other, restart)| {
            now += seconds * 1_000;
            let mut samples = vec![(70, f64::from(value))];
            samples.extend(other.then_some((3, f64::from(value / 2))));
            TestFrame { now, samples, restart }
        }).collect();
        found_through_restarts::<Flatline>(&given, STATE_VERSION, &frames).unwrap();
    }
}

#[test]
fn the_frames_of_the_restarts_have_something_to_find() {
    let given = [("after", 10_000_i64.into()), ("moves", 2_i64.into()), ("patience", 1.0.into())];
    let frame = |second: i64| TestFrame {
        now: second * 1_000,
        samples: vec![(0, second.min(9) as f64)],
        restart: second % 3 == 0,
    };
    let frames: Vec<_> = (0..30).map(frame).collect();
    assert_eq!(found_through_restarts::<Flatline>(&given, STATE_VERSION, &frames), Ok(11));
}
