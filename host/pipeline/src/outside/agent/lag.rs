//! Agents that are heard of, and of whom not everything is here: what they see comes late.
//!
//! Only one that speaks can be behind. It is measured by what it said last, at the moment at which it said it, so that one that falls silent
//! is silent and nothing else; and one that was silent has as long to bring what it kept as it may be silent.

use orion_model::{AgentName, Timestamp, format_duration};

use super::known::{Known, lag};
use crate::draft::{Draft, NotWritable};

/// When it was heard of, and how far back what is here of it may lie.
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) patience_millis: i64,
    pub(super) generation: u64,
}

impl Known {
    /// It was heard of now. Says that it is behind when it has been for too long, and that it is not any more when it said so itself.
    pub(super) fn measure_lag(
        &mut self,
        agent: &AgentName,
        draft: &mut Draft,
        Moment { now, patience_millis, generation }: Moment,
    ) -> Result<(), NotWritable> {
        let is_there = |at: Timestamp| now.millis_since(at) < patience_millis;
        if self.reached.is_some_and(is_there) {
            return self.conditions.clear(draft, &lag(agent), now, generation, "what it sees is here again");
        }
        let Some(speaks_since) = self.speaks_since.filter(|since| !is_there(*since)) else { return Ok(()) };
        let behind_from = self.reached.map_or(speaks_since, |reached| reached.max(speaks_since));
        let behind_from = behind_from.plus_millis(patience_millis);
        let patience = format_duration(patience_millis);
        let reached = self.reached.map_or_else(
            || "nothing it saw since this host began".to_owned(),
            |reached| format!("what it saw up to {reached}"),
        );
        let message = format!(
            "the agent {agent} is heard of, and only {reached} is known to be here whole: it is more than {patience} behind, and correlations \
             go on without what is missing"
        );
        self.conditions.raise(draft, lag(agent), behind_from, generation, &message)
    }
}
