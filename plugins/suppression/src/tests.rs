//! What suppression says, case by case and against a plain model of it, whatever the order, the batches and the restarts.

use orion_plugin::testing::{CorrelatorProbe, Cut, TestEvent, ToldEvent, of_each, play, stories};
use orion_plugin::{Change, ChangeKind, ParameterValue};
use proptest::prelude::*;

use super::*;
use memory::STATE_VERSION;

mod model;

const MINUTE: i64 = 60_000;

type Given = Vec<(&'static str, ParameterValue)>;

/// Nodes that are down explain what fails on them.
fn given(parameters: &[(&'static str, i64)]) -> Given {
    let named = parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value)));
    let equal = ParameterValue::Texts(vec!["node".to_owned()]);
    named.chain([("cause", "node_down".into()), ("equal", equal)]).collect()
}

const HOLD_2: [(&str, i64); 2] = [("hold", 2 * MINUTE), ("idle", 15 * MINUTE)];

fn event(status: Status, minute: i64, event_type: &str, key: &str, node: &str) -> ToldEvent {
    let position = u64::try_from(minute).unwrap();
    let fingerprint = orion_plugin::hash_text(&format!("{event_type} {key} {node}"));
    let (timestamp, severity, key) = (minute * MINUTE, Severity::Error, key.to_owned());
    ToldEvent::from(TestEvent { position, timestamp, severity, status, fingerprint, key })
        .of_type(event_type)
        .labelled("node", node)
}

fn cause(status: Status, minute: i64, node: &str) -> ToldEvent {
    event(status, minute, "node_down", node, node)
}

fn symptom(status: Status, minute: i64, service: &str, node: &str) -> ToldEvent {
    event(status, minute, "service_down", service, node)
}

fn changes(events: &[ToldEvent]) -> Vec<Change> {
    let events: Vec<_> = events.iter().map(|told| (told.clone(), Cut::Tick)).collect();
    play::<Suppression>(&given(&HOLD_2), STATE_VERSION, &events, 90 * MINUTE).unwrap()
}

fn told(events: &[ToldEvent]) -> Vec<String> {
    let line = |change: &Change| {
        let (kind, at, reason) = (change.kind, change.timestamp / MINUTE, &change.reason);
        format!("{} {kind:?} {at} {:?} {reason}", change.key, change.positions)
    };
    changes(events).iter().map(line).collect()
}

use Status::{Firing, Occurred, Resolved};

#[test]
fn a_symptom_of_a_known_cause_is_listed_in_its_incident_and_opens_none() {
    let events = [
        cause(Firing, 0, "a"),
        symptom(Firing, 1, "web", "a"),
        symptom(Resolved, 5, "web", "a"),
        cause(Resolved, 6, "a"),
    ];
    assert_eq!(
        told(&events),
        [
            "cause node=\"a\" Opened 0 [0] a is a cause",
            "cause node=\"a\" Updated 1 [1] 1 new event",
            "cause node=\"a\" Resolved 6 [] all resolved",
        ]
    );
    let said = changes(&events);
    let fact = |name: &str| said[1].fields.iter().find(|field| field.name == name).unwrap().value.clone();
    assert_eq!(
        (fact("suppressed"), fact("suppressed_groups"), fact("suppressed_now")),
        (1_i64.into(), 1_i64.into(), "web".into())
    );
}

#[test]
fn a_symptom_waits_for_its_cause_and_exactly_the_hold_is_too_late() {
    let in_time = [symptom(Firing, 0, "web", "a"), cause(Firing, 1, "a")];
    assert_eq!(told(&in_time)[..], ["cause node=\"a\" Opened 1 [1, 0] a is a cause"]);
    let too_late = [symptom(Firing, 0, "web", "a"), cause(Firing, 2, "a")];
    assert_eq!(
        told(&too_late)[..3],
        [
            "web Opened 2 [0] no cause within 2m",
            "cause node=\"a\" Opened 2 [2] a is a cause",
            "web Updated 2 [] explained by cause node=\"a\"",
        ]
    );
}

#[test]
fn a_symptom_of_another_place_opens_its_own_incident() {
    assert_eq!(
        told(&[cause(Firing, 0, "a"), symptom(Firing, 1, "web", "b"), symptom(Resolved, 9, "web", "b")])[1..3],
        ["web Opened 3 [1] no cause within 2m", "web Resolved 9 [] all resolved",]
    );
}

#[test]
fn a_symptom_that_is_over_before_the_hold_was_never_an_incident() {
    assert_eq!(told(&[symptom(Firing, 0, "web", "a"), symptom(Resolved, 1, "web", "a")]), [""; 0]);
}

