//! One correlation at work: which events it reads, its correlator, what that has asked to be kept, its incidents.

use orion_model::{Change, Event, StateEntry, Timestamp};
use orion_rules::write_group_key;
use orion_sandbox::{ConfigureError, Correlator, EventBatch};

use super::incident::{Incidents, Origin};
use super::recent::Facts;
use crate::draft::{Draft, NotWritable};
use crate::library::CorrelationPlan;
use crate::plugin_state::PluginState;

/// How often a batch is tried before the correlation goes on without it: a fault may depend on the state the correlator
/// was in, and a fresh instance has none but what was kept.
const STRIKES: usize = 3;

/// A correlation of the live generation.
pub struct CorrelationRun {
    plan: CorrelationPlan,
    correlator: Option<Correlator>,
    state: PluginState,
    incidents: Incidents,
    batch: EventBatch,
    key: String,
}

/// What a correlator made of a batch or tick.
pub struct Answer {
    /// What it said.
    pub changes: Vec<Change>,
    /// What it wants kept.
    pub entries: Vec<StateEntry>,
}

impl CorrelationRun {
    /// A correlation that has read nothing yet.
    pub fn new(plan: CorrelationPlan) -> Self {
        let state = PluginState::new(&plan.correlation.id);
        let (incidents, batch, key) = (Incidents::default(), EventBatch::new(), String::new());
        Self { plan, correlator: None, state, incidents, batch, key }
    }

    /// Goes on under an edited plan. Open incidents stay; the correlator is set up anew and given its state back.
    pub fn adopt(&mut self, plan: CorrelationPlan, draft: &mut Draft) {
        self.state.adapt(plan.plugin.manifest(), draft);
        self.correlator = None;
        self.plan = plan;
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
    pub fn restored(&mut self, draft: &mut Draft) {
        self.state.adapt(self.plan.plugin.manifest(), draft);
    }

    /// Whether time alone can change something.
    pub fn has_timers(&self) -> bool {
        !self.state.is_empty() || !self.incidents.none_open()
    }

    /// Gives the correlator those of the events that it reads. `None` when it reads none of them.
    pub fn correlate<'e>(
        &mut self,
        events: impl Iterator<Item = &'e (u64, Event)>,
        now: Timestamp,
    ) -> Option<Result<Answer, ConfigureError>> {
        self.batch.clear();
        for (position, event) in events {
            if self.plan.correlation.matcher.matches(event) {
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
        (!self.batch.is_empty()).then(|| self.call(now))
    }

    /// Tells the correlator the time.
    pub fn tick(&mut self, now: Timestamp) -> Result<Answer, ConfigureError> {
        self.batch.clear();
        self.call(now)
    }

    fn call(&mut self, now: Timestamp) -> Result<Answer, ConfigureError> {
        let mut last = Err(ConfigureError::Refused("it was not called".to_owned()));
        for _ in 0..STRIKES {
            last = self.try_once(now);
            if last.is_ok() {
                break;
            }
            self.correlator = None;
        }
        last
    }

    fn try_once(&mut self, now: Timestamp) -> Result<Answer, ConfigureError> {
        let mut correlator = match self.correlator.take() {
            Some(correlator) => correlator,
            None => self.set_up()?,
        };
        let mut changes = Vec::new();
        correlator.correlate(now, &self.batch, &mut changes)?;
        let entries = match self.plan.plugin.manifest().state_version {
            Some(_) => correlator.checkpoint()?,
            None => Vec::new(),
        };
        self.correlator = Some(correlator);
        Ok(Answer { changes, entries })
    }

    fn set_up(&self) -> Result<Correlator, ConfigureError> {
        let mut correlator = self.plan.plugin.correlator()?;
        correlator.configure(&self.plan.correlation.parameters)?;
        if let Some(version) = self.plan.plugin.manifest().state_version.filter(|_| !self.state.is_empty()) {
            correlator.restore(version, &self.state.entries())?;
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
        Ok(())
    }

    /// The correlation is gone.
    pub fn end(mut self, draft: &mut Draft, now: Timestamp, generation: u64) -> Result<(), NotWritable> {
        let correlation = self.plan.correlation.clone();
        let plugin = self.plan.plugin.clone();
        self.incidents.end(draft, Origin { correlation: &correlation, plugin: &plugin, generation }, now)?;
        self.state.forget(draft);
        Ok(())
    }
}
