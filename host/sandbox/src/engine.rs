//! The engine and its clock, as one thing: an engine whose epochs nobody advances would never end a call by time, and
//! one without a deadline would end every call at once.
//!
//! There should be one per process. Two advisories were about types confused between engines.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmparser::WasmFeatures;
use wasmtime::{Cache, CacheConfig, Config, OperatorCost};

use crate::fault::SandboxError;
use crate::limits::Limits;
use crate::plugin::Settings;

/// How often the clock of deadlines moves. Deadlines are a backstop of many seconds, so a tenth of one is exact enough.
/// Ten milliseconds were a sixth of all that a quiet deployment spent: every wake-up of a thread costs.
const TICK_MILLIS: u64 = 100;

/// The engine with its clock and the limits that plugins of it live under.
pub(crate) struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) limits: Limits,
    pub(crate) metering: Metering,
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
    pub(crate) fn new(settings: Settings, metering: Metering) -> Result<Self, SandboxError> {
        let mut config = config(&settings.limits, metering);
        if let Some(dir) = &settings.cache_dir {
            config.cache(Some(open_cache(dir)?));
        }
        let wasm = wasmtime::Engine::new(&config).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(wasm.clone())?;
        Ok(Self { wasm, limits: settings.limits, metering, _ticker: ticker })
    }

    /// Ticks until a call has to be over. One more than fits, because the first tick may come at once.
    pub(crate) const fn deadline_ticks(&self) -> u64 {
        self.limits.call_millis.div_ceil(TICK_MILLIS) + 1
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

fn open_cache(dir: &Path) -> Result<Cache, SandboxError> {
    let refused = |why: String| SandboxError::Cache { dir: dir.to_owned(), why };
    make_private(dir).map_err(refused)?;
    let absolute = dir.canonicalize().map_err(|error| refused(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(absolute);
    Cache::new(config).map_err(|error| refused(format!("{error:#}")))
}

/// Compiled plugins are native code that is run as it is found: whoever may write here may do anything.
#[cfg(unix)]
fn make_private(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| error.to_string())?;
    let mode = std::fs::metadata(dir).map_err(|error| error.to_string())?.permissions().mode();
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("others may write there (mode {:03o}), and it holds native code; chmod 700", mode & 0o777));
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(dir: &Path) -> Result<(), String> {
    std::fs::create_dir_all(dir).map_err(|error| error.to_string())
}

/// The thread that advances the epochs; it ends with the engine.
struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(wasm: wasmtime::Engine) -> Result<Self, SandboxError> {
        let (stop, stopped) = mpsc::channel::<()>();
        let tick = Duration::from_millis(TICK_MILLIS);
        let run = move || {
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                wasm.increment_epoch();
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
