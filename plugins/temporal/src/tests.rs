//! What temporal says, case by case and against the plainest model of it, whatever the order, the batches and the restarts.

use orion_plugin::testing::{
    CorrelatorProbe, Cut, Holding, Naive, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use orion_plugin::{ParameterValue, Status};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

type Given = Vec<(&'static str, ParameterValue)>;

fn given(kinds: &[&str], parameters: &[(&'static str, i64)]) -> Given {
    let kinds = ParameterValue::Texts(kinds.iter().map(|kind| (*kind).to_owned()).collect());
    let named = parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value)));
    named.chain([("events", kinds)]).collect()
}

fn event(status: Status, minute: i64, fingerprint: u64, event_type: &str) -> ToldEvent {
    ToldEvent::from(TestEvent::at_minute(status, minute, fingerprint)).of_type(event_type)
}

fn of(minute: i64, event_type: &str) -> ToldEvent {
    event(Status::Occurred, minute, 1, event_type)
}

fn told(given: &Given, events: &[ToldEvent]) -> Vec<String> {
    lines(&one_by_one::<Temporal>(given, Together::STATE_VERSION, events, 90 * MINUTE).unwrap())
}

#[test]
fn all_kinds_within_the_window_open_in_whatever_order() {
    let abc = given(&["a", "b", "c"], &[]);
    let want = |last| format!("8 a and b and c within 10m {last}; 15 no longer 3 kinds within 10m for 5m");
    assert_eq!(
        told(&abc, &[of(0, "b"), of(2, "c"), of(8, "a")]),
        ["8 a and b and c within 10m [1, 2001, 8001]; 15 no longer 3 kinds within 10m for 5m"]
    );
    assert_eq!(told(&abc, &[of(0, "c"), of(0, "a"), of(8, "b")]), [want("[1, 1, 8001]")]);
    assert!(told(&abc, &[of(0, "b"), of(2, "b"), of(8, "a"), of(9, "x")]).is_empty());
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let ab = given(&["a", "b"], &[]);
    let mut last = of(10, "b");
    assert!(told(&ab, &[of(0, "a"), last.clone()]).is_empty());
    last.event.timestamp -= 1;
    assert_eq!(told(&ab, &[of(0, "a"), last]).len(), 1);
    // A kind that came again is as new as its last event.
    assert_eq!(told(&ab, &[of(0, "a"), of(5, "a"), of(10, "b")]).len(), 1);
}

#[test]
fn further_events_of_a_kind_join_and_others_do_not() {
    let ab = given(&["a", "b"], &[]);
    assert_eq!(
        told(&ab, &[of(0, "a"), of(1, "b"), of(2, "x"), of(3, "a")]),
        ["1 a and b within 10m [1, 1001, 3001]; 16 no longer 2 kinds within 10m for 5m"]
    );
}

#[test]
fn at_least_so_many_kinds_are_enough() {
    let two = given(&["a", "b", "c"], &[("at_least", 2)]);
    assert_eq!(
        told(&two, &[of(0, "a"), of(4, "a"), of(5, "c")]),
        ["5 a and c within 10m [4001, 5001]; 19 no longer 2 kinds within 10m for 5m"]
    );
}

#[test]
fn one_event_may_be_of_several_kinds() {
    let both = given(&["a", "*"], &[]);
    assert_eq!(told(&both, &[of(0, "a")]).len(), 1);
    assert!(told(&both, &[of(0, "b")]).is_empty());
}

#[test]
fn a_late_event_finds_those_it_happened_with() {
    let ab = given(&["a", "b"], &[("lateness", 20 * MINUTE), ("idle", 0)]);
    assert_eq!(
        told(&ab, &[of(20, "a"), of(35, "a"), of(22, "b")]),
        ["22 a and b within 10m [20001, 22001]; 30 no longer 2 kinds within 10m for 0s"]
    );
}

#[test]
fn what_can_never_come_together_is_refused() {
    let refused = |given: &Given| CorrelatorProbe::<Temporal>::new(given).err().unwrap().0;
    assert!(refused(&given(&[], &[])).starts_with("`events` lists"));
    assert_eq!(refused(&given(&["a"], &[("at_least", 2)])), "`at_least: 2` of 1 kinds never come together");
    assert!(refused(&given(&["severity>bad"], &[])).starts_with("`events`: `severity>bad` selects nothing"));
}

const TYPES: [&str; 5] = ["a", "b", "c", "ab", "x"];

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![3 => Just(Status::Occurred), 3 => Just(Status::Firing), 2 => Just(Status::Resolved)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let drawn = (0_u64..3, 0_i64..6, 0..=lateness, status, 0..TYPES.len(), cut);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn temporal_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        at_least in 1_usize..4, window in 1_i64..15, idle in 0_i64..8, max in 1_i64..60,
    ) {
        let (window, idle, max) = (window * STEP, idle * STEP, max * STEP);
        let given = given(&["a|ab", "b|ab", "c"], &[
            ("at_least", at_least as i64), ("window", window), ("idle", idle), ("max", max),
            ("lateness", lateness * STEP),
        ]);
        let fits = |told: &ToldEvent, kind: char| told.event_type.contains(kind);
        let holds = |history: &[ToldEvent]| {
            let now = history.last()?.event.timestamp;
            let newest = |kind| {
                (0..history.len()).rev().find(|index| fits(&history[*index], kind))
                    .filter(|index| history[*index].event.timestamp > now - window)
            };
            let mut members: Vec<_> = ['a', 'b', 'c'].into_iter().filter_map(newest).collect();
            if members.len() < at_least {
                return None;
            }
            members.sort_unstable();
            // With the newest of so many kinds it holds, as long as the oldest of those is in the window.
            let oldest = members[members.len() - at_least];
            members.dedup();
            Some(Holding { until: history[oldest].event.timestamp + window, members })
        };
        let rank = |told: &ToldEvent| (told.event_type != "x").then_some(0);
        let model = Naive { idle, max, waits_for_alerts: true, reads_resolved: false, rank: &rank, holds: &holds };
        let end = 1_000 * STEP;
        let plain: Vec<_> = events.iter().map(|(told, _)| told.clone()).collect();
        let changes = play::<Temporal>(&given, Together::STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines = |stories: &std::collections::BTreeMap<String, Vec<Story>>| {
            stories.values().flatten().map(Story::outline).collect::<Vec<_>>()
        };
        prop_assert_eq!(outlines(&said), outlines(&model.stories(&plain, end)));
        let uncut: Vec<_> = plain.into_iter().map(|told| (told, Cut::Batch)).collect();
        let uncut = play::<Temporal>(&given, Together::STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
