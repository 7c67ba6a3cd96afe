//! A warm instance of a detector.

use std::sync::Arc;
use std::time::Instant;

use orion_model::{Finding, Frame, Labels, Parameter, SeriesId, StateEntry};

use crate::emit::FindingBox;
use crate::engine::Engine;
use crate::fault::{ConfigureError, Fault};
use crate::guest::{Budget, Guest, MemoryLimit, Report, Room};
use crate::meter::PluginMeter;
use crate::wit::detector::{DetectorPlugin, DetectorPluginPre};
use crate::wit::values::detector as values;

/// One instance of a detector. Order of calls: `configure`, `restore`, `define_series`, then `observe` and `checkpoint`
/// again and again. After a [`Fault`] every call is refused.
pub struct Detector {
    guest: Guest<FindingBox>,
    plugin: DetectorPlugin,
    reads_labels: bool,
    meter: Arc<PluginMeter>,
}

impl Detector {
    pub(crate) fn start(
        engine: &Arc<Engine>,
        code: &DetectorPluginPre<Room<FindingBox>>,
        reads_labels: bool,
        meter: &Arc<PluginMeter>,
    ) -> Result<Self, Fault> {
        let memory = MemoryLimit { bytes: engine.limits.memory_bytes, setting: "memory_bytes" };
        let mut guest = Guest::new(engine, FindingBox::new(engine.limits.clone()), memory);
        let (plugin, _) = guest.call(guest.setup("start", 0), |store| code.instantiate(store))?;
        Ok(Self { guest, plugin, reads_labels, meter: Arc::clone(meter) })
    }

    /// Hands it the rule's parameters.
    pub fn configure(&mut self, parameters: &[Parameter]) -> Result<(), ConfigureError> {
        let exports = self.plugin.orion_plugin_detector();
        let budget = self.guest.setup("configure", parameters.len());
        let (answer, _) = values::with_parameters(parameters, |parameters| {
            self.guest.call(budget, |store| exports.call_configure(store, parameters))
        })?;
        answer.map_err(|words| self.guest.refusal(&words))
    }

    /// Hands it state that it saved under `version`.
    pub fn restore<B: AsRef<[u8]>>(&mut self, version: u32, entries: &[StateEntry<B>]) -> Result<(), ConfigureError> {
        let exports = self.plugin.orion_plugin_detector();
        let entries = values::entries(entries);
        let budget = self.guest.restoring(entries.len(), values::bytes_of(&entries));
        let (answer, _) = self.guest.call(budget, |store| exports.call_restore(store, version, &entries))?;
        answer.map_err(|words| self.guest.refusal(&words))
    }

    /// Tells it which labels ids stand for, in as many calls as keep each small. A detector whose manifest says that it
    /// reads no labels is not called; the ids count as defined all the same.
    pub fn define_series<'a>(&mut self, series: impl IntoIterator<Item = (SeriesId, &'a Labels)>) -> Result<(), Fault> {
        if !self.reads_labels {
            let defined = self.guest.outbox().defined();
            series.into_iter().for_each(|(id, _)| defined.insert(id));
            return Ok(());
        }
        let most = self.guest.engine().limits.define_bytes;
        let mut told = Definitions::default();
        for (id, labels) in series {
            if !told.ids.is_empty() && told.bytes() + Definitions::bytes_of(labels) > most {
                self.tell(&told)?;
                told.clear();
            }
            told.push(id, labels);
        }
        if told.ids.is_empty() { Ok(()) } else { self.tell(&told) }
    }

    fn tell(&mut self, told: &Definitions) -> Result<(), Fault> {
        let exports = self.plugin.orion_plugin_detector();
        let budget = self.guest.setup("define-series", told.ids.len());
        let Definitions { ids, label_counts, text, ends } = told;
        self.guest.call(budget, |store| exports.call_define_series(store, ids, label_counts, text, ends))?;
        let defined = self.guest.outbox().defined();
        ids.iter().for_each(|id| defined.insert(*id));
        Ok(())
    }

    /// Tells it that ids no longer stand for what they stood for.
    pub fn drop_series(&mut self, ids: &[SeriesId]) -> Result<(), Fault> {
        if self.reads_labels {
            let exports = self.plugin.orion_plugin_detector();
            let budget = self.guest.setup("drop-series", ids.len());
            self.guest.call(budget, |store| exports.call_drop_series(store, ids))?;
        }
        let defined = self.guest.outbox().defined();
        ids.iter().for_each(|id| defined.remove(*id));
        Ok(())
    }

    /// Shows it a frame. What it finds is appended to `findings`; after a fault nothing is.
    pub fn observe(&mut self, frame: &Frame, findings: &mut Vec<Finding>) -> Result<Report, Fault> {
        self.observe_within(u64::MAX, frame, findings)
    }

    /// As [`Self::observe`], with no more than this much fuel if that is less than a frame of this size may cost.
    pub fn observe_within(
        &mut self,
        most_fuel: u64,
        frame: &Frame,
        findings: &mut Vec<Finding>,
    ) -> Result<Report, Fault> {
        const CALL: &str = "observe";
        let exports = self.plugin.orion_plugin_detector();
        let budget = self.guest.work(CALL, frame.len());
        let is_tried = most_fuel < budget.fuel;
        let budget = Budget { fuel: budget.fuel.min(most_fuel), ..budget };
        let before = findings.len();
        let began = Instant::now();
        let Frame { instant, ids, timestamps, values, .. } = frame;
        self.guest.outbox().open(frame.len(), findings);
        let answer =
            self.guest.call(budget, |store| exports.call_observe(store, instant.as_millis(), ids, timestamps, values));
        self.guest.outbox().close(findings);
        let answer = answer.map(|((), report)| report);
        // One that is done again with all its fuel did not fail.
        if !(is_tried && matches!(answer, Err(Fault::FuelSpent { .. }))) {
            self.meter.called(began.elapsed(), findings.len().saturating_sub(before), answer.as_ref());
        }
        if answer.is_err() {
            findings.truncate(before);
        }
        answer
    }

    /// What changed in its state since the last call.
    pub fn checkpoint(&mut self) -> Result<Vec<StateEntry>, Fault> {
        let exports = self.plugin.orion_plugin_detector();
        let (entries, _) = self.guest.call(self.guest.saving(), |store| exports.call_checkpoint(store))?;
        Ok(values::saved(entries))
    }
}

/// Series and their labels in the form of the contract.
#[derive(Default)]
struct Definitions {
    ids: Vec<u32>,
    label_counts: Vec<u32>,
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Definitions {
    fn push(&mut self, id: SeriesId, labels: &Labels) {
        let (text, ends) = labels.as_text_and_ends();
        // Both stay far below 4 GiB: a call is cut at `define_bytes`, a label set by the doors it came through.
        let start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.ids.push(id);
        self.label_counts.push(u32::try_from(labels.len()).unwrap_or(u32::MAX));
        self.text.extend_from_slice(text.as_bytes());
        self.ends.extend(ends.iter().map(|end| start.saturating_add(*end)));
    }

    fn bytes(&self) -> usize {
        self.text.len() + size_of::<u32>() * (self.ids.len() + self.label_counts.len() + self.ends.len())
    }

    fn bytes_of(labels: &Labels) -> usize {
        let (text, ends) = labels.as_text_and_ends();
        text.len() + size_of::<u32>() * (2 + ends.len())
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.label_counts.clear();
        self.text.clear();
        self.ends.clear();
    }
}
