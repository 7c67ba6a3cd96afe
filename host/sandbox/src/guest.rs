//! One warm instance: its store, the budget of each call, and what becomes of an error.
//!
//! Detectors and correlators differ in the functions they have; how a call into one is begun, bounded and ended is the
//! same for both and stands here once.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, Store, Trap, WasmBacktrace};

use crate::emit::Rejection;
use crate::engine::{Engine, Metering};
use crate::fault::{ConfigureError, Fault, NAME_BYTES, clipped};

/// What a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Work, in wasmtime's fuel: the same for the same call on every machine.
    pub fuel: u64,
    /// Memory that the instance holds after it.
    pub memory_bytes: usize,
}

/// What a call may cost and hand over.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    /// The function that is called.
    pub(crate) call: &'static str,
    /// Samples, events or entries it gets.
    pub(crate) items: usize,
    /// Fuel for all of it.
    pub(crate) fuel: u64,
    /// Where that comes from, in words.
    pub(crate) fuel_setting: &'static str,
    /// Bytes the host copies out of it in one go.
    pub(crate) copy_bytes: usize,
    /// The field of `Limits` that this comes from.
    pub(crate) copy_setting: &'static str,
}

/// Bytes of state that count as an entry of it, for what `restore` may cost: plugins that keep few large entries work on what
/// is in them.
const ENTRY_BYTES: usize = 256;

/// Bytes of an instance's memory that count as an entry of its state, for what `checkpoint` may cost: it is given nothing, and
/// what it hands over is in there.
const MEMORY_BYTES_OF_AN_ENTRY: usize = 1024;

/// An instance's store data: what it holds, and where what it emits goes.
pub(crate) struct Room<O> {
    pub(crate) outbox: O,
    engine: Arc<Engine>,
    call: &'static str,
    memory_limit: MemoryLimit,
    memory_bytes: usize,
    table_elements: usize,
}

/// How much linear memory an instance may have.
#[derive(Clone, Copy)]
pub(crate) struct MemoryLimit {
    pub(crate) bytes: usize,
    /// The field of `Limits` that this comes from.
    pub(crate) setting: &'static str,
}

/// A store that is finished after its first fault.
pub(crate) struct Guest<O: 'static> {
    store: Store<Room<O>>,
    poisoned: bool,
}

