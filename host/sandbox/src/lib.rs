//! The room that plugins run in, and the only one that names wasmtime.
//!
//! A plugin is a WebAssembly component that can do one thing: `emit`. [`Sandbox::load`] proves that from the bytes, before
//! anything is compiled, and says in words what is wrong with a plugin it refuses. A loaded [`Plugin`] makes warm
//! instances, [`Detector`]s and [`Correlator`]s; every call into one ends within [`Limits`], and a call that would not
//! ends with a [`Fault`]. A fault finishes its instance and nothing else: the caller makes a new one and restores it.
//!
//! Nothing of wasmtime is visible from outside, so that its next version is a change of this room alone.

mod admission;
mod batch;
mod compiled;
mod correlator;
mod detector;
mod emit;
mod engine;
mod fault;
mod guest;
mod limits;
mod meter;
mod plugin;
mod wit;
mod workload;

pub use admission::Certificate;
pub use batch::EventBatch;
pub use correlator::Correlator;
pub use detector::Detector;
pub use fault::{ConfigureError, Fault, LoadError, SandboxError};
pub use guest::Report;
pub use limits::Limits;
pub use meter::PluginMeter;
pub use plugin::{Plugin, Sandbox, Settings};
