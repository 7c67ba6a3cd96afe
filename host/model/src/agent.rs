//! Agents: hosts near a remote source that forward what they saw to a control host. What one says, and what it is answered.
//!
//! The records of one store have positions that only grow. A *line* is one unbroken row of them: a store that was wiped or put back
//! begins another. Who forwards says up to where on its line the other end has everything, and who takes keeps exactly that.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{Digest, RecordId};
use crate::rule_set::SetReport;
use crate::time::Timestamp;

/// The label that an event of an agent has at the control host: the name of the agent.
pub const AGENT_LABEL: &str = "agent";

/// What such an event has among its data: the id that it has at the agent.
pub const AGENT_EVENT_ID: &str = "agent_event_id";

/// What an agent is called: the same in its token, in the path at which it posts, and in the label of its events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AgentName(String);

/// A text that is no name of an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an agent is named by up to {} letters, digits and `-_.`, and begins with a letter or digit",
    AgentName::MAX_BYTES
)]
pub struct BadAgentName;

impl AgentName {
    /// Enough for the full name of a host; it is part of a path and of every event.
    pub const MAX_BYTES: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentName {
    type Err = BadAgentName;

    fn from_str(text: &str) -> Result<Self, BadAgentName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let begins_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        match begins_well && text.len() <= Self::MAX_BYTES && text.bytes().all(is_plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadAgentName),
        }
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A place on a line: up to where, and the record that stands there, so that two lines which have the same positions are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinePlace {
    /// The position; 0 before the first record.
    pub position: u64,
    /// The record at it; none where it is not known any more, or never was.
    pub record: Option<RecordId>,
}

/// Events in the order of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForwardBatch {
    /// The line.
    pub line: RecordId,
    /// What stands before them.
    pub after: LinePlace,
    /// Up to where they go. What lies between is these events and nothing else that is to be forwarded.
    pub to: LinePlace,
    /// The time up to which everything that the agent saw is forwarded with them; none while more waits behind them.
    pub reached: Option<Timestamp>,
    /// The events.
    pub events: Vec<Event>,
}

/// Up to where the other end has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineTaken {
    /// The line.
    pub line: RecordId,
    /// The place.
    #[serde(flatten)]
    pub place: LinePlace,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// It is recorded, and survives power loss.
    Taken(Receipt),
    /// Nothing of it is: it does not begin where what was taken ends.
    Elsewhere(LineTaken),
}

/// What became of the events of a batch that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Up to where everything is taken now.
    pub position: u64,
    /// Events that are recorded now.
    pub recorded: usize,
    /// Events that were recorded already.
    pub known: usize,
    /// Events that cannot be taken, ever.
    pub put_aside: usize,
    /// Why the first of those cannot.
    pub reason: Option<String>,
}

/// What an agent says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentStatus {
    /// Version of Orion.
    pub orion: String,
    /// What runs of the set of rules that it fetches, and what cannot; none while it has none.
    pub rules: Option<SetReport>,
    /// The digest of what it fetched last.
    pub digest: Option<Digest>,
    /// The generation that runs.
    pub generation: u64,
    /// Files that it refuses; their last good versions run.
    pub refused: Vec<RefusedFile>,
    /// Events that wait.
    pub backlog_events: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// The time up to which everything that it saw is forwarded; none while something waits.
    pub reached: Option<Timestamp>,
}

/// A rule file that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedFile {
    /// Its name.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_part_of_a_path_and_nothing_else() {
        for name in ["a", "eu-1", "host.example", "9_x", &"x".repeat(AgentName::MAX_BYTES)] {
            assert_eq!(name.parse::<AgentName>().unwrap().as_str(), name);
        }
        for wrong in ["", ".", "..", "-a", "a/b", "a b", "a:b", "ä", "a\n", &"x".repeat(AgentName::MAX_BYTES + 1)] {
            assert_eq!(wrong.parse::<AgentName>(), Err(BadAgentName), "{wrong:?}");
        }
    }

    #[test]
    fn a_place_reads_as_it_was_written() {
        let line = crate::IdBuilder::new("line").finish();
        let taken = LineTaken { line, place: LinePlace { position: 7, record: Some(line) } };
        let text = serde_json::to_string(&taken).unwrap();
        assert_eq!(serde_json::from_str::<LineTaken>(&text).unwrap(), taken);
    }
}
