//! Correlators that fail, and what becomes of the events around.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use orion_bus::{Entry, Loaded, RecordKind, StateChange};
use orion_model::{Event, Fingerprint, IdBuilder, Labels, Severity, Status, Timestamp};
use orion_sandbox::{Limits, Sandbox, Settings};
use serde_json::Value;

use super::desk::{Desk, Remembered};
use super::recent::Seen;
use super::share::Share;
use crate::aside::{Input, asides_in};
use crate::library::{Accepted, Defaults, Generation, Shelf, check};
use crate::supervision::{FIRST_QUARANTINE_MILLIS, STRIKES};

const MANIFEST: &str =
    "name = \"picky\"\nkind = \"correlator\"\nversion = \"1.0.0\"\ncontract = \"v1\"\nsummary = \"A test.\"\n";

/// Adds every event to one incident, and traps at one that is critical.
const PICKY: &str = r#"(module
    (import "orion:plugin/incidents@1.0.0" "emit"
      (func $emit (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32)))
    (memory (export "memory") 64)
    (global $heap (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
      (i32.sub (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
    (func (export "orion:plugin/correlator@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/correlator@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/correlator@1.0.0#correlate") (param $given i32)
      (local $i i32)
      (block $done (loop $next
        (br_if $done (i32.ge_u (local.get $i) (i32.load offset=12 (local.get $given))))
        (if (i32.eq (i32.const 3) (i32.load8_u (i32.add (local.get $i) (i32.load offset=24 (local.get $given)))))
          (then unreachable))
        (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.load (local.get $given))
          (i32.const 0) (i32.const 0)
          (i32.add (i32.load offset=8 (local.get $given)) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1)
          (i32.const 0) (i32.const 0))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (func (export "orion:plugin/correlator@1.0.0#checkpoint") (result i32) (i32.const 16)))"#;

const RULES: &str = "correlations:
- { name: all, match: {}, plugin: picky, incident: { type: all, summary: all } }
- { name: healthy, match: {}, plugin: grouping, incident: { type: healthy, summary: healthy } }
";

fn generation() -> Generation {
    let sandbox = Arc::new(Sandbox::new(Settings { cache_dir: None, limits: Limits::default() }).unwrap());
    let grouping = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "grouping").unwrap();
    let picky = orion_componentize::componentize(&wat::parse_str(PICKY).unwrap(), MANIFEST).unwrap();
    let mut shelf = Shelf::default();
    shelf.put(None, sandbox.load(grouping.component).unwrap());
    shelf.put(None, sandbox.load(&picky).unwrap());
    let defaults =
        Defaults { interval_millis: 15_000, sources: BTreeSet::from(["prometheus".to_owned()]), log_dirs: None };
    let checked = check("f.yaml", RULES, &shelf, &defaults);
    Accepted::generation([&checked.accepted.unwrap_or_else(|| panic!("{}", checked.report))])
}

fn event(position: u64, second: i64, severity: Severity) -> (u64, Event) {
    let id = IdBuilder::new("test").number(position.cast_signed()).finish();
    let event = Event {
        event_id: id,
        event_type: "down".to_owned(),
        severity,
        status: Status::Firing,
        ts: Timestamp::from_millis(second * 1_000),
        rule: "f/g/r".to_owned(),
        source: "prometheus".to_owned(),
        generation: 1,
        fingerprint: Fingerprint::from(id),
        labels: Labels::empty(),
        annotations: Labels::empty(),
        data: serde_json::Map::new(),
        evidence: None,
    };
    (position, event)
}

/// What a desk was asked, and what it said.
struct Asked {
    desk: Desk,
    records: Vec<Value>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Asked {
    fn new() -> Self {
        let desk = Desk::open(&generation(), Share::All, Loaded::default(), Timestamp::default(), Remembered::InStore)
            .unwrap();
        Self { desk, records: Vec::new(), state: BTreeMap::new() }
    }

    fn step(&mut self, events: &[(u64, Event)]) {
        let answers = self.desk.ask_all(events, None);
        let seen = |position| {
            let event = event(position, 0, Severity::Info).1;
            let body = serde_json::to_string(&event).unwrap().into();
            let entry = Entry { seq: position, kind: RecordKind::Event, id: event.event_id, ts: event.ts, body };
            Seen::from(entry)
        };
        let forgotten = self.desk.forgotten_positions(&answers).into_iter();
        let earlier: HashMap<u64, Seen> = forgotten.map(|position| (position, seen(position))).collect();
        self.desk.settle(events, answers, &earlier, None).unwrap();
        let commit = self.desk.take_pending().into_commit("guardian", None, 0);
        self.records.extend(commit.records.iter().map(|record| serde_json::from_str::<Value>(&record.body).unwrap()));
        for change in commit.state {
            match change {
                StateChange::Put { key, value } => drop(self.state.insert(key, value)),
                StateChange::Delete { key } => drop(self.state.remove(&key)),
                StateChange::Clear => self.state.clear(),
            }
        }
    }

    fn restart(&mut self) {
        let loaded = self.loaded();
        self.desk = Desk::open(&generation(), Share::All, loaded, Timestamp::default(), Remembered::InStore).unwrap();
    }

    fn loaded(&self) -> Loaded {
        Loaded { offset: None, state: self.state.clone().into_iter().collect() }
    }

    /// Event ids that the revisions of an incident have.
    fn taken(&self, incident_type: &str) -> usize {
        let revisions = self.records.iter().filter(|record| record["incident_type"] == incident_type);
        revisions.map(|record| record["event_ids"].as_array().unwrap().len()).sum()
    }

    fn said(&self, event_type: &str, status: &str) -> usize {
        let is_it = |record: &&Value| record["event_type"] == event_type && record["status"] == status;
        self.records.iter().filter(is_it).count()
    }
}

#[test]
fn an_event_that_a_correlator_cannot_take_is_set_aside_and_the_rest_flows() {
    let mut asked = Asked::new();
    let severity = |position| if position == 77 { Severity::Critical } else { Severity::Error };
    asked.step(&(1..=200).map(|position| event(position, 1, severity(position))).collect::<Vec<_>>());
    assert_eq!(asked.taken("all"), 199);
    assert_eq!([asked.said("input_set_aside", "occurred"), asked.said("plugin_fault", "firing")], [1, 1]);
    assert_eq!(asked.said("plugin_quarantined", "firing"), 0);
    let asides = asides_in(&asked.loaded());
    let [aside] = &asides[..] else { panic!("{asides:?}") };
    assert_eq!((&*aside.of, &*aside.plugin), ("f.yaml/all", "picky"));
    assert!(aside.fault.contains("unreachable"), "{}", aside.fault);
    assert_eq!(aside.input, Input::Event { position: 77, event: Box::new(event(77, 1, Severity::Critical).1) });
    asked.step(&[event(201, 2, Severity::Error)]);
    assert_eq!((asked.taken("all"), asked.said("plugin_fault", "resolved")), (200, 1));
}

#[test]
fn a_correlator_that_keeps_failing_is_left_alone_for_a_while_and_the_others_are_not() {
    let mut asked = Asked::new();
    asked.step(&(1..=64).map(|position| event(position, 1, Severity::Critical)).collect::<Vec<_>>());
    assert_eq!(asked.said("input_set_aside", "occurred"), STRIKES as usize);
    assert_eq!(asked.said("plugin_quarantined", "firing"), 1);
    let message = asked.records.iter().find(|record| record["event_type"] == "plugin_quarantined").unwrap();
    insta::assert_snapshot!(message["data"]["message"].as_str().unwrap().lines().next().unwrap(), @"it keeps failing and is not called before 1970-01-01T00:01:01.000Z, and goes on without 61 events: `correlate` trapped: wasm `unreachable` instruction executed");
    // Also over a restart, and for events that it could take.
    asked.restart();
    let end = 1 + FIRST_QUARANTINE_MILLIS / 1_000;
    asked.step(&[event(65, end - 1, Severity::Error)]);
    assert_eq!((asked.taken("all"), asked.said("plugin_quarantined", "resolved")), (0, 0));
    asked.step(&[event(66, end, Severity::Error)]);
    assert_eq!((asked.taken("all"), asked.said("plugin_quarantined", "resolved")), (1, 1));
    asked.step(&[event(67, end + 100, Severity::Critical)]);
    assert_eq!(asked.said("plugin_quarantined", "firing"), 2);
    asked.step(&[event(68, end + 1_000, Severity::Info)]);
    // Every event reached the correlation beside it.
    assert_eq!(asked.taken("healthy"), 67);
}

#[test]
fn the_time_is_told_each_second_and_in_a_flood_ten_times_as_often() {
    let mut asked = Asked::new();
    let at = Timestamp::from_millis;
    let tick = |asked: &mut Asked, events: &[(u64, Event)], now| {
        let answers = asked.desk.ask_all(events, Some(now));
        asked.desk.settle(events, answers, &HashMap::new(), Some(now)).unwrap();
    };
    let few: Vec<_> = (1..2_048).map(|position| event(position, 1, Severity::Error)).collect();
    tick(&mut asked, &[event(0, 1, Severity::Error)], at(1_000));
    asked.step(&few);
    assert!(!asked.desk.is_tick_due(at(1_999)) && asked.desk.is_tick_due(at(2_000)));
    asked.step(&[event(2_048, 1, Severity::Error)]);
    assert!(!asked.desk.is_tick_due(at(1_099)) && asked.desk.is_tick_due(at(1_100)));
    tick(&mut asked, &[], at(1_100));
    assert!(!asked.desk.is_tick_due(at(2_099)), "the flood is over");
}
