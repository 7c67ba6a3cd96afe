//! What the stages behind the bus share: when to read again, when to commit though nothing happened, how to go on after
//! an error.

use std::time::Duration;

use orion_bus::{BusError, Entry};
use tokio::sync::watch;

use crate::draft::NotWritable;
use crate::memory::MemoryError;

/// Records that the Guardian reads at once, of a stage that is behind. Large enough that a call into a plugin, what it keeps and
/// a synced commit are shared by many, small enough that a batch that faults is not much. What incidents say does not depend on
/// it.
pub const BATCH: usize = 1_024;

/// Records read at once by stages that only pass them on: some megabytes, and one sync for all of them.
pub const LARGE_BATCH: usize = 4_096;

/// How many records a stage may pass over without committing its offset: what it reads again after a crash.
pub const QUIET_ENTRIES: u64 = 4_096;

/// First and longest wait after an error.
const RETRY_MILLIS: (u64, u64) = (200, 15_000);

/// The position behind which there may be more, when as much was read as was asked for.
pub fn behind_full(batch: &[Entry], max: usize) -> Option<u64> {
    batch.last().filter(|_| batch.len() >= max).map(|last| last.seq)
}

/// Why a step came to nothing. The stage starts again from what the store has.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The bus does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Memory cannot be written.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A defect of ours.
    #[error("the step panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl StageError {
    /// Whether the whole store cannot be written. That is said once for all stages ([`crate::store_watch`]), and not by each of them
    /// at each attempt.
    fn is_of_the_store(&self) -> bool {
        match self {
            Self::Bus(error) => error.is_unwritable() || error.is_away(),
            Self::Memory(error) => !matches!(error, MemoryError::Replaced { .. }),
            Self::NotWritable(_) | Self::Panicked(_) => false,
        }
    }
}

/// The rhythm of a stage.
pub struct StageLoop {
    name: &'static str,
    appended: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    retry_millis: u64,
}

impl StageLoop {
    /// A stage that reads when something was appended, until it is shut down.
    pub fn new(name: &'static str, appended: watch::Receiver<u64>, shutdown: watch::Receiver<bool>) -> Self {
        Self { name, appended, shutdown, retry_millis: RETRY_MILLIS.0 }
    }

    /// Whether the stage is to end once it has read everything.
    pub fn is_shut_down(&self) -> bool {
        *self.shutdown.borrow()
    }

    /// Waits until there may be something to do.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.appended.changed() => {}
            _ = self.shutdown.wait_for(|down| *down) => {}
        }
    }

    /// A step went well: the next error waits shortly again.
    pub fn succeeded(&mut self) {
        self.retry_millis = RETRY_MILLIS.0;
    }

    /// Waits after an error. `false` when the stage is to end instead: what it could not do is done at the next start.
    pub async fn retry(&mut self, error: &StageError) -> bool {
        match error.is_of_the_store() {
            true => tracing::debug!(stage = self.name, retry_millis = self.retry_millis, "{error}"),
            false => tracing::error!(stage = self.name, retry_millis = self.retry_millis, "{error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(self.retry_millis)) => {}
            _ = self.shutdown.wait_for(|down| *down) => return false,
        }
        self.retry_millis = (self.retry_millis * 2).min(RETRY_MILLIS.1);
        true
    }
}
