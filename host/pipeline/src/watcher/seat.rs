//! Where a rule's detector sits: the instance, what it was told of series, and what it has asked to be kept.
//!
//! An instance is thrown away after any fault and on every edit. The next one is set up in its place and given its state
//! back, as it was when the detector was last asked for it.

use orion_model::{Finding, Frame, Parameter, SeriesTable, Timestamp};
use orion_sandbox::{ConfigureError, Detector, Fault, Plugin, Report};

use super::plan::RulePlan;
use crate::draft::{Draft, NotWritable};
use crate::plugin_state::PluginState;

/// How long an evaluation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A moment, on the thread that serves the groups: handing a small frame to a worker and back costs more than the
    /// evaluation itself. What needs longer says so and is done again in full.
    Brief,
    /// All that a plugin may take, on a worker thread.
    Full,
}

/// Fuel of a moment: about two milliseconds. A plugin that spins holds up the thread of the groups for no longer.
const BRIEF_FUEL: u64 = 2_000_000;

/// Samples of a moment; a detector's own work on them is measured in microseconds.
pub const BRIEF_SAMPLES: usize = 2_000;

/// Why a detector has not looked at a frame.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// It could not be set up, or its call was ended.
    #[error(transparent)]
    Plugin(#[from] ConfigureError),
    /// It takes longer than a moment.
    #[error("the evaluation takes longer than a moment")]
    NeedsTime,
}

/// The seat of one rule.
pub struct Seat {
    plugin: Plugin,
    parameters: Vec<Parameter>,
    detector: Option<Detector>,
    /// The generation of each series id as the detector was told it.
    told: Vec<Option<u32>>,
    told_revision: Option<u64>,
    /// The same at the time the detector was last asked for its state. An instance that is given that state back has to be
    /// told which ids stand for other series since, or what it knew of one series would be taken for another's.
    told_when_saved: Vec<Option<u32>>,
    /// What the detector has asked to be kept.
    state: PluginState,
    /// It was called since it was last asked.
    unsaved: bool,
    /// It took longer than a moment once; until it is edited it is not tried briefly again.
    slow: bool,
}

impl Seat {
    /// The seat of a rule that has not been evaluated yet.
    pub fn new(plan: RulePlan<'_>) -> Self {
        Self {
            plugin: plan.plugin.clone(),
            parameters: plan.rule.parameters.clone(),
            detector: None,
            told: Vec::new(),
            told_revision: None,
            told_when_saved: Vec::new(),
            state: PluginState::new(&plan.rule.id),
            unsaved: false,
            slow: false,
        }
    }

    /// The seat of another version of the detector that sits there, with what that has asked to be kept, where it means the
    /// same to it.
    pub fn with_state_of(plan: RulePlan<'_>, other: &Self) -> Self {
        Self { state: other.state.for_plugin(plan.plugin.manifest()), ..Self::new(plan) }
    }

    /// Takes the place of another: what that kept is forgotten, and what this one keeps is put down.
    pub fn take_place_of(&mut self, other: &mut Self, draft: &mut Draft) {
        other.state.forget(draft);
        self.state.put_down(draft);
    }

    /// Goes on under an edited plan, with the state, if that means something to the plugin.
    pub fn adopt(
        &mut self,
        plan: RulePlan<'_>,
        now: Timestamp,
        generation: u64,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        self.state.adapt(plan.plugin.manifest(), now, generation, draft)?;
        self.plugin = plan.plugin.clone();
        self.parameters.clone_from(&plan.rule.parameters);
        self.slow = false;
        // It was asked for its state just now; another table may have other generations.
        self.told_when_saved.clear();
        self.dismiss();
        Ok(())
    }

    /// The detector's plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Whether it keeps state.
    pub fn is_stateful(&self) -> bool {
        self.plugin.manifest().state_version.is_some()
    }

    /// The state, to be filled from the store.
    pub fn state(&mut self) -> &mut PluginState {
        &mut self.state
    }

    /// The store was read: state that is not this detector's is forgotten.
    pub fn restored(&mut self, now: Timestamp, generation: u64, draft: &mut Draft) -> Result<(), NotWritable> {
        self.state.adapt(self.plugin.manifest(), now, generation, draft)
    }

    /// The rule is gone.
    pub fn forget_state(&mut self, draft: &mut Draft) {
        self.state.forget(draft);
    }

    /// Whether looking at this frame is likely to take no more than a moment: everything is set up, and nothing is kept that
    /// an end in the middle would lose.
    pub fn is_brief(&self, table: &SeriesTable, frame: &Frame) -> bool {
        if self.has_nothing_to_say_of(frame) {
            return true;
        }
        self.detector.is_some()
            && !self.slow
            && !self.is_stateful()
            && self.told_revision == Some(table.revision())
            && frame.len() <= BRIEF_SAMPLES
    }

    /// Whether the frame need not be shown to the detector. An instance is some sixteen kilobytes, and a rule that never had a series has
    /// none.
    fn has_nothing_to_say_of(&self, frame: &Frame) -> bool {
        frame.is_empty() && self.plugin.manifest().needs_series
    }

