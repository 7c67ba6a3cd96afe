//! What absence finds, against a plain model of it, through restarts.

use std::collections::{BTreeMap, BTreeSet};

use orion_plugin::testing::{DetectorProbe, Saved};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn probe(forget_after: i64) -> DetectorProbe<Absence> {
    DetectorProbe::new(&[("forget_after", forget_after.into())]).unwrap()
}

fn found(probe: &mut DetectorProbe<Absence>, now: i64, series: &[SeriesId]) -> Vec<(Option<SeriesId>, f64)> {
    let samples: Vec<_> = series.iter().map(|id| (*id, 1.0)).collect();
    probe.observe(now, &samples).into_iter().map(|finding| (finding.series, finding.value)).collect()
}

#[test]
fn a_series_that_went_missing_is_found_until_it_returns() {
    let mut probe = probe(HOUR_MILLIS);
    assert_eq!(found(&mut probe, 0, &[0, 1]), []);
    assert_eq!(found(&mut probe, MINUTE, &[1]), [(Some(0), 0.0)]);
    assert_eq!(found(&mut probe, 2 * MINUTE, &[1]), [(Some(0), 60.0)]);
    assert_eq!(found(&mut probe, 3 * MINUTE, &[0, 1]), []);
    assert_eq!(found(&mut probe, 4 * MINUTE, &[0]), [(Some(1), 0.0)]);
}

#[test]
fn a_series_is_forgotten_once_it_is_missing_for_that_long() {
    let mut probe = probe(2 * MINUTE);
    found(&mut probe, 0, &[0, 1]);
    assert_eq!(found(&mut probe, MINUTE, &[1]).len(), 1);
    assert_eq!(found(&mut probe, 3 * MINUTE - 1, &[1]).len(), 1);
    assert_eq!(found(&mut probe, 3 * MINUTE, &[1]), []);
    assert_eq!(found(&mut probe, 4 * MINUTE, &[1]), []);
}

#[test]
fn an_empty_answer_is_one_finding_as_long_as_there_never_was_a_series() {
    let mut probe = probe(MINUTE);
    let findings = probe.observe(0, &[]);
    assert_eq!((findings[0].series, findings[0].message.as_str()), (None, "the answer is empty"));
    assert_eq!(found(&mut probe, MINUTE, &[4]), []);
    assert_eq!(found(&mut probe, 2 * MINUTE, &[]), [(Some(4), 0.0)]);
    // Forgotten, and not new: nobody is told that there is nothing for ever after.
    assert_eq!(found(&mut probe, 9 * MINUTE, &[]), []);
    let mut restarted = DetectorProbe::<Absence>::new(&[]).unwrap();
    let mut saved = Saved::default();
    saved.keep(probe.checkpoint());
    restarted.restore(STATE_VERSION, &saved).unwrap();
    assert_eq!(found(&mut restarted, 10 * MINUTE, &[]), []);
}

#[test]
fn an_empty_answer_is_nothing_when_the_rule_says_so() {
    let mut probe = DetectorProbe::<Absence>::new(&[("empty", false.into())]).unwrap();
    assert_eq!(found(&mut probe, 0, &[]), []);
}

#[test]
fn a_dropped_series_is_not_missed() {
    let mut probe = probe(HOUR_MILLIS);
    found(&mut probe, 0, &[0, 1]);
    probe.drop_series(&[0]);
    assert_eq!(found(&mut probe, MINUTE, &[1]), []);
}

#[test]
fn quiet_frames_save_nothing() {
    let mut probe = probe(HOUR_MILLIS);
    found(&mut probe, 0, &[0, 1]);
    assert_eq!(probe.checkpoint().len(), 3);
    found(&mut probe, MINUTE, &[0, 1]);
    assert_eq!(probe.checkpoint(), []);
    found(&mut probe, 2 * MINUTE, &[0]);
    assert_eq!(probe.checkpoint().len(), 1);
    found(&mut probe, 3 * MINUTE, &[0]);
    assert_eq!(probe.checkpoint(), []);
}

/// What absence is, said as simply as possible.
#[derive(Default)]
struct Model {
    missing_since: BTreeMap<SeriesId, Option<i64>>,
    ever: bool,
}

impl Model {
    fn observe(&mut self, now: i64, here: &BTreeSet<SeriesId>, forget_after: i64) -> Vec<(Option<SeriesId>, f64)> {
        for series in here {
            self.missing_since.insert(*series, None);
            self.ever = true;
        }
        if !self.ever {
            return vec![(None, 0.0)];
        }
        for (series, since) in &mut self.missing_since {
            if !here.contains(series) {
                since.get_or_insert(now);
            }
        }
        self.missing_since.retain(|_, since| since.is_none_or(|since| now - since < forget_after));
        let missing = self.missing_since.iter().filter_map(|(series, since)| Some((*series, (*since)?)));
        missing.map(|(series, since)| (Some(series), (now - since) as f64 / 1000.0)).collect()
    }
}

proptest! {
    #[test]
    fn absence_is_its_model_and_a_restart_after_any_frame_changes_nothing(
        frames in proptest::collection::vec(
            (1_i64..5, proptest::collection::btree_set(0_u32..5, 0..5), any::<bool>()), 1..30),
        forget_after in 1_i64..10,
    ) {
        let forget_after = forget_after * MINUTE;
        let mut model = Model::default();
        let mut saved = Saved::default();
        let mut detector = probe(forget_after);
        let mut now = 0;
        for (minutes, here, restart) in frames {
            now += minutes * MINUTE;
            let ids: Vec<_> = here.iter().copied().collect();
            prop_assert_eq!(found(&mut detector, now, &ids), model.observe(now, &here, forget_after));
            saved.keep(detector.checkpoint());
            if restart {
                detector = probe(forget_after);
                detector.restore(STATE_VERSION, &saved).unwrap();
            }
        }
    }
}
