//! Completes a correlator's change into a revision of an incident: id, type, severity, key, summary, events.

use std::collections::{BTreeMap, HashMap};

use orion_model::{
    Change, ChangeKind, IdBuilder, Incident, IncidentStatus, Labels, RecordId, Severity, Timestamp, read_labels,
};
use orion_rules::{Correlation, TemplateData};
use orion_sandbox::Plugin;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::recent::{Facts, Recent};
use crate::draft::{Draft, NotWritable, key};

/// First part of the state keys of open incidents.
pub const OPEN_ROOM: &[u8] = b"open";
/// First part of the state keys of incidents that closed lately.
pub const CLOSED_ROOM: &[u8] = b"closed";

/// How long a new incident is linked to the one of the same group that closed before: a day, so that what comes back
/// every morning is seen to come back.
const LINKED_FOR_MILLIS: i64 = 24 * 3_600_000;

/// Most closed incidents of a correlation that are remembered for linking.
const CLOSED_KEPT: usize = 10_000;

/// The incidents of one correlation.
#[derive(Debug, Default)]
pub struct Incidents {
    /// In boxes: a node of the map has room for eleven whether or not they are there, and ten thousand may be open.
    open: BTreeMap<String, Box<Incident>>,
    closed: BTreeMap<String, Closed>,
}

/// What is remembered of a closed incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Closed {
    incident_id: RecordId,
    at: Timestamp,
}

/// Whose incidents they are.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The correlation.
    pub correlation: &'a Correlation,
    /// Its correlator.
    pub plugin: &'a Plugin,
    /// The live generation.
    pub generation: u64,
}

impl Incidents {
    /// Whether none is open.
    pub fn none_open(&self) -> bool {
        self.open.is_empty()
    }

    /// Puts an open incident back as the store kept it.
    pub fn restore_open(&mut self, key: &str, value: &[u8]) {
        if let Ok(incident) = serde_json::from_slice(value) {
            self.open.insert(key.to_owned(), Box::new(incident));
        }
    }

    /// Puts a closed one back.
    pub fn restore_closed(&mut self, key: &str, value: &[u8]) {
        if let Ok(closed) = serde_json::from_slice(value) {
            self.closed.insert(key.to_owned(), closed);
        }
    }

    /// Those that are open, each with its revision.
    pub fn open_revisions(&self) -> impl Iterator<Item = (RecordId, u32)> {
        self.open.values().map(|incident| (incident.incident_id, incident.revision))
    }

    /// The log has come further with an open one: what is said next stands behind that. Whether it is open.
    pub fn go_on_behind(&mut self, draft: &mut Draft, correlation: &str, last: &Incident) -> Result<bool, NotWritable> {
        let is_it = |(_, open): &(&String, &mut Box<Incident>)| open.incident_id == last.incident_id;
        let Some((key, open)) = self.open.iter_mut().find(is_it) else { return Ok(false) };
        if open.revision < last.revision {
            open.revision = last.revision;
            draft.put(open_key(correlation, key), open)?;
        }
        Ok(true)
    }

    /// Takes in a change. A change that fits no open incident is dropped: only a correlator at odds with itself says it.
    pub fn apply(
        &mut self,
        draft: &mut Draft,
        origin: Origin<'_>,
        change: &Change,
        facts: Facts<'_>,
    ) -> Result<(), NotWritable> {
        let is_open = self.open.contains_key(&change.key);
        match (change.kind, is_open) {
            (ChangeKind::Opened, false) => self.open_new(draft, origin, change, facts),
            (ChangeKind::Opened | ChangeKind::Updated, true) => self.revise(draft, origin, change, facts, false),
            (ChangeKind::Resolved, true) => self.revise(draft, origin, change, facts, true),
            (ChangeKind::Updated | ChangeKind::Resolved, false) => {
                let correlation = &origin.correlation.id;
                tracing::warn!(correlation, key = change.key, "a change of an incident that is not open is dropped");
                Ok(())
            }
        }
    }

    fn open_new(
        &mut self,
        draft: &mut Draft,
        origin: Origin<'_>,
        change: &Change,
        facts: Facts<'_>,
    ) -> Result<(), NotWritable> {
        let Origin { correlation, plugin, generation } = origin;
        let key = group_of(&change.key);
        let event_ids = ids(change, facts);
        let mut id = IdBuilder::new("incident").text(&correlation.id).text(&change.key);
        id = match event_ids.first() {
            Some(opening) => id.bytes(opening.as_bytes()),
            // One that continues another is opened by time and not by an event.
            None => id.number(change.timestamp.as_millis()),
        };
        let previous = self.closed.remove(&change.key);
        if previous.is_some() {
            draft.delete(closed_key(&correlation.id, &change.key));
        }
        let previous = previous.filter(|closed| change.timestamp.millis_since(closed.at) <= LINKED_FOR_MILLIS);
        let incident = Box::new(Incident {
            incident_id: id.finish(),
            incident_type: correlation.incident.incident_type.clone(),
            severity: correlation.incident.severity.unwrap_or(change.severity),
            status: IncidentStatus::Opened,
            revision: 1,
            ts: change.timestamp,
            opened_at: change.timestamp,
            correlation: correlation.id.clone(),
            summary: summary(correlation, &labels_of(change, facts, &key)),
            key,
            reason: change.reason.clone(),
            event_count: event_ids.len() as u64,
            event_ids,
            previous: previous.map(|closed| closed.incident_id),
            generation,
            plugin: plugin.manifest().name.clone(),
            plugin_digest: plugin.digest(),
            data: data(change),
        });
        draft.incident(&incident)?;
        self.keep_open(draft, correlation, change, incident)
    }

