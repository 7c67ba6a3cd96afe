//! What happens while Redis is away, and when it is back.

use std::sync::Arc;
use std::time::Duration;

use redis::FromRedisValue;
use tokio::sync::watch;
use tokio::time::Instant;

use super::core::{Core, Trouble};
use super::restoring::Fit;
use super::script::eval;
use crate::Bus as _;
use crate::error::BusError;
use crate::record::{Commit, Committed};

/// How often the log is trimmed, and who follows it is looked at: a host that joined since then and is away when Redis forgets everything
/// is waited for by nobody.
const TRIM_MILLIS: u64 = 1_000;

/// Positions that stay though everybody has them: what a person wants to look at a moment later.
const KEPT_POSITIONS: u64 = 1_000;

/// How often it is said that a host which is away is not waited for.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// Entries, of a few kilobytes mostly, with which the log is too large to wait for a host that is gone.
pub(super) const MOST_ENTRIES: u64 = 500_000;

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
    /// records: what was accepted is not lost, and what the other host recorded, too, is known by its ids. They wait for that host
    /// to come as far.
    pub(super) async fn hand_over(&self) -> Result<(), BusError> {
        let _alone = self.handing_over.lock().await;
        loop {
            let Some(commit) = self.journal().first() else { break };
            let (place, met) = (self.place(&commit.owner), self.met());
            let stands = match self.send(&commit, &place, false).await {
                Err(Trouble::Refused(BusError::Conflict { .. } | BusError::Fenced { .. })) => {
                    if self.fit(&commit, &place).await.map_err(|trouble| self.error(trouble))? != Fit::Passed {
                        self.journal().hold_back_first();
                        continue;
                    }
                    self.send(&commit, &place, true).await
                }
                other => other,
            };
            let entry = self.entry_to_wait_for(&stands.map_err(|trouble| self.error(trouble))?);
            let turn = self.outbox.lock().await;
            let Some(written) = self.journal().to_drop_first() else { return Ok(()) };
            self.mirror.commit(written.clone()).await?;
            self.journal().drop_first(&written, entry);
            drop(turn);
            self.give_back_if_forgotten(&met).await.map_err(|trouble| self.error(trouble))?;
        }
        self.give_held_back(false).await.map_err(|trouble| self.error(trouble))
    }
}

/// Lets the server go of what everybody has, until `down`.
pub(super) async fn run_trim(core: Arc<Core>, mut down: watch::Receiver<bool>) {
    let mut said: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = down.wait_for(|down| *down) => return,
            () = tokio::time::sleep(Duration::from_millis(TRIM_MILLIS)) => {}
        }
        match core.trim().await {
            Ok(Some(position)) if said.is_none_or(|at| at.elapsed() >= SAID_AGAIN) => {
                said = Some(Instant::now());
                tracing::warn!(
                    "Redis holds more than {MOST_ENTRIES} commits and lets go of those up to position {position}, which a host \
                     that is away does not have: its audit trail will have a gap there"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::debug!("the log is not trimmed: {error}"),
        }
    }
}

impl Core {
    /// Lets go of what everybody has. The position up to which it did so though a host that is away lacks it.
    pub(super) async fn trim(&self) -> redis::RedisResult<Option<u64>> {
        self.say_mirrored().await?;
        let keys = [&self.keys.log, &self.keys.meta, &self.keys.readers, &self.keys.mirrors];
        let mut command = eval(include_str!("trim.lua"), &keys);
        command.arg(KEPT_POSITIONS).arg(MOST_ENTRIES);
        let answer: Vec<redis::Value> = command.query_async(&mut self.link.clone()).await?;
        let mut parts = answer.into_iter().skip(1).map(String::from_redis_value);
        let (position, is_forced) = (parts.next().transpose()?, parts.next().transpose()?);
        Ok(position.filter(|_| is_forced.as_deref() == Some("1")).and_then(|position| position.parse().ok()))
    }
}

/// Hands over what waits, until `down`.
pub(super) async fn run_outbox(core: Arc<Core>, mut down: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = down.wait_for(|down| *down) => break,
            () = tokio::time::sleep(Duration::from_millis(TRY_MILLIS)) => {}
        }
        let waiting = core.journal().waiting();
        let held_back = core.journal().held_back().len();
        // Whose work it is now is known with the first tick.
        if waiting + held_back == 0 || core.held.borrow().in_doubt {
            continue;
        }
        // Not in the select: a step is finished before the end.
        match core.hand_over().await {
            Ok(()) if waiting == 0 => {}
            Ok(()) => tracing::info!("Redis answers again and has what waited for it, {waiting} commits or more"),
            Err(BusError::Away { .. }) => {}
            Err(error) => tracing::error!("what waits for Redis cannot be handed over: {error}"),
        }
    }
    if let Err(trouble) = core.give_held_back(true).await {
        tracing::debug!("what was held back is not given at the end: {}", core.error(trouble));
    }
}
