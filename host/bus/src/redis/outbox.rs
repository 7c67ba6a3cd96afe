//! What happens while Redis is away, and when it is back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::core::{Core, Stands, Trouble};
use crate::Bus as _;
use crate::error::BusError;
use crate::record::{Commit, Committed};

/// How often it is tried to hand over what waits.
const TRY_MILLIS: u64 = 250;

impl Core {
    /// Keeps a commit in the host's own file until Redis takes it.
    pub(super) async fn let_wait(&self, commit: Commit) -> Result<Committed, BusError> {
        let _turn = self.outbox.lock().await;
        let written = {
            let journal = self.journal();
            match journal.awaited(&commit.owner) {
                Some(awaited) if commit.expected != Some(awaited) => {
                    let (owner, expected) = (commit.owner, commit.expected);
                    return Err(BusError::Conflict { owner, expected, found: Some(awaited) });
                }
                _ => journal.to_put(&commit),
            }
        };
        self.mirror.commit(written.clone()).await?;
        // How many of them are new is known when Redis takes them.
        let committed = Committed { positions: 0..0, appended: commit.records.len(), duplicates: 0 };
        self.journal().put(commit, &written);
        Ok(committed)
    }

    /// Hands over what waits, in its order. A commit whose work went to another host meanwhile, or was done otherwise, leaves its
    /// records: what was accepted is not lost, and what the other host recorded, too, is known by its ids.
    async fn hand_over(&self) -> Result<(), BusError> {
        loop {
            let Some(commit) = self.journal().first() else { return Ok(()) };
            let place = self.place(&commit.owner);
            let stands = match self.send(&commit, &place, false).await {
                Err(Trouble::Refused(_)) => self.send(&commit, &place, true).await,
                other => other,
            };
            let Stands { entry, .. } = stands.map_err(|trouble| self.error(trouble))?;
            let _turn = self.outbox.lock().await;
            let Some(written) = self.journal().to_drop_first() else { return Ok(()) };
            self.mirror.commit(written.clone()).await?;
            self.journal().drop_first(&written, entry);
        }
    }
}

/// Hands over what waits, until `down`.
pub(super) async fn run_outbox(core: Arc<Core>, mut down: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = down.wait_for(|down| *down) => return,
            () = tokio::time::sleep(Duration::from_millis(TRY_MILLIS)) => {}
        }
        let waiting = core.journal().waiting();
        // Whose work it is now is known with the first tick.
        if waiting == 0 || core.held.borrow().in_doubt {
            continue;
        }
        // Not in the select: a step is finished before the end.
        match core.hand_over().await {
            Ok(()) => tracing::info!("Redis answers again and has what waited for it, {waiting} commits or more"),
            Err(BusError::Away { .. }) => {}
            Err(error) => tracing::error!("what waits for Redis cannot be handed over: {error}"),
        }
    }
}