    fn revise(
        &mut self,
        draft: &mut Draft,
        origin: Origin<'_>,
        change: &Change,
        facts: Facts<'_>,
        resolved: bool,
    ) -> Result<(), NotWritable> {
        let Origin { correlation, plugin, generation } = origin;
        let Some(mut incident) = self.open.remove(&change.key) else { return Ok(()) };
        let severity = correlation.incident.severity.unwrap_or(change.severity.max(incident.severity));
        incident.status = match (resolved, severity > incident.severity) {
            (true, _) => IncidentStatus::Resolved,
            (false, true) => IncidentStatus::Escalated,
            (false, false) => IncidentStatus::Updated,
        };
        incident.severity = severity;
        incident.revision = incident.revision.saturating_add(1);
        incident.ts = change.timestamp.max(incident.ts);
        incident.reason.clone_from(&change.reason);
        incident.event_ids = ids(change, facts);
        incident.event_count += incident.event_ids.len() as u64;
        incident.generation = generation;
        incident.plugin.clone_from(&plugin.manifest().name);
        incident.plugin_digest = plugin.digest();
        incident.data = data(change);
        draft.incident(&incident)?;
        if !resolved {
            return self.keep_open(draft, correlation, change, incident);
        }
        draft.delete(open_key(&correlation.id, &change.key));
        let closed = Closed { incident_id: incident.incident_id, at: incident.ts };
        draft.put(closed_key(&correlation.id, &change.key), &closed)?;
        self.closed.insert(change.key.clone(), closed);
        self.discard_closed(draft, correlation, incident.ts);
        Ok(())
    }

    fn keep_open(
        &mut self,
        draft: &mut Draft,
        correlation: &Correlation,
        change: &Change,
        mut incident: Box<Incident>,
    ) -> Result<(), NotWritable> {
        incident.event_ids = Vec::new();
        draft.put(open_key(&correlation.id, &change.key), &*incident)?;
        self.open.insert(change.key.clone(), incident);
        Ok(())
    }

    fn discard_closed(&mut self, draft: &mut Draft, correlation: &Correlation, now: Timestamp) {
        if self.closed.len() <= CLOSED_KEPT {
            return;
        }
        let mut by_age: Vec<(Timestamp, String)> =
            self.closed.iter().map(|(key, closed)| (closed.at, key.clone())).collect();
        by_age.sort();
        let surplus = self.closed.len() - CLOSED_KEPT / 2;
        for (at, key) in by_age.into_iter().take(surplus) {
            tracing::debug!(key, %at, %now, "a closed incident is no longer remembered for linking");
            draft.delete(closed_key(&correlation.id, &key));
            self.closed.remove(&key);
        }
    }

    /// The correlation is gone: its open incidents resolve, and everything is forgotten.
    pub fn end(&mut self, draft: &mut Draft, origin: Origin<'_>, now: Timestamp) -> Result<(), NotWritable> {
        let (recent, earlier) = (Recent::default(), HashMap::new());
        let facts = Facts { recent: &recent, earlier: &earlier };
        for key in self.open.keys().cloned().collect::<Vec<_>>() {
            let change = Change {
                key,
                kind: ChangeKind::Resolved,
                severity: Severity::Info,
                timestamp: now,
                reason: "the correlation was removed".to_owned(),
                positions: Vec::new(),
                fields: Vec::new(),
            };
            self.apply(draft, origin, &change, facts)?;
        }
        for key in std::mem::take(&mut self.closed).into_keys() {
            draft.delete(closed_key(&origin.correlation.id, &key));
        }
        Ok(())
    }
}

fn ids(change: &Change, facts: Facts<'_>) -> Vec<RecordId> {
    change.positions.iter().filter_map(|position| facts.id(*position)).collect()
}

/// The group that a change is about. Correlators hand the keys of events back as they got them, and may have some of their own.
fn group_of(key: &str) -> Labels {
    let own = || (!key.is_empty()).then_some(("key", key)).into_iter().collect();
    read_labels(key).unwrap_or_else(own)
}

/// The labels that all events of a change have in common, under those of the key.
fn labels_of(change: &Change, facts: Facts<'_>, key: &Labels) -> Labels {
    let mut events = change.positions.iter().filter_map(|position| facts.labels(*position));
    let first = events.next();
    // What the key says need not be looked for in a hundred events.
    let of_first = first.iter().flat_map(|labels| labels.iter());
    let mut common: Vec<(&str, &str)> = of_first.filter(|(name, _)| key.get(name).is_none()).collect();
    for labels in events {
        if common.is_empty() {
            break;
        }
        common.retain(|(name, value)| labels.get(name) == Some(value));
    }
    common.into_iter().chain(key.iter()).collect()
}

fn summary(correlation: &Correlation, labels: &Labels) -> String {
    let data = TemplateData { labels, value: f64::NAN, external_labels: &Labels::empty() };
    let rendered = correlation.incident.summary.render(&data);
    rendered.unwrap_or_else(|why| format!("<error expanding template: {why}>"))
}

fn data(change: &Change) -> Map<String, serde_json::Value> {
    change.fields.iter().map(|field| (field.name.clone(), field.value.to_json())).collect()
}

fn open_key(correlation: &str, group: &str) -> Vec<u8> {
    key::of(&[OPEN_ROOM, correlation.as_bytes(), group.as_bytes()])
}

fn closed_key(correlation: &str, group: &str) -> Vec<u8> {
    key::of(&[CLOSED_ROOM, correlation.as_bytes(), group.as_bytes()])
}
