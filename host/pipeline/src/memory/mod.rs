//! Memory: the audit trail that people read. Everything on the bus, as three files of one JSON object a line.
//!
//! The bus is the truth and these files are its projection: they can be deleted and come back, byte for byte. Each line
//! holds the hash of the line before it and of itself, so that an edit, a deletion or a reordering shows; see [`verify()`].
//! How far a file has come is told by its own last line, so a crash at any moment neither loses a record nor doubles one.

mod line;
mod progress;
mod record_file;
#[cfg(test)]
mod tests;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

use orion_bus::{Entry, RecordKind, crash_point};

use self::progress::Progress;
use self::record_file::RecordFile;
pub use self::verify::{Chain, Verified, verify};

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
         older or new one. Bring the right one back, or move the .jsonl files away and Orion starts new ones"
    )]
    Ahead {
        /// The file.
        path: PathBuf,
        /// Its last position.
        last_seq: u64,
        /// The last position on the bus.
        bus_last_seq: u64,
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

const DATABASE: &str = orion_bus::DATABASE_FILE;

impl MemoryError {
    fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StoreFull { path: path.to_owned() },
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }
}

/// A torn end that a crash left behind and that was cut off; the bus still holds what was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The file.
    pub path: PathBuf,
    /// How many bytes were cut.
    pub cut_bytes: u64,
}

/// The three files, open for appending.
pub struct Projection {
    files: [RecordFile; 3],
    progress: Progress,
    resume_after: u64,
}

impl Projection {
    /// Opens the files of a memory folder, creating those that are missing and cutting torn ends. The caller owns the
    /// folder: it holds the bus open. `bus_last_seq` is the highest position on that bus.
    pub fn open(memory_dir: &Path, bus_last_seq: u64) -> Result<Self, MemoryError> {
        let open = |kind| RecordFile::open(memory_dir, kind);
        let files = [open(RecordKind::Event)?, open(RecordKind::Incident)?, open(RecordKind::Decision)?];
        record_file::sync_folder(memory_dir)?;
        if let Some(ahead) = files.iter().find(|file| file.last_seq() > bus_last_seq) {
            let (path, last_seq) = (ahead.path().to_owned(), ahead.last_seq());
            return Err(MemoryError::Ahead { path, last_seq, bus_last_seq });
        }
        let progress = Progress::open(memory_dir)?;
        let last_seqs = files.each_ref().map(RecordFile::last_seq);
        Ok(Self { resume_after: progress.resume_after(last_seqs), progress, files })
    }

    /// What opening had to cut off.
    pub fn repairs(&self) -> Vec<Repair> {
        self.files.iter().filter_map(RecordFile::repair).collect()
    }

    /// The position behind which to read the bus: up to here all files hold everything.
    pub fn resume_after(&self) -> u64 {
        self.resume_after
    }

    /// Appends what the files do not hold yet, and returns when it survives power loss. Entries come in the order of the
    /// bus, from [`Projection::resume_after`] on, without a gap. After an error the same entries can be given again.
    pub fn project(&mut self, entries: &[Entry]) -> Result<(), MemoryError> {
        let Some(last) = entries.last() else { return Ok(()) };
        crash_point!("memory::before_append");
        for file in &mut self.files {
            file.append(entries)?;
            crash_point!("memory::after_one_file");
        }
        crash_point!("memory::after_append");
        self.resume_after = self.resume_after.max(last.seq);
        self.progress.record(self.resume_after, self.files.each_ref().map(RecordFile::last_seq))
    }
}
