//! What an id means: an event, an incident or a rule, with what the records have of it.

use std::collections::BTreeMap;

use orion_bus::{RecordKind, SqliteBus};
use orion_model::{Clock, Decision, Event, Incident, RecordId, Timestamp};
use orion_pipeline::clock::SystemClock;
use orion_pipeline::watcher::Standing;
use serde::de::DeserializeOwned;

use super::ExplainArgs;
use crate::cli::Failure;

/// Records read at once.
const BATCH: usize = 1_024;

/// What is to be explained.
pub(super) enum Subject {
    Event { event: Box<Event>, incidents: Vec<Incident>, decisions: Vec<Decision> },
    Incident { revisions: Vec<Incident>, events: Vec<Event>, decisions: Vec<Decision> },
    Rule(Standing),
}

impl Subject {
    /// The rule it is about; the first one of an incident.
    pub(super) fn rule(&self) -> &str {
        match self {
            Self::Event { event, .. } => &event.rule,
            Self::Incident { events, .. } => events.first().map_or("", |event| &event.rule),
            Self::Rule(standing) => &standing.rule,
        }
    }

    /// The instant in question; now for a rule.
    pub(super) fn instant(&self) -> Timestamp {
        match self {
            Self::Event { event, .. } => event.ts,
            Self::Incident { events, .. } => events.first().map_or_else(|| SystemClock.now(), |event| event.ts),
            Self::Rule(_) => SystemClock.now(),
        }
    }
}

/// All that the bus has.
pub(super) struct Records {
    events: Vec<Event>,
    incidents: Vec<Incident>,
    decisions: Vec<Decision>,
}

impl Records {
    pub(super) fn about(args: &ExplainArgs) -> Result<Self, Failure> {
        let mut reader = SqliteBus::open_read_only(&args.data.memory_dir()).map_err(Failure::configuration)?;
        let mut records = Self { events: Vec::new(), incidents: Vec::new(), decisions: Vec::new() };
        let mut after = 0;
        loop {
            let entries = reader.read(after, BATCH).map_err(Failure::configuration)?;
            let Some(last) = entries.last() else { return Ok(records) };
            after = last.seq;
            for entry in &entries {
                let body = &entry.body;
                match entry.kind {
                    RecordKind::Event => records.events.push(read(body)?),
                    RecordKind::Incident => records.incidents.push(read(body)?),
                    RecordKind::Decision => records.decisions.push(read(body)?),
                }
            }
        }
    }

    pub(super) fn subject(mut self, id: &str, standings: &BTreeMap<String, Standing>) -> Result<Subject, Failure> {
        if let Some(standing) = standings.get(id) {
            return Ok(Subject::Rule(standing.clone()));
        }
        let named: Vec<&Standing> =
            standings.values().filter(|standing| standing.rule.rsplit('/').next() == Some(id)).collect();
        match named.as_slice() {
            [one] => return Ok(Subject::Rule((*one).clone())),
            [_, _, ..] => {
                let ids: Vec<&str> = named.iter().map(|standing| standing.rule.as_str()).collect();
                return Err(Failure::Configuration(format!("several rules are called `{id}`: {}", ids.join(", "))));
            }
            [] => {}
        }
        let begins = |record: RecordId| record.to_string().starts_with(id);
        let mut events: Vec<usize> = Vec::new();
        events.extend((0..).zip(&self.events).filter(|(_, event)| begins(event.event_id)).map(|(index, _)| index));
        let mut incidents: Vec<RecordId> =
            self.incidents.iter().map(|it| it.incident_id).filter(|it| begins(*it)).collect();
        incidents.dedup();
        match (events.as_slice(), incidents.as_slice()) {
            ([index], []) => {
                let event = Box::new(self.events.swap_remove(*index));
                let incidents: Vec<Incident> =
                    self.incidents.into_iter().filter(|it| it.event_ids.contains(&event.event_id)).collect();
                let is_about = |it: &Decision| incidents.iter().any(|incident| incident.incident_id == it.incident_id);
                let decisions = self.decisions.into_iter().filter(is_about).collect();
                Ok(Subject::Event { event, incidents, decisions })
            }
            ([], [incident_id]) => {
                let revisions: Vec<Incident> =
                    self.incidents.into_iter().filter(|it| it.incident_id == *incident_id).collect();
                let is_part = |event: &Event| revisions.iter().any(|it| it.event_ids.contains(&event.event_id));
                let events = self.events.into_iter().filter(is_part).collect();
                let decisions = self.decisions.into_iter().filter(|it| it.incident_id == *incident_id).collect();
                Ok(Subject::Incident { revisions, events, decisions })
            }
            ([], []) => Err(Failure::Configuration(format!(
                "`{id}` is no rule, event or incident here; see `orion rule list`, `orion tail` and `orion incident list`"
            ))),
            _ => Err(Failure::Configuration(format!("several ids begin with `{id}`: give more of it"))),
        }
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(Failure::configuration)
}
