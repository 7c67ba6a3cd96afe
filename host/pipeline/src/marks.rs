//! What people thought of incidents, put on the bus as events: by the host that runs, or into its folder where none does.

use std::path::Path;

use orion_bus::{Bus, BusError, REDIS_OWNERS, SqliteBus};
use orion_model::{
    Event, Fingerprint, INCIDENT_MARKED, IdBuilder, Labels, MARK_RULE, Mark, Marked, RecordId, Severity, Status,
    Timestamp,
};
use serde_json::{Value, json};

use crate::draft::{Draft, NotWritable};
use crate::memory::{Begins, MEMORY_OWNER, MemoryError, Projection};

/// The owner that counts them. Each host has its own: a mark follows from nothing that another host commits.
const OWNER: &str = "marks";

/// Records that are written down at once.
const BATCH: usize = 1_024;

/// Where no host runs, no generation is live.
const NO_GENERATION: u64 = 0;

/// Why a mark could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The store does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The files of the audit trail.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The folder follows a deployment that lives elsewhere.
    #[error(
        "this folder follows a deployment that hosts share on a Redis, and no host runs here: start one, or have another one record the \
         mark, with --url"
    )]
    Follows,
}

/// Puts it on the bus, and returns when it survives power loss.
pub(crate) async fn record_mark(
    bus: &dyn Bus,
    mark: Mark,
    before: Option<RecordId>,
    at: Timestamp,
    generation: u64,
) -> Result<Marked, MarkError> {
    let event = event_of(&mark, before, at, generation);
    let mut draft = Draft::default();
    draft.event(&event)?;
    let offset = bus.offset(OWNER).await?;
    bus.commit(draft.into_commit(OWNER, offset, offset.unwrap_or(0).saturating_add(1))).await?;
    Ok(Marked { event_id: event.event_id, ts: event.ts, mark })
}

/// Puts it into a folder in which no host runs, and writes it down: the files of a stopped host hold everything.
pub async fn mark_stopped(
    memory_dir: &Path,
    rotate_bytes: u64,
    mark: Mark,
    before: Option<RecordId>,
    at: Timestamp,
) -> Result<Marked, MarkError> {
    let bus = SqliteBus::open(memory_dir)?;
    // Its log goes on elsewhere: a record that is only here would have the position of another one there.
    if !bus.owners(REDIS_OWNERS).await?.is_empty() {
        return Err(MarkError::Follows);
    }
    let marked = record_mark(&bus, mark, before, at, NO_GENERATION).await?;
    let begins = Begins::of(&bus.load(MEMORY_OWNER).await?)?;
    let last_seq = *bus.appended().borrow();
    let mut projection = Projection::open(memory_dir, last_seq, &begins, rotate_bytes)?;
    loop {
        let entries = bus.read(projection.resume_after(), BATCH).await?;
        if entries.is_empty() {
            break;
        }
        projection.project(&entries)?;
    }
    bus.close()?;
    Ok(marked)
}

fn event_of(mark: &Mark, before: Option<RecordId>, at: Timestamp, generation: u64) -> Event {
    let incident = mark.said.incident_id().map(|id| id.to_string());
    let about = incident.iter().map(|id| ("incident", id.as_str()));
    let withdrawn = mark.withdrawn.then_some(("withdrawn", "true"));
    let labels: Labels = about.chain([("verdict", mark.said.verdict())]).chain(withdrawn).collect();
    let mut data = match json!(mark) {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    data.insert("message".to_owned(), mark.message().into());
    let (text, _) = labels.as_text_and_ends();
    Event {
        event_id: mark.event_id(before),
        event_type: INCIDENT_MARKED.to_owned(),
        severity: Severity::Info,
        status: Status::Occurred,
        ts: at,
        rule: MARK_RULE.to_owned(),
        source: "orion".to_owned(),
        generation,
        fingerprint: Fingerprint::from(IdBuilder::new("mark").text(text).finish()),
        labels,
        annotations: Labels::empty(),
        data,
        evidence: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::{Said, is_mark};

    fn mark(note: &str) -> Mark {
        let incident_id = IdBuilder::new("test").finish();
        Mark { said: Said::Noise { incident_id }, withdrawn: false, by: "ada".to_owned(), note: Some(note.to_owned()) }
    }

    #[tokio::test]
    async fn a_mark_is_an_event_that_reads_back_and_the_same_again_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let bus = SqliteBus::open(folder.path()).unwrap();
        let at = Timestamp::from_millis;
        let first = record_mark(&bus, mark("a"), None, at(1), 3).await.unwrap();
        record_mark(&bus, mark("a"), None, at(2), 3).await.unwrap();
        let second = record_mark(&bus, mark("b"), Some(first.event_id), at(3), 3).await.unwrap();
        record_mark(&bus, mark("a"), Some(second.event_id), at(4), 3).await.unwrap();
        let entries = bus.read(0, 9).await.unwrap();
        let marks: Vec<Marked> = entries.iter().map(|entry| Marked::read(&entry.body).unwrap()).collect();
        let notes: Vec<_> = marks.iter().map(|marked| marked.mark.note.as_deref().unwrap()).collect();
        assert_eq!(notes, ["a", "b", "a"]);
        assert_eq!(marks[0], first);
        let event: Event = serde_json::from_str(&entries[0].body).unwrap();
        assert!(is_mark(&event));
        assert!(!is_mark(&Event { rule: "outside/orion:events".to_owned(), ..event }));
    }
}
