//! What a deployment recorded of the world, and whether it is what another did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orion_bus::{RecordKind, SqliteBus};
use orion_model::Timestamp;
use orion_pipeline::memory::{Chain, Heads, audit};
use serde_json::Value;

use crate::support::recorded::lines_of;

/// What of a record is not compared: its place in the file.
pub const PLACE: [&str; 3] = ["seq", "prev", "hash"];

/// What was recorded of the world: events of each alert, revisions and decisions of each incident, in their order.
#[derive(PartialEq)]
pub struct Recorded([BTreeMap<String, Vec<Value>>; 3]);

impl Recorded {
    pub fn of_folder(data: &Path, from: i64, to: i64, incomparable: &[&str]) -> Self {
        files_hold_what_the_store_holds(data);
        let (from, to) = (Timestamp::from_millis(from).to_string(), Timestamp::from_millis(to).to_string());
        let within = |record: &Value, member: &str| {
            let at = record[member].as_str();
            Some(&*from) < at && at <= Some(&*to)
        };
        let [events, incidents, decisions] = RecordKind::ALL.map(|kind| lines_of(&data.join("memory"), kind).unwrap());
        let mut recorded = Self(Default::default());
        let is_of_the_world =
            |record: &Value, member: &str| record[member].as_str().is_some_and(|id| id.starts_with("world.yaml/"));
        for event in events.into_iter().filter(|event| is_of_the_world(event, "rule") && within(event, "ts")) {
            recorded.put(0, format!("{} {}", event["rule"], event["labels"]), event, incomparable);
        }
        let is_seen = |incident: &Value| {
            is_of_the_world(incident, "correlation") && within(incident, "opened_at") && within(incident, "ts")
        };
        for incident in incidents.into_iter().filter(is_seen) {
            recorded.put(1, incident["incident_id"].to_string(), incident, incomparable);
        }
        for decision in decisions {
            let of = decision["incident_id"].to_string();
            if recorded.0[1].contains_key(&of) && within(&decision, "ts") {
                recorded.put(2, of, decision, incomparable);
            }
        }
        recorded
    }

    fn put(&mut self, kind: usize, key: String, mut record: Value, incomparable: &[&str]) {
        let members = record.as_object_mut().unwrap();
        members.retain(|name, _| !incomparable.contains(&name.as_str()));
        if let Some(evidence) = members.get_mut("evidence").and_then(Value::as_object_mut) {
            // An instance that was just set up may need some more work.
            evidence.retain(|name, _| name != "fuel" && !incomparable.contains(&name.as_str()));
        }
        self.0[kind].entry(key).or_default().push(record);
    }

    pub fn count(&self, kind: usize) -> usize {
        self.0[kind].values().map(Vec::len).sum()
    }

    /// The same things of the same alerts and incidents, each once and in the same order.
    pub fn must_be(&self, found: &Self, of: &Path) {
        for (kind, (expected, found)) in RecordKind::ALL.iter().zip(self.0.iter().zip(&found.0)) {
            assert!(!expected.is_empty(), "nothing was recorded undisturbed: no {kind}");
            let none = Vec::new();
            let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            let differing: Vec<String> = keys
                .into_iter()
                .map(|key| (key, expected.get(key).unwrap_or(&none), found.get(key).unwrap_or(&none)))
                .filter(|(_, expected, found)| expected != found)
                .map(|(key, expected, found)| format!("{key}\n{}", difference(expected, found)))
                .collect();
            assert!(differing.is_empty(), "{}: {kind}s differ:\n{}", of.display(), differing.join("\n"));
        }
    }
}

/// From the first record on that is not the same.
fn difference(expected: &[Value], found: &[Value]) -> String {
    let longest = expected.len().max(found.len());
    let first = (0..longest).find(|index| expected.get(*index) != found.get(*index)).unwrap_or(0);
    let shown = |records: &[Value]| records.get(first).map_or("nothing".to_owned(), Value::to_string);
    format!(
        "  undisturbed {} records, here {}; number {first} is, undisturbed\n  {}\n  and here\n  {}",
        expected.len(),
        found.len(),
        shown(expected),
        shown(found)
    )
}

/// The lines of each kind, in closed files and the last one, are the chain of exactly the store's records, and every hash is right.
fn files_hold_what_the_store_holds(data: &Path) {
    let memory = data.join("memory");
    let mut store = SqliteBus::open_read_only(&memory).unwrap();
    assert_eq!(audit(&memory, &mut store, false, None).unwrap().findings, [], "{}", data.display());
    let entries = store.read(0, usize::MAX).unwrap();
    for kind in RecordKind::ALL {
        let mut chain = Chain::from(Heads::NONE);
        assert!(entries.iter().filter(|entry| entry.kind == kind).all(|entry| chain.push(entry)));
        let lines = lines_of(&memory, kind).unwrap();
        let of_files =
            lines.last().map_or_else(|| Heads::NONE.of(kind).hash(), |line| line["hash"].as_str().unwrap().to_owned());
        assert_eq!(chain.heads().of(kind).hash(), of_files, "{kind}: the files are not what the store holds");
    }
}
