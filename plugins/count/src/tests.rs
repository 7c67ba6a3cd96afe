//! What count says, case by case and against the plainest model of it, whatever the order, the batches and the restarts.

use orion_plugin::testing::{
    CorrelatorProbe, Cut, Holding, Naive, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use orion_plugin::{ChangeKind, ParameterValue, Severity, Status};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn given(parameters: &[(&'static str, i64)]) -> Vec<(&'static str, ParameterValue)> {
    parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value))).collect()
}

/// An event of the key `k` at a minute; its position is its fingerprint plus a thousand times the minute.
fn event(status: Status, minute: i64, fingerprint: u64) -> ToldEvent {
    TestEvent::at_minute(status, minute, fingerprint).into()
}

fn occurred(minute: i64) -> ToldEvent {
    event(Status::Occurred, minute, 1)
}

/// Each event in a call of its own, and a tick at the end.
fn told(parameters: &[(&'static str, i64)], events: &[ToldEvent], end_minute: i64) -> Vec<Story> {
    one_by_one::<Count>(&given(parameters), Counting::STATE_VERSION, events, end_minute * MINUTE).unwrap()
}

const THREE: [(&str, i64); 2] = [("gte", 3), ("idle", 5 * MINUTE)];

#[test]
fn the_event_that_makes_enough_opens_and_further_ones_join() {
    let said = told(&THREE, &[0, 4, 8, 12].map(occurred), 60);
    assert_eq!(
        lines(&said),
        ["8 3 events within 10m [1, 4001, 8001, 12001]; 19 no longer at least 3 events within 10m for 5m"]
    );
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let mut late = occurred(10);
    assert!(told(&THREE, &[occurred(0), occurred(5), late.clone()], 60).is_empty());
    late.event.timestamp -= 1;
    assert_eq!(told(&THREE, &[occurred(0), occurred(5), late], 60).len(), 1);
}

#[test]
fn every_time_an_alert_fires_counts_and_its_end_does_not() {
    let flaps = |minute| [event(Status::Firing, minute, 1), event(Status::Resolved, minute + 1, 1)];
    let said = told(&THREE, &[flaps(0), flaps(2), flaps(4)].concat(), 60);
    assert_eq!(
        lines(&said),
        ["4 3 events within 10m [1, 2001, 4001]; 15 no longer at least 3 events within 10m for 5m"]
    );
    assert!(told(&[("gte", 1)], &[event(Status::Resolved, 0, 1)], 60).is_empty());
}

#[test]
fn an_incident_waits_for_its_alerts_to_be_resolved() {
    let firing = [0, 1, 2].map(|minute| event(Status::Firing, minute, minute.cast_unsigned()));
    let ends = [3, 4, 45].map(|minute| event(Status::Resolved, minute, (minute.cast_unsigned() + 2) % 5 % 3));
    let resolved = [(20, 0), (21, 1), (45, 2)].map(|(minute, print)| event(Status::Resolved, minute, print));
    assert_eq!(
        lines(&told(&THREE, &[firing.clone(), resolved].concat(), 60)),
        ["2 3 events within 10m [0, 1001, 2002]; 45 all resolved"]
    );
    assert!(told(&THREE, &[&firing[..], &ends[..2]].concat(), 60)[0].closed.is_none());
}

#[test]
fn one_that_is_too_old_is_closed_and_what_still_fires_opens_the_next() {
    let parameters = [("gte", 2), ("max", 30 * MINUTE)];
    let said = told(&parameters, &[event(Status::Firing, 0, 1), event(Status::Firing, 1, 2)], 40);
    assert_eq!(lines(&said), ["1 2 events within 10m [1, 1002]; 31 open for 30m", "31 continues [1, 1002]"]);
}

#[test]
fn an_event_that_comes_late_counts_where_it_belongs() {
    let late: Vec<_> = [0, 9, 11, 1].map(occurred).into();
    assert_eq!(
        lines(&told(&[("gte", 3), ("idle", 0), ("lateness", 10 * MINUTE)], &late, 60)),
        ["9 3 events within 10m [1, 1001, 9001]; 10 no longer at least 3 events within 10m for 0s"]
    );
}

#[test]
fn a_condition_that_events_can_undo_is_judged_when_the_window_is_over() {
    let at_most_two = [("lte", 2), ("idle", 0)];
    let quiet = told(&at_most_two, &[0, 9].map(occurred), 60);
    assert_eq!(lines(&quiet), ["10 2 events within 10m [1, 9001]; 10 no longer at most 2 events within 10m for 0s"]);
    assert!(told(&at_most_two, &[0, 4, 9].map(occurred), 60).is_empty());
    // A window that is over prolongs the incident, and one that fails ends it.
    let said = told(&[("eq", 2), ("idle", 5 * MINUTE)], &[0, 9, 12, 13, 23, 24, 25].map(occurred), 60);
    assert_eq!(
        lines(&said),
        ["10 2 events within 10m [1, 9001, 12001, 13001]; 33 no longer exactly 2 events within 10m for 5m"]
    );
}

#[test]
fn a_condition_that_cannot_be_is_refused() {
    let refused =
        |parameters: &[(&'static str, i64)]| CorrelatorProbe::<Count>::new(&given(parameters)).err().unwrap().0;
    assert!(refused(&[]).starts_with("say when it is too much"));
    assert_eq!(refused(&[("gte", 5), ("lt", 3)]), "no number is at least 5, less than 3");
}

#[test]
fn a_key_whose_window_is_over_leaves_nothing_behind() {
    let mut probe = CorrelatorProbe::<Count>::new(&given(&THREE)).unwrap();
    probe.tell(0, &[occurred(0)]);
    assert_eq!(probe.checkpoint().len(), 1);
    probe.tick(10 * MINUTE - 1);
    assert_eq!(probe.checkpoint(), []);
    probe.tick(10 * MINUTE);
    assert!(matches!(&probe.checkpoint()[..], [gone] if gone.value.is_none()));
}

#[test]
fn one_key_too_many_pushes_out_the_one_that_would_be_forgotten_first_and_that_is_said() {
    let mut probe = CorrelatorProbe::<Count>::new(&given(&[("gte", 1), ("max_keys", 2)])).unwrap();
    let of_key = |minute, key: &str| {
        let mut told = occurred(minute);
        told.event.key = key.to_owned();
        told
    };
    let said = probe.tell(0, &[of_key(0, "a"), of_key(1, "b"), of_key(2, "c")]);
    let lines: Vec<_> = said.iter().map(|change| (change.kind, &*change.key, &*change.reason)).collect();
    assert_eq!(lines[2], (ChangeKind::Resolved, "a", "pushed out by other keys: more than 2"));
    let fact = said[3].fields.iter().find(|field| field.name == "keys_pushed_out").unwrap();
    assert_eq!((lines[3].1, &fact.value), ("c", &1_i64.into()));
}

#[test]
fn what_is_gained_within_a_while_is_one_change_with_the_facts_of_its_end() {
    let mut probe = CorrelatorProbe::<Count>::new(&given(&THREE)).unwrap();
    let opened = probe.tell(0, &[0, 0, 0, 0].map(occurred));
    assert_eq!((opened.len(), opened[0].positions.len(), &opened[0].fields[0].value), (1, 3, &3_i64.into()));
    assert_eq!(probe.tell(0, &[occurred(0)]), []);
    let said = probe.tick(1_000);
    assert_eq!((said[0].kind, &*said[0].reason, said.len()), (ChangeKind::Updated, "2 new events", 1));
    assert_eq!((said[0].positions.len(), &said[0].fields[0].value), (2, &5_i64.into()));
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

/// Events of two keys, each at most `lateness` steps later than one before it.
fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![3 => Just(Status::Occurred), 3 => Just(Status::Firing), 2 => Just(Status::Resolved)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let event = (0_u64..2, 0_u64..4, 0_i64..6, 0..=lateness, 0_u8..4, status, cut);
    proptest::collection::vec(event, 1..50).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (key, fingerprint, step, late, rank, status, cut)): (usize, _)| {
            reached += step;
            let (position, timestamp, key) = (index as u64, (reached - late) * STEP, format!("k{key}"));
            let event =
                TestEvent { position, timestamp, severity: Severity::from_rank(rank), status, fingerprint, key };
            (event.into(), cut)
        };
        drawn.into_iter().enumerate().map(told).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn count_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        least in 1_usize..5, window in 1_i64..15, idle in 0_i64..8, max in 1_i64..60,
    ) {
        let (window, idle, max) = (window * STEP, idle * STEP, max * STEP);
        let given = given(&[
            ("gte", least as i64), ("window", window), ("idle", idle), ("max", max), ("lateness", lateness * STEP),
        ]);
        let holds = |history: &[ToldEvent]| {
            let now = history.last()?.event.timestamp;
            let inside: Vec<_> = (0..history.len()).filter(|at| history[*at].event.timestamp > now - window).collect();
            let members = inside[inside.len().checked_sub(least)?..].to_vec();
            Some(Holding { until: history[members[0]].event.timestamp + window, members })
        };
        let model = Naive { idle, max, waits_for_alerts: true, reads_resolved: false, rank: &|_| Some(0), holds: &holds };
        let end = 1_000 * STEP;
        let plain: Vec<_> = events.iter().map(|(told, _)| told.clone()).collect();
        let changes = play::<Count>(&given, Counting::STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines = |stories: std::collections::BTreeMap<String, Vec<Story>>| {
            let outline = |(key, told): (String, Vec<Story>)| (key, told.iter().map(Story::outline).collect::<Vec<_>>());
            stories.into_iter().map(outline).collect::<Vec<_>>()
        };
        prop_assert_eq!(outlines(said), outlines(model.stories(&plain, end)));
        let uncut: Vec<_> = plain.into_iter().map(|told| (told, Cut::Batch)).collect();
        let uncut = play::<Count>(&given, Counting::STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }

    #[test]
    fn windows_are_judged_the_same_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        most in 0_i64..4, window in 1_i64..15, idle in 0_i64..8,
    ) {
        let given = given(&[
            ("lte", most), ("window", window * STEP), ("idle", idle * STEP), ("lateness", lateness * STEP),
        ]);
        let said = stories(play::<Count>(&given, Counting::STATE_VERSION, &events, 9_000 * STEP).unwrap());
        for key in ["k0", "k1"] {
            let model = judged(key, &events, usize::try_from(most).unwrap(), window * STEP, idle * STEP);
            let outline = |story: &Story| (story.opened.0, story.closed.as_ref().unwrap().0, story.positions.clone());
            prop_assert_eq!(said.get(key).into_iter().flatten().map(outline).collect::<Vec<_>>(), model);
        }
    }
}

/// All events in order, window after window: what opens, closes, and by which events.
fn judged(key: &str, events: &[(ToldEvent, Cut)], most: usize, window: i64, idle: i64) -> Vec<(i64, i64, Vec<u64>)> {
    let of_key = |told: &&ToldEvent| told.event.key == key && told.event.status != Status::Resolved;
    let mut sorted: Vec<_> = events.iter().map(|(told, _)| told).filter(of_key).collect();
    sorted.sort_by_key(|told| (told.event.timestamp, told.event.position));
    let mut incidents: Vec<(i64, i64, Vec<u64>)> = Vec::new();
    let mut rest = &sorted[..];
    while let Some(first) = rest.first() {
        let (begun, end) = (first.event.timestamp, first.event.timestamp + window);
        let (inside, after) = rest.split_at(rest.partition_point(|told| told.event.timestamp < end));
        rest = after;
        let positions = inside.iter().map(|told| told.event.position);
        let open = incidents.last_mut().filter(|(_, closes, _)| begun < *closes);
        match (inside.len() <= most, open) {
            (true, Some((_, closes, all))) => {
                *closes = end + idle;
                all.extend(positions);
                all.sort_unstable();
            }
            (true, None) => {
                let mut positions: Vec<_> = positions.collect();
                positions.sort_unstable();
                incidents.push((end, end + idle, positions));
            }
            (false, Some((_, closes, _))) => *closes = end.max(*closes),
            (false, None) => {}
        }
    }
    incidents
}
