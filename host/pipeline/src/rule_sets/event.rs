//! What becomes of sets, as events: who applied what and when, and how the rollout of it went.

use orion_model::{Changes, Event, SetDiff, SetVersion, Severity, Status, Timestamp};
use serde_json::{Value, json};

use super::rollout::{Halt, Moved};
use crate::condition::{Condition, kind};

/// Rules that are named of each kind of change. How many there are is said in any case; the rest is in the versions.
const MAX_NAMED: usize = 100;

/// A version was applied.
pub(super) fn applied(version: &SetVersion, diff: &SetDiff, at_a_time: Option<u32>, generation: u64) -> Event {
    let SetVersion { set, version, digest, applied_at, applied_by, files } = version;
    let rolling = at_a_time.map_or_else(String::new, |count| format!("; it is given to {count} at a time"));
    let message = format!("{applied_by} applied version {version} of the rule set `{set}`: {}{rolling}", diff.counts());
    let number = version.to_string();
    let condition =
        Condition::new(kind::RULE_SET_APPLIED, Severity::Info, "orion", [("set", set), ("version", &number)]);
    let mut event = condition.event(Status::Occurred, *applied_at, generation, &message);
    event.data.extend([
        ("by".to_owned(), applied_by.as_str().into()),
        ("digest".to_owned(), json!(digest)),
        ("files".to_owned(), files.len().into()),
    ]);
    event.data.extend(diff.kinds().map(|(what, changes)| (format!("{what}s"), told(changes))));
    event
}

fn told(changes: &Changes) -> Value {
    let of = |ids: &[String]| json!({ "count": ids.len(), "ids": ids.iter().take(MAX_NAMED).collect::<Vec<_>>() });
    json!({ "added": of(&changes.added), "removed": of(&changes.removed), "changed": of(&changes.changed) })
}

/// What became of the rollout of a version, where somebody should know.
pub(super) fn moved(set: &str, version: u64, moved: &Moved, at: Timestamp, generation: u64) -> Option<Event> {
    let number = version.to_string();
    let labels = [("set", set), ("version", number.as_str())];
    let (condition, message) = match moved {
        Moved::Nothing | Moved::Given(_) => return None,
        Moved::Done => (
            Condition::new(kind::RULE_SET_ROLLED_OUT, Severity::Info, "orion", labels),
            format!("all nodes run version {version} of the rule set `{set}`"),
        ),
        Moved::Halted(Halt { node, why }) => (
            Condition::new(
                kind::RULE_SET_ROLLOUT_HALTED,
                Severity::Warning,
                "orion",
                [("set", set), ("version", number.as_str()), ("node", node)],
            ),
            format!(
                "version {version} of the rule set `{set}` is given to no more nodes, because {node} cannot run it: {why}"
            ),
        ),
    };
    Some(condition.event(Status::Occurred, at, generation, &message))
}
