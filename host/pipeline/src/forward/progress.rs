//! How far is forwarded, and on which line.

use orion_bus::{Bus, BusError, Entry, Loaded};
use orion_model::{AgentName, IdBuilder, LinePlace, LineTaken, RecordId, Timestamp};

use super::FORWARD_OWNER;
use crate::draft::Draft;
use crate::stage::StageError;

/// Where the state has the line.
const LINE_KEY: &[u8] = b"line";

/// Where it has the record at the position.
const RECORD_KEY: &[u8] = b"record";

pub(super) struct Progress {
    line: RecordId,
    place: LinePlace,
    committed: Option<i64>,
}

/// Up to where is forwarded.
pub(super) fn position_of(loaded: &Loaded) -> u64 {
    u64::try_from(loaded.offset.unwrap_or(0)).unwrap_or(0)
}

/// A store begins a line when it is first forwarded from. Its name only has to be another one than that of every store before it: two
/// of an agent do not begin in the same millisecond.
fn new_line(agent: &AgentName, now: Timestamp) -> RecordId {
    IdBuilder::new("line").text(agent.as_str()).number(now.as_millis()).finish()
}

impl Progress {
    /// As the store has it; a new store is told which line it is before anything of it is forwarded.
    pub(super) async fn open(bus: &dyn Bus, agent: &AgentName, now: Timestamp) -> Result<Self, StageError> {
        let loaded = bus.load(FORWARD_OWNER).await?;
        let value = |wanted: &[u8]| loaded.state.iter().find(|(key, _)| key == wanted).map(|(_, value)| &**value);
        let id = |wanted| Some(RecordId::from_bytes(value(wanted)?.try_into().ok()?));
        let place = LinePlace { position: position_of(&loaded), record: id(RECORD_KEY) };
        if let Some(line) = id(LINE_KEY) {
            return Ok(Self { line, place, committed: loaded.offset });
        }
        let mut progress = Self { line: new_line(agent, now), place, committed: loaded.offset };
        progress.keep(bus, Draft::default()).await?;
        Ok(progress)
    }

    pub(super) fn line(&self) -> RecordId {
        self.line
    }

    pub(super) fn place(&self) -> LinePlace {
        self.place
    }

    pub(super) fn position(&self) -> u64 {
        self.place.position
    }

    /// Everything up to this place is forwarded. `said` is what there is to say of it.
    pub(super) async fn pass(&mut self, bus: &dyn Bus, place: LinePlace, said: Draft) -> Result<(), StageError> {
        self.place = place;
        self.keep(bus, said).await
    }

    /// Goes on where the control host has everything, where that is on this line. Otherwise begins a new one, from whichever place is
    /// further back.
    pub(super) async fn go_to(
        &mut self,
        bus: &dyn Bus,
        taken: LineTaken,
        agent: &AgentName,
        now: Timestamp,
    ) -> Result<(), StageError> {
        if taken.line == self.line && has(bus, taken.place).await? {
            self.place = taken.place;
        } else {
            tracing::warn!(
                "the control host has another past of this agent than its store: what is forwarded begins a new line"
            );
            self.line = new_line(agent, now);
            if taken.place.position < self.place.position {
                self.place = LinePlace { position: taken.place.position, record: None };
            }
        }
        self.keep(bus, Draft::default()).await
    }

    async fn keep(&mut self, bus: &dyn Bus, mut draft: Draft) -> Result<(), StageError> {
        let offset = i64::try_from(self.place.position).unwrap_or(i64::MAX);
        draft.put_bytes(LINE_KEY.to_vec(), self.line.as_bytes().to_vec());
        match self.place.record {
            Some(record) => draft.put_bytes(RECORD_KEY.to_vec(), record.as_bytes().to_vec()),
            None => draft.delete(RECORD_KEY.to_vec()),
        }
        bus.commit(draft.into_commit(FORWARD_OWNER, self.committed, offset)).await?;
        self.committed = Some(offset);
        Ok(())
    }
}

/// Whether the store has this place: the beginning, or the record that stands there.
async fn has(bus: &dyn Bus, place: LinePlace) -> Result<bool, BusError> {
    if place.position == 0 {
        return Ok(true);
    }
    let entries: Vec<Entry> = bus.read_at(&[place.position]).await?;
    Ok(entries.first().is_some_and(|entry| Some(entry.id) == place.record))
}
