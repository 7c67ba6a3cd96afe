//! One rule at work: its detector, and the alerts that the detector's findings keep alive.
//!
//! A finding about a series that was found before costs one table look-up: the alert's handle is remembered under the
//! series id, labels are neither built nor hashed again, nothing is rendered and nothing written.

use orion_model::{Digest, Finding, Frame, Labels, SeriesId, SeriesTable, Severity, Timestamp};
use orion_rules::{AlertRule, OnEmpty};

use super::absence::AnswerOf;
use super::changes::{Changes, alert_key};
use super::event::{Facts, Origin, alert_labels, annotations, removed};
use super::outcome::{KeptHealth, RuleHealth, Verdict};
use super::plan::RulePlan;
use super::seat::{Effort, Seat, SeatError};
use super::shadow::{Ended, Shadow};
use crate::aside::Asides;
use crate::draft::{Draft, NotWritable};
use crate::lifecycle::{
    Changed, DuplicateIdentity, Handle, Lifecycle, Outcome, SavedAlert, SeriesKey, Sighting, Terms,
};
use crate::supervision::Supervisor;

/// A rule of a running group.
pub struct RuleRun {
    rule: AlertRule,
    terms: Terms,
    /// Which of the group's sessions it reads.
    pub session: usize,
    /// Its detector.
    pub seat: Seat,
    lifecycle: Lifecycle,
    /// The alert that a series made last time, under its id.
    handles: Vec<Option<(u32, Handle)>>,
    identity_needs_value: bool,
    findings: Vec<Finding>,
    /// What the last evaluation changed and nobody has written down yet.
    changes: Changes,
    health: KeptHealth,
    /// What is held against its detector.
    pub supervisor: Supervisor,
    /// What its detector could not take.
    pub asides: Asides,
    /// Whether a condition about it may hold: after a start nobody has looked yet.
    pub is_in_trouble: bool,
    /// A new version of the detector that is not heard yet.
    shadow: Option<Shadow>,
    shadow_ended: Option<Ended>,
}

/// The place of a finding that no detector made: there were no data, and that is a finding of its own.
const NO_FINDING: u32 = u32::MAX;

/// Why an evaluation of a rule came to nothing. The rule's state is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The detector did not come to an end.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Its findings cannot be told apart.
    #[error(transparent)]
    Duplicate(#[from] DuplicateIdentity),
}

/// Where and when a rule is evaluated.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The source that was asked.
    pub source: &'a str,
    /// The instant.
    pub instant: Timestamp,
    /// The live generation.
    pub generation: u64,
    /// Which of the evaluations of the instant it is.
    pub edition: u64,
    /// Whether there was one before, under other rules.
    pub is_again: bool,
}

/// An alert as it stands after an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAlert {
    /// Its rule.
    pub rule_id: String,
    /// The name of the rule.
    pub alertname: String,
    /// Its identity.
    pub labels: Labels,
    /// Annotations, rendered for the value last seen.
    pub annotations: Labels,
    /// The instant it was first seen.
    pub since: Timestamp,
    /// The instant it fired; `None` while it is pending.
    pub fired_at: Option<Timestamp>,
    /// The value last seen.
    pub value: f64,
}

/// What is to be told of a shadow run.
pub struct ShadowEnd {
    /// The version that was tried.
    pub version: Digest,
    /// Whether it matters.
    pub severity: Severity,
    /// The words.
    pub message: String,
}

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// How many findings there were.
    pub findings: usize,
    /// How many alerts were turned away because of the limit.
    pub turned_away: usize,
}

impl RuleRun {
    /// A rule that has not been evaluated yet.
    pub fn new(plan: RulePlan<'_>, limit: usize, session: usize) -> Self {
        let mut run = Self {
            rule: plan.rule.clone(),
            terms: Terms::default(),
            session,
            seat: Seat::new(plan),
            lifecycle: Lifecycle::default(),
            handles: Vec::new(),
            identity_needs_value: false,
            findings: Vec::new(),
            changes: Changes::default(),
            health: KeptHealth::default(),
            supervisor: Supervisor::default(),
            asides: Asides::new(&plan.rule.id),
            is_in_trouble: true,
            shadow: None,
            shadow_ended: None,
        };
        run.take_plan(plan, limit);
        run
    }

