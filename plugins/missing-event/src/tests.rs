//! What missing-event says, case by case and against the plainest model of it, whatever the order, the batches and the
//! restarts.

use orion_plugin::testing::{
    CorrelatorProbe, Cut, Story, TestEvent, ToldEvent, lines, of_each, one_by_one, play, stories,
};
use orion_plugin::{ChangeKind, ParameterValue, Severity, Status};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

type Given = Vec<(&'static str, ParameterValue)>;

fn given(first: &'static str, then: &'static str, parameters: &[(&'static str, i64)]) -> Given {
    let named = parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value)));
    named.chain([("first", first.into()), ("then", then.into())]).collect()
}

fn event(status: Status, minute: i64, event_type: &str) -> ToldEvent {
    let position = u64::try_from(minute).unwrap();
    let (timestamp, severity, key) = (minute * MINUTE, Severity::Warning, "k".to_owned());
    ToldEvent::from(TestEvent { position, timestamp, severity, status, fingerprint: 1, key }).of_type(event_type)
}

fn of(minute: i64, event_type: &str) -> ToldEvent {
    event(Status::Occurred, minute, event_type)
}

fn told(given: &Given, events: &[ToldEvent]) -> Vec<String> {
    lines(&one_by_one::<MissingEvent>(given, STATE_VERSION, events, 200 * MINUTE).unwrap())
}

fn a_then_b() -> Given {
    given("a", "b", &[("idle", 60 * MINUTE)])
}

#[test]
fn what_is_expected_and_comes_in_time_is_not_missed() {
    assert_eq!(told(&a_then_b(), &[of(0, "a"), of(9, "b")]), [""; 0]);
    assert_eq!(told(&a_then_b(), &[of(0, "a"), of(1, "a"), of(9, "b")]), [""; 0]);
    assert_eq!(told(&a_then_b(), &[of(0, "b")]), [""; 0]);
}

#[test]
fn an_edge_is_exactly_at_the_window() {
    let mut last = of(10, "b");
    assert_eq!(told(&a_then_b(), &[of(0, "a"), last.clone()]), ["10 no b within 10m of a [0]; 10 b came, 0s late"]);
    last.event.timestamp -= 1;
    assert_eq!(told(&a_then_b(), &[of(0, "a"), last]), [""; 0]);
}

#[test]
fn the_incident_opens_exactly_when_the_window_is_over() {
    let mut probe = CorrelatorProbe::<MissingEvent>::new(&a_then_b()).unwrap();
    assert!(probe.tell(0, &[of(0, "a")]).is_empty());
    assert!(probe.tick(10 * MINUTE - 1).is_empty());
    let said = probe.tick(10 * MINUTE);
    assert_eq!((said[0].kind, said[0].timestamp, &*said[0].positions), (ChangeKind::Opened, 10 * MINUTE, &[0][..]));
    assert_eq!((&*said[0].fields[0].name, &said[0].fields[0].value), ("expected", &"b".into()));
}

#[test]
fn it_is_over_when_the_expected_comes_after_all_or_nothing_else_is_missed() {
    assert_eq!(told(&a_then_b(), &[of(0, "a"), of(13, "b")]), ["10 no b within 10m of a [0]; 13 b came, 3m late"]);
    assert_eq!(
        told(&a_then_b(), &[of(0, "a"), of(5, "a")]),
        ["10 no b within 10m of a [0, 5]; 75 nothing else missed for 1h"]
    );
}

#[test]
fn what_answers_must_come_after_what_asks_or_at_the_same_instant() {
    assert_eq!(told(&a_then_b(), &[of(0, "b"), of(1, "a")]).len(), 1);
    assert_eq!(told(&a_then_b(), &[of(1, "b"), of(1, "a")]), [""; 0]);
}

#[test]
fn an_answer_that_arrives_before_its_question_or_late_is_an_answer() {
    let late = given("a", "b", &[("lateness", 20 * MINUTE)]);
    assert_eq!(told(&late, &[of(5, "b"), of(1, "a")]), [""; 0]);
    assert_eq!(told(&late, &[of(1, "a"), of(15, "x"), of(16, "a"), of(5, "b"), of(17, "b")]), [""; 0]);
}

#[test]
fn heartbeats_expect_each_other() {
    let beats = given("beat", "beat", &[("idle", 60 * MINUTE)]);
    assert_eq!(
        told(&beats, &[of(0, "beat"), of(9, "beat"), of(18, "beat"), of(40, "beat")])[..1],
        ["28 no beat within 10m of beat [18]; 40 beat came, 12m late"]
    );
}

#[test]
fn the_end_of_an_alert_may_be_what_is_expected() {
    let down = given("down", "down status=resolved", &[]);
    let (begins, ends) = (event(Status::Firing, 0, "down"), event(Status::Resolved, 5, "down"));
    assert_eq!(told(&down, &[begins.clone(), ends]), [""; 0]);
    assert_eq!(told(&down, &[begins.clone(), event(Status::Firing, 5, "down")]).len(), 1);
    // Without a word about the status, the end of an alert is no event.
    assert_eq!(told(&given("a", "*", &[]), &[of(0, "a"), event(Status::Resolved, 5, "down")]).len(), 1);
}

