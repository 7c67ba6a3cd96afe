//! What counter-reset finds, against a plain model of it, through restarts.

use orion_plugin::testing::{DetectorProbe, TestFrame, found_through_restarts};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn probe(at_least: i64, window: i64) -> DetectorProbe<CounterReset> {
    DetectorProbe::new(&[("at_least", at_least.into()), ("window", window.into())]).unwrap()
}

/// The resets that are found at each of the samples of one series.
fn counts(probe: &mut DetectorProbe<CounterReset>, samples: &[(i64, f64)]) -> Vec<f64> {
    let found =
        |(now, value): &(i64, f64)| probe.observe(*now, &[(0, *value)]).first().map_or(0.0, |found| found.value);
    samples.iter().map(found).collect()
}

#[test]
fn a_counter_that_went_down_is_found_and_its_first_sample_is_not() {
    let mut probe = probe(1, 10 * MINUTE);
    assert_eq!(counts(&mut probe, &[(0, 10_532.0), (15_000, 10_532.0), (30_000, 10_540.0)]), [0.0; 3]);
    let found = probe.observe(45_000, &[(0, 12.0)]);
    assert_eq!(
        found[0].message,
        "the counter restarted: 10.54k → 12 at 1970-01-01T00:00:45Z, 15s after the sample before"
    );
    assert_eq!((found[0].series, found[0].timestamp, found[0].value), (Some(0), 45_000, 1.0));
}

#[test]
fn a_reset_counts_until_it_is_exactly_as_old_as_the_window() {
    let mut probe = probe(1, 10 * MINUTE);
    let samples = [(0, 5.0), (MINUTE, 1.0), (11 * MINUTE - 1, 2.0), (11 * MINUTE, 3.0)];
    assert_eq!(counts(&mut probe, &samples), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn so_many_resets_are_needed_as_the_rule_says() {
    let mut probe = probe(2, 10 * MINUTE);
    let samples = [(0, 5.0), (1, 1.0), (2, 4.0), (3, 2.0), (4, 0.0)];
    assert_eq!(counts(&mut probe, &samples), [0.0, 0.0, 0.0, 2.0, 3.0]);
    assert!(probe.observe(5, &[(0, 0.0)])[0].message.ends_with("after the sample before; 3 resets within 10m"));
}

#[test]
fn stale_and_broken_values_are_no_reset_and_do_not_hide_one() {
    let mut probe = probe(1, MINUTE);
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let samples = [(0, 5.0), (1, stale), (2, f64::NEG_INFINITY), (3, 6.0), (4, f64::NAN), (5, 1.0)];
    assert_eq!(counts(&mut probe, &samples), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn the_same_instant_again_says_the_same_again_and_an_earlier_one_changes_nothing() {
    let mut probe = probe(1, MINUTE);
    counts(&mut probe, &[(0, 5.0), (10, 1.0)]);
    assert_eq!(probe.observe(10, &[(0, 1.0)]), probe.observe(10, &[(0, 0.5)]));
    assert_eq!(counts(&mut probe, &[(5, 0.0), (11, 2.0)]), [1.0, 1.0]);
}

#[test]
fn a_reset_within_a_gap_is_found_when_the_series_is_back() {
    let mut probe = probe(1, MINUTE);
    assert_eq!(counts(&mut probe, &[(0, 5.0), (500 * MINUTE, 1.0)]), [0.0, 1.0]);
}

#[test]
fn a_finding_says_what_probably_happened() {
    let kinds = [
        (4_294_967_000.0, 12.0, "wrapped"),
        (18_446_744_073_709_500_000.0, 1e9, "wrapped"),
        (4_294_967_000.0, 4_294_966_000.0, "stepped back"),
        (1_000.0, 901.0, "stepped back"),
        (1_000.0, 900.0, "restarted"),
        (1e6, 3.0, "restarted"),
    ];
    for (from, to, kind) in kinds {
        let mut probe = probe(1, MINUTE);
        counts(&mut probe, &[(0, from)]);
        let found = probe.observe(1, &[(0, to)]);
        assert_eq!(found[0].fields[0].value, kind.into(), "{from} {to}");
    }
}

#[test]
fn series_are_told_apart_and_a_dropped_one_begins_anew() {
    let mut probe = probe(1, MINUTE);
    probe.observe(0, &[(0, 9.0), (1, 1.0)]);
    assert_eq!(probe.observe(1, &[(0, 9.0), (1, 2.0)]), []);
    probe.drop_series(&[0]);
    assert_eq!(probe.observe(2, &[(0, 1.0)]), []);
}

#[test]
fn what_is_remembered_of_a_series_is_bounded() {
    let mut probe = probe(1, i64::MAX);
    let samples: Vec<_> = (0..5_000).map(|time| (time, (time % 2) as f64)).collect();
    assert_eq!(counts(&mut probe, &samples).last(), Some(&(MOST_RESETS as f64)));
}

fn frames() -> impl Strategy<Value = Vec<TestFrame>> {
    let samples = proptest::collection::btree_map(0_u32..3, (0_u8..4).prop_map(f64::from), 0..3);
    let frame = (0_i64..4, samples, any::<bool>());
    proptest::collection::vec(frame, 1..60).prop_map(|frames| {
        let mut now = 0;
        let mut frame = |(seconds, samples, restart): (i64, std::collections::BTreeMap<_, _>, _)| {
            now += seconds * 1_000;
            TestFrame { now, samples: samples.into_iter().collect(), restart }
        };
        frames.into_iter().map(&mut frame).collect()
    })
}

proptest! {
    #[test]
    fn resets_are_those_of_the_samples_seen_and_a_restart_after_any_frame_changes_nothing(
        frames in frames(), at_least in 1_i64..4, window in 1_i64..20,
    ) {
        let window = window * 1_000;
        let given = [("at_least", at_least.into()), ("window", window.into())];
        found_through_restarts::<CounterReset>(&given, STATE_VERSION, &frames).unwrap();
        let mut seen: Vec<(u32, i64, f64)> = vec![];
        let mut detector = probe(at_least, window);
        for frame in frames {
            for (series, value) in &frame.samples {
                if !seen.iter().any(|(of, at, _)| of == series && *at >= frame.now) {
                    seen.push((*series, frame.now, *value));
                }
            }
            let resets = |series: u32| {
                let of: Vec<_> = seen.iter().filter(|(of, ..)| *of == series).collect();
                of.windows(2).filter(|pair| pair[1].2 < pair[0].2 && pair[1].1 > frame.now - window).count()
            };
            let want: Vec<_> = frame.samples.iter().map(|(series, _)| (Some(*series), resets(*series) as f64)).collect();
            let want: Vec<_> = want.into_iter().filter(|(_, resets)| *resets >= at_least as f64).collect();
            let have: Vec<_> = detector.observe(frame.now, &frame.samples).iter().map(|f| (f.series, f.value)).collect();
            prop_assert_eq!(have, want);
        }
    }
}
