//! A part that cannot be written: what it is, since when and why, and what is recorded of it.

use std::collections::BTreeMap;
use std::time::Instant;

use orion_bus::{BusError, DATABASE_FILE, Loaded};
use orion_model::{Severity, Status, Timestamp};

use crate::condition::{self, Condition, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::memory::MemoryError;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The store itself.
    Database,
    /// The files that people read.
    Files,
    /// The log that hosts share.
    Log,
    /// What waits to be forwarded.
    Buffer,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::Database, Self::Files, Self::Log, Self::Buffer];

    /// What it is called, without its folder: records of two deployments are to be the same.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Database => DATABASE_FILE,
            Self::Files => "*.jsonl",
            Self::Log => "redis",
            Self::Buffer => "buffer",
        }
    }
}

/// A part that cannot be written.
pub(super) struct Trouble {
    pub(super) condition: Condition,
    pub(super) began: Timestamp,
    pub(super) message: String,
    /// Its beginning is on the bus.
    pub(super) is_said: bool,
    /// Who could not write, and when it tried last. On a disk with little room small commits still go in; it is not over
    /// before those who failed succeed.
    pub(super) failing: BTreeMap<String, Instant>,
    /// When it was seen to be over. Kept until that is on the bus, so that saying it twice says the same.
    pub(super) ended: Option<Timestamp>,
}

/// Why it cannot be written.
pub(super) struct Failure {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Failure {
    /// What is the commit's own fault, or of something that is being read, is not a failure of the store.
    pub(super) fn of_bus(error: &BusError) -> Option<Self> {
        let kind = match error {
            BusError::StoreFull { .. } => kind::STORE_FULL,
            BusError::BufferFull { .. } => kind::FORWARD_BUFFER_FULL,
            error if error.is_away() => kind::BUS_AWAY,
            error if error.is_unwritable() => kind::STORE_UNWRITABLE,
            _ => return None,
        };
        Some(Self { kind, message: error.to_string() })
    }

    pub(super) fn of_files(error: &MemoryError) -> Option<Self> {
        let kind = match error {
            MemoryError::StoreFull { .. } => kind::STORE_FULL,
            // The files are written anew in a moment.
            MemoryError::Replaced { .. } => return None,
            _ => kind::STORE_UNWRITABLE,
        };
        Some(Self { kind, message: error.to_string() })
    }
}

impl Trouble {
    /// What is to be said of it, and to be remembered over a restart.
    pub(super) fn write(&self, draft: &mut Draft, host: &str, generation: u64) -> Result<(), NotWritable> {
        if !self.is_said {
            draft.event(&self.condition.event_of(host, Status::Firing, self.began, generation, &self.message))?;
        }
        if let Some(ended) = self.ended {
            let over = "it can be written again";
            draft.event(&self.condition.event_of(host, Status::Resolved, ended, generation, over))?;
            draft.delete(self.condition.key());
        } else if !self.is_said {
            draft.put(self.condition.key(), &self.condition)?;
        }
        Ok(())
    }
}

pub(super) fn condition_of(part: Part, kind: &str) -> Condition {
    Condition::new(kind, Severity::Critical, "orion", [("file", part.name())])
}

pub(super) fn restored(loaded: &Loaded) -> BTreeMap<Part, Trouble> {
    let conditions = loaded.state.iter().filter_map(|(state_key, value)| match key::split(state_key, 2).as_slice() {
        [condition::ROOM, _] => serde_json::from_slice::<Condition>(value).ok(),
        _ => None,
    });
    let trouble = |condition: Condition| {
        let part = Part::ALL.into_iter().find(|part| condition.labels.get("file") == Some(part.name()))?;
        let (began, message) = (Timestamp::default(), String::new());
        let failing = BTreeMap::new();
        Some((part, Trouble { condition, began, message, is_said: true, failing, ended: None }))
    };
    conditions.filter_map(trouble).collect()
}
