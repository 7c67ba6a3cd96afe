//! What a deployment has recorded, and what must hold of it after every test.

use std::collections::BTreeSet;
use std::path::Path;

use orion_bus::{RecordKind, SqliteBus};
use orion_pipeline::memory::{MemoryError, TrailLines, file_name};
use serde_json::Value;

use super::Deployment;

/// The event that is recorded at every start.
const ATTESTED: &str = orion_pipeline::condition::kind::CONFINEMENT_ATTESTED;

/// How often a file that moves while it is read is looked for.
const LOOKS: usize = 5;

impl Deployment {
    pub fn events(&self) -> Vec<Value> {
        self.lines("events")
    }

    /// Events but those about Orion's own start.
    pub fn observed(&self) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event_type"] != ATTESTED).collect()
    }

    /// What was recorded of each start.
    pub fn attestations(&self) -> Vec<Value> {
        self.events_of(ATTESTED, "occurred")
    }

    pub fn incidents(&self) -> Vec<Value> {
        self.lines("incidents")
    }

    pub fn decisions(&self) -> Vec<Value> {
        self.lines("decisions")
    }

    /// Events of a type and status.
    pub fn events_of(&self, event_type: &str, status: &str) -> Vec<Value> {
        let wanted = |event: &Value| event["event_type"] == event_type && event["status"] == status;
        self.events().into_iter().filter(wanted).collect()
    }

    /// Revisions of incidents of a type with a status.
    pub fn incidents_of(&self, incident_type: &str, status: &str) -> Vec<Value> {
        let wanted = |incident: &Value| incident["incident_type"] == incident_type && incident["status"] == status;
        self.incidents().into_iter().filter(wanted).collect()
    }

    /// How far an owner has come by the store; `None` while it has committed nothing.
    pub fn offset_of(&self, owner: &str) -> Option<i64> {
        let mut store = SqliteBus::open_read_only(&self.path("memory")).ok()?;
        store.load(owner).ok()?.offset
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let kind = RecordKind::ALL.into_iter().find(|kind| file_name(*kind).starts_with(name)).unwrap();
        // A file that is closed or packed while it is read is found under its new name with the next look.
        let read = || lines_of(&self.path("memory"), kind);
        (0..LOOKS).find_map(|_| read().ok()).unwrap_or_else(|| read().unwrap())
    }

    /// What must hold after every test: nothing but `NO_ACTION`, no actions, nothing recorded twice, chains intact.
    pub fn check_promises(&self) {
        for decision in self.decisions() {
            assert_eq!(decision["decision_type"], "NO_ACTION");
            assert_eq!(decision["autonomy_level"], "N0");
        }
        assert!(!self.path("memory/actions.jsonl").exists());
        self.each_once("events", &["event_id"]);
        self.each_once("incidents", &["incident_id", "revision"]);
        self.each_once("decisions", &["decision_id"]);
        let mut store = SqliteBus::open_read_only(&self.path("memory")).unwrap();
        let audit = orion_pipeline::memory::audit(&self.path("memory"), &mut store, true, None).unwrap();
        assert_eq!(audit.findings, []);
    }

    fn each_once(&self, name: &str, id: &[&str]) {
        let mut seen = BTreeSet::new();
        for line in self.lines(name) {
            let identity: Vec<String> = id.iter().map(|field| line[field].to_string()).collect();
            assert!(seen.insert(identity), "{name}.jsonl holds twice: {line}");
        }
    }
}

pub fn lines_of(memory: &Path, kind: RecordKind) -> Result<Vec<Value>, MemoryError> {
    let mut trail = TrailLines::open(memory, kind)?;
    let mut lines = Vec::new();
    while let Some(line) = trail.next_line()? {
        lines.push(serde_json::from_slice(line).unwrap());
    }
    Ok(lines)
}
