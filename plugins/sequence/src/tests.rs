//! What sequence says, case by case and against the plainest model of it, whatever the order, the batches and the restarts.

use orion_plugin::testing::{
    CorrelatorProbe, Cut, Holding, Naive, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use orion_plugin::{ParameterValue, Status};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

type Given = Vec<(&'static str, ParameterValue)>;

fn given(steps: &[&str], parameters: &[(&'static str, i64)]) -> Given {
    let steps = ParameterValue::Texts(steps.iter().map(|step| (*step).to_owned()).collect());
    let named = parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value)));
    named.chain([("events", steps)]).collect()
}

fn event(status: Status, minute: i64, fingerprint: u64, event_type: &str) -> ToldEvent {
    ToldEvent::from(TestEvent::at_minute(status, minute, fingerprint)).of_type(event_type)
}

fn of(minute: i64, event_type: &str) -> ToldEvent {
    event(Status::Occurred, minute, 1, event_type)
}

fn told(given: &Given, events: &[ToldEvent]) -> Vec<String> {
    lines(&one_by_one::<Sequence>(given, InOrder::STATE_VERSION, events, 90 * MINUTE).unwrap())
}

#[test]
fn all_steps_in_their_order_open_and_no_other_order_does() {
    let abc = given(&["a", "b", "c"], &[]);
    assert_eq!(
        told(&abc, &[of(0, "a"), of(2, "b"), of(3, "x"), of(8, "c")]),
        ["8 a then b then c within 10m [1, 2001, 8001]; 15 not again within 10m for 5m"]
    );
    for wrong in [["a", "c", "b"], ["b", "a", "c"], ["c", "b", "a"], ["a", "b", "b"]] {
        assert!(told(&abc, &[of(0, wrong[0]), of(1, wrong[1]), of(2, wrong[2])]).is_empty(), "{wrong:?}");
    }
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let ab = given(&["a", "b"], &[]);
    let mut last = of(10, "b");
    assert!(told(&ab, &[of(0, "a"), last.clone()]).is_empty());
    last.event.timestamp -= 1;
    assert_eq!(told(&ab, &[of(0, "a"), last]).len(), 1);
}

#[test]
fn the_chain_that_began_last_is_the_one_that_counts() {
    let abc = given(&["a", "b", "c"], &[]);
    assert_eq!(told(&abc, &[of(0, "a"), of(5, "a"), of(6, "b"), of(14, "c")]).len(), 1);
    // The second `a` has no `b` after it.
    assert!(told(&abc, &[of(0, "a"), of(5, "b"), of(6, "a"), of(14, "c")]).is_empty());
}

#[test]
fn events_of_one_instant_are_in_the_order_that_the_sequence_wants() {
    let ab = given(&["a", "b"], &[]);
    let (mut first, mut second) = (of(3, "b"), of(3, "a"));
    (first.event.position, second.event.position) = (1, 2);
    assert_eq!(told(&ab, &[first, second]), ["3 a then b within 10m [1, 2]; 18 not again within 10m for 5m"]);
}

#[test]
fn one_event_is_one_step_although_it_could_be_two() {
    let twice = given(&["a", "a", "b"], &[]);
    assert!(told(&twice, &[of(0, "a"), of(1, "b")]).is_empty());
    assert_eq!(told(&twice, &[of(0, "a"), of(1, "a"), of(2, "b")]).len(), 1);
}

#[test]
fn a_step_that_comes_late_closes_the_gap() {
    let abc = given(&["a", "b", "c"], &[("lateness", 20 * MINUTE), ("idle", 0)]);
    assert_eq!(
        told(&abc, &[of(20, "a"), of(24, "c"), of(22, "b")]),
        ["24 a then b then c within 10m [20001, 22001, 24001]; 30 not again within 10m for 0s"]
    );
    assert!(told(&abc, &[of(20, "a"), of(24, "c"), of(25, "b")]).is_empty());
}

#[test]
fn further_steps_join_and_another_round_prolongs() {
    let ab = given(&["a", "b"], &[]);
    assert_eq!(
        told(&ab, &[of(0, "a"), of(1, "b"), of(9, "a"), of(10, "b")]),
        ["1 a then b within 10m [1, 1001, 9001, 10001]; 24 not again within 10m for 5m"]
    );
}

#[test]
fn what_cannot_be_a_sequence_is_refused() {
    let refused = |steps: &[&str]| CorrelatorProbe::<Sequence>::new(&given(steps, &[])).err().unwrap().0;
    assert!(refused(&[]).starts_with("`events` lists"));
    assert_eq!(refused(&["a"; 17]), "`events` has 17 steps, and a sequence at most 16");
    assert!(refused(&["a=\"b"]).contains("a double quote is not closed"));
}

const TYPES: [&str; 5] = ["a", "b", "c", "ab", "x"];

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![3 => Just(Status::Occurred), 3 => Just(Status::Firing), 2 => Just(Status::Resolved)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let drawn = (0_u64..3, 0_i64..4, 0..=lateness, status, 0..TYPES.len(), cut);
    proptest::collection::vec(drawn, 1..50).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (fingerprint, step, late, status, kind, cut)): (usize, _)| {
            reached += step;
            let mut told = event(status, reached - late, fingerprint, TYPES[kind]);
            told.event.position = index as u64;
            told.event.timestamp = (reached - late) * STEP;
            (told, cut)
        };
        drawn.into_iter().enumerate().map(told).collect()
    })
}

