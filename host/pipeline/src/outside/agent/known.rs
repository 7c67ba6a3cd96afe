//! What is known of one agent, as its owner on the bus keeps it.

use orion_bus::{Bus, BusError, Loaded};
use orion_model::{AgentName, AgentStatus, LineTaken, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::OWNERS;
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};

/// Where the state has up to where everything is taken.
const TAKEN_ROOM: &[u8] = b"taken";

/// Where it has what the agent said of itself last.
const SAID_ROOM: &[u8] = b"said";

/// What an agent said of itself, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// When it was heard of, as of the last commit.
    pub(super) heard_at: Timestamp,
    pub(super) status: AgentStatus,
}

/// One agent.
#[derive(Default)]
pub(super) struct Known {
    pub(super) offset: Option<i64>,
    pub(super) taken: Option<LineTaken>,
    pub(super) said: Option<Said>,
    pub(super) conditions: Conditions,
    /// When it was heard of last, by this process or as of the last commit.
    pub(super) heard_at: Timestamp,
    /// Up to when everything that it saw is here, as far as it said.
    pub(super) reached: Option<Timestamp>,
    /// Since when it is heard of without a silence between, by this process.
    pub(super) speaks_since: Option<Timestamp>,
}

pub(super) fn owner(agent: &AgentName) -> String {
    format!("{OWNERS}{agent}")
}

/// That an agent is not heard of.
pub(super) fn silence(agent: &AgentName) -> Condition {
    Condition::new(kind::AGENT_SILENT, Severity::Error, "orion", [("agent", agent.as_str())])
}

/// That an agent is heard of, and what it sees comes late.
pub(super) fn lag(agent: &AgentName) -> Condition {
    Condition::new(kind::AGENT_BEHIND, Severity::Warning, "orion", [("agent", agent.as_str())])
}

impl Known {
    /// As the bus has it.
    pub(super) async fn load(bus: &dyn Bus, agent: &AgentName) -> Result<Self, BusError> {
        Ok(Self::of(bus.load(&owner(agent)).await?))
    }

    /// From its state.
    pub(super) fn of(loaded: Loaded) -> Self {
        let mut known = Self { offset: loaded.offset, ..Self::default() };
        for (state_key, value) in loaded.state {
            match key::split(&state_key, 2).as_slice() {
                [TAKEN_ROOM] => known.taken = serde_json::from_slice(&value).ok(),
                [SAID_ROOM] => known.said = serde_json::from_slice(&value).ok(),
                [condition::ROOM, _] => known.conditions.restore(&value),
                _ => {}
            }
        }
        known.heard_at = known.said.as_ref().map(|said| said.heard_at).unwrap_or_default();
        known
    }

    /// Whether anything of it is kept: one that is forgotten left its owner behind, and nothing in it.
    pub(super) fn is_there(&self) -> bool {
        self.taken.is_some() || self.said.is_some()
    }

    /// It says something now, perhaps up to when everything that it saw is here.
    pub(super) fn heard_of(&mut self, now: Timestamp, reached: Option<Timestamp>, silent_millis: i64) {
        let was_silent = now.millis_since(self.heard_at) > silent_millis;
        if was_silent || self.speaks_since.is_none() {
            self.speaks_since = Some(now);
        }
        self.heard_at = now;
        self.reached = self.reached.max(reached);
    }

    /// The same, as it is kept from now on.
    pub(super) fn keep_taken(&mut self, draft: &mut Draft, taken: LineTaken) -> Result<(), NotWritable> {
        self.taken = Some(taken);
        draft.put(TAKEN_ROOM.to_vec(), &taken)
    }

    pub(super) fn keep_said(&mut self, draft: &mut Draft, said: Said) -> Result<(), NotWritable> {
        draft.put(SAID_ROOM.to_vec(), &said)?;
        self.said = Some(said);
        Ok(())
    }

    /// Commits what this changed.
    pub(super) async fn commit(
        &mut self,
        bus: &dyn Bus,
        agent: &AgentName,
        draft: Draft,
    ) -> Result<orion_bus::Committed, BusError> {
        // The name counts commits: what it stands at never goes back, though a line may.
        let offset = self.offset.map_or(0, |offset| offset.saturating_add(1));
        let committed = bus.commit(draft.into_commit(&owner(agent), self.offset, offset)).await?;
        self.offset = Some(offset);
        Ok(committed)
    }
}
