//! Who does which work: hosts share the partitions of a deployment, take over from one that died, and hand over to one that
//! joined.
//!
//! Nothing here keeps the log whole. A host may hold on to a partition that it has lost, because it was stopped, or cut off,
//! or because the server forgot; what it then commits is refused by the commit script, which compares the [`Token`] with the
//! one the server holds. So leases can be simple: no host asks another one, no host's clock counts, and what one believes is
//! at worst out of date.
//!
//! Each host ticks four times a second ([`TICK_MILLIS`]). A tick is one script on the server, which sees everything at once:
//! it notes that the host lives, drops what dead hosts held, and lets the host take free partitions up to its fair share. A
//! share differs from any other by at most one. What a host holds above its share it is told, and gives up when its work on
//! it is committed. A host that leaves wants nothing any more, so everything it has is above its share.

#[cfg(test)]
mod exploration;
mod holding;
#[cfg(test)]
mod model;
#[cfg(test)]
mod schedules;
mod script;
mod settings;
mod task;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redis::aio::ConnectionLike;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::holding::Holding;
pub use self::settings::{
    DEFAULT_LEASE_SECONDS, InvalidLeaseSettings, LeaseSettings, MAX_LEASE_SECONDS, MAX_NODE_NAME_BYTES,
    MIN_LEASE_SECONDS, TICK_MILLIS,
};
use self::task::{Keeper, Request};
use crate::partition::{Partition, Role};

/// Requests that wait for the task. They come from one owner of the work, a few at a time.
const MAX_WAITING_REQUESTS: usize = 16;

/// What proves that a partition is a host's: `NODE/EPOCH`. Taken anew, a partition gets a token that it never had.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(Arc<str>);

impl Token {
    pub(crate) fn new(text: String) -> Self {
        Self(text.into())
    }

    /// As the commit script compares it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Partitions with the token of each.
pub type Partitions = BTreeMap<Partition, Token>;

/// A host of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The roles of which it wants work; none while it is leaving.
    pub roles: BTreeSet<Role>,
    /// Whether its leases hold.
    pub is_live: bool,
    /// When it last ticked, by the server's clock.
    pub seen_millis: i64,
    /// How far it has come, in its own words; empty while that is not known.
    pub watermark: String,
    /// What else it says of itself.
    pub info: String,
}

/// What the server's clock showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// Milliseconds since 1970.
    pub millis: i64,
    /// When the question was sent: the answer is no older than that.
    pub sent_at: Instant,
}

/// What a host holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Grows with every change of `partitions`, `surplus`, `in_doubt` or `is_replaced`.
    pub version: u64,
    /// The work that is this host's, each part with what proves it.
    pub partitions: Partitions,
    /// What of it is above the host's share: to be given up once its work on it is committed.
    pub surplus: Vec<Partition>,
    /// Nothing was heard from the server for so long that others may be about to take over. What is observed can be
    /// kept for later; commits would most likely be refused.
    pub in_doubt: bool,
    /// A younger process of the same name lives, and as long as it does this one holds nothing.
    pub is_replaced: bool,
    /// All hosts that live or died not long ago, by name.
    pub nodes: Vec<Node>,
    /// Partitions of the Watcher that nobody holds: while there are any, not everything is observed.
    pub free_watcher_slots: u16,
    /// The server's time with its last answer.
    pub server_time: Option<ServerTime>,
    /// Why the server did not do what it was asked last; `None` when it did.
    pub trouble: Option<String>,
}

/// What a host tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Described {
    /// Which version of what is held the watermark is about.
    version: u64,
    watermark: String,
    info: String,
}

/// A host's part in a deployment. Dropped without [`Leases::leave`]: its leases run out, as after a crash.
pub struct Leases {
    held: watch::Receiver<Held>,
    described: watch::Sender<Described>,
    requests: mpsc::Sender<Request>,
}

impl Leases {
    /// Joins the deployment and goes on ticking, on a task of its own.
    pub fn join<C>(connection: C, settings: LeaseSettings) -> Self
    where
        C: ConnectionLike + Send + Sync + 'static,
    {
        let holding = Holding::new(settings.lease());
        let (publish, held) = watch::channel(holding.held().clone());
        let (described, reads_described) = watch::channel(Described::default());
        let (requests, requested) = mpsc::channel(MAX_WAITING_REQUESTS);
        let keeper = Keeper {
            connection,
            settings,
            holding,
            held: publish,
            described: reads_described,
            requests: requested,
            is_draining: false,
        };
        tokio::spawn(keeper.run());
        Self { held, described, requests }
    }

    /// What the host holds. Wakes with every answer of the server; [`Held::version`] tells whether the work is another.
    pub fn held(&self) -> watch::Receiver<Held> {
        self.held.clone()
    }

    /// What is told of the host from the next tick on. The watermark is that of the work held as of `version`; with other work
    /// it is not told, because what was taken over may be behind it.
    pub fn describe(&self, version: u64, watermark: String, info: String) {
        self.described.send_replace(Described { version, watermark, info });
    }

    /// Gives partitions back on which nothing is done any more: everything done on them is committed. Returns when the server
    /// has them back, or does not answer; then it counts them as the host's until it does, and they are held again.
    pub async fn give_up(&self, partitions: Vec<Partition>) {
        let (done, is_done) = oneshot::channel();
        self.ask(Request::GiveUp(partitions, done)).await;
        let _ = is_done.await;
    }

    /// Wants no more work: everything held is above the host's share from now on, and others make room for it.
    pub async fn drain(&self) {
        self.ask(Request::Drain).await;
    }

    /// Gives everything back and is forgotten, at once.
    pub async fn leave(self) {
        let (done, is_done) = oneshot::channel();
        self.ask(Request::Leave(done)).await;
        let _ = is_done.await;
    }

    /// The task is there for as long as this is; only the end of the runtime takes it away before.
    async fn ask(&self, request: Request) {
        let _ = self.requests.send(request).await;
    }
}