impl<O: Send + 'static> Guest<O> {
    /// A store for an instance that is still to be made.
    pub(crate) fn new(engine: &Arc<Engine>, outbox: O, memory_limit: MemoryLimit) -> Self {
        let engine_of_room = Arc::clone(engine);
        let room =
            Room { outbox, engine: engine_of_room, call: "start", memory_limit, memory_bytes: 0, table_elements: 0 };
        let mut store = Store::new(&engine.wasm, room);
        if engine.metering == Metering::On {
            // Before anything is linked, so that the first memory counts too.
            store.limiter(|room| room);
        }
        store.set_max_component_handles(engine.limits.component_handles);
        Self { store, poisoned: false }
    }

    /// The budget of calls that are not about samples or events: the more they are given, the more they may do.
    pub(crate) fn setup(&self, call: &'static str, items: usize) -> Budget {
        let limits = &self.engine().limits;
        let fuel = limits.setup_base_fuel.saturating_add(limits.item_fuel.saturating_mul(items as u64));
        let (fuel, fuel_setting) = match fuel < limits.setup_fuel {
            true => (fuel, "the settings are `setup_base_fuel` and `item_fuel`"),
            false => (limits.setup_fuel, "the setting is `setup_fuel`"),
        };
        let (copy_bytes, copy_setting) = (limits.emit_copy_bytes, "emit_copy_bytes");
        Budget { call, items, fuel, fuel_setting, copy_bytes, copy_setting }
    }

    /// The budget of `restore`.
    pub(crate) fn restoring(&self, entries: usize, bytes: usize) -> Budget {
        Budget { items: entries, ..self.setup("restore", entries + bytes / ENTRY_BYTES) }
    }

    /// The budget of `observe` and `correlate`.
    pub(crate) fn work(&self, call: &'static str, items: usize) -> Budget {
        let limits = &self.engine().limits;
        let fuel = limits.call_fuel.saturating_add(limits.item_fuel.saturating_mul(items as u64));
        Budget { fuel, fuel_setting: "the settings are `call_fuel` and `item_fuel`", ..self.setup(call, items) }
    }

    /// The budget of `checkpoint`, which hands over more than an `emit` does.
    pub(crate) fn saving(&self) -> Budget {
        let copy_bytes = self.engine().limits.checkpoint_bytes;
        let entries = self.store.data().memory_bytes / MEMORY_BYTES_OF_AN_ENTRY;
        Budget { items: 0, copy_bytes, copy_setting: "checkpoint_bytes", ..self.setup("checkpoint", entries) }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.store.data().engine
    }

    pub(crate) fn outbox(&mut self) -> &mut O {
        &mut self.store.data_mut().outbox
    }

    /// Makes one call within its budget. Any error finishes the instance: what it holds is no longer known.
    pub(crate) fn call<R>(
        &mut self,
        budget: Budget,
        function: impl FnOnce(&mut Store<Room<O>>) -> wasmtime::Result<R>,
    ) -> Result<(R, Report), Fault> {
        if self.poisoned {
            return Err(Fault::Poisoned { call: budget.call });
        }
        self.store.data_mut().call = budget.call;
        self.store.set_hostcall_fuel(budget.copy_bytes);
        let result = self.fuel_up(budget.fuel).and_then(|()| function(&mut self.store));
        match result.and_then(|value| Ok((value, self.fuel_left()?))) {
            Ok((value, left)) => {
                let fuel = budget.fuel.saturating_sub(left);
                Ok((value, Report { fuel, memory_bytes: self.store.data().memory_bytes }))
            }
            Err(error) => {
                self.poisoned = true;
                Err(self.fault(&budget, &error))
            }
        }
    }

    /// What the next call may cost, in work and in time.
    fn fuel_up(&mut self, fuel: u64) -> wasmtime::Result<()> {
        match self.engine().metering {
            Metering::On => {
                let deadline = self.engine().deadline_ticks();
                self.store.set_epoch_deadline(deadline);
                self.store.set_fuel(fuel)
            }
            #[cfg(feature = "unmetered")]
            Metering::Off => Ok(()),
        }
    }

    fn fuel_left(&self) -> wasmtime::Result<u64> {
        match self.engine().metering {
            Metering::On => self.store.get_fuel(),
            #[cfg(feature = "unmetered")]
            Metering::Off => Ok(0),
        }
    }

    /// The plugin's own words, of which no more are kept than of a finding's.
    pub(crate) fn refusal(&self, words: &str) -> ConfigureError {
        ConfigureError::Refused(clipped(words, self.engine().limits.message_bytes))
    }

    fn fault(&self, budget: &Budget, error: &wasmtime::Error) -> Fault {
        let call = budget.call;
        if let Some(fault) = error.downcast_ref::<Fault>() {
            return fault.clone();
        }
        match error.downcast_ref::<Rejection>() {
            Some(&Rejection::Quota { what, limit, setting }) => {
                return Fault::EmitQuota { call, what, limit, items: budget.items, setting };
            }
            Some(Rejection::Malformed(what)) => return Fault::EmitMalformed { call, what: what.clone() },
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => {
                Fault::FuelSpent { call, limit: budget.fuel, items: budget.items, setting: budget.fuel_setting }
            }
            Some(Trap::Interrupt) => Fault::DeadlinePassed { call, limit_millis: self.engine().limits.call_millis },
            Some(trap) => Fault::Trap { call, reason: reason(*trap, error) },
            None => {
                let what = format!("{}", error.root_cause());
                if what.starts_with(COPY_EXHAUSTED) {
                    return Fault::HostCallLimit { call, limit_bytes: budget.copy_bytes, setting: budget.copy_setting };
                }
                if what.starts_with(TOO_MANY_PARTS) {
                    return Fault::Parts { call, what };
                }
                if what.starts_with(NO_MORE_HANDLES) {
                    return Fault::Handles { call, limit: self.engine().limits.component_handles };
                }
                Fault::Contract { call, what }
            }
        }
    }
}

/// The engine has no types for these errors. A test per message keeps them in step with it.
const COPY_EXHAUSTED: &str = "too much data is being copied";
const TOO_MANY_PARTS: &str = "resource limit exceeded";
const NO_MORE_HANDLES: &str = "cannot allocate another handle";

/// What trapped, and where, for plugins that still have their function names.
fn reason(trap: Trap, error: &wasmtime::Error) -> String {
    let what = trap.to_string();
    let what = what.trim_start_matches("wasm trap: ");
    let trace = error.downcast_ref::<WasmBacktrace>();
    let frame = trace.and_then(|trace| trace.frames().first());
    match frame.and_then(|frame| frame.func_name()) {
        Some(name) => format!("{what}, in `{}`", clipped(name, NAME_BYTES)),
        None => what.to_owned(),
    }
}

impl<O: Send> ResourceLimiter for Room<O> {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The plugin's own bound: its allocator gets to know, as WebAssembly has it.
            return Ok(false);
        }
        let requested = desired.saturating_sub(current);
        let MemoryLimit { bytes: limit, setting } = self.memory_limit;
        let used = self.memory_bytes;
        if requested > limit.saturating_sub(used) {
            let what = "bytes of memory";
            return Err(Fault::MemoryLimit { call: self.call, what, requested, used, limit, setting }.into());
        }
        self.memory_bytes = used.saturating_add(requested);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // The machine had no memory left. Handing the plugin a failed growth would make its output depend on that.
        Err(error)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let requested = desired.saturating_sub(current);
        let (used, limit) = (self.table_elements, self.engine.limits.table_elements);
        if requested > limit.saturating_sub(used) {
            let (what, setting) = ("elements of tables", "table_elements");
            return Err(Fault::MemoryLimit { call: self.call, what, requested, used, limit, setting }.into());
        }
        self.table_elements = used.saturating_add(requested);
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn instances(&self) -> usize {
        self.engine.limits.core_instances
    }

    fn tables(&self) -> usize {
        self.engine.limits.tables
    }

    fn memories(&self) -> usize {
        self.engine.limits.memories
    }
}
