//! How far the stages behind the bus have read.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// A stage at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageAt {
    /// Its name.
    pub stage: &'static str,
    /// The part of the work that it does; empty where it does all of it.
    pub partition: String,
    /// How far it has read.
    pub position: u64,
}

/// How far a stage has read.
#[derive(Debug, Default)]
pub struct StageMeter(AtomicU64);

impl StageMeter {
    /// It has read up to here.
    pub(crate) fn reached(&self, position: u64) {
        self.0.store(position, Ordering::Relaxed);
    }

    pub(super) fn position(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
