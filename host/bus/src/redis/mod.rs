//! The engine for many hosts: commits are decided by Redis, and every host keeps all of it in a file of its own.
//!
//! Redis holds one log of commits, each owner's offset and state, and who holds which work. A commit is one script: it checks
//! the token and the expected offset, leaves out records that are known, appends the rest to the log and changes the state.
//! Every host follows the log and takes it over into its own SQLite file: that is the audit trail there, what
//! gives Redis back what it lost, and where commits wait while Redis is away.
//!
//! One log and not one per partition, because the total order of the log is what makes a replay equal to what happened. What
//! is spread over hosts is the work: asking sources and running plugins is what costs.

mod core;
mod filling;
mod follower;
mod founding;
mod greeting;
mod history;
mod journal;
mod keys;
pub(crate) mod lease;
mod link;
#[cfg(test)]
mod losses;
mod mirrors;
mod outbox;
mod owners;
mod pack;
mod parts;
mod plain_stream;
mod ports;
mod reading;
mod restoring;
mod script;
mod server;
mod streams;
mod survey;
mod tail;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::core::Core;
use self::lease::{LeaseSettings, Leases};
use self::link::Link;
pub use self::server::{BadRedisUrl, RedisServer};
pub use self::streams::{ForeignEntry, PlainStreams, Prepared};
pub use self::survey::{Survey, SurveyedLock, SurveyedNode, SurveyedPartition, survey};
pub use self::tls::BadAuthorities;
use crate::error::BusError;
use crate::partition::Partition;
use crate::record::{Commit, Committed, Entry, Loaded};
use crate::{Bus, SqliteBus};

/// What the names of this engine's own owners begin with in a host's file.
pub const REDIS_OWNERS: &str = "redis/";

/// What the names of owners begin with that only one host commits for: at the server, and in the files of other hosts.
pub const HOSTS_OWNERS: &str = "@";

/// How long a tick is waited for.
const TICK_ANSWER_MILLIS: u64 = 2_000;

/// Whose an owner is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of whoever holds this partition: nobody else may commit.
    Holder(Partition),
    /// Of all hosts: each may commit, and who comes second is told of a conflict.
    All,
    /// Of this host alone: each host has another one of that name.
    Own,
}

/// What to know about an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Who commits as it.
    pub whose: Whose,
    /// Whether its state speaks of positions in the log. Such an owner cannot go on without the log; the others go on observing
    /// while Redis is away, and their commits wait.
    pub reads_log: bool,
}

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where Redis is.
    pub server: RedisServer,
    /// What all keys begin with: deployments with different prefixes share a Redis and nothing else.
    pub prefix: String,
    /// How this host takes part. Its name is its own in the deployment, and the same after a restart.
    pub lease: LeaseSettings,
    /// How many bytes of commits wait at most while Redis is away.
    pub outbox_bytes: usize,
    /// Whose work an owner is.
    pub place: fn(&str) -> Place,
}

/// The bus in Redis, followed by a file of this host.
pub struct RedisBus {
    core: Arc<Core>,
    leases: Leases,
    down: watch::Sender<bool>,
    tasks: Tasks,
}

impl RedisBus {
    /// Joins the deployment and begins to follow. The file is this host's own, and grows into the whole audit trail. Redis need
    /// not answer yet.
    pub async fn open(settings: RedisSettings, mirror: Arc<SqliteBus>) -> Result<Self, BusError> {
        // A connection of its own: a tick must not stand behind megabytes of records.
        let ticks = Link::new(settings.server.clone(), Some(Duration::from_millis(TICK_ANSWER_MILLIS)));
        let leases = Leases::join(ticks, settings.lease.clone());
        let core = Arc::new(Core::open(settings, mirror, leases.held()).await?);
        let (down, is_down) = watch::channel(false);
        let tasks = Tasks(follower::start(&core, &is_down));
        Ok(Self { core, leases, down, tasks })
    }

    /// What this host is called in the deployment.
    pub fn node(&self) -> &str {
        self.core.node()
    }

    /// Who does which work.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The plain streams of the deployment.
    pub fn plain_streams(&self) -> PlainStreams {
        PlainStreams::of(&self.core.settings)
    }

    /// This host's own file.
    pub fn mirror(&self) -> Arc<SqliteBus> {
        self.core.mirror.clone()
    }

    /// The highest position this host knows of: at least that of everything it committed.
    pub fn seen(&self) -> u64 {
        self.core.seen()
    }

    /// How far this host's file holds the log.
    pub fn mirrored(&self) -> u64 {
        self.core.mirrored()
    }

    /// Makes sure that Redis answers and has the deployment of this host's file, bringing it where Redis holds none.
    pub async fn meet(&self) -> Result<(), BusError> {
        self.core.greet().await.map_err(|trouble| self.core.error(trouble))
    }

    /// The server process to which this host has given back what it lost; empty before the first. What a host says of itself counts for
    /// one process alone.
    pub fn settled(&self) -> watch::Receiver<Arc<str>> {
        self.core.settled.subscribe()
    }

    /// How many commits wait for Redis.
    pub fn waiting(&self) -> usize {
        self.core.journal().waiting()
    }

    /// Stops following. What waits lies in the host's file, and goes to Redis after the next start.
    pub async fn close(self) {
        let Self { leases, down, tasks, .. } = self;
        down.send_replace(true);
        let mut tasks = tasks;
        for task in std::mem::take(&mut tasks.0) {
            // A task that panicked has said so.
            let _ = task.await;
        }
        leases.leave().await;
    }
}

/// They end with the bus, also where nobody closes it.
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn load(&self, owner: &str) -> Result<Loaded, BusError> {
        self.core.load(owner).await
    }

    async fn owners(&self, prefix: &str) -> Result<Vec<String>, BusError> {
        self.core.mirror.owners(prefix).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, BusError> {
        commit.check()?;
        let core = self.core.clone();
        // A task of its own: a caller that goes away must not leave the commit at the server and not in the journal.
        tokio::spawn(async move { core.commit(commit).await }).await.map_err(|_| BusError::Closed)?
    }

    async fn read(&self, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        self.core.read(after, max).await
    }

    async fn read_at(&self, positions: &[u64]) -> Result<Vec<Entry>, BusError> {
        self.core.read_at(positions).await
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.core.appended.subscribe()
    }

    fn history(&self) -> Option<watch::Receiver<Arc<str>>> {
        Some(self.settled())
    }
}
