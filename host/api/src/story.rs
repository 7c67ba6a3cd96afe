//! One incident from first to last: its revisions, the decisions about it, the events that made it and what people thought of it.

use std::collections::BTreeSet;

use orion_bus::{BusError, Entry, Reader, RecordKind};
use orion_model::{Decision, Event, Incident, Marked, RecordId};
use serde::Serialize;

use crate::register::Known;

/// Records read at once on the way back to an event: those of a revision mostly lie right before it.
const BATCH: u64 = 256;

/// Everything about one incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Story {
    /// Its last revision.
    pub incident: Incident,
    /// All of them, in order.
    pub revisions: Vec<Incident>,
    /// The decisions, in order.
    pub decisions: Vec<Decision>,
    /// The events, in order.
    pub events: Vec<Event>,
    /// How many of the events lie too far back, or are kept no more.
    #[serde(skip_serializing_if = "is_none")]
    pub events_not_found: usize,
    /// What people thought of it, in order, and what they withdrew; the last counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Marked>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Story {
    /// Reads it, looking through so many records for its events. `None` when nothing of it is kept any more.
    pub fn read(reader: &mut Reader, known: &Known, most_records: u64) -> Result<Option<Self>, BusError> {
        let entries = reader.read_at(&known.revisions)?;
        let revisions: Vec<(u64, Incident)> =
            entries.iter().filter_map(|entry| Some((entry.seq, read(entry)?))).collect();
        let Some((_, incident)) = revisions.last().cloned() else { return Ok(None) };
        let decisions = reader.read_at(&known.decisions)?.iter().filter_map(read).collect();
        let marks = reader.read_at(&known.marks)?.iter().filter_map(|entry| Marked::read(&entry.body)).collect();
        let mut search = Search { reader, left: most_records, found: Vec::new(), not_found: 0 };
        for (position, revision) in &revisions {
            search.back_from(*position, &revision.event_ids)?;
        }
        let Search { mut found, not_found, .. } = search;
        found.sort_by_key(|(position, _)| *position);
        found.dedup_by_key(|(position, _)| *position);
        Ok(Some(Self {
            incident,
            revisions: revisions.into_iter().map(|(_, revision)| revision).collect(),
            decisions,
            events: found.into_iter().map(|(_, event)| event).collect(),
            events_not_found: not_found,
            marks,
        }))
    }
}

/// The first event of an incident that a query made, among those of its first revision; looked for in so many records.
pub(crate) fn first_question(reader: &mut Reader, known: &Known, most_records: u64) -> Result<Option<Event>, BusError> {
    let Some(first) = known.revisions.first() else { return Ok(None) };
    let entries = reader.read_at(&[*first])?;
    let Some(revision) = entries.first().and_then(read::<Incident>) else { return Ok(None) };
    let mut search = Search { reader, left: most_records, found: Vec::new(), not_found: 0 };
    search.back_from(*first, &revision.event_ids)?;
    let asked = search.found.into_iter().filter(|(_, event)| event.evidence.is_some());
    Ok(asked.min_by_key(|(position, _)| *position).map(|(_, event)| event))
}

/// What cannot be read is left out: it was no record of ours.
fn read<T: serde::de::DeserializeOwned>(entry: &Entry) -> Option<T> {
    serde_json::from_str(&entry.body).ok()
}

struct Search<'r> {
    reader: &'r mut Reader,
    /// Records that may yet be looked at.
    left: u64,
    found: Vec<(u64, Event)>,
    not_found: usize,
}

impl Search<'_> {
    /// Events lie before the revision that names them.
    fn back_from(&mut self, position: u64, ids: &[RecordId]) -> Result<(), BusError> {
        let mut wanted: BTreeSet<RecordId> = ids.iter().copied().collect();
        let mut upto = position;
        while !wanted.is_empty() && upto > 1 && self.left > 0 {
            let batch = BATCH.min(self.left).min(upto - 1);
            let after = upto - 1 - batch;
            let entries = self.reader.read(after, usize::try_from(batch).unwrap_or(usize::MAX))?;
            let is_it = |entry: &&Entry| entry.kind == RecordKind::Event && entry.seq < upto;
            for entry in entries.iter().filter(is_it) {
                if wanted.remove(&entry.id) {
                    self.found.extend(read(entry).map(|event| (entry.seq, event)));
                }
            }
            self.left -= batch;
            upto = after + 1;
        }
        self.not_found += wanted.len();
        Ok(())
    }
}
