//! The engine and its clock, as one thing: an engine whose epochs nobody advances would never end a call by time, and
//! one without a deadline would end every call at once.
//!
//! There should be one per process that runs anything. Two advisories were about types confused between engines.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wasmparser::WasmFeatures;
use wasmtime::{Config, OperatorCost};

use crate::fault::SandboxError;
use crate::limits::Limits;

/// The longest time between two movements of the clock of deadlines. A call that runs on is ended within a tenth of a second
/// after its deadline: one of these at most, and the rest is for a thread that wakes up late, ten milliseconds on a busy machine.
/// Deadlines are a backstop of many seconds, so that is exact enough, and every wake-up costs: with ten milliseconds they were a
/// sixth of all that a quiet deployment spent.
const MOST_TICK_MILLIS: u64 = 75;

/// The engine with its clock and the limits that plugins of it live under.
pub(crate) struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) limits: Limits,
    pub(crate) metering: Metering,
    pace: Pace,
    _ticker: Ticker,
}

/// Whether the work of plugins is counted and their calls have a deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metering {
    On,
    /// For measuring what it costs: the same code with nothing that would ever end it.
    #[cfg(feature = "unmetered")]
    Off,
}

impl Engine {
    pub(crate) fn new(limits: Limits, metering: Metering) -> Result<Self, SandboxError> {
        let wasm = wasmtime::Engine::new(&config(&limits, metering))
            .map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let pace = Pace::of(limits.call_millis);
        let ticker = Ticker::start(wasm.clone(), pace)?;
        Ok(Self { wasm, limits, metering, pace, _ticker: ticker })
    }

    /// Native code of a plugin, as this engine takes it from a file. By an engine of its own, which runs nothing and is gone afterwards: a
    /// compiler keeps what it worked with for the next time, some twelve megabytes for as long as there is its engine.
    pub(crate) fn compile_apart(&self, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
        wasmtime::Engine::new(&config(&self.limits, self.metering))?.precompile_component(bytes)
    }

    /// Ticks until a call has to be over.
    pub(crate) const fn deadline_ticks(&self) -> u64 {
        self.pace.deadline_ticks
    }
}

/// How the clock of deadlines moves: so that a deadline is a whole number of ticks. Otherwise its rounding would come on top of
/// the tick that a call may begin right behind of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    tick: Duration,
    /// One more than fit, because the first may come at once.
    deadline_ticks: u64,
}

impl Pace {
    fn of(call_millis: u64) -> Self {
        let millis = call_millis.max(1);
        let ticks = millis.div_ceil(MOST_TICK_MILLIS);
        // Rounded up, or the last tick would come before the deadline.
        let tick = Duration::from_nanos(millis.saturating_mul(1_000_000).div_ceil(ticks));
        Self { tick, deadline_ticks: ticks + 1 }
    }

    /// When the tick after one that was due then is due. What the thread woke up late is made up for, or every tick would add to
    /// what a deadline is late by. A time in which nothing ran at all is not: a call had no chance to use it.
    fn next(self, due: Instant, now: Instant) -> Instant {
        let late = now.saturating_duration_since(due);
        if late < self.tick { due + self.tick } else { now + self.tick }
    }
}

/// What plugins may be made of. Everything outside is refused by admission and by the compiler alike: what is shared
/// between threads, or differs from machine to machine, would break that equal inputs give equal outputs.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::FLOATS
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

fn config(limits: &Limits, metering: Metering) -> Config {
    let mut config = Config::new();
    config.wasm_features(features().complement(), false);
    config.wasm_features(features(), true);
    // Small calls cost two to four times as much with it, and several advisories need it.
    config.concurrency_support(false);
    // Fuel decides, because it counts the same on every machine; the epoch is there for a machine that is starved.
    // Bulk instructions cost a unit for each byte or element, so that one of them is no way around it.
    config.consume_fuel(metering == Metering::On);
    config.operator_cost(costs());
    config.epoch_interruption(metering == Metering::On);
    config.max_wasm_stack(limits.stack_bytes);
    config
}

/// What an instruction costs is one, but for those that call into the engine: a loop of them would otherwise take twenty times
/// as long as its fuel is meant to last.
const fn costs() -> OperatorCost {
    OperatorCost { MemoryGrow: 100, TableGrow: 100, RefFunc: 20, DataDrop: 20, ElemDrop: 20, ..OperatorCost::new() }
}

/// The thread that advances the epochs; it ends with the engine.
struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(wasm: wasmtime::Engine, pace: Pace) -> Result<Self, SandboxError> {
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            let mut due = Instant::now() + pace.tick;
            let wait = |due: Instant| stopped.recv_timeout(due.saturating_duration_since(Instant::now()));
            while wait(due) == Err(RecvTimeoutError::Timeout) {
                wasm.increment_epoch();
                due = pace.next(due, Instant::now());
            }
        };
        let thread = thread::Builder::new().name("plugin-deadlines".to_owned()).spawn(run);
        Ok(Self { stop: Some(stop), thread: Some(thread.map_err(SandboxError::Ticker)?) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It runs nothing that panics, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_after_its_deadline_and_at_most_a_tick_after_it() {
        for call_millis in [1, 30, 74, 75, 76, 150, 300, 60_000, 3_600_000] {
            let Pace { tick, deadline_ticks } = Pace::of(call_millis);
            let deadline = Duration::from_millis(call_millis);
            let fits = u32::try_from(deadline_ticks - 1).unwrap();
            assert!(tick <= Duration::from_millis(MOST_TICK_MILLIS), "{call_millis}");
            // The soonest: the first tick comes at once. The latest: the call begins right behind one.
            assert!(tick * fits >= deadline, "{call_millis}");
            assert!(tick * (fits + 1) <= deadline + tick + Duration::from_millis(1), "{call_millis}");
        }
    }

    #[test]
    fn a_thread_that_wakes_up_late_makes_up_for_it_and_one_that_stood_still_does_not() {
        let (pace, due) = (Pace::of(60_000), Instant::now());
        let after = |late: Duration| pace.next(due, due + late) - due;
        assert_eq!(after(Duration::ZERO), pace.tick);
        assert_eq!(after(pace.tick - Duration::from_nanos(1)), pace.tick);
        assert_eq!(after(pace.tick), 2 * pace.tick);
        assert_eq!(after(Duration::from_secs(3_600)), Duration::from_secs(3_600) + pace.tick);
    }
}
