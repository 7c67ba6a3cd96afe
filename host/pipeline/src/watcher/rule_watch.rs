//! One rule's part in an evaluation, with what Orion observes of the rule itself: refused queries, plugin faults, findings
//! that cannot be told apart, alerts over the limit.

use orion_model::{Frame, Severity};
use orion_source::{QuerySession, SourceError};

use super::outcome::{Outcome, Verdict};
use super::rule::{Evaluated, Moment, RuleError, RuleRun};
use super::seat::{Effort, SeatError};
use crate::condition::{Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable};

/// A rule and the moment it is evaluated at.
pub struct RuleWatch<'a> {
    /// The rule.
    pub run: &'a mut RuleRun,
    /// The moment.
    pub at: Moment<'a>,
}

impl RuleWatch<'_> {
    /// Takes in the answer to the rule's query, and says what it came to. `None`: it needs more than a moment, and nothing has
    /// changed.
    pub fn evaluate(
        self,
        query: &QuerySession,
        answer: &Result<Frame, SourceError>,
        effort: Effort,
        conditions: &mut Conditions,
        draft: &mut Draft,
    ) -> Result<Option<Verdict>, NotWritable> {
        let frame = match answer {
            Ok(frame) => frame,
            Err(error) => {
                // A source that is down is said once for the source, not for each rule.
                if error.is_query_fault() {
                    let refused = self.condition(kind::QUERY_FAILURE, Severity::Warning);
                    self.raise(conditions, draft, refused, &error.to_string())?;
                }
                return Ok(Some(Verdict::error(error.to_string())));
            }
        };
        let evaluated = self.run.evaluate(&query.table, frame, self.at, effort);
        if matches!(evaluated, Err(RuleError::Seat(SeatError::NeedsTime))) {
            return Ok(None);
        }
        let verdict = match &evaluated {
            Ok(evaluated) => Verdict { outcome: outcome_of(frame, *evaluated), message: None },
            Err(error) => Verdict::error(error.to_string()),
        };
        self.say(evaluated.map(|evaluated| evaluated.turned_away), conditions, draft)?;
        Ok(Some(verdict))
    }

    /// Saves what the rule's detector keeps.
    pub fn checkpoint(self, conditions: &mut Conditions, draft: &mut Draft) -> Result<(), NotWritable> {
        match self.run.seat.checkpoint(draft) {
            Ok(()) => Ok(()),
            Err(error) => self.say(Err(error.into()), conditions, draft),
        }
    }

    fn say(
        &self,
        outcome: Result<usize, RuleError>,
        conditions: &mut Conditions,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        let (event_type, severity, message) = match outcome {
            Ok(turned_away) => {
                self.clear_all(turned_away == 0, conditions, draft)?;
                if turned_away == 0 {
                    return Ok(());
                }
                let message = format!("{turned_away} alerts are over the limit of the group and were not admitted");
                (kind::ALERTS_LIMITED, Severity::Warning, message)
            }
            Err(RuleError::Seat(error)) => (kind::PLUGIN_FAULT, Severity::Error, error.to_string()),
            Err(RuleError::Duplicate(error)) => (kind::RULE_FAULT, Severity::Warning, error.to_string()),
        };
        self.raise(conditions, draft, self.condition(event_type, severity), &message)
    }

    /// The evaluation succeeded. In a healthy group nothing holds, and this costs nothing.
    fn clear_all(&self, within_limit: bool, conditions: &mut Conditions, draft: &mut Draft) -> Result<(), NotWritable> {
        if conditions.is_empty() {
            return Ok(());
        }
        self.clear(conditions, draft, kind::QUERY_FAILURE, "the query is answered again")?;
        self.clear(conditions, draft, kind::PLUGIN_FAULT, "the plugin works again")?;
        self.clear(conditions, draft, kind::RULE_FAULT, "the findings can be told apart again")?;
        if within_limit {
            self.clear(conditions, draft, kind::ALERTS_LIMITED, "within the limit again")?;
        }
        Ok(())
    }

    fn condition(&self, event_type: &str, severity: Severity) -> Condition {
        let rule = self.run.rule();
        let plugin = &self.run.seat.plugin().manifest().name;
        let labels = [("rule", &*rule.id), ("alertname", &rule.name), ("plugin", plugin), ("source", self.at.source)];
        Condition::new(event_type, severity, self.at.source, labels)
    }

    fn raise(
        &self,
        conditions: &mut Conditions,
        draft: &mut Draft,
        condition: Condition,
        message: &str,
    ) -> Result<(), NotWritable> {
        conditions.raise(draft, condition, self.at.instant, self.at.generation, message)
    }

    fn clear(
        &self,
        conditions: &mut Conditions,
        draft: &mut Draft,
        event_type: &str,
        message: &str,
    ) -> Result<(), NotWritable> {
        for condition in conditions.about_rule(event_type, &self.run.rule().id) {
            conditions.clear(draft, &condition, self.at.instant, self.at.generation, message)?;
        }
        Ok(())
    }
}

fn outcome_of(frame: &Frame, evaluated: Evaluated) -> Outcome {
    match evaluated.findings {
        _ if frame.is_partial() => Outcome::Partial,
        0 if frame.is_empty() => Outcome::Empty,
        0 => Outcome::Ok,
        _ => Outcome::Breach,
    }
}
