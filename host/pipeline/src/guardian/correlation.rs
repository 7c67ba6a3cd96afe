//! One correlation at work: which events it reads, its correlator, what that has asked to be kept, its incidents.

use orion_model::{Change, Event, StateEntry, Timestamp};
use orion_rules::write_group_key;
use orion_sandbox::{ConfigureError, Correlator, EventBatch};

use super::attempt::{Answer, Attempt, Unfit, latest};
use super::incident::{Incidents, Origin};
use super::recent::Facts;
use crate::aside::Asides;
use crate::draft::{Draft, NotWritable};
use crate::library::CorrelationPlan;
use crate::plugin_state::PluginState;
use crate::supervision::{Admission, Supervisor};

/// A correlation of the live generation.
pub struct CorrelationRun {
    plan: CorrelationPlan,
    correlator: Option<Correlator>,
    state: PluginState,
    incidents: Incidents,
    batch: EventBatch,
    key: String,
    /// What is held against the correlator.
    pub(super) supervisor: Supervisor,
    /// What it could not take.
    asides: Asides,
    /// Events that came while it was in quarantine.
    passed_over: usize,
}

impl CorrelationRun {
    /// A correlation that has read nothing yet.
    pub fn new(plan: CorrelationPlan) -> Self {
        let state = PluginState::new(&plan.correlation.id);
        let (incidents, batch, key) = (Incidents::default(), EventBatch::new(), String::new());
        let (supervisor, asides) = (Supervisor::default(), Asides::new(&plan.correlation.id));
        Self { plan, correlator: None, state, incidents, batch, key, supervisor, asides, passed_over: 0 }
    }

    /// Goes on under an edited plan. Open incidents stay; the correlator is set up anew and given its state back.
    pub fn adopt(
        &mut self,
        plan: CorrelationPlan,
        now: Timestamp,
        generation: u64,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        self.state.adapt(plan.plugin.manifest(), now, generation, draft)?;
        self.supervisor.forgive(&plan.correlation.id, draft);
        self.correlator = None;
        self.plan = plan;
        Ok(())
    }

    /// What it runs under.
    pub fn plan(&self) -> &CorrelationPlan {
        &self.plan
    }

    /// Its incidents.
    pub fn incidents(&mut self) -> &mut Incidents {
        &mut self.incidents
    }

    /// The correlator's state, to be filled from the store.
    pub fn state(&mut self) -> &mut PluginState {
        &mut self.state
    }

    /// The store was read: state that is not the correlator's is forgotten.
    pub fn restored(&mut self, now: Timestamp, generation: u64, draft: &mut Draft) -> Result<(), NotWritable> {
        self.state.adapt(self.plan.plugin.manifest(), now, generation, draft)
    }

    /// What is held against the correlator, to be filled from the store.
    pub fn supervisor(&mut self) -> &mut Supervisor {
        &mut self.supervisor
    }

    /// What it could not take, to be filled from the store.
    pub fn asides(&mut self) -> &mut Asides {
        &mut self.asides
    }

    /// How many events came while it was in quarantine, since this was last asked.
    pub fn take_passed_over(&mut self) -> usize {
        std::mem::take(&mut self.passed_over)
    }

    /// Whether time alone can change something.
    pub fn has_timers(&self) -> bool {
        !self.state.is_empty() || !self.incidents.none_open()
    }

    /// Gives the correlator those of the events that it reads. `None` when it reads none of them, or is in quarantine.
    pub fn correlate<'e>(&mut self, events: impl Iterator<Item = &'e (u64, Event)>) -> Option<Answer> {
        let read: Vec<&(u64, Event)> =
            events.filter(|(_, event)| self.plan.correlation.matcher.matches(event)).collect();
        let now = latest(&read)?;
        if let Admission::Quarantined(_) = self.supervisor.admission(now) {
            self.passed_over += read.len();
            return None;
        }
        Some(Attempt { run: self, answer: Answer::default() }.at(&read, now))
    }

    /// Tells the correlator the time. `None` when it is in quarantine.
    pub fn tick(&mut self, now: Timestamp) -> Option<Answer> {
        if let Admission::Quarantined(_) = self.supervisor.admission(now) {
            return None;
        }
        Some(Attempt { run: self, answer: Answer::default() }.at(&[], now))
    }

    /// One call about events, or with none about the time. After a fault the instance is gone. `since` is what was to be kept
    /// of the calls before it in the same step, for an instance that has to be set up.
    pub(super) fn call(
        &mut self,
        events: &[&(u64, Event)],
        now: Timestamp,
        since: &[StateEntry],
    ) -> Result<(Vec<Change>, Vec<StateEntry>), ConfigureError> {
        self.fill(events);
        let mut correlator = match self.correlator.take() {
            Some(correlator) => correlator,
            None => self.set_up(since)?,
        };
        let mut changes = Vec::new();
        correlator.correlate(now, &self.batch, &mut changes)?;
        let entries = match self.plan.plugin.manifest().state_version {
            Some(_) => correlator.checkpoint()?,
            None => Vec::new(),
        };
        self.correlator = Some(correlator);
        Ok((changes, entries))
    }

    fn fill(&mut self, events: &[&(u64, Event)]) {
        self.batch.clear();
        for (position, event) in events {
            self.key.clear();
            write_group_key(&mut self.key, event, &self.plan.correlation.group_by);
            self.batch.push(
                *position,
                event.ts,
                event.severity,
                event.status,
                event.fingerprint.as_u64(),
                event.value().unwrap_or(f64::NAN),
                &self.key,
                &event.event_type,
                &event.labels,
            );
        }
    }

    fn set_up(&self, since: &[StateEntry]) -> Result<Correlator, ConfigureError> {
        let mut correlator = self.plan.plugin.correlator()?;
        correlator.configure(&self.plan.correlation.parameters)?;
        if let Some(version) = self.plan.plugin.manifest().state_version {
            let entries = self.state.entries_with(since);
            if !entries.is_empty() {
                correlator.restore(version, &entries)?;
            }
        }
        Ok(correlator)
    }

    /// Writes an answer down: incidents and state.
    pub fn write(
        &mut self,
        draft: &mut Draft,
        answer: Answer,
        facts: Facts<'_>,
        generation: u64,
    ) -> Result<(), NotWritable> {
        let correlation = self.plan.correlation.clone();
        let plugin = self.plan.plugin.clone();
        let origin = Origin { correlation: &correlation, plugin: &plugin, generation };
        for change in &answer.changes {
            self.incidents.apply(draft, origin, change, facts)?;
        }
        self.state.take(plugin.manifest(), answer.entries, draft);
        if answer.supervised {
            self.supervisor.save(&correlation.id, draft)?;
        }
        for Unfit { at, input, fault } in answer.unfit {
            self.asides.put(draft, at, &plugin, &fault, &input)?;
        }
        Ok(())
    }

    /// The correlation is gone.
    pub fn end(mut self, draft: &mut Draft, now: Timestamp, generation: u64) -> Result<(), NotWritable> {
        let correlation = self.plan.correlation.clone();
        let plugin = self.plan.plugin.clone();
        self.incidents.end(draft, Origin { correlation: &correlation, plugin: &plugin, generation }, now)?;
        self.state.forget(draft);
        self.supervisor.forgive(&correlation.id, draft);
        self.asides.forget(draft);
        Ok(())
    }
}