    /// Goes on under an edited plan. Alerts stay; the detector is set up anew and given its state back, unless the new
    /// version of the plugin keeps another kind of state: then that starts afresh.
    pub fn adopt(
        &mut self,
        plan: RulePlan<'_>,
        limit: usize,
        now: Timestamp,
        generation: u64,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        self.shadow = None;
        if plan.rule.shadow > 0 && plan.plugin.digest() != self.seat.plugin().digest() {
            self.shadow = Some(Shadow::new(plan, &self.seat));
        } else {
            self.seat.adopt(plan, now, generation, draft)?;
        }
        self.supervisor.forgive(&plan.rule.id, draft);
        self.take_plan(plan, limit);
        Ok(())
    }

    fn take_plan(&mut self, plan: RulePlan<'_>, limit: usize) {
        self.terms = Terms {
            for_millis: plan.rule.for_millis,
            keep_firing_for_millis: plan.rule.keep_firing_for_millis,
            missing_for: plan.rule.no_data.missing_for,
            limit,
        };
        self.identity_needs_value = plan.rule.labels.iter().any(|(_, template)| template.uses_value());
        self.rule = plan.rule.clone();
        self.handles.clear();
        self.lifecycle.forget_series();
    }

    /// The rule.
    pub fn rule(&self) -> &AlertRule {
        &self.rule
    }

    /// Puts an alert back as the store kept it.
    pub fn restore_alert(&mut self, saved: SavedAlert) {
        self.lifecycle.restore(saved);
    }

    /// Lets the detector look at a frame and takes in what it found; what changed is there for [`Self::write_changes`]. On an
    /// error nothing has changed.
    pub fn evaluate(
        &mut self,
        table: &SeriesTable,
        frame: &Frame,
        at: Moment<'_>,
        effort: Effort,
    ) -> Result<Evaluated, RuleError> {
        self.findings.clear();
        let report = self.seat.observe(table, frame, effort, &mut self.findings)?;
        let findings = std::mem::take(&mut self.findings);
        if let Some(shadow) = self.shadow.take() {
            match shadow.see(table, frame, &findings) {
                Ok(shadow) => self.shadow = Some(shadow),
                Err(ended) => self.shadow_ended = Some(ended),
            }
        }
        let outcome = self.step(table, frame, &findings, at);
        let evaluated = Evaluated { findings: findings.len(), turned_away: 0 };
        self.findings = findings;
        let outcome = outcome?;
        self.changes.replace(outcome.changed, || Facts {
            instant: at.instant,
            data_instant: frame.instant,
            generation: at.generation,
            edition: at.edition,
            input_id: frame.input_id(table),
            fuel: report.fuel,
        });
        Ok(Evaluated { turned_away: outcome.turned_away, ..evaluated })
    }

    /// Whether looking at this frame is likely to take no more than a moment.
    pub fn is_brief(&self, table: &SeriesTable, frame: &Frame) -> bool {
        self.shadow.is_none() && self.seat.is_brief(table, frame)
    }

    /// What is to be told of a shadow run that has ended. The new version sits there now, unless it failed.
    pub fn end_shadow(&mut self, draft: &mut Draft) -> Option<ShadowEnd> {
        match self.shadow_ended.take()? {
            Ended::Takes { mut seat, differs, message } => {
                let version = seat.plugin().digest();
                seat.take_place_of(&mut self.seat, draft);
                self.seat = *seat;
                let severity = if differs { Severity::Warning } else { Severity::Info };
                Some(ShadowEnd { version, severity, message })
            }
            Ended::Failed { version, message } => Some(ShadowEnd { version, severity: Severity::Error, message }),
        }
    }

    /// How many changes nobody has written down yet.
    pub fn unwritten(&self) -> usize {
        self.changes.len()
    }

    /// Writes down changes while there is room. An event and what the store keeps of its alert go together, so that no crash
    /// comes between them. `table` is as it was for the evaluation.
    pub fn write_changes(
        &mut self,
        source: &str,
        table: &SeriesTable,
        room: &mut usize,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        let (rule, plugin, findings) = (&self.rule, self.seat.plugin(), &self.findings);
        self.changes.write(&Origin { rule, plugin, findings, source, table }, room, draft)
    }

    /// Takes in what the evaluation came to.
    pub fn note(
        &mut self,
        verdict: Verdict,
        instant: Timestamp,
        late: bool,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        self.health.note(&self.rule.id, verdict, instant, late, draft)
    }

