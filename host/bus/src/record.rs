//! What goes onto the bus and comes off it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use orion_model::{RecordId, Timestamp};

use crate::body::Body;
use crate::error::BusError;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// An `orion_model::Event`.
    Event,
    /// One revision of an `orion_model::Incident`.
    Incident,
    /// An `orion_model::Decision`.
    Decision,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Event, Self::Incident, Self::Decision];

    /// The word for one: `event`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Incident => "incident",
            Self::Decision => "decision",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// What it is.
    pub kind: RecordKind,
    /// Its identity: a record whose id is on the bus already is not appended again.
    pub id: RecordId,
    /// When it happened, by the data.
    pub ts: Timestamp,
    /// What it says.
    pub body: Body,
}

/// A record as it lies on the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position.
    pub seq: u64,
    /// What it is.
    pub kind: RecordKind,
    /// Its identity.
    pub id: RecordId,
    /// When it happened, by the data.
    pub ts: Timestamp,
    /// A JSON object on one line.
    pub body: Arc<str>,
}

/// A change of what an owner knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// Remember the value under the key.
    Put {
        /// Any bytes, unique within the owner.
        key: Vec<u8>,
        /// Any bytes.
        value: Vec<u8>,
    },
    /// Forget the key; nothing happens when it is not there.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Forget every key of the owner.
    Clear,
}

/// Everything that one step of an owner changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Who commits: a rule group, a stage, a correlation.
    pub owner: String,
    /// The offset the step started from; `None` when the owner never committed.
    pub expected: Option<i64>,
    /// The offset from now on.
    pub offset: i64,
    /// What to append, in this order.
    pub records: Vec<NewRecord>,
    /// What to change in the owner's state, in this order.
    pub state: Vec<StateChange>,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The positions that the appended records got, in their order; empty when nothing was appended.
    pub positions: Range<u64>,
    /// How many records were appended.
    pub appended: usize,
    /// How many were on the bus already, or stood twice in the commit, and were left out.
    pub duplicates: usize,
}

/// A commit that stands on another bus already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicated {
    /// Whose it is; `None` where only the records count.
    pub owner: Option<String>,
    /// The owner's offset from now on; `None` for a part of a commit that is not its last.
    pub offset: Option<i64>,
    /// Its records, at their positions.
    pub records: Vec<Entry>,
    /// What it changed in the owner's state.
    pub state: Vec<StateChange>,
}

/// What an owner knew when it last committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The committed offset; `None` when the owner never committed.
    pub offset: Option<i64>,
    /// Keys and values, by key order.
    pub state: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The longest owner name, key, value or body in bytes. A store refuses what is far longer (SQLite at 10^9 bytes), and
/// that refusal would take down every other commit of the same group; so it is refused here, alone.
pub const MAX_PIECE_BYTES: usize = 16 * 1024 * 1024;

impl Commit {
    /// The one door to the bus: behind it nobody checks again.
    pub(crate) fn check(&self) -> Result<(), BusError> {
        check_length(&self.owner, "owner name", self.owner.len())?;
        for record in &self.records {
            check_length(&self.owner, "record", record.body.len())?;
        }
        for change in &self.state {
            let (key, value) = match change {
                StateChange::Put { key, value } => (key.len(), value.len()),
                StateChange::Delete { key } => (key.len(), 0),
                StateChange::Clear => continue,
            };
            check_length(&self.owner, "state key", key)?;
            check_length(&self.owner, "state value", value)?;
        }
        Ok(())
    }
}

fn check_length(owner: &str, piece: &str, bytes: usize) -> Result<(), BusError> {
    if bytes <= MAX_PIECE_BYTES {
        return Ok(());
    }
    let what = format!("a {piece} has {bytes} bytes; at most {MAX_PIECE_BYTES} are kept");
    Err(BusError::Refused { owner: owner.chars().take(200).collect(), what })
}
