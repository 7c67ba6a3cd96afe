//! What distinct says, case by case and against the plainest model of it, whatever the order, the batches and the restarts.

use std::collections::BTreeMap;

use orion_plugin::testing::{
    CorrelatorProbe, Cut, Holding, Naive, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use orion_plugin::{ParameterValue, Status};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn given(parameters: &[(&'static str, i64)]) -> Vec<(&'static str, ParameterValue)> {
    let named = parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value)));
    named.chain([("field", "user".into())]).collect()
}

/// An event of the key `k` at a minute, with a user or without.
fn event(status: Status, minute: i64, fingerprint: u64, user: &str) -> ToldEvent {
    let told = ToldEvent::from(TestEvent::at_minute(status, minute, fingerprint));
    if user.is_empty() { told } else { told.labelled("user", user) }
}

fn by(minute: i64, user: &str) -> ToldEvent {
    event(Status::Occurred, minute, 1, user)
}

fn told(parameters: &[(&'static str, i64)], events: &[ToldEvent]) -> Vec<String> {
    lines(&one_by_one::<Distinct>(&given(parameters), Values::STATE_VERSION, events, 90 * MINUTE).unwrap())
}

const THREE: [(&str, i64); 2] = [("gte", 3), ("idle", 5 * MINUTE)];

#[test]
fn so_many_values_open_and_the_newest_event_of_each_is_named() {
    assert_eq!(
        told(&THREE, &[by(0, "ann"), by(1, "bob"), by(2, "ann"), by(3, "cid"), by(4, "ann")]),
        ["3 3 different values of user within 10m [1001, 2001, 3001, 4001]; \
          16 no longer at least 3 different values of user within 10m for 5m"]
    );
}

#[test]
fn a_value_that_comes_again_counts_once_and_an_event_without_one_never() {
    assert_eq!(told(&THREE, &[by(0, "ann"), by(1, "bob"), by(2, "ann"), by(3, "bob"), by(4, ""), by(5, "")]), [""; 0]);
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let mut last = by(10, "cid");
    assert!(told(&THREE, &[by(0, "ann"), by(5, "bob"), last.clone()]).is_empty());
    last.event.timestamp -= 1;
    assert_eq!(told(&THREE, &[by(0, "ann"), by(5, "bob"), last]).len(), 1);
    // A value that came again is as new as its last event.
    assert_eq!(told(&THREE, &[by(0, "ann"), by(5, "bob"), by(7, "ann"), by(10, "cid")]).len(), 1);
}

#[test]
fn types_of_events_are_values_too() {
    let given: [(&str, ParameterValue); 2] = [("gt", 1_i64.into()), ("field", "event_type".into())];
    let mut probe = CorrelatorProbe::<Distinct>::new(&given).unwrap();
    let said = probe.tell(0, &[by(0, "").of_type("a"), by(1, "").of_type("a"), by(2, "").of_type("b")]);
    assert_eq!(said[0].reason, "2 different values of event_type within 10m");
}

#[test]
fn few_values_are_judged_when_the_window_is_over() {
    let one = [("eq", 1), ("idle", 0)];
    assert_eq!(
        told(&one, &[by(0, "ann"), by(9, "ann")]),
        ["10 1 different values of user within 10m [1, 9001]; \
          10 no longer exactly 1 different values of user within 10m for 0s"]
    );
    assert!(told(&one, &[by(0, "ann"), by(9, "bob")]).is_empty());
}

#[test]
fn a_field_is_needed() {
    let refused = CorrelatorProbe::<Distinct>::new(&[("gte", 3_i64.into())]).err().unwrap();
    assert!(refused.0.starts_with("`field` says"));
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![3 => Just(Status::Occurred), 3 => Just(Status::Firing), 2 => Just(Status::Resolved)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let user = prop_oneof![Just(""), Just("ann"), Just("bob"), Just("cid"), Just("dan")];
    let drawn = (0_u64..3, 0_i64..6, 0..=lateness, status, user, cut);
    proptest::collection::vec(drawn, 1..50).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (fingerprint, step, late, status, user, cut)): (usize, _)| {
            reached += step;
            let mut told = event(status, reached - late, fingerprint, user);
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
    fn distinct_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        least in 1_usize..5, window in 1_i64..15, idle in 0_i64..8, max in 1_i64..60,
    ) {
        let (window, idle, max) = (window * STEP, idle * STEP, max * STEP);
        let given = given(&[
            ("gte", least as i64), ("window", window), ("idle", idle), ("max", max), ("lateness", lateness * STEP),
        ]);
        let holds = |history: &[ToldEvent]| {
            let now = history.last()?.event.timestamp;
            let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
            for (index, told) in history.iter().enumerate().filter(|(_, told)| told.event.timestamp > now - window) {
                newest.insert(&told.labels[0].1, index);
            }
            let mut members: Vec<_> = newest.into_values().collect();
            members.sort_unstable();
            let members = members[members.len().checked_sub(least)?..].to_vec();
            Some(Holding { until: history[members[0]].event.timestamp + window, members })
        };
        let rank = |told: &ToldEvent| (!told.labels.is_empty()).then_some(0);
        let model = Naive { idle, max, waits_for_alerts: true, reads_resolved: false, rank: &rank, holds: &holds };
        let end = 1_000 * STEP;
        let plain: Vec<_> = events.iter().map(|(told, _)| told.clone()).collect();
        let changes = play::<Distinct>(&given, Values::STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines = |stories: &BTreeMap<String, Vec<Story>>| {
            stories.values().flatten().map(Story::outline).collect::<Vec<_>>()
        };
        prop_assert_eq!(outlines(&said), outlines(&model.stories(&plain, end)));
        let uncut: Vec<_> = plain.into_iter().map(|told| (told, Cut::Batch)).collect();
        let uncut = play::<Distinct>(&given, Values::STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
