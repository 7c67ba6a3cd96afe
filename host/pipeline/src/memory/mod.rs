//! Memory: the audit trail that people read. Everything on the bus, as three files of one JSON object a line.
//!
//! The bus is the truth and these files are its projection: they can be deleted and come back, byte for byte, as far as the bus
//! goes back. Each line holds the hash of the line before it and of itself, over all files of a kind, so that an edit, a
//! deletion or a reordering shows; see [`audit()`]. How far a file has come is told by its own last line, so a crash at any
//! moment neither loses a record nor doubles one.

mod audit;
mod begins;
mod checkpoint;
mod closed;
mod day;
mod head;
mod line;
mod lines;
mod progress;
mod projection;
mod rebuild;
mod record_file;
pub mod retention;
#[cfg(test)]
mod scene;
mod still;
#[cfg(test)]
mod tests;
mod verify;
mod vouched;

use std::io;
use std::path::{Path, PathBuf};

use orion_bus::{BusError, RecordKind};

pub use self::audit::{Audit, Finding, KindAudit, audit};
pub use self::begins::{Begins, MEMORY_OWNER};
pub use self::checkpoint::{CHECKPOINTS_FILE, Checkpoint, Checkpoints};
pub use self::closed::{CLOSED_DIR, pack_closed, trail_files};
pub use self::head::{Chain, Head, Heads};
pub use self::line::seq_of as position_of;
pub use self::lines::TrailLines;
pub use self::projection::{DEFAULT_ROTATE_BYTES, Projection, Repair};
pub use self::rebuild::{Rebuilt, cut_after, rebuild};
pub use self::verify::{Verified, verify};
pub use self::vouched::SignedBy;

/// The file that records of a kind go to.
pub const fn file_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Event => "events.jsonl",
        RecordKind::Incident => "incidents.jsonl",
        RecordKind::Decision => "decisions.jsonl",
    }
}

/// Why the audit trail could not be written or believed.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The disk is full. Nothing of the batch stays in that file; the batch can be repeated when there is space again.
    #[error("no space left to write {path}: free some, and Orion goes on by itself")]
    StoreFull {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file's end is not something Orion wrote and a crash tore, so nothing can be added behind it.
    #[error("{path} does not end in a line that Orion wrote: move it away, and Orion writes it anew from {DATABASE}")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The files come from another database than the one they lie beside.
    #[error(
        "{path} goes up to position {last_seq} and {DATABASE} only to {bus_last_seq}: the database was replaced by an \
         older or new one. Bring the right one back, or have the files follow this one with `orion audit rebuild`"
    )]
    Ahead {
        /// The file.
        path: PathBuf,
        /// Its last position.
        last_seq: u64,
        /// The last position on the bus.
        bus_last_seq: u64,
    },
    /// The files lack what the bus has forgotten.
    #[error(
        "{path} does not have the record at position {position} as {DATABASE} remembers it, and {DATABASE} has forgotten what \
         comes before: the files were changed, or are those of another database. Bring the right ones back, or move the \
         .jsonl files and the folder archive away, and Orion begins anew behind that position"
    )]
    Gap {
        /// The file.
        path: PathBuf,
        /// The last position of its kind that the bus has forgotten.
        position: u64,
    },
    /// The file that is written on holds what closed files hold.
    #[error(
        "{path} does not begin behind {closed}, which was closed before: one of the two is a copy from another time. Move that \
         one away, and Orion goes on from the other"
    )]
    Overlap {
        /// The file.
        path: PathBuf,
        /// The newest closed one.
        closed: PathBuf,
    },
    /// A closed file has the name that the next one needs.
    #[error("{path} is there already, and another file is to be closed under this name: move it away")]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// What Memory wrote down about the beginning of the trail cannot be read.
    #[error("{DATABASE} does not say where the audit trail begins ({why}): it was changed by another program")]
    Begins {
        /// What is wrong.
        why: String,
    },
    /// The file was deleted or replaced while Orion had it open.
    #[error("{path} was deleted or replaced while Orion was writing it: open the projection again to write it anew")]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// A record cannot become a line.
    #[error("record {seq} on the bus is not a JSON object on one line: the database was changed by another program")]
    Malformed {
        /// Its position.
        seq: u64,
    },
    /// A line does not follow from the one before it.
    #[error("{path}, line {line}: {what}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The first line that is wrong, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Why work on files and store together failed.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// For the files.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// For the store.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error("the step panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

const DATABASE: &str = orion_bus::DATABASE_FILE;

impl MemoryError {
    fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StoreFull { path: path.to_owned() },
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }
}