    /// How it is; nothing before its first evaluation.
    pub fn health(&self) -> Option<&RuleHealth> {
        self.health.now()
    }

    /// Instants are too far back to be evaluated.
    pub fn skip(&mut self, instants: u64, draft: &mut Draft) -> Result<(), NotWritable> {
        self.health.skip(&self.rule.id, instants, draft)
    }

    /// Puts the rule's health back as the store has it.
    pub fn restore_health(&mut self, value: &[u8]) {
        self.health.restore(value);
    }

    /// The rule is gone: its firing alerts resolve, its state is forgotten.
    pub fn end(&mut self, instant: Timestamp, generation: u64, draft: &mut Draft) -> Result<(), NotWritable> {
        for Changed { alert, transition, .. } in self.lifecycle.end() {
            if transition.is_some() {
                draft.event(&removed(&self.rule.id, &alert, instant, generation))?;
            }
            draft.delete(alert_key(&self.rule.id, &alert));
        }
        self.seat.forget_state(draft);
        self.health.forget(&self.rule.id, draft);
        self.supervisor.forgive(&self.rule.id, draft);
        self.asides.forget(draft);
        Ok(())
    }

    fn step(
        &mut self,
        table: &SeriesTable,
        frame: &Frame,
        findings: &[Finding],
        at: Moment<'_>,
    ) -> Result<Outcome, DuplicateIdentity> {
        let mut step = match at.is_again {
            true => self.lifecycle.begin_again(at.instant),
            false => self.lifecycle.begin(at.instant),
        };
        let mut fresh: Vec<Option<SeriesKey>> = Vec::new();
        let nameless = Labels::empty();
        self.handles.resize(table.capacity(), None);
        for (index, finding) in (0_u32..).zip(findings) {
            let series = finding.series.and_then(|id| Some((id, table.generation_of(id)?)));
            let known = series.filter(|_| !self.identity_needs_value).and_then(|(id, generation)| {
                let (of_generation, handle) = (*self.handles.get(id as usize)?)?;
                (of_generation == generation).then_some((handle, (id, generation)))
            });
            if let Some((handle, series)) = known
                && step.see(handle, series, finding.value, index)?
            {
                continue;
            }
            let labels = finding.series.and_then(|id| table.labels(id)).unwrap_or(&nameless);
            match step.see_new(alert_labels(&self.rule, labels, finding.value), series, finding.value, index)? {
                Sighting::New(_) => fresh.push(series),
                Sighting::Known(handle) => remember(&mut self.handles, series, handle),
            }
        }
        if frame.is_empty() && findings.is_empty() && self.rule.no_data.on_empty == OnEmpty::Fire {
            let labels = alert_labels(&self.rule, &nameless, f64::NAN);
            if let Sighting::New(_) = step.see_new(labels, None, f64::NAN, NO_FINDING)? {
                fresh.push(None);
            }
        }
        let mut answer = AnswerOf::new(&self.rule, self.identity_needs_value, table, frame);
        let outcome = step.finish(self.terms, |alert| answer.absence(alert));
        for (series, handle) in fresh.into_iter().zip(&outcome.admitted) {
            if let Some(handle) = handle {
                remember(&mut self.handles, series, *handle);
            }
        }
        Ok(outcome)
    }

    /// The alerts that are pending or firing, by their labels.
    pub fn alerts(&self, table: &SeriesTable) -> Vec<ActiveAlert> {
        let mut alerts: Vec<ActiveAlert> = self
            .lifecycle
            .alerts()
            .map(|alert| {
                let of_series = alert.series.and_then(|(id, _)| table.labels(id)).unwrap_or(&alert.labels);
                ActiveAlert {
                    rule_id: self.rule.id.clone(),
                    alertname: self.rule.name.clone(),
                    labels: alert.labels.clone(),
                    annotations: annotations(&self.rule, of_series, alert.value),
                    since: alert.since,
                    fired_at: alert.fired.map(|(at, _)| at),
                    value: alert.value,
                }
            })
            .collect();
        alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        alerts
    }
}

fn remember(handles: &mut [Option<(u32, Handle)>], series: Option<(SeriesId, u32)>, handle: Handle) {
    if let Some((id, generation)) = series
        && let Some(place) = handles.get_mut(id as usize)
    {
        *place = Some((generation, handle));
    }
}
