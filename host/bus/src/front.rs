//! What stands before a bus and looks at what is committed: everything else goes through as it is.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::Bus;
use crate::error::BusError;
use crate::record::{Commit, Committed, Entry, Loaded};

/// A bus that stands before another one. What it does not say itself is said by that one, also what engines may leave at a default: one that
/// forgot to pass it on would say that nothing is lost, or that nothing is stored.
#[async_trait]
pub trait Front: Send + Sync {
    /// The bus behind it.
    fn behind(&self) -> &dyn Bus;

    /// As [`Bus::commit`].
    async fn hand_over(&self, commit: Commit) -> Result<Committed, BusError>;

    /// As [`Bus::history`].
    fn history_behind(&self) -> Option<watch::Receiver<Arc<str>>> {
        self.behind().history()
    }
}

#[async_trait]
impl<F: Front> Bus for F {
    async fn load(&self, owner: &str) -> Result<Loaded, BusError> {
        self.behind().load(owner).await
    }

    async fn owners(&self, prefix: &str) -> Result<Vec<String>, BusError> {
        self.behind().owners(prefix).await
    }

    async fn offset(&self, owner: &str) -> Result<Option<i64>, BusError> {
        self.behind().offset(owner).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, BusError> {
        self.hand_over(commit).await
    }

    async fn forget(&self, commit: Commit, upto: u64) -> Result<Committed, BusError> {
        self.behind().forget(commit, upto).await
    }

    async fn used_bytes(&self) -> Result<u64, BusError> {
        self.behind().used_bytes().await
    }

    async fn read(&self, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        self.behind().read(after, max).await
    }

    async fn read_at(&self, positions: &[u64]) -> Result<Vec<Entry>, BusError> {
        self.behind().read_at(positions).await
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.behind().appended()
    }

    fn history(&self) -> Option<watch::Receiver<Arc<str>>> {
        self.history_behind()
    }
}