#[test]
fn a_key_without_expectations_leaves_nothing_behind() {
    let mut probe = CorrelatorProbe::<MissingEvent>::new(&a_then_b()).unwrap();
    probe.tell(0, &[of(0, "a"), of(1, "b")]);
    probe.checkpoint();
    probe.tick(2 * MINUTE);
    assert!(matches!(&probe.checkpoint()[..], [gone] if gone.value.is_none()));
}

#[test]
fn both_sides_are_needed() {
    let refused = CorrelatorProbe::<MissingEvent>::new(&[("first", "a".into())]).err().unwrap();
    assert!(refused.0.starts_with("`then` says which events"));
}

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream(lateness: i64) -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let kind = prop_oneof![3 => Just("a"), 2 => Just("b"), 1 => Just("ab"), 1 => Just("x")];
    let drawn = (0_i64..8, 0..=lateness, kind, 0_u8..4, cut);
    proptest::collection::vec(drawn, 1..50).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (step, late, kind, rank, cut)): (usize, _)| {
            reached += step;
            let mut told = of(reached - late, kind);
            (told.event.position, told.event.severity) = (index as u64, Severity::from_rank(rank));
            told.event.timestamp = (reached - late) * STEP;
            (told, cut)
        };
        drawn.into_iter().enumerate().map(told).collect()
    })
}

/// All events known from the start: which are missed when, and what becomes of that.
fn model(events: &[(ToldEvent, Cut)], window: i64, idle: i64, max: i64) -> Vec<(i64, Option<i64>, Vec<u64>, Severity)> {
    let order = |told: &&ToldEvent| (told.event.timestamp, !told.event_type.contains('a'), told.event.position);
    let mut sorted: Vec<_> = events.iter().map(|(told, _)| told).filter(|told| told.event_type != "x").collect();
    sorted.sort_by_key(order);
    let answers: Vec<_> = sorted.iter().filter(|told| told.event_type.contains('b')).collect();
    let mut happenings: Vec<(i64, u8, &ToldEvent)> =
        answers.iter().map(|told| (told.event.timestamp, 1, **told)).collect();
    for told in sorted.iter().filter(|told| told.event_type.contains('a')) {
        let deadline = told.event.timestamp + window;
        let in_time = |answer: &&&&ToldEvent| order(answer) > order(told) && answer.event.timestamp < deadline;
        if answers.iter().find(in_time).is_none() {
            happenings.push((deadline, 0, told));
        }
    }
    happenings.sort_by_key(|(at, kind, told)| (*at, *kind, order(told)));
    let mut incidents: Vec<(i64, Option<i64>, Vec<u64>, Severity)> = Vec::new();
    let mut last = 0;
    for (at, kind, told) in happenings {
        if let Some((since, closed @ None, ..)) = incidents.last_mut() {
            let end = (last + idle).min(*since + max);
            // At one instant what is missed still joins.
            *closed = Some(end).filter(|end| *end < at || (*end == at && kind == 1));
        }
        match (kind, incidents.last_mut().filter(|(_, closed, ..)| closed.is_none())) {
            (0, Some((_, _, positions, severity))) => {
                positions.push(told.event.position);
                *severity = told.event.severity.max(*severity);
                last = at;
            }
            (0, None) => {
                incidents.push((at, None, vec![told.event.position], told.event.severity));
                last = at;
            }
            (_, Some((_, closed, ..))) => *closed = Some(at),
            (_, None) => {}
        }
    }
    if let Some((since, closed @ None, ..)) = incidents.last_mut() {
        *closed = Some((last + idle).min(*since + max));
    }
    incidents.iter_mut().for_each(|(_, _, positions, _)| positions.sort_unstable());
    incidents
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn missing_event_is_its_model_whatever_the_order_batches_ticks_and_restarts(
        (lateness, events) in (0_i64..6).prop_flat_map(|lateness| (Just(lateness), stream(lateness))),
        window in 1_i64..15, idle in 0_i64..12, max in 1_i64..40,
    ) {
        let (window, idle, max) = (window * STEP, idle * STEP, max * STEP);
        let given = given("a|ab", "b|ab", &[
            ("window", window), ("idle", idle), ("max", max), ("lateness", lateness * STEP),
        ]);
        let end = 1_000 * STEP;
        let changes = play::<MissingEvent>(&given, STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outline: Vec<_> = said.values().flatten().map(Story::outline).collect();
        prop_assert_eq!(outline, model(&events, window, idle, max));
        let uncut: Vec<_> = events.into_iter().map(|(told, _)| (told, Cut::Batch)).collect();
        let uncut = play::<MissingEvent>(&given, STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
