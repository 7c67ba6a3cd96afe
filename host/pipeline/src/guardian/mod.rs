//! Guardian: reads events in bus order, lets correlators look at them in batches, and commits what becomes of incidents.
//!
//! One consumer with one offset feeds all correlations, so the events, the state of every correlator and the incidents
//! move in one transaction. A correlator that faults loses at most the batch it cannot take; the others go on.

mod attempt;
mod correlation;
mod desk;
mod incident;
mod readers;
mod recent;
mod run;
mod share;
mod split;
mod strays;

#[cfg(test)]
mod attempt_tests;
#[cfg(test)]
mod strays_tests;
#[cfg(test)]
mod tests;

pub(crate) use desk::{Desk, Remembered};
pub use run::{Guardian, run_guardian};
pub use share::{GUARDIAN_OWNERS, Share};
pub use split::split;
