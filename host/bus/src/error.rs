//! What can go wrong on the bus, each with what to do about it.

use std::path::PathBuf;

/// Why the bus could not do what was asked. Cloneable, because everyone in a group of commits learns of its failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Someone else committed for this owner, or this owner committed and did not learn of it.
    #[error(
        "`{owner}` committed from offset {expected}, but the bus holds {found}: load the owner again and repeat the step",
        expected = shown(*expected), found = shown(*found)
    )]
    Conflict {
        /// The owner.
        owner: String,
        /// The offset the step started from.
        expected: Option<i64>,
        /// The offset the bus holds.
        found: Option<i64>,
    },
    /// The commit itself cannot be kept; nothing of it was.
    #[error("the commit of `{owner}` is refused: {what}")]
    Refused {
        /// The owner.
        owner: String,
        /// What is wrong with it.
        what: String,
    },
    /// The disk is full. Nothing of the commit was kept; it can be repeated when there is space again.
    #[error("no space left to write {path}: free some, and Orion goes on by itself")]
    StoreFull {
        /// The database.
        path: PathBuf,
    },
    /// Another program holds the database's write lock.
    #[error("{path} is locked by another program: close it (a `sqlite3` shell with an open transaction?)")]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// Another host owns the folder.
    #[error("{path} belongs to a running Orion{pid}: stop it, or give this one another data folder", pid = owned_by(*pid))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process that owns it.
        pid: Option<u32>,
    },
    /// The folder cannot be made or written.
    #[error(
        "{path} cannot be written ({detail}): Orion keeps its records there; make it a folder that the user Orion runs as may \
         write, on a file system that is not read-only, or give another data folder"
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// There is no database to read.
    #[error("{path} does not exist: is this the memory folder, and has Orion run with it?")]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged or no database at all.
    #[error(
        "{path} is damaged ({detail}): stop Orion, keep a copy of the folder, move the file away and restore it from a \
         backup, or start without it; the .jsonl files beside it can still be read"
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is the database of something else.
    #[error("{path} is a database of another program: give Orion a memory folder of its own")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The file was written by a newer Orion.
    #[error("{path} has schema {found} and this Orion knows up to {known}: run the newer Orion that wrote it")]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// Reading or writing failed for a reason outside the database.
    #[error("cannot {action} {path}: {detail}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// Redis does not answer, or cannot take anything. Nothing is known of the commit.
    #[error("{server} does not answer: {detail}. Orion goes on by itself when it does")]
    Away {
        /// Its address, without user and password.
        server: String,
        /// What happened.
        detail: String,
    },
    /// As much waits for Redis as may, so nothing more is taken; nothing of the commit was kept.
    #[error(
        "{kept} bytes wait for Redis at {server}, and {limit} may: bring Redis back, or raise --redis-outbox. Sources are asked for \
         what is missed when there is room again"
    )]
    OutboxFull {
        /// Its address, without user and password.
        server: String,
        /// Bytes that wait.
        kept: usize,
        /// Bytes that may.
        limit: usize,
    },
    /// As much waits to be forwarded as may, so nothing more is taken; nothing of the commit was kept.
    #[error(
        "{kept} bytes wait to be forwarded, and {limit} may: bring the control host or the way to it back, or raise --buffer. Sources are \
         asked for what is missed when there is room again"
    )]
    BufferFull {
        /// Bytes that wait.
        kept: u64,
        /// Bytes that may.
        limit: u64,
    },
    /// Another host has taken the work over; nothing of the commit was kept.
    #[error("`{owner}` is the work of another host now; what this one did is repeated there")]
    Fenced {
        /// The owner.
        owner: String,
    },
    /// The folder and the server belong to different deployments.
    #[error(
        "this data folder holds the records of one deployment, and {server} those of another: give this host an empty data \
         folder, or --redis-prefix of its own, or empty that Redis first if this folder is what counts"
    )]
    OtherDeployment {
        /// The server's address, without user and password.
        server: String,
    },
    /// The log at the server holds what Orion never wrote.
    #[error("the log at {server} cannot be read ({detail}): did another program write under Orion's keys?")]
    ForeignLog {
        /// Its address, without user and password.
        server: String,
        /// What was found.
        detail: String,
    },
    /// The bus is being shut down.
    #[error("the bus is closed")]
    Closed,
}

impl BusError {
    /// Whether the store could not be written for a reason that lies outside of the commit: whoever commits meets it, and it ends
    /// without anybody's doing anything about the commit.
    pub fn is_unwritable(&self) -> bool {
        matches!(self, Self::StoreFull { .. } | Self::Busy { .. } | Self::Io { action: WRITE, .. })
    }

    /// The same of where commits go from here: the Redis that hosts share, or what waits to be forwarded.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::OutboxFull { .. } | Self::BufferFull { .. })
    }
}

/// What is tried when a group of commits is written.
pub(crate) const WRITE: &str = "write";

fn shown(offset: Option<i64>) -> String {
    offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
}

fn owned_by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
