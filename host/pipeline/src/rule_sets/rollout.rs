//! Which nodes are given a new version, and when the next ones are.
//!
//! Some at a time, in the order of their names: the next ones when all before them say that they run it. One that cannot run it halts
//! all: what was good for the first is likely to be as bad for the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use orion_model::{MAX_SET_NAME_BYTES, SetRefusal, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::Head;

/// Nodes of a set that are known. Each is a line of a list and some hundred bytes.
pub(super) const MAX_NODES: usize = 1_000;

/// A node that said nothing for so long is not waited for and forgotten: machines are taken away, and nobody says so.
const FORGOTTEN_MILLIS: i64 = 24 * 3_600_000;

/// A node that says the same again is written down so often: often enough that it is not forgotten, seldom enough to cost nothing.
const RENEWED_MILLIS: i64 = 3_600_000;

/// Why a node cannot run a version, as it is kept: the first lines of a report.
const MAX_WHY_CHARS: usize = 2_000;

/// A version on its way to the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rollout {
    /// What the others run.
    pub(super) from: u64,
    /// To how many it is given at once.
    pub(super) at_a_time: u32,
    /// To whom it was given.
    pub(super) given: BTreeSet<String>,
    /// Why it stands still, if it does.
    pub(super) halted: Option<Halt>,
}

/// A node that cannot run what it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Halt {
    pub(super) node: String,
    pub(super) why: String,
}

/// What a node said last of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NodeRun {
    pub(super) version: Option<u64>,
    pub(super) refused: Option<SetRefusal>,
    pub(super) heard_at: Timestamp,
}

/// What became of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moved {
    Nothing,
    Given(Vec<String>),
    Done,
    Halted(Halt),
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing is other than it was"),
            Self::Given(nodes) => write!(f, "given to {}", nodes.join(", ")),
            Self::Done => f.write_str("all nodes run it"),
            Self::Halted(Halt { node, why }) => write!(f, "halted, because {node} cannot run it: {why}"),
        }
    }
}

impl NodeRun {
    pub(super) fn of(version: Option<u64>, refused: Option<SetRefusal>, heard_at: Timestamp) -> Self {
        let cut =
            |refusal: SetRefusal| SetRefusal { why: refusal.why.chars().take(MAX_WHY_CHARS).collect(), ..refusal };
        Self { version, refused: refused.map(cut), heard_at }
    }

    /// Whether what the node says now has to be written down.
    pub(super) fn is_outdated_by(&self, now: &Self) -> bool {
        (self.version, &self.refused) != (now.version, &now.refused)
            || now.heard_at.millis_since(self.heard_at) >= RENEWED_MILLIS
    }

    /// What it is to the newest version, in one word.
    pub(super) fn standing(&self, newest: u64) -> &'static str {
        match (&self.refused, self.version) {
            (Some(refused), _) if refused.version == newest => "refusing",
            (_, Some(version)) if version == newest => "newest",
            _ => "other",
        }
    }

    fn is_there(&self, now: Timestamp) -> bool {
        now.millis_since(self.heard_at) < FORGOTTEN_MILLIS
    }
}

impl Rollout {
    /// `None` where there is no node that it could be given to before others.
    pub(super) fn begin(from: u64, at_a_time: u32, nodes: &BTreeMap<String, NodeRun>, now: Timestamp) -> Option<Self> {
        let mut rollout = Self { from, at_a_time, given: BTreeSet::new(), halted: None };
        let first = rollout.next(nodes, now);
        rollout.given.extend(first);
        (!rollout.given.is_empty()).then_some(rollout)
    }

    fn next(&self, nodes: &BTreeMap<String, NodeRun>, now: Timestamp) -> Vec<String> {
        let waiting = nodes.iter().filter(|(node, run)| run.is_there(now) && !self.given.contains(*node));
        waiting.map(|(node, _)| node.clone()).take(usize::try_from(self.at_a_time).unwrap_or(usize::MAX)).collect()
    }
}

/// Looks whether the next nodes are to be given the newest version.
pub(super) fn step(head: &mut Head, nodes: &BTreeMap<String, NodeRun>, now: Timestamp) -> Moved {
    let newest = head.newest;
    let Some(rollout) = &mut head.rollout else { return Moved::Nothing };
    let given = || nodes.iter().filter(|(node, run)| rollout.given.contains(*node) && run.is_there(now));
    let refusal = given().find_map(|(node, run)| {
        let refusal = run.refused.as_ref().filter(|refusal| refusal.version == newest)?;
        Some(Halt { node: node.clone(), why: refusal.why.clone() })
    });
    if let Some(halt) = refusal {
        let is_known = rollout.halted.is_some();
        rollout.halted = Some(halt.clone());
        return if is_known { Moved::Nothing } else { Moved::Halted(halt) };
    }
    let are_all_there = given().all(|(_, run)| run.version == Some(newest));
    // Whoever could not run it can by now: a plugin was brought there, for one.
    rollout.halted = None;
    if !are_all_there {
        return Moved::Nothing;
    }
    let next = rollout.next(nodes, now);
    if next.is_empty() {
        head.rollout = None;
        return Moved::Done;
    }
    rollout.given.extend(next.iter().cloned());
    Moved::Given(next)
}

/// Takes out those that are gone, and says which.
pub(super) fn take_gone(nodes: &mut BTreeMap<String, NodeRun>, now: Timestamp) -> Vec<String> {
    let gone: Vec<String> = nodes.iter().filter(|(_, run)| !run.is_there(now)).map(|(node, _)| node.clone()).collect();
    gone.iter().for_each(|node| drop(nodes.remove(node)));
    gone
}

/// Whether a node can be known by this name.
pub(super) fn is_node_name(name: &str) -> bool {
    (1..=MAX_SET_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}
