//! The one task that speaks of leases with the server: it ticks, gives back, and leaves, one after the other, so that no answer
//! is about an older state than the one before it.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::RedisResult;
use redis::aio::ConnectionLike;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::holding::Holding;
use super::script::{self, Said};
use super::settings::{LeaseSettings, TICK_MILLIS};
use super::{Described, Held};
use crate::partition::Partition;

/// How long a script may take to be answered. A server that is slower than this is asked again: a tick does no harm twice.
const ANSWER_MILLIS: u64 = 1_000;

/// What the owner of the work wants of the task. Each is told when it is done, as far as the server answered.
pub(super) enum Request {
    /// Release these.
    GiveUp(Vec<Partition>, oneshot::Sender<()>),
    /// Want no more work.
    Drain,
    /// Give everything back and end.
    Leave(oneshot::Sender<()>),
}

/// The task's own.
pub(super) struct Keeper<C> {
    pub(super) connection: C,
    pub(super) settings: LeaseSettings,
    pub(super) holding: Holding,
    pub(super) held: watch::Sender<Held>,
    pub(super) described: watch::Receiver<Described>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) is_draining: bool,
}

impl<C: ConnectionLike> Keeper<C> {
    /// Runs until it is told to leave, or until nobody is left who could tell: then the leases end by themselves, as after a
    /// crash.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(Duration::from_millis(TICK_MILLIS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let doubt_at = self.holding.doubt_at();
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::GiveUp(partitions, done)) => {
                        self.give_up(&partitions).await;
                        let _ = done.send(());
                    }
                    Some(Request::Drain) => {
                        self.is_draining = true;
                        self.tick().await;
                    }
                    Some(Request::Leave(done)) => {
                        self.leave().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                _ = ticks.tick() => self.tick().await,
                () = sleep_until(doubt_at.unwrap_or_else(Instant::now)), if doubt_at.is_some() => {}
            }
            self.holding.doubt_if_due(Instant::now());
            self.held.send_replace(self.holding.held().clone());
        }
    }

    async fn tick(&mut self) {
        let sent_at = Instant::now();
        let described = self.described.borrow_and_update().clone();
        let none = BTreeSet::new();
        let said = Said {
            incarnation: self.holding.incarnation(),
            roles: if self.is_draining { &none } else { self.settings.roles() },
            watermark: if described.version == self.holding.held().version { &described.watermark } else { "" },
            info: &described.info,
        };
        // Doubt is said when it is due, and not when a server that hangs is given up.
        let until = self.holding.doubt_at().unwrap_or(answer_until(sent_at)).min(answer_until(sent_at));
        match answered(until, script::tick(&mut self.connection, &self.settings, &said)).await {
            Ok(answer) => self.holding.answered(sent_at, answer),
            Err(why) => self.holding.failed(why),
        }
    }

    /// Whether the server heard of it is not needed: what it still counts as held, it says with the next tick.
    async fn give_up(&mut self, partitions: &[Partition]) {
        let given_up = self.holding.give_up(partitions);
        self.held.send_replace(self.holding.held().clone());
        let until = answer_until(Instant::now());
        if let Err(why) = answered(until, script::release(&mut self.connection, &self.settings, &given_up)).await {
            self.holding.failed(why);
        }
    }

    /// A server that does not hear of it waits for the end of the leases.
    async fn leave(&mut self) {
        let Some(incarnation) = self.holding.incarnation() else { return };
        let until = answer_until(Instant::now());
        if let Err(why) = answered(until, script::leave(&mut self.connection, &self.settings, incarnation)).await {
            self.holding.failed(why);
        }
        self.held.send_replace(Held { trouble: self.holding.held().trouble.clone(), ..Held::default() });
    }
}

fn answer_until(sent_at: Instant) -> Instant {
    sent_at + Duration::from_millis(ANSWER_MILLIS)
}

async fn answered<T>(until: Instant, asked: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match timeout_at(until, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("Redis does not answer".to_owned()),
    }
}
