//! What the journal hands out to be kept, and that it is the same after it was given back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::frame::SeriesBook;
use crate::testing::Saved;

/// Everything a series taught, in order: nothing that is learned twice, late or not at all goes unnoticed.
#[derive(Clone, Debug, Default, PartialEq)]
struct All(Vec<(i64, f64)>);

impl Stored for All {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self(Vec::read(from)?))
    }
}

impl Learned for All {
    type Rules = ();

    fn learn(&mut self, (): &(), step: Step) {
        assert_eq!(step.before, self.0.last().map(|(timestamp, _)| *timestamp));
        self.0.push((step.timestamp, step.value));
    }
}

fn observe(state: &mut Journaled<All>, samples: &[(SeriesId, i64, f64)]) -> BTreeMap<SeriesId, All> {
    let book = SeriesBook::new();
    let ids: Vec<_> = samples.iter().map(|(id, ..)| *id).collect();
    let timestamps: Vec<_> = samples.iter().map(|(_, timestamp, _)| *timestamp).collect();
    let values: Vec<_> = samples.iter().map(|(.., value)| *value).collect();
    let mut judged = BTreeMap::new();
    state.learn(&Frame::new(0, &ids, &timestamps, &values, &book), |(), all, sample| {
        judged.insert(sample.series().id(), all.clone());
    });
    judged
}

#[test]
fn a_sample_that_is_not_newer_or_not_finite_teaches_nothing() {
    let mut state = Journaled::<All>::of_version(1, ());
    observe(&mut state, &[(0, 10, 1.0), (1, 10, f64::NAN)]);
    state.checkpoint();
    let judged = observe(&mut state, &[(0, 10, 2.0), (1, 11, f64::INFINITY)]);
    assert_eq!(judged, BTreeMap::from([(0, All(vec![(10, 1.0)]))]));
    assert_eq!(observe(&mut state, &[(0, 9, 3.0)]), judged);
    assert_eq!(state.checkpoint(), []);
}

#[test]
fn a_frame_of_many_series_is_saved_as_its_values_and_one_block_in_turn() {
    let mut state = Journaled::<All>::of_version(1, ());
    let samples: Vec<_> = (0..FRAMES as u32 * BLOCK).map(|series| (series, 0, 0.5)).collect();
    for tick in 0..40 {
        observe(&mut state, &samples.iter().map(|(id, _, value)| (*id, tick, *value)).collect::<Vec<_>>());
        let entries = state.checkpoint();
        let of = |room| entries.iter().filter(move |entry| entry.key[0] == room);
        assert_eq!((of(FRAME_ROOM).count(), of(BLOCK_ROOM).count()), (1, 1));
        let bytes = of(FRAME_ROOM).map(|entry| entry.value.as_ref().unwrap().len()).sum::<usize>();
        assert!(bytes < samples.len() * 8 + 40, "{bytes}");
    }
}

#[test]
fn state_that_nobody_wrote_is_refused_in_words() {
    let entry = |key: &[u8], value: &[u8]| Entry { key: key.to_vec(), value: Some(value.to_vec()) };
    for entry in [entry(b"", b""), entry(b"x", b""), entry(b"f\0", b"short"), entry(b"b\0\0\0\0", b"short")] {
        let refused = Journaled::<All>::of_version(1, ()).restore(1, vec![entry]).unwrap_err();
        assert_eq!(refused.0, "the saved state is not what this plugin wrote; reset it");
    }
    // A run of four billion series in thirty bytes.
    let mut huge = Vec::new();
    (7_u64, Some(0_i64)).write(&mut huge);
    vec![(0_u32, u32::MAX)].write(&mut huge);
    assert!(Journaled::<All>::of_version(1, ()).restore(1, vec![entry(b"f\0", &huge)]).is_err());
    assert!(Journaled::<All>::of_version(2, ()).restore(1, vec![]).is_err());
}

#[test]
fn series_take_turns_within_an_interval_and_the_first_has_the_first() {
    let turn = |series| Step { series, timestamp: 0, value: 0.0, before: None }.turn(600_000);
    assert_eq!(turn(0), 0);
    let mut minutes = [0; 10];
    (0..1_000).for_each(|series| minutes[usize::try_from(turn(series) / 60_000).unwrap()] += 1);
    assert!(minutes.iter().all(|series| (90..110).contains(series)), "{minutes:?}");
}

#[derive(Clone, Debug)]
enum Do {
    Observe(Vec<(SeriesId, i64, f64)>),
    Drop(SeriesId),
    Checkpoint,
    Restart,
}

/// Series in several blocks and turns.
fn series() -> impl Strategy<Value = SeriesId> {
    prop_oneof![0_u32..4, 62_u32..66, 1000_u32..1003]
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let sample = (series(), 0_i64..3, -1.0..1.0_f64);
    let samples = proptest::collection::btree_map(
        series(),
        (0_i64..3, prop_oneof![Just(f64::NAN), sample.prop_map(|(.., value)| value)]),
        0..5,
    );
    let observe = samples.prop_map(|samples| {
        Do::Observe(samples.into_iter().map(|(series, (late, value))| (series, late, value)).rev().collect())
    });
    let step =
        prop_oneof![6 => observe, 1 => series().prop_map(Do::Drop), 5 => Just(Do::Checkpoint), 1 => Just(Do::Restart)];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn what_was_learned_is_after_a_restart_what_it_was_at_the_last_checkpoint(steps in steps()) {
        let mut saved = Saved::default();
        let mut at_checkpoint: BTreeMap<SeriesId, All> = BTreeMap::new();
        let mut model = at_checkpoint.clone();
        let mut state = Journaled::<All>::of_version(1, ());
        for (now, step) in (10..).zip(steps) {
            match step {
                Do::Observe(samples) => {
                    let samples: Vec<_> = samples.into_iter().map(|(series, late, value)| (series, now - late, value)).collect();
                    for (series, timestamp, value) in &samples {
                        let all = model.get(series).and_then(|all| all.0.last());
                        if value.is_finite() && all.is_none_or(|(last, _)| last < timestamp) {
                            model.entry(*series).or_default().0.push((*timestamp, *value));
                        }
                    }
                    for (series, all) in observe(&mut state, &samples) {
                        prop_assert_eq!(Some(&all), model.get(&series));
                    }
                }
                Do::Drop(series) => {
                    state.series_dropped(&[series]);
                    model.remove(&series);
                }
                Do::Checkpoint => {
                    saved.keep(state.checkpoint());
                    prop_assert_eq!(state.checkpoint(), vec![]);
                    at_checkpoint = model.clone();
                }
                Do::Restart => {
                    state = Journaled::of_version(1, ());
                    state.restore(1, saved.entries()).unwrap();
                    model = at_checkpoint.clone();
                }
            }
        }
        let rows = (0..).step_by(BLOCK as usize).zip(&state.blocks);
        let rows = rows.flat_map(|(first, block)| (first..).zip(&block.rows));
        let learned: BTreeMap<_, _> = rows.filter_map(|(series, row)| Some((series, row.as_ref()?.learned.clone()))).collect();
        prop_assert_eq!(learned, model);
    }
}
