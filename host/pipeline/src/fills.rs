//! For tests: a bus whose disk is full for one owner while it is told so, and whose history is another one when it is told so.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use orion_bus::{Bus, BusError, Commit, Committed, Front, SqliteBus};
use tokio::sync::watch;

/// The bus.
pub struct Fills {
    bus: SqliteBus,
    owner: &'static str,
    is_full: AtomicBool,
    history: watch::Sender<Arc<str>>,
}

impl Fills {
    /// It has room.
    pub fn new(bus: SqliteBus, owner: &'static str) -> Self {
        Self { bus, owner, is_full: AtomicBool::new(false), history: watch::Sender::default() }
    }

    /// From now on it has none, or has room again.
    pub fn fill(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// From now on this is the history. Before the first it has no name.
    pub fn begin(&self, history: &str) {
        self.history.send_replace(Arc::from(history));
    }
}

#[async_trait]
impl Front for Fills {
    fn behind(&self) -> &dyn Bus {
        &self.bus
    }

    async fn hand_over(&self, commit: Commit) -> Result<Committed, BusError> {
        match commit.owner == self.owner && self.is_full.load(Ordering::SeqCst) {
            true => Err(BusError::StoreFull { path: PathBuf::from("orion.db") }),
            false => self.bus.commit(commit).await,
        }
    }

    fn history_behind(&self) -> Option<watch::Receiver<Arc<str>>> {
        Some(self.history.subscribe())
    }
}
