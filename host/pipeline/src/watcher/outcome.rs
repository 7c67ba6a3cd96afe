//! What an evaluation of a rule came to, and since when it comes to that: the health of the rule.
//!
//! Kept in the store, so that `orion rule` can tell it of a deployment that runs as of one that stands still. Written when
//! it changes; a rule that is well for a year is written once.

use orion_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::draft::{Draft, NotWritable, key};

/// First part of the state keys of rules' health.
pub const HEALTH_ROOM: &[u8] = b"health";

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There are data, and the detector found nothing.
    Ok,
    /// The detector found something.
    Breach,
    /// The answer holds no series.
    Empty,
    /// The source said that its answer is not whole.
    Partial,
    /// There is no answer, or the detector did not come to an end. Everything is as it was.
    Error,
}

impl Outcome {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Breach => "breach",
            Self::Empty => "empty",
            Self::Partial => "partial",
            Self::Error => "error",
        }
    }
}

/// The health of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHealth {
    /// What its last evaluation came to.
    pub outcome: Outcome,
    /// Whether it was evaluated later than its next instant, from what the source remembers.
    pub late: bool,
    /// The first instant since which this is so.
    pub since: Timestamp,
    /// How many instants were skipped so far, because they were too far back to be evaluated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// What went wrong, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What is to be said of one evaluation.
pub struct Verdict {
    /// What it came to.
    pub outcome: Outcome,
    /// What went wrong.
    pub message: Option<String>,
}

impl Verdict {
    /// An error, in words.
    pub fn error(message: String) -> Self {
        Self { outcome: Outcome::Error, message: Some(message) }
    }
}

/// The health of a rule that runs, which may not have been evaluated yet.
#[derive(Debug, Default)]
pub struct KeptHealth(Option<RuleHealth>);

impl KeptHealth {
    /// Puts back what the store has. Bytes that are none are ignored: the next evaluation says it again.
    pub fn restore(&mut self, value: &[u8]) {
        self.0 = serde_json::from_slice(value).ok();
    }

    /// Takes in what an evaluation came to.
    pub fn note(
        &mut self,
        rule: &str,
        verdict: Verdict,
        instant: Timestamp,
        late: bool,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        let Verdict { outcome, message } = verdict;
        let is_same = |kept: &RuleHealth| (kept.outcome, kept.late, &kept.message) == (outcome, late, &message);
        if self.0.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let skipped = self.0.as_ref().map_or(0, |kept| kept.skipped);
        let health = self.0.insert(RuleHealth { outcome, late, since: instant, skipped, message });
        draft.put(health_key(rule), health)
    }

    /// So many instants are skipped. Before the first evaluation there is nothing that could be.
    pub fn skip(&mut self, rule: &str, instants: u64, draft: &mut Draft) -> Result<(), NotWritable> {
        let Some(health) = &mut self.0 else { return Ok(()) };
        health.skipped += instants;
        draft.put(health_key(rule), health)
    }

    /// The rule is gone.
    pub fn forget(&mut self, rule: &str, draft: &mut Draft) {
        if self.0.take().is_some() {
            draft.delete(health_key(rule));
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn health_key(rule: &str) -> Vec<u8> {
    key::of(&[HEALTH_ROOM, rule.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kept: &mut KeptHealth, outcome: Outcome, at: i64, late: bool) -> bool {
        let mut draft = Draft::default();
        let verdict = Verdict { outcome, message: None };
        kept.note("f/g/r", verdict, Timestamp::from_millis(at), late, &mut draft).unwrap();
        !draft.is_empty()
    }

    #[test]
    fn health_is_written_when_it_changes_and_tells_since_when() {
        let mut kept = KeptHealth::default();
        let steps = [(Outcome::Ok, false), (Outcome::Ok, false), (Outcome::Error, false), (Outcome::Error, true)];
        let written: Vec<bool> =
            (0..).zip(steps).map(|(at, (outcome, late))| note(&mut kept, outcome, at, late)).collect();
        assert_eq!(written, [true, false, true, true]);
        assert_eq!(kept.0.as_ref().unwrap().since, Timestamp::from_millis(3));
        kept.skip("f/g/r", 2, &mut Draft::default()).unwrap();
        assert!(note(&mut kept, Outcome::Ok, 4, false));
        assert_eq!(kept.0.unwrap().skipped, 2);
    }
}
