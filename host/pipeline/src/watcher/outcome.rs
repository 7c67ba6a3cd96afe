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
pub enum Verdict {
    /// It came to this, and nothing went wrong.
    Done(Outcome),
    /// It came to nothing, for this reason.
    Failed(String),
    /// The plugin is not called before then. Not in words: while it lasts they are the same for every evaluation, and making
    /// them would be most of what one costs.
    Quarantined(Timestamp),
}

impl Verdict {
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Done(outcome) => *outcome,
            Self::Failed(_) | Self::Quarantined(_) => Outcome::Error,
        }
    }

    fn into_message(self) -> Option<String> {
        match self {
            Self::Done(_) => None,
            Self::Failed(message) => Some(message),
            Self::Quarantined(until) => Some(format!("its plugin keeps failing and is not called before {until}")),
        }
    }
}

/// The health of a rule that runs, which may not have been evaluated yet.
#[derive(Debug, Default)]
pub struct KeptHealth {
    health: Option<RuleHealth>,
    /// Up to when its plugin is not called, when that is what the health says.
    quarantined: Option<Timestamp>,
}

impl KeptHealth {
    /// Puts back what the store has. Bytes that are none are ignored: the next evaluation says it again.
    pub fn restore(&mut self, value: &[u8]) {
        self.health = serde_json::from_slice(value).ok();
        self.quarantined = None;
    }

    /// As it is.
    pub fn now(&self) -> Option<&RuleHealth> {
        self.health.as_ref()
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
        let outcome = verdict.outcome();
        let until = if let Verdict::Quarantined(until) = verdict { Some(until) } else { None };
        if until.is_some() && until == self.quarantined && self.health.as_ref().is_some_and(|kept| kept.late == late) {
            return Ok(());
        }
        self.quarantined = until;
        let message = verdict.into_message();
        let is_same = |kept: &RuleHealth| (kept.outcome, kept.late, &kept.message) == (outcome, late, &message);
        if self.health.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let skipped = self.health.as_ref().map_or(0, |kept| kept.skipped);
        let health = self.health.insert(RuleHealth { outcome, late, since: instant, skipped, message });
        draft.put(health_key(rule), health)
    }

    /// So many instants are skipped. Before the first evaluation there is nothing that could be.
    pub fn skip(&mut self, rule: &str, instants: u64, draft: &mut Draft) -> Result<(), NotWritable> {
        let Some(health) = &mut self.health else { return Ok(()) };
        health.skipped += instants;
        draft.put(health_key(rule), health)
    }

    /// The rule is gone.
    pub fn forget(&mut self, rule: &str, draft: &mut Draft) {
        self.quarantined = None;
        if self.health.take().is_some() {
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

    fn note(kept: &mut KeptHealth, verdict: Verdict, at: i64, late: bool) -> bool {
        let mut draft = Draft::default();
        kept.note("f/g/r", verdict, Timestamp::from_millis(at), late, &mut draft).unwrap();
        !draft.is_empty()
    }

    #[test]
    fn health_is_written_when_it_changes_and_tells_since_when() {
        let mut kept = KeptHealth::default();
        let steps = [(Outcome::Ok, false), (Outcome::Ok, false), (Outcome::Error, false), (Outcome::Error, true)];
        let written: Vec<bool> =
            (0..).zip(steps).map(|(at, (outcome, late))| note(&mut kept, Verdict::Done(outcome), at, late)).collect();
        assert_eq!(written, [true, false, true, true]);
        assert_eq!(kept.health.as_ref().unwrap().since, Timestamp::from_millis(3));
        kept.skip("f/g/r", 2, &mut Draft::default()).unwrap();
        assert!(note(&mut kept, Verdict::Done(Outcome::Ok), 4, false));
        assert_eq!(kept.health.unwrap().skipped, 2);
    }

    #[test]
    fn a_quarantine_is_written_when_it_begins_moves_or_is_seen_late_and_said_the_same_after_a_restart() {
        let until = |millis| Verdict::Quarantined(Timestamp::from_millis(millis));
        let mut kept = KeptHealth::default();
        let steps = [(until(60), false), (until(60), false), (until(90), false), (until(90), true), (until(90), true)];
        let written: Vec<bool> =
            (0..).zip(steps).map(|(at, (verdict, late))| note(&mut kept, verdict, at, late)).collect();
        assert_eq!(written, [true, false, true, true, false]);
        let stored = serde_json::to_vec(&kept.health).unwrap();
        let mut after = KeptHealth::default();
        after.restore(&stored);
        assert!(!note(&mut after, until(90), 9, true));
        assert!(note(&mut after, Verdict::Failed("it traps".to_owned()), 10, true));
        assert!(note(&mut after, until(90), 11, true));
        let said = "its plugin keeps failing and is not called before 1970-01-01T00:00:00.090Z";
        assert_eq!(after.health.unwrap().message.as_deref(), Some(said));
    }
}
