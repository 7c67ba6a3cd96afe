//! The bus: what one stage commits, the next one reads, and it is also the audit trail's truth.
//!
//! Every stage is a loop `read → compute → commit`. A commit is atomic and carries everything that the step changed:
//! the records it appends, the state it keeps, the offset it has consumed up to. So a crash at any moment leaves the
//! step either done or not begun, and a record that is committed again is recognised by its id.

mod body;
#[cfg(test)]
mod conformance;
mod crash;
mod error;
mod front;
mod partition;
mod record;
mod redis;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

pub use body::{Body, NoBody};
#[cfg(feature = "crash-points")]
pub use crash::point as crash_at;
pub use error::BusError;
pub use front::Front;
pub use partition::{Partition, Role, UnknownPartition};
pub use record::{Commit, Committed, Entry, Loaded, MAX_PIECE_BYTES, NewRecord, RecordKind, Replicated, StateChange};
pub use redis::lease::{
    DEFAULT_LEASE_SECONDS, Held, InvalidLeaseSettings, LeaseSettings, Leases, MAX_LEASE_SECONDS, MAX_NODE_NAME_BYTES,
    MIN_LEASE_SECONDS, Node, Partitions, ServerTime, TICK_MILLIS, Token,
};
pub use redis::{
    BadAuthorities, BadRedisUrl, ForeignEntry, HOSTS_OWNERS, Place, PlainStreams, Prepared, REDIS_OWNERS, RedisBus,
    RedisServer, RedisSettings, Survey, SurveyedLock, SurveyedNode, SurveyedPartition, Whose, survey,
};
pub use sqlite::{
    DATABASE_FILE, FolderLock, LOCK_FILE, Ownership, Reader, SqliteBus, check_whole, copy_database, create_memory_dir,
    ownership,
};

/// What names of owners begin with that concern the file of one host alone: other hosts never learn of them.
pub const LOCAL_OWNERS: &str = "local/";

/// Owner of the positions that a file which follows others left out, because nothing was given there: from each key up to
/// its value, both as eight bytes, the highest first.
pub const HOLES_OWNER: &str = "local/holes";

/// Owner of the positions at which a file has a record elsewhere than the log that it follows: from each position there to the one
/// here, both as eight bytes, the highest first. What a log lost and was given again has a new position there.
pub const MOVED_OWNER: &str = "local/moved";

/// What stages speak to. All engines pass the same conformance tests.
///
/// Positions (`seq`) count from 1, grow in the order of commits, and are never used twice.
///
/// After any error of [`Bus::commit`] but [`BusError::Conflict`] and [`BusError::Refused`] it is not known whether
/// the commit took place: [`Bus::load`] again and go on from there, never send the same commit blindly.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Offset and state of an owner (a rule group, a stage, a correlation), both as of one moment.
    async fn load(&self, owner: &str) -> Result<Loaded, BusError>;

    /// The owners that have committed and whose names begin so, in order.
    async fn owners(&self, prefix: &str) -> Result<Vec<String>, BusError>;

    /// The offset alone, where an owner's state would be much to read.
    async fn offset(&self, owner: &str) -> Result<Option<i64>, BusError> {
        Ok(self.load(owner).await?.offset)
    }

    /// Everything one step changed, or nothing. A conflict when the stored offset is not `expected`.
    ///
    /// When it returns, the commit survives power loss. Dropping the future does not take the commit back.
    async fn commit(&self, commit: Commit) -> Result<Committed, BusError>;

    /// As [`Bus::commit`], and the records up to position `upto` are forgotten with it: the caller knows that nobody has yet
    /// to read them. Their ids are forgotten, too; their positions are not given again. An engine that keeps its log
    /// within bounds by itself just commits.
    async fn forget(&self, commit: Commit, _upto: u64) -> Result<Committed, BusError> {
        self.commit(commit).await
    }

    /// Bytes that the store holds, of everything; 0 for an engine that keeps within bounds by itself.
    async fn used_bytes(&self) -> Result<u64, BusError> {
        Ok(0)
    }

    /// Up to `max` records of all kinds behind position `after`, in order of position.
    async fn read(&self, after: u64, max: usize) -> Result<Vec<Entry>, BusError>;

    /// The records at these positions, in the order asked for. A position that holds none is left out.
    async fn read_at(&self, positions: &[u64]) -> Result<Vec<Entry>, BusError>;

    /// The highest committed position; changes wake readers. 0 while the bus is empty.
    fn appended(&self) -> watch::Receiver<u64>;

    /// What the history is called that commits go on from: another one after the engine lost something. What was loaded before may then
    /// follow from commits that are gone, and is to be loaded again. `None` for an engine that loses nothing.
    fn history(&self) -> Option<watch::Receiver<Arc<str>>>;
}