#[test]
fn what_still_fires_when_the_cause_is_over_waits_anew() {
    let events = [cause(Firing, 0, "a"), symptom(Firing, 1, "web", "a"), cause(Resolved, 10, "a")];
    assert_eq!(
        told(&events)[2..],
        ["cause node=\"a\" Resolved 10 [] all resolved", "web Opened 12 [1] no cause within 2m",]
    );
}

#[test]
fn things_of_one_moment_are_causes_and_symptoms_for_a_while() {
    let events = [cause(Occurred, 0, "a"), symptom(Occurred, 1, "web", "a"), symptom(Occurred, 20, "web", "a")];
    assert_eq!(
        told(&events),
        [
            "cause node=\"a\" Opened 0 [0] a is a cause",
            "cause node=\"a\" Updated 1 [1] 1 new event",
            "cause node=\"a\" Resolved 15 [] idle for 15m",
            "web Opened 22 [20] no cause within 2m",
            "web Resolved 35 [] idle for 15m",
        ]
    );
}

#[test]
fn at_one_instant_the_cause_comes_first() {
    let mut events = [symptom(Firing, 0, "web", "a"), cause(Firing, 0, "a")];
    (events[0].event.position, events[1].event.position) = (1, 2);
    assert_eq!(
        told(&events),
        ["cause node=\"a\" Opened 0 [2] a is a cause", "cause node=\"a\" Updated 0 [1] 1 new event"]
    );
}

#[test]
fn without_equal_labels_a_cause_explains_everything() {
    let all: Given = vec![("cause", "node_down".into())];
    let mut probe = CorrelatorProbe::<Suppression>::new(&all).unwrap();
    probe.tell(0, &[cause(Firing, 0, "a"), symptom(Firing, 0, "web", "b")]);
    let said = probe.tick(MINUTE);
    let all: Vec<_> = said.iter().map(|change| (change.kind, &*change.key, &*change.positions)).collect();
    assert_eq!(all, [(ChangeKind::Opened, "cause", &[0][..]), (ChangeKind::Updated, "cause", &[0])]);
}

#[test]
fn what_is_over_leaves_nothing_behind() {
    let mut probe = CorrelatorProbe::<Suppression>::new(&given(&HOLD_2)).unwrap();
    let mut saved = orion_plugin::testing::Saved::default();
    let events = [
        cause(Firing, 0, "a"),
        symptom(Firing, 1, "web", "a"),
        symptom(Resolved, 2, "web", "a"),
        cause(Resolved, 3, "a"),
        symptom(Firing, 4, "web", "b"),
        symptom(Resolved, 30, "web", "b"),
    ];
    for told in events {
        probe.tell(0, &[told]);
        saved.keep(probe.checkpoint());
    }
    probe.tick(60 * MINUTE);
    saved.keep(probe.checkpoint());
    assert_eq!(saved, orion_plugin::testing::Saved::default());
}

#[test]
fn a_cause_is_needed() {
    let refused = CorrelatorProbe::<Suppression>::new(&[]).err().unwrap();
    assert!(refused.0.starts_with("`cause` says which events explain others"));
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![5 => Just(Firing), 4 => Just(Resolved), 1 => Just(Occurred)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let node = prop_oneof![Just("a"), Just("b")];
    let service = prop_oneof![2 => Just(""), 2 => Just("web"), 1 => Just("db")];
    let drawn = (0_i64..4, 0..=lateness, status, service, node, 0_u8..4, cut);
    proptest::collection::vec(drawn, 1..60).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (step, late, status, service, node, rank, cut)): (usize, (_, _, _, &str, _, _, _))| {
            reached += step;
            let at = reached - late;
            let mut told =
                if service.is_empty() { cause(status, at, node) } else { symptom(status, at, service, node) };
            (told.event.position, told.event.severity) = (index as u64, Severity::from_rank(rank));
            told.event.timestamp = at * STEP;
            (told, cut)
        };
        drawn.into_iter().enumerate().map(told).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn suppression_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..4).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        hold in 0_i64..5, idle in 1_i64..12, max in 1_i64..60,
    ) {
        let (hold, idle, max) = (hold * STEP, idle * STEP, max * STEP);
        let given = given(&[("hold", hold), ("idle", idle), ("max", max), ("lateness", lateness * STEP)]);
        let end = 500 * STEP;
        let changes = play::<Suppression>(&given, STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outlines: Vec<_> = said.iter().flat_map(|(key, told)| told.iter().map(|told| (key.clone(), told.outline()))).collect();
        prop_assert_eq!(outlines, model::stories(&events, hold, idle, max, end));
        let uncut: Vec<_> = events.into_iter().map(|(told, _)| (told, Cut::Batch)).collect();
        let uncut = play::<Suppression>(&given, STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
