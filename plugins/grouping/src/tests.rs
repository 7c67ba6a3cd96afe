//! What grouping says, case by case and against a plain model of it, through restarts and whatever the batches.

use orion_plugin::testing::{CorrelatorProbe, Saved, TestEvent};
use orion_plugin::{Change, ChangeKind, ParameterValue, Severity, Status};

use super::*;

mod model;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn probe(given: &[(&str, i64)]) -> CorrelatorProbe<Grouping> {
    let given: Vec<_> = given.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value))).collect();
    CorrelatorProbe::new(&given).unwrap()
}

/// An event of the key `k` at a minute; its position is its fingerprint plus a thousand times the minute.
fn event(status: Status, minute: i64, fingerprint: u64) -> TestEvent {
    TestEvent::at_minute(status, minute, fingerprint)
}

fn firing(minute: i64, fingerprint: u64) -> TestEvent {
    event(Status::Firing, minute, fingerprint)
}

fn resolved(minute: i64, fingerprint: u64) -> TestEvent {
    event(Status::Resolved, minute, fingerprint)
}

fn occurred(minute: i64, fingerprint: u64) -> TestEvent {
    event(Status::Occurred, minute, fingerprint)
}

/// Changes as one line each: kind, minute, positions, reason.
fn lines(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let (kind, positions, reason) = (change.kind, &change.positions, &change.reason);
        format!("{kind:?} {} {positions:?} {reason}", change.timestamp / MINUTE)
    };
    changes.iter().map(line).collect()
}

/// Each event in a call of its own, and the second of the last is over.
fn said(probe: &mut CorrelatorProbe<Grouping>, events: &[TestEvent]) -> Vec<String> {
    let mut said: Vec<_> =
        events.iter().flat_map(|event| lines(&probe.correlate(event.timestamp, std::slice::from_ref(event)))).collect();
    let end = events.iter().map(|event| event.timestamp).max().unwrap_or_default() + 1_000;
    said.extend(lines(&probe.correlate(end, &[])));
    said
}

#[test]
fn one_alert_is_an_incident_and_its_end_is_the_end() {
    let mut probe = probe(&[]);
    let said = said(&mut probe, &[firing(0, 1), firing(1, 1), resolved(2, 1), resolved(3, 1)]);
    assert_eq!(said, ["Opened 0 [1] first event", "Resolved 2 [] all resolved"]);
}

#[test]
fn a_new_alert_joins_and_the_incident_lasts_until_the_last_is_resolved() {
    let mut probe = probe(&[]);
    let said =
        said(&mut probe, &[firing(0, 1), firing(1, 2), resolved(2, 1), firing(3, 1), resolved(4, 2), resolved(5, 1)]);
    assert_eq!(said, ["Opened 0 [1] first event", "Updated 1 [1002] 1 new event", "Resolved 5 [] all resolved"]);
}

#[test]
fn what_is_gained_is_said_after_a_while_and_what_is_worse_at_once() {
    let mut probe = probe(&[]);
    let opened = probe.correlate(0, &[firing(0, 1), firing(0, 2), firing(0, 3)]);
    assert_eq!(lines(&opened), ["Opened 0 [1] first event"]);
    assert_eq!(lines(&probe.correlate(999, &[])), [""; 0]);
    assert_eq!(lines(&probe.correlate(1_000, &[])), ["Updated 0 [2, 3] 2 new events"]);
    let worse = TestEvent { severity: Severity::Critical, ..firing(1, 1) };
    let updated = probe.correlate(MINUTE, &[firing(1, 4), worse, firing(1, 5)]);
    assert_eq!(lines(&updated), ["Updated 1 [1004, 1001] 1 new event, severity rose to critical"]);
    assert_eq!(updated[0].severity, Severity::Critical);
    assert_eq!(lines(&probe.correlate(MINUTE + MINUTE / 16, &[])), ["Updated 1 [1005] 1 new event"]);
}

#[test]
fn a_duplicate_changes_nothing_unless_it_is_worse() {
    let mut probe = probe(&[]);
    let worse = TestEvent { severity: Severity::Error, ..firing(1, 1) };
    let better = TestEvent { severity: Severity::Info, ..firing(2, 1) };
    let said = said(&mut probe, &[firing(0, 1), worse, better]);
    assert_eq!(said, ["Opened 0 [1] first event", "Updated 1 [1001] severity rose to error"]);
}

#[test]
fn at_least_counts_distinct_events_of_the_window_and_those_that_still_fire() {
    let three = [("at_least", 3)];
    let said_of = |events: &[TestEvent]| said(&mut probe(&three), events);
    assert_eq!(said_of(&[occurred(0, 1), occurred(1, 1), occurred(2, 2)]), [""; 0]);
    assert_eq!(
        said_of(&[occurred(0, 1), occurred(5, 2), occurred(9, 3)]),
        ["Opened 9 [1, 5002, 9003] 3 events within 10m"]
    );
    // The window is open at its far end: what is exactly ten minutes old is outside.
    assert_eq!(said_of(&[occurred(0, 1), occurred(5, 2), occurred(10, 3)]), [""; 0]);
    assert_eq!(
        said_of(&[firing(0, 1), firing(30, 2), occurred(60, 3)]),
        ["Opened 60 [1, 30002, 60003] 3 events within 10m"]
    );
    assert_eq!(
        said_of(&[firing(0, 1), resolved(1, 1), firing(5, 2), firing(9, 3)]),
        ["Opened 9 [1, 5002, 9003] 3 events within 10m"]
    );
    assert_eq!(said_of(&[firing(0, 1), resolved(1, 1), firing(5, 2), firing(11, 3)]), [""; 0]);
}

