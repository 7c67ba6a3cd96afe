//! How far a chain of hashes has come: the last line's position and hash, which covers every line before it.

use blake3::Hash;
use orion_bus::{Entry, RecordKind};
use serde::{Deserialize, Serialize};

use super::line::{self, Sealed};

/// The end of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HeadText", into = "HeadText")]
pub struct Head {
    pub(super) last_seq: u64,
    pub(super) hash: Hash,
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
struct HeadText {
    last_seq: u64,
    head: String,
}

impl Head {
    /// Of a chain without a line.
    pub const NONE: Self = Self { last_seq: 0, hash: line::NO_LINE };

    /// Position of the last record; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// `hash` of the last line; zeros when there is none.
    pub fn hash(&self) -> String {
        format!("b3:{}", self.hash.to_hex())
    }

    /// The head with one line more, or what is wrong with that line.
    pub(super) fn follow(self, line: &Sealed) -> Result<Self, &'static str> {
        if line.prev != self.hash {
            return Err("does not follow the line before it: lines were removed, added or moved here");
        }
        if line.seq <= self.last_seq {
            return Err("has a position that is not higher than the one before it");
        }
        Ok(Self { last_seq: line.seq, hash: line.hash })
    }
}

impl From<Head> for HeadText {
    fn from(head: Head) -> Self {
        Self { last_seq: head.last_seq, head: head.hash() }
    }
}

impl TryFrom<HeadText> for Head {
    type Error = &'static str;

    fn try_from(text: HeadText) -> Result<Self, Self::Error> {
        let hash = text.head.strip_prefix("b3:").and_then(line::hash_of).ok_or("the head of a chain is no hash")?;
        Ok(Self { last_seq: text.last_seq, hash })
    }
}

/// The ends of all three chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    events: Head,
    incidents: Head,
    decisions: Head,
}

impl Heads {
    /// Of an audit trail without a line.
    pub const NONE: Self = Self { events: Head::NONE, incidents: Head::NONE, decisions: Head::NONE };

    /// The one of a kind.
    pub fn of(&self, kind: RecordKind) -> Head {
        match kind {
            RecordKind::Event => self.events,
            RecordKind::Incident => self.incidents,
            RecordKind::Decision => self.decisions,
        }
    }

    pub(super) fn set(&mut self, kind: RecordKind, head: Head) {
        let place = match kind {
            RecordKind::Event => &mut self.events,
            RecordKind::Incident => &mut self.incidents,
            RecordKind::Decision => &mut self.decisions,
        };
        *place = head;
    }

    /// Position of the last record of any kind.
    pub fn last_seq(&self) -> u64 {
        RecordKind::ALL.map(|kind| self.of(kind).last_seq).into_iter().max().unwrap_or(0)
    }
}

/// The chains that records make, given in order of their positions: what the files must hold.
#[derive(Debug)]
pub struct Chain {
    heads: Heads,
    line: Vec<u8>,
}

impl Chain {
    /// Goes on from there.
    pub fn from(heads: Heads) -> Self {
        Self { heads, line: Vec::new() }
    }

    /// Adds a record; false for one that cannot be a line.
    pub fn push(&mut self, entry: &Entry) -> bool {
        self.line.clear();
        let prev = self.heads.of(entry.kind).hash;
        let Some(hash) = line::write(&mut self.line, entry, prev) else { return false };
        self.heads.set(entry.kind, Head { last_seq: entry.seq, hash });
        true
    }

    /// How far it has come.
    pub fn heads(&self) -> Heads {
        self.heads
    }
}
