//! What a plugin is written with. A detector reads frames and emits findings; a correlator reads events and emits incident
//! changes; neither can do anything else.
//!
//! ```
//! use orion_plugin::{Detector, Findings, Frame, Parameters, Refused};
//!
//! struct Above(f64);
//!
//! impl Detector for Above {
//!     fn configure(parameters: &Parameters) -> Result<Self, Refused> {
//!         Ok(Self(parameters.number("above")?.ok_or("`above` is needed")?))
//!     }
//!
//!     fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
//!         for sample in frame.samples().filter(|sample| sample.value > self.0) {
//!             let host = sample.series().label("instance").unwrap_or("somewhere");
//!             findings.emit(sample.finding().message(format!("too much on {host}")));
//!         }
//!     }
//! }
//!
//! orion_plugin::detector!(Above);
//! ```
//!
//! A crate like this, as `cdylib` for `wasm32-unknown-unknown`, is a plugin once its `plugin.toml` was put in. The same
//! crate builds for the machine it is written on: [`testing`] calls it there, without WebAssembly.
//!
//! Equal inputs must give equal outputs. There is no clock and no randomness to go wrong with; what is left is the order
//! of hash maps, so [`State`] offers none.

mod blocks;
mod change;
mod event;
mod finding;
mod frame;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod hash;
mod history;
mod journal;
mod map;
mod parameters;
pub mod pattern;
mod robust;
#[doc(hidden)]
pub mod runner;
mod severity;
mod state;
mod stored;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod values;
mod words;

pub use change::{Change, ChangeKind, Changes};
pub use event::{Batch, Event, Status};
pub use finding::{Field, Finding, Findings, Scalar};
pub use frame::{Frame, Sample, Series, SeriesId};
pub use hash::hash_text;
pub use history::History;
pub use journal::{Journaled, Learned, Step};
pub use map::{Id, State};
pub use parameters::{Parameter, ParameterValue, Parameters, Refused, format_duration};
pub use robust::{Bulk, MAD_TO_DEVIATION, Margin, median, spread_around};
pub use severity::Severity;
pub use state::{Entry, SeriesState, Stateful};
pub use stored::Stored;
pub use values::{Values, Wanted};
pub use words::{format_about, format_instant, format_number};

/// Reads frames, emits findings.
pub trait Detector: Sized {
    /// Made from the rule's `with:`, or a refusal in words. Types, bounds and defaults of the manifest were applied already.
    fn configure(parameters: &Parameters) -> Result<Self, Refused>;

    /// Looks at one frame. At most one finding for each series.
    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings);

    /// What survives a restart. A detector that has something to remember returns it here, and says `state-version` in its
    /// manifest.
    fn state(&mut self) -> Option<&mut dyn Stateful> {
        None
    }
}

/// Reads events, emits incident changes.
pub trait Correlator: Sized {
    /// Made from the correlation's `with:`, or a refusal in words. Types, bounds and defaults of the manifest were applied
    /// already.
    fn configure(parameters: &Parameters) -> Result<Self, Refused>;

    /// Looks at events in bus order, or at none: then time has passed until `now`, in milliseconds.
    fn correlate(&mut self, now: i64, events: &Batch<'_>, changes: &mut Changes);

    /// What survives a restart.
    fn state(&mut self) -> Option<&mut dyn Stateful> {
        None
    }
}

/// Makes a plugin of a type that is a [`Detector`]. Once in a crate.
#[macro_export]
macro_rules! detector {
    ($detector:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Runner = $crate::runner::DetectorRunner<$detector>;
            ::std::thread_local! {
                static RUNNER: ::std::cell::RefCell<Runner> = const { ::std::cell::RefCell::new(Runner::new()) };
            }
            struct Exported;
            impl $crate::guest::DetectorSlot for Exported {
                type Detector = $detector;
                fn with<R>(run: impl FnOnce(&mut Runner) -> R) -> R {
                    RUNNER.with_borrow_mut(run)
                }
            }
    $crate::guest::detector::export_detector!(Exported with_types_in $crate::guest::detector);
        };
    };
}

/// Makes a plugin of a type that is a [`Correlator`]. Once in a crate.
#[macro_export]
macro_rules! correlator {
    ($correlator:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Runner = $crate::runner::CorrelatorRunner<$correlator>;
            ::std::thread_local! {
                static RUNNER: ::std::cell::RefCell<Runner> = const { ::std::cell::RefCell::new(Runner::new()) };
            }
            struct Exported;
            impl $crate::guest::CorrelatorSlot for Exported {
                type Correlator = $correlator;
                fn with<R>(run: impl FnOnce(&mut Runner) -> R) -> R {
                    RUNNER.with_borrow_mut(run)
                }
            }
    $crate::guest::correlator::export_correlator!(Exported with_types_in $crate::guest::correlator);
        };
    };
}