#[test]
fn things_of_one_moment_end_when_nothing_came_for_a_while() {
    let mut probe = probe(&[]);
    assert_eq!(said(&mut probe, &[occurred(0, 1), firing(1, 2), resolved(2, 2)]).len(), 2);
    assert_eq!(lines(&probe.correlate(17 * MINUTE - 1, &[])), [""; 0]);
    assert_eq!(lines(&probe.correlate(40 * MINUTE, &[])), ["Resolved 17 [] idle for 15m"]);
    assert_eq!(lines(&probe.correlate(HOUR, &[])), [""; 0]);
}

#[test]
fn an_end_comes_before_the_event_that_comes_after_it() {
    let mut probe = probe(&[]);
    let said = said(&mut probe, &[occurred(0, 1), occurred(9, 1), occurred(30, 1)]);
    assert_eq!(said, ["Opened 0 [1] first event", "Resolved 24 [] idle for 15m", "Opened 30 [30001] first event"]);
}

#[test]
fn an_incident_that_is_too_old_is_closed_and_what_still_fires_opens_the_next() {
    let mut probe = probe(&[]);
    assert_eq!(said(&mut probe, &[firing(0, 1), firing(1, 2), firing(2, 3), resolved(3, 1)]).len(), 3);
    let day = 24 * 60;
    let first = lines(&probe.correlate(24 * HOUR, &[]));
    assert_eq!(first, [format!("Resolved {day} [] open for 24h"), format!("Opened {day} [1002, 2003] continues")]);
    let second = lines(&probe.correlate(48 * HOUR, &[]));
    assert_eq!(
        second,
        [format!("Resolved {} [] open for 24h", 2 * day), format!("Opened {} [1002, 2003] continues", 2 * day)]
    );
    assert_eq!(said(&mut probe, &[resolved(3_000, 2), resolved(3_001, 3)]), ["Resolved 3001 [] all resolved"]);
}

#[test]
fn a_key_that_is_over_leaves_nothing_behind() {
    let mut probe = probe(&[("at_least", 2)]);
    let mut saved = Saved::default();
    for events in [&[firing(0, 1), firing(0, 2)][..], &[resolved(1, 1), resolved(1, 2)], &[occurred(2, 3)], &[]] {
        probe.correlate(events.last().map_or(HOUR, |event| event.timestamp), events);
        saved.keep(probe.checkpoint());
    }
    assert_eq!(saved, Saved::default());
}

#[test]
fn a_tick_that_ends_nothing_saves_nothing() {
    let mut probe = probe(&[]);
    probe.correlate(0, &[firing(0, 1)]);
    assert_eq!(probe.checkpoint().len(), 1);
    probe.correlate(23 * HOUR, &[resolved(60, 7)]);
    assert_eq!(probe.checkpoint(), []);
}

#[test]
fn a_storm_opens_one_incident_in_steps_that_the_host_takes() {
    let mut probe = probe(&[]);
    let storm: Vec<_> = (0..2_500).map(|fingerprint| firing(0, fingerprint)).collect();
    let changes = probe.correlate(0, &storm);
    let steps: Vec<_> = changes.iter().map(|change| (change.kind, change.positions.len())).collect();
    let updated = (ChangeKind::Updated, 1_000);
    assert_eq!(steps, [(ChangeKind::Opened, 1), updated, updated]);
    assert_eq!(probe.correlate(1_000, &[])[0].positions.len(), 499);
}

#[test]
fn a_key_of_countless_moments_stays_small() {
    let mut probe = probe(&[("at_least", 1_000)]);
    let moments: Vec<_> = (0..25_000).map(|fingerprint| occurred(0, fingerprint)).collect();
    probe.correlate(0, &moments);
    let saved: usize = probe.checkpoint().iter().filter_map(|entry| entry.value.as_ref()).map(Vec::len).sum();
    assert!(saved < 300_000, "{saved}");
}

#[test]
fn one_key_too_many_pushes_out_the_one_that_ends_first_and_that_is_said() {
    let mut probe = probe(&[("max_keys", 2)]);
    let of_key = |event: TestEvent, key: &str| TestEvent { key: key.to_owned(), ..event };
    let said =
        probe.correlate(0, &[of_key(occurred(1, 1), "b"), of_key(occurred(0, 2), "a"), of_key(firing(2, 3), "c")]);
    let lines: Vec<_> = said.iter().map(|change| (change.kind, &*change.key, &*change.reason)).collect();
    assert_eq!(lines[2], (ChangeKind::Resolved, "a", "pushed out by other keys: more than 2"));
    assert_eq!((lines[3].1, &*said[3].fields[0].name), ("c", "keys_pushed_out"));
}
