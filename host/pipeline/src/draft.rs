//! What a step is about to commit: records and state, collected on the way through the step.

use orion_bus::{Body, Commit, NewRecord, RecordKind, StateChange};
use orion_model::{Decision, Event, Incident};
use serde::Serialize;

/// The outputs of a step so far.
#[derive(Debug, Default)]
pub struct Draft {
    records: Vec<NewRecord>,
    state: Vec<StateChange>,
    without_state: bool,
}

/// A record that has no JSON form. Our own types all have one; seeing this is a defect.
#[derive(Debug, thiserror::Error)]
#[error("a {what} cannot be written as JSON: {source}")]
pub struct NotWritable {
    what: &'static str,
    source: serde_json::Error,
}

impl Draft {
    /// One that takes records only, for where nothing is kept: writing the state is most of the work of a step.
    pub fn of_records() -> Self {
        Self { without_state: true, ..Self::default() }
    }

    /// What there is so far; it goes on empty.
    pub fn take(&mut self) -> Self {
        let empty = Self { without_state: self.without_state, ..Self::default() };
        std::mem::replace(self, empty)
    }

    /// Whether state that is put here goes anywhere.
    pub const fn keeps_state(&self) -> bool {
        !self.without_state
    }

    /// Whether there is nothing to commit but the offset.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.state.is_empty()
    }

    /// Goes on with all of another.
    pub fn append(&mut self, other: Self) {
        self.records.extend(other.records);
        self.state.extend(other.state);
    }

    /// Appends an event.
    pub fn event(&mut self, event: &Event) -> Result<(), NotWritable> {
        let body = body("event", event)?;
        self.records.push(NewRecord { kind: RecordKind::Event, id: event.event_id, ts: event.ts, body });
        Ok(())
    }

    /// Appends a revision of an incident.
    pub fn incident(&mut self, incident: &Incident) -> Result<(), NotWritable> {
        let body = body("incident", incident)?;
        self.records.push(NewRecord { kind: RecordKind::Incident, id: incident.record_id(), ts: incident.ts, body });
        Ok(())
    }

    /// Appends a decision.
    pub fn decision(&mut self, decision: &Decision) -> Result<(), NotWritable> {
        let body = body("decision", decision)?;
        self.records.push(NewRecord { kind: RecordKind::Decision, id: decision.decision_id, ts: decision.ts, body });
        Ok(())
    }

    /// Keeps a value as JSON.
    pub fn put(&mut self, key: Vec<u8>, value: &impl Serialize) -> Result<(), NotWritable> {
        if self.keeps_state() {
            self.put_bytes(key, Self::json(value)?);
        }
        Ok(())
    }

    /// A value as it would be kept.
    pub fn json(value: &impl Serialize) -> Result<Vec<u8>, NotWritable> {
        serde_json::to_vec(value).map_err(|source| NotWritable { what: "state value", source })
    }

    /// Keeps bytes.
    pub fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        if self.keeps_state() {
            self.state.push(StateChange::Put { key, value });
        }
    }

    /// Forgets a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        if self.keeps_state() {
            self.state.push(StateChange::Delete { key });
        }
    }

    /// Forgets every key of the owner.
    pub fn clear(&mut self) {
        if self.keeps_state() {
            self.state.push(StateChange::Clear);
        }
    }

    /// The records, without the state.
    pub fn into_records(self) -> Vec<NewRecord> {
        self.records
    }

    /// The commit that moves `owner` from one offset to the next with all of this.
    pub fn into_commit(self, owner: &str, expected: Option<i64>, offset: i64) -> Commit {
        Commit { owner: owner.to_owned(), expected, offset, records: self.records, state: self.state }
    }
}

fn body(what: &'static str, value: &impl Serialize) -> Result<Body, NotWritable> {
    Body::of(value).map_err(|source| NotWritable { what, source })
}

/// Keys of an owner's state: a room, then the names that lead to the value, kept apart by a byte no name has.
pub mod key {
    /// Joins the parts of a key.
    pub fn of(parts: &[&[u8]]) -> Vec<u8> {
        parts.join(&0)
    }

    /// The parts of a key, at most `parts` of them; the last may hold any byte.
    pub fn split(key: &[u8], parts: usize) -> Vec<&[u8]> {
        key.splitn(parts, |byte| *byte == 0).collect()
    }
}
