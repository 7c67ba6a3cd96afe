//! What flapping says, case by case and against the plainest model of it, whatever the order, the batches and the restarts.

use orion_plugin::ParameterValue;
use orion_plugin::testing::{
    CorrelatorProbe, Cut, Holding, Naive, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn given(parameters: &[(&'static str, i64)]) -> Vec<(&'static str, ParameterValue)> {
    parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value))).collect()
}

fn event(status: Status, minute: i64, fingerprint: u64) -> ToldEvent {
    TestEvent::at_minute(status, minute, fingerprint).into()
}

/// An alert that changes at these minutes, from not firing.
fn changes(minutes: &[i64], fingerprint: u64) -> Vec<ToldEvent> {
    let status = |index: usize| if index.is_multiple_of(2) { Status::Firing } else { Status::Resolved };
    minutes.iter().enumerate().map(|(index, minute)| event(status(index), *minute, fingerprint)).collect()
}

const FOUR: [(&str, i64); 3] = [("transitions", 4), ("window", 10 * MINUTE), ("calm", 5 * MINUTE)];

fn told(events: &[ToldEvent]) -> Vec<String> {
    lines(&one_by_one::<Flapping>(&given(&FOUR), Unrest::STATE_VERSION, events, 90 * MINUTE).unwrap())
}

#[test]
fn an_alert_that_fires_once_too_often_opens_and_every_change_prolongs() {
    assert_eq!(
        told(&changes(&[0, 1, 2, 3, 4, 6, 8], 1)),
        ["4 fired and resolved 5 times within 10m [1, 1001, 2001, 3001, 4001, 6001, 8001]; 13 calm for 5m"]
    );
}

#[test]
fn it_opens_when_an_alert_fires_and_not_when_it_resolves() {
    assert!(told(&changes(&[0, 1, 2, 3], 1)).is_empty());
    assert_eq!(told(&changes(&[0, 1, 2, 3, 4], 1)).len(), 1);
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let five = |last| changes(&[0, 1, 2, 3, last], 1);
    // At 11 the changes at 0 and 1 are outside, and three are left; just before 11 the one at 1 is inside.
    assert!(told(&five(11)).is_empty());
    let mut events = five(11);
    events[4].event.timestamp -= 1;
    assert_eq!(told(&events).len(), 1);
}

#[test]
fn many_alerts_that_fire_once_are_no_unrest() {
    let many: Vec<_> = (1..9).flat_map(|print| changes(&[0, 1], print)).collect();
    assert!(told(&many).is_empty());
}

#[test]
fn being_told_again_that_it_fires_is_no_change() {
    let again: Vec<_> = (0..9).map(|minute| event(Status::Firing, minute, 1)).collect();
    assert!(told(&again).is_empty());
    assert!(told(&(0..9).map(|minute| event(Status::Occurred, minute, 1)).collect::<Vec<_>>()).is_empty());
}

#[test]
fn an_alert_that_goes_on_firing_is_calm() {
    let mut probe = CorrelatorProbe::<Flapping>::new(&given(&FOUR)).unwrap();
    probe.tell(0, &changes(&[0, 1, 2, 3, 4], 1));
    assert!(probe.tick(9 * MINUTE - 1).is_empty());
    assert_eq!(probe.tick(9 * MINUTE)[0].reason, "calm for 5m");
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![4 => Just(Status::Firing), 4 => Just(Status::Resolved), 1 => Just(Status::Occurred)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let drawn = (0_u64..2, 0_i64..3, 0..=lateness, status, cut);
    proptest::collection::vec(drawn, 1..60).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (fingerprint, step, late, status, cut)): (usize, _)| {
            reached += step;
            let mut told = event(status, reached - late, fingerprint);
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
    fn flapping_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..4).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        transitions in 2_usize..6, window in 1_i64..15, calm in 1_i64..8, max in 1_i64..60,
    ) {
        let (window, idle, max) = (window * STEP, calm * STEP, max * STEP);
        let given = given(&[
            ("transitions", transitions as i64), ("window", window), ("calm", idle), ("max", max),
            ("lateness", lateness * STEP),
        ]);
        let holds = |history: &[ToldEvent]| {
            let last = &history.last()?.event;
            // Those of the alert that said something new, as far as the window of each reaches back.
            let mut turns: Vec<usize> = Vec::new();
            for (index, told) in history.iter().enumerate() {
                let known = turns.iter().rev().map(|turn| &history[*turn].event);
                let before = known.clone().find(|known| known.timestamp > told.event.timestamp - window);
                let is_same = before.is_some_and(|before| before.status == told.event.status);
                if told.event.fingerprint == last.fingerprint && !is_same {
                    turns.push(index);
                }
            }
            let is_turn = turns.last() == Some(&(history.len() - 1));
            turns.retain(|turn| history[*turn].event.timestamp > last.timestamp - window);
            let members = if last.status == Status::Firing { turns.clone() } else { Vec::new() };
            (is_turn && turns.len() >= transitions).then_some(Holding { until: last.timestamp, members })
        };
        let rank = |told: &ToldEvent| (told.event.status != Status::Occurred).then_some(0);
        let model = Naive { idle, max, waits_for_alerts: false, reads_resolved: true, rank: &rank, holds: &holds };
        let end = 1_000 * STEP;
        let plain: Vec<_> = events.iter().map(|(told, _)| told.clone()).collect();
        let changes = play::<Flapping>(&given, Unrest::STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines = |stories: &std::collections::BTreeMap<String, Vec<Story>>| {
            stories.values().flatten().map(Story::outline).collect::<Vec<_>>()
        };
        prop_assert_eq!(outlines(&said), outlines(&model.stories(&plain, end)));
        let uncut: Vec<_> = plain.into_iter().map(|told| (told, Cut::Batch)).collect();
        let uncut = play::<Flapping>(&given, Unrest::STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
