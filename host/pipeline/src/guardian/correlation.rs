//! One correlation at work: which events it reads, its correlator, what that has asked to be kept, its incidents.

use std::collections::BTreeMap;

use orion_model::{Change, Event, Labels, StateEntry, Timestamp};
use orion_rules::group_key;
use orion_sandbox::{ConfigureError, Correlator, EventBatch};

use super::incident::{BatchFacts, Incidents, Origin};
use crate::draft::{Draft, NotWritable, key};
use crate::library::CorrelationPlan;

/// First part of the state keys of what correlators keep.
pub const PLUGIN_ROOM: &[u8] = b"plugin";

/// How often a batch is tried before the correlation goes on without it: a fault may depend on the state the correlator
/// was in, and a fresh instance has none but what was kept.
const STRIKES: usize = 3;

/// A correlation of the live generation.
pub struct CorrelationRun {
    plan: CorrelationPlan,
    correlator: Option<Correlator>,
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
    incidents: Incidents,
    batch: EventBatch,
}

/// What a correlator made of a batch or tick.
pub struct Answer {
    /// What it said.
    pub changes: Vec<Change>,
    /// What it wants kept.
    pub entries: Vec<StateEntry>,
    /// The groups of the batch, by their text.
    pub keys: BTreeMap<String, Labels>,
}

impl CorrelationRun {
    /// A correlation that has read nothing yet.
    pub fn new(plan: CorrelationPlan) -> Self {
        let (kept, incidents, batch) = (BTreeMap::new(), Incidents::default(), EventBatch::new());
        Self { plan, correlator: None, kept, incidents, batch }
    }

    /// Goes on under an edited plan. Open incidents stay; the correlator is set up anew and given its state back.
    pub fn adopt(&mut self, plan: CorrelationPlan) {
        let version = |plan: &CorrelationPlan| plan.plugin.manifest().state_version;
        let same_state =
            version(&self.plan) == version(&plan) && self.plan.plugin.manifest().name == plan.plugin.manifest().name;
        if !same_state && !self.kept.is_empty() {
            tracing::warn!(correlation = plan.correlation.id, "another kind of state: it starts afresh");
            self.kept.clear();
        }
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

    /// Puts a piece of correlator state back as the store kept it.
    pub fn restore_plugin_entry(&mut self, key: &[u8], value: &[u8]) {
        self.kept.insert(key.to_vec(), value.to_vec());
    }

    /// Whether time alone can change something.
    pub fn has_timers(&self) -> bool {
        !self.kept.is_empty() || !self.incidents.none_open()
    }

    /// Gives the correlator those of the events that it reads. `None` when it reads none of them.
    pub fn correlate(&mut self, events: &[(u64, Event)], now: Timestamp) -> Option<Result<Answer, ConfigureError>> {
        let mut keys = BTreeMap::new();
        self.batch.clear();
        for (position, event) in events {
            if self.plan.correlation.matcher.matches(event) {
                let group = group_key(event, &self.plan.correlation.group_by);
                let text = group.to_string();
                self.batch.push(
                    *position,
                    event.ts,
                    event.severity,
                    event.status,
                    event.fingerprint.as_u64(),
                    event.value().unwrap_or(f64::NAN),
                    &text,
                    &event.event_type,
                    &event.labels,
                );
                keys.entry(text).or_insert(group);
            }
        }
        (!self.batch.is_empty()).then(|| self.call(now, keys))
    }

    /// Tells the correlator the time.
    pub fn tick(&mut self, now: Timestamp) -> Result<Answer, ConfigureError> {
        self.batch.clear();
        self.call(now, BTreeMap::new())
    }

    fn call(&mut self, now: Timestamp, keys: BTreeMap<String, Labels>) -> Result<Answer, ConfigureError> {
        let mut last = Err(ConfigureError::Refused("it was not called".to_owned()));
        for _ in 0..STRIKES {
            last = self.try_once(now);
            if last.is_ok() {
                break;
            }
            self.correlator = None;
        }
        last.map(|(changes, entries)| Answer { changes, entries, keys })
    }

    fn try_once(&mut self, now: Timestamp) -> Result<(Vec<Change>, Vec<StateEntry>), ConfigureError> {
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
        Ok((changes, entries))
    }

    fn set_up(&self) -> Result<Correlator, ConfigureError> {
        let mut correlator = self.plan.plugin.correlator()?;
        correlator.configure(&self.plan.correlation.parameters)?;
        if let Some(version) = self.plan.plugin.manifest().state_version.filter(|_| !self.kept.is_empty()) {
            let entry =
                |(key, value): (&Vec<u8>, &Vec<u8>)| StateEntry { key: key.clone(), value: Some(value.clone()) };
            let entries: Vec<StateEntry> = self.kept.iter().map(entry).collect();
            correlator.restore(version, &entries)?;
        }
        Ok(correlator)
    }

    /// Writes an answer down: incidents and state.
    pub fn write(
        &mut self,
        draft: &mut Draft,
        answer: Answer,
        mut facts: BatchFacts<'_>,
        generation: u64,
    ) -> Result<(), NotWritable> {
        facts.keys = answer.keys;
        let correlation = self.plan.correlation.clone();
        let plugin = self.plan.plugin.clone();
        let origin = Origin { correlation: &correlation, plugin: &plugin, generation };
        for change in &answer.changes {
            self.incidents.apply(draft, origin, change, &facts)?;
        }
        for StateEntry { key: name, value } in answer.entries {
            let state_key = self.plugin_key(&name);
            match value {
                Some(value) => {
                    draft.put_bytes(state_key, value.clone());
                    self.kept.insert(name, value);
                }
                None => {
                    draft.delete(state_key);
                    self.kept.remove(&name);
                }
            }
        }
        Ok(())
    }

    /// The correlation is gone.
    pub fn end(mut self, draft: &mut Draft, now: Timestamp, generation: u64) -> Result<(), NotWritable> {
        let correlation = self.plan.correlation.clone();
        let plugin = self.plan.plugin.clone();
        self.incidents.end(draft, Origin { correlation: &correlation, plugin: &plugin, generation }, now)?;
        for name in std::mem::take(&mut self.kept).into_keys() {
            draft.delete(self.plugin_key(&name));
        }
        Ok(())
    }

    fn plugin_key(&self, name: &[u8]) -> Vec<u8> {
        key::of(&[PLUGIN_ROOM, self.plan.correlation.id.as_bytes(), name])
    }
}