    /// Lets the detector look at a frame.
    pub fn observe(
        &mut self,
        table: &SeriesTable,
        frame: &Frame,
        effort: Effort,
        findings: &mut Vec<Finding>,
    ) -> Result<Report, SeatError> {
        if self.has_nothing_to_say_of(frame) {
            return Ok(Report::default());
        }
        let report = self.try_observe(table, frame, effort, findings);
        if report.is_err() {
            // Whatever it was in the middle of: the next instance starts from what was saved.
            self.dismiss();
        }
        match report {
            Err(ConfigureError::Fault(Fault::FuelSpent { .. })) if effort == Effort::Brief => {
                self.slow = true;
                Err(SeatError::NeedsTime)
            }
            report => Ok(report?),
        }
    }

    fn try_observe(
        &mut self,
        table: &SeriesTable,
        frame: &Frame,
        effort: Effort,
        findings: &mut Vec<Finding>,
    ) -> Result<Report, ConfigureError> {
        let mut detector = match self.detector.take() {
            Some(detector) => detector,
            None => self.set_up()?,
        };
        self.tell_series(&mut detector, table)?;
        self.unsaved = true;
        let report = match effort {
            Effort::Brief => detector.observe_within(BRIEF_FUEL, frame, findings)?,
            Effort::Full => detector.observe(frame, findings)?,
        };
        self.detector = Some(detector);
        Ok(report)
    }

    /// Whether the detector may have changed what it wants kept.
    pub fn is_unsaved(&self) -> bool {
        self.unsaved && self.is_stateful()
    }

    /// Saves what the detector changed since it was last asked.
    pub fn checkpoint(&mut self, draft: &mut Draft) -> Result<(), SeatError> {
        self.unsaved = false;
        let Some(detector) = self.detector.as_mut() else { return Ok(()) };
        match detector.checkpoint() {
            Ok(entries) => {
                self.told_when_saved.clone_from(&self.told);
                self.state.take(self.plugin.manifest(), entries, draft);
                Ok(())
            }
            Err(fault) => {
                self.dismiss();
                Err(ConfigureError::from(fault).into())
            }
        }
    }

    fn dismiss(&mut self) {
        self.detector = None;
        self.told.clear();
        self.told_revision = None;
    }

    fn set_up(&self) -> Result<Detector, ConfigureError> {
        let mut detector = self.plugin.detector()?;
        detector.configure(&self.parameters)?;
        if let Some(version) = self.plugin.manifest().state_version.filter(|_| !self.state.is_empty()) {
            detector.restore(version, &self.state.entries_with(&[]))?;
        }
        Ok(detector)
    }

    fn tell_series(&mut self, detector: &mut Detector, table: &SeriesTable) -> Result<(), ConfigureError> {
        if self.told_revision == Some(table.revision()) {
            return Ok(());
        }
        self.told.resize(table.capacity(), None);
        let (mut dropped, mut defined) = (Vec::new(), Vec::new());
        let is_fresh = self.told_revision.is_none();
        for (id, told) in (0_u32..).zip(&mut self.told) {
            let labels = table.labels(id);
            let now = labels.and_then(|_| table.generation_of(id));
            if *told != now {
                let when_saved = self.told_when_saved.get(id as usize).copied().flatten();
                let restored_for_another = is_fresh && when_saved.is_some() && when_saved != now;
                if told.is_some() || restored_for_another {
                    dropped.push(id);
                }
                if let Some(labels) = labels {
                    defined.push((id, labels));
                }
                *told = now;
            } else if is_fresh && self.told_when_saved.get(id as usize).is_some_and(Option::is_some) {
                // It stands for nothing now.
                dropped.push(id);
            }
        }
        if !dropped.is_empty() {
            detector.drop_series(&dropped)?;
        }
        if !defined.is_empty() {
            detector.define_series(defined)?;
        }
        self.told_revision = Some(table.revision());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use orion_model::Labels;

    use super::*;
    use crate::shipped::generation;
    use crate::watcher::GroupPlan;

    const RULES: &str = "
groups:
  - name: g
    rules:
      - { alert: Bound, expr: q, plugin: threshold, with: { above: 5 } }
      - { alert: Gone, expr: q, plugin: absence }
";

    fn plan() -> GroupPlan {
        generation(RULES).groups.into_values().next().unwrap()
    }

    #[test]
    fn a_detector_that_needs_series_is_made_for_the_first_one_and_others_see_every_answer() {
        let plan = plan();
        let [mut bound, mut gone] = plan.rules().map(Seat::new).collect::<Vec<_>>().try_into().ok().unwrap();
        let (mut table, mut findings) = (SeriesTable::new(), Vec::new());
        let at = Timestamp::from_millis(15_000);
        let nothing = Frame { instant: at, ..Frame::default() };
        assert!(bound.is_brief(&table, &nothing), "there is nothing to be set up");
        let report = bound.observe(&table, &nothing, Effort::Brief, &mut findings).unwrap();
        assert_eq!((report, bound.detector.is_none()), (Report::default(), true));
        assert!(!gone.is_brief(&table, &nothing));
        assert!(gone.observe(&table, &nothing, Effort::Full, &mut findings).unwrap().fuel > 0);
        assert_eq!((gone.detector.is_some(), findings.len()), (true, 1), "nothing is there");
        findings.clear();

        let id = table.define(&Labels::from_iter([("job", "a")]), at);
        let one = Frame { ids: vec![id], timestamps: vec![at.as_millis()], values: vec![6.0], ..nothing };
        let report = bound.observe(&table, &one, Effort::Full, &mut findings).unwrap();
        assert!(report.fuel > 0 && bound.detector.is_some());
        assert_eq!(findings.len(), 1);
    }
}
