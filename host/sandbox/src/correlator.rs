//! A warm instance of a correlator.

use std::sync::Arc;
use std::time::Instant;

use orion_model::{Change, Parameter, StateEntry, Timestamp};

use crate::batch::EventBatch;
use crate::emit::ChangeBox;
use crate::engine::Engine;
use crate::fault::{ConfigureError, Fault};
use crate::guest::{Guest, MemoryLimit, Report, Room};
use crate::meter::PluginMeter;
use crate::wit::correlator::{CorrelatorPlugin, CorrelatorPluginPre};
use crate::wit::values::correlator as values;

/// One instance of a correlator. Order of calls: `configure`, `restore`, then `correlate` and `checkpoint` again and
/// again. After a [`Fault`] every call is refused.
pub struct Correlator {
    guest: Guest<ChangeBox>,
    plugin: CorrelatorPlugin,
    meter: Arc<PluginMeter>,
}

impl Correlator {
    pub(crate) fn start(
        engine: &Arc<Engine>,
        code: &CorrelatorPluginPre<Room<ChangeBox>>,
        meter: &Arc<PluginMeter>,
    ) -> Result<Self, Fault> {
        let memory = MemoryLimit { bytes: engine.limits.correlator_memory_bytes, setting: "correlator_memory_bytes" };
        let mut guest = Guest::new(engine, ChangeBox::new(engine.limits.clone()), memory);
        let (plugin, _) = guest.call(guest.setup("start", 0), |store| code.instantiate(store))?;
        Ok(Self { guest, plugin, meter: Arc::clone(meter) })
    }

    /// Hands it the correlation's parameters.
    pub fn configure(&mut self, parameters: &[Parameter]) -> Result<(), ConfigureError> {
        let exports = self.plugin.orion_plugin_correlator();
        let budget = self.guest.setup("configure", parameters.len());
        let (answer, _) = values::with_parameters(parameters, |parameters| {
            self.guest.call(budget, |store| exports.call_configure(store, parameters))
        })?;
        answer.map_err(|words| self.guest.refusal(&words))
    }

    /// Hands it state that it saved under `version`.
    pub fn restore<B: AsRef<[u8]>>(&mut self, version: u32, entries: &[StateEntry<B>]) -> Result<(), ConfigureError> {
        let exports = self.plugin.orion_plugin_correlator();
        let entries = values::entries(entries);
        let budget = self.guest.restoring(entries.len(), values::bytes_of(&entries));
        let (answer, _) = self.guest.call(budget, |store| exports.call_restore(store, version, &entries))?;
        answer.map_err(|words| self.guest.refusal(&words))
    }

    /// Shows it events, or with an empty batch that time has passed. What it says is appended to `changes`; after a
    /// fault nothing is.
    pub fn correlate(
        &mut self,
        now: Timestamp,
        events: &EventBatch,
        changes: &mut Vec<Change>,
    ) -> Result<Report, Fault> {
        const CALL: &str = "correlate";
        let exports = self.plugin.orion_plugin_correlator();
        let budget = self.guest.work(CALL, events.len());
        let before = changes.len();
        let began = Instant::now();
        self.guest.outbox().open(events.len(), changes);
        let answer = self.guest.call(budget, |store| exports.call_correlate(store, now.as_millis(), events.columns()));
        self.guest.outbox().close(changes);
        let answer = answer.map(|((), report)| report);
        self.meter.called(began.elapsed(), changes.len().saturating_sub(before), answer.as_ref());
        if answer.is_err() {
            changes.truncate(before);
        }
        answer
    }

    /// What changed in its state since the last call.
    pub fn checkpoint(&mut self) -> Result<Vec<StateEntry>, Fault> {
        let exports = self.plugin.orion_plugin_correlator();
        let (entries, _) = self.guest.call(self.guest.saving(), |store| exports.call_checkpoint(store))?;
        Ok(values::saved(entries))
    }
}
