//! One rule's part in an evaluation, with what Orion observes of the rule itself: refused queries, plugin faults and what
//! becomes of a plugin that keeps failing, findings that cannot be told apart, alerts over the limit.

use orion_model::{Frame, Severity, Status};
use orion_source::{QuerySession, SourceError};

use super::outcome::{Outcome, Verdict};
use super::rule::{Evaluated, Moment, RuleError, RuleRun, ShadowEnd};
use super::seat::{Effort, SeatError};
use crate::aside::Answer;
use crate::condition::{Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable};
use crate::supervision::Admission;

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
        mut self,
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
                return Ok(Some(Verdict::Failed(error.to_string())));
            }
        };
        if let Admission::Quarantined(until) = self.run.supervisor.admission(self.at.instant) {
            return Ok(Some(Verdict::Quarantined(until)));
        }
        let evaluated = self.run.evaluate(&query.table, frame, self.at, effort);
        match &evaluated {
            Err(RuleError::Seat(SeatError::NeedsTime)) => return Ok(None),
            Err(RuleError::Seat(SeatError::Plugin(fault))) => {
                let input = Answer::new(query.expr(), frame, &query.table);
                self.strike(&fault.to_string(), Some(input), conditions, draft)?;
            }
            Ok(_) | Err(RuleError::Duplicate(_)) => self.calm(draft)?,
        }
        self.end_shadow(draft)?;
        let verdict = match &evaluated {
            Ok(evaluated) => Verdict::Done(outcome_of(frame, *evaluated)),
            Err(error) => Verdict::Failed(error.to_string()),
        };
        self.say(evaluated.map(|evaluated| evaluated.turned_away), conditions, draft)?;
        Ok(Some(verdict))
    }

    /// Saves what the rule's detector keeps.
    pub fn checkpoint(mut self, conditions: &mut Conditions, draft: &mut Draft) -> Result<(), NotWritable> {
        match self.run.seat.checkpoint(draft) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.strike(&error.to_string(), None, conditions, draft)?;
                self.say(Err(error.into()), conditions, draft)
            }
        }
    }

    /// The detector failed. What it could not take is set aside when that is one time too many, and it is left alone for a while.
    fn strike(
        &mut self,
        fault: &str,
        input: Option<Answer<'_>>,
        conditions: &mut Conditions,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        let Moment { instant, generation, .. } = self.at;
        self.run.seat.plugin().note_failure();
        let until = self.run.supervisor.failed(instant);
        self.run.supervisor.save(&self.run.rule().id, draft)?;
        let Some(until) = until else { return Ok(()) };
        if let Some(input) = input {
            let plugin = self.run.seat.plugin().clone();
            self.run.asides.put(draft, instant, &plugin, fault, &input)?;
            let aside = self.condition(kind::INPUT_SET_ASIDE, Severity::Warning);
            let message = format!("the answer is kept, see `orion aside list`: {fault}");
            draft.event(&aside.event(Status::Occurred, instant, generation, &message))?;
        }
        let quarantined = self.condition(kind::PLUGIN_QUARANTINED, Severity::Error);
        let message = format!("it keeps failing and is not called before {until}: {fault}");
        self.raise(conditions, draft, quarantined, &message)
    }

    /// A shadow run that has ended is told.
    fn end_shadow(&mut self, draft: &mut Draft) -> Result<(), NotWritable> {
        let old = self.run.seat.plugin().clone();
        let Some(ShadowEnd { version, severity, message }) = self.run.end_shadow(draft) else { return Ok(()) };
        let Moment { source, instant, generation, .. } = self.at;
        let rule = self.run.rule();
        let (plugin, version) = (old.manifest().name.as_str(), version.to_string());
        let labels = [
            ("rule", &*rule.id),
            ("alertname", &rule.name),
            ("plugin", plugin),
            ("source", source),
            ("version", &version),
        ];
        let ended = Condition::new(kind::SHADOW_ENDED, severity, source, labels);
        draft.event(&ended.event(Status::Occurred, instant, generation, &message))
    }

    /// The detector did its work.
    fn calm(&mut self, draft: &mut Draft) -> Result<(), NotWritable> {
        if self.run.supervisor.succeeded(self.at.instant) {
            self.run.supervisor.save(&self.run.rule().id, draft)?;
        }
        Ok(())
    }

    fn say(
        &mut self,
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
        let condition = self.condition(event_type, severity);
        self.raise(conditions, draft, condition, &message)
    }

    /// The evaluation succeeded. Of most rules nothing holds, and this costs nothing, also while a neighbour fails.
    fn clear_all(
        &mut self,
        within_limit: bool,
        conditions: &mut Conditions,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        if !self.run.is_in_trouble {
            return Ok(());
        }
        self.run.is_in_trouble = !within_limit;
        self.clear(conditions, draft, kind::QUERY_FAILURE, "the query is answered again")?;
        self.clear(conditions, draft, kind::PLUGIN_FAULT, "the plugin works again")?;
        self.clear(conditions, draft, kind::PLUGIN_QUARANTINED, "the plugin works again")?;
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
        &mut self,
        conditions: &mut Conditions,
        draft: &mut Draft,
        condition: Condition,
        message: &str,
    ) -> Result<(), NotWritable> {
        self.run.is_in_trouble = true;
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
