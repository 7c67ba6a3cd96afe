//! Files that grow: their lines as events, each once.
//!
//! Every entry of `logs:` is a loop `look → read → commit`. The positions that a step has read up to are committed together with the
//! events that it made, so a crash at any moment leaves the step either done or not begun, and an event that is committed again is
//! recognised by its id: it follows from the file and from where in it the line begins.
//!
//! Files are read and nothing else. Which folders that may be is settled before the start; no link leads out of them, and the
//! kernel lets the process open none elsewhere.

mod cutter;
mod event;
mod fields;
mod followed;
mod limiter;
mod look;
mod position;
mod run;
mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::Bus;
use orion_model::Clock;
use orion_rules::{LogEntry, LogSource};
use tokio::sync::Semaphore;

pub(crate) use self::look::folder_of;
pub(crate) use self::run::{EndLogError, end_stored_log, run_log};
pub(crate) use self::stream::{SOURCE as LOKI, run_stream};
use crate::meters::Meters;

/// What owners of entries are called: `logs/FILE/logs/ID`. Files are of the host that has them, and so are these owners.
pub const LOG_OWNERS: &str = "logs/";

/// What owners of entries are called whose lines Loki has: `streams/FILE/ID`. Of hosts that share a deployment one reads them.
pub const STREAM_OWNERS: &str = "streams/";

/// What events from files have as their source.
pub const SOURCE: &str = "files";

/// Files that are open at the same time for all entries together. A process may commonly open 1,024 of everything.
pub const MAX_OPEN_FILES: usize = 512;

/// What the entries work with.
pub(crate) struct LogContext {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) meters: Arc<Meters>,
    /// Folders of logs.
    pub(crate) dirs: Vec<PathBuf>,
    /// What this host is called among others; empty when it is alone.
    pub(crate) node: String,
    /// One permit for each file that may be open.
    pub(crate) open: Arc<Semaphore>,
}

/// An entry of one generation.
#[derive(Clone)]
pub struct LogPlan {
    /// The entry as the rule file has it.
    pub entry: Arc<LogEntry>,
    /// The generation this plan belongs to.
    pub generation: u64,
}

/// What a running entry is told.
#[derive(Clone)]
pub(crate) enum LogCommand {
    /// To go on by this plan.
    Follow(LogPlan),
    /// That it is in no rule file any more.
    Forget,
}

/// The state owner of an entry.
pub(crate) fn owner_of(id: &str) -> String {
    format!("{LOG_OWNERS}{id}")
}

/// The same of an entry whose lines Loki has.
pub(crate) fn stream_owner_of(id: &str) -> String {
    format!("{STREAM_OWNERS}{id}")
}

impl LogPlan {
    /// Whether its lines are in files of this host.
    pub(crate) fn is_of_files(&self) -> bool {
        matches!(self.entry.from, LogSource::Files { .. })
    }
}
