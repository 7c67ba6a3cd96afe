//! What is forwarded at once.

use orion_bus::{Bus, Entry, RecordKind};
use orion_model::{Event, ForwardBatch, LinePlace, Severity, Status, Timestamp, is_mark};

use super::progress::Progress;
use crate::condition::{Condition, kind};
use crate::draft::Draft;
use crate::outside::agent::MAX_EVENT_BYTES;
use crate::stage::StageError;

/// Records of one batch.
const MAX_RECORDS: usize = 500;

/// Bytes of the records of one batch, the last of them aside: a second on a line of a megabyte a second, so that an answer comes before
/// anybody gives up.
const MAX_BYTES: usize = 512 * 1024;

/// What the control host adds to an event, generously.
const ADDED_BYTES: usize = 4 * 1024;

/// What was read.
pub(super) struct Read {
    pub(super) batch: ForwardBatch,
    /// What is to be said of what is not forwarded.
    pub(super) said: Draft,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// What comes next; none while nothing does.
pub(super) async fn read(
    bus: &dyn Bus,
    progress: &Progress,
    reached: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Read>, StageError> {
    let entries = bus.read(progress.position(), MAX_RECORDS).await?;
    let is_all = entries.len() < MAX_RECORDS;
    let entries_read = entries.len();
    let mut said = Draft::default();
    let (mut events, mut records, mut bytes, mut to) = (Vec::new(), 0_usize, 0_usize, progress.place());
    for entry in entries {
        if records > 0 && bytes + entry.body.len() > MAX_BYTES {
            break;
        }
        records += 1;
        bytes += entry.body.len();
        to = LinePlace { position: entry.seq, record: Some(entry.id) };
        match event_of(&entry) {
            Some(event) if entry.body.len() + ADDED_BYTES <= MAX_EVENT_BYTES => events.push(event),
            Some(event) => said.event(&too_large(&event, &entry, now))?,
            None => {}
        }
    }
    if records == 0 {
        return Ok(None);
    }
    let reached = reached.filter(|_| is_all && records == entries_read);
    let batch = ForwardBatch { line: progress.line(), after: progress.place(), to, reached, events };
    Ok(Some(Read { batch, said, records: records as u64, bytes: bytes as u64 }))
}

/// The event that is to be forwarded. What people think of incidents they say where those are, and there are no incidents here.
fn event_of(entry: &Entry) -> Option<Event> {
    if entry.kind != RecordKind::Event {
        return None;
    }
    match serde_json::from_str::<Event>(&entry.body) {
        Ok(event) => Some(event).filter(|event| !is_mark(event)),
        Err(error) => {
            tracing::error!(position = entry.seq, "an event on the bus cannot be read: {error}");
            None
        }
    }
}

fn too_large(event: &Event, entry: &Entry, now: Timestamp) -> Event {
    let position = entry.seq.to_string();
    let labels = [("rule", event.rule.as_str()), ("position", position.as_str())];
    let condition = Condition::new(kind::EVENT_NOT_FORWARDED, Severity::Error, "orion", labels);
    let (bytes, most) = (entry.body.len(), MAX_EVENT_BYTES - ADDED_BYTES);
    let message =
        format!("an event has {bytes} bytes, and at most {most} are forwarded: it is recorded on this host alone");
    condition.event(Status::Occurred, now, event.generation, &message)
}