/// The latest chain before a place that ends with a step, by places.
fn chain(history: &[ToldEvent], steps: &[char], before: usize) -> Option<Vec<usize>> {
    let Some((step, earlier)) = steps.split_last() else { return Some(Vec::new()) };
    let fits = |index: &usize| history[*index].event_type.contains(*step);
    (0..before).rev().filter(fits).find_map(|index| {
        let mut chain = chain(history, earlier, index)?;
        chain.push(index);
        Some(chain)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn sequence_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        steps in prop_oneof![Just("abc"), Just("aab"), Just("cb"), Just("bab"), Just("a")],
        window in 1_i64..15, idle in 0_i64..8, max in 1_i64..60,
    ) {
        let (window, idle, max) = (window * STEP, idle * STEP, max * STEP);
        let steps: Vec<char> = steps.chars().collect();
        let selectors: Vec<_> = steps.iter().map(|step| format!("*{step}*")).collect();
        let given = given(&selectors.iter().map(String::as_str).collect::<Vec<_>>(), &[
            ("window", window), ("idle", idle), ("max", max), ("lateness", lateness * STEP),
        ]);
        let holds = |history: &[ToldEvent]| {
            let now = history.last()?.event.timestamp;
            let members = chain(history, &steps, history.len())?;
            let begun = history[members[0]].event.timestamp;
            (begun > now - window).then_some(Holding { until: begun + window, members })
        };
        let rank = |told: &ToldEvent| {
            (0..).zip(&steps).find(|(_, step)| told.event_type.contains(**step)).map(|(rank, _)| rank)
        };
        let model = Naive { idle, max, waits_for_alerts: true, reads_resolved: false, rank: &rank, holds: &holds };
        let end = 1_000 * STEP;
        let plain: Vec<_> = events.iter().map(|(told, _)| told.clone()).collect();
        let changes = play::<Sequence>(&given, InOrder::STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines = |stories: &std::collections::BTreeMap<String, Vec<Story>>| {
            stories.values().flatten().map(Story::outline).collect::<Vec<_>>()
        };
        prop_assert_eq!(outlines(&said), outlines(&model.stories(&plain, end)));
        let uncut: Vec<_> = plain.into_iter().map(|told| (told, Cut::Batch)).collect();
        let uncut = play::<Sequence>(&given, InOrder::STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
