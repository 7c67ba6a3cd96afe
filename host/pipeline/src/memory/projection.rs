//! Writing the bus down: three files that grow together, and how far they have come.

use std::path::{Path, PathBuf};

use orion_bus::{Entry, RecordKind, crash_point};

use super::MemoryError;
use super::begins::Begins;
use super::closed::{self, sync_folder};
use super::head::Heads;
use super::progress::Progress;
use super::record_file::RecordFile;

/// A file is closed by the first record that comes when it has grown to this: large enough that a year of a busy host is some
/// hundred files, small enough to be looked at with ordinary tools.
pub const DEFAULT_ROTATE_BYTES: u64 = 64 * 1024 * 1024;

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
    /// folder: it holds the bus open. `bus_last_seq` is the highest position on that bus, `begins` says what it has forgotten.
    pub fn open(memory_dir: &Path, bus_last_seq: u64, begins: &Begins, rotate_bytes: u64) -> Result<Self, MemoryError> {
        closed::tidy(memory_dir)?;
        let forgotten = begins.store.position;
        let open = |kind| RecordFile::open(memory_dir, kind, begins.store.heads.of(kind), rotate_bytes);
        let files = [open(RecordKind::Event)?, open(RecordKind::Incident)?, open(RecordKind::Decision)?];
        sync_folder(memory_dir)?;
        for (file, kind) in files.iter().zip(RecordKind::ALL) {
            let (path, last_seq) = (file.path().to_owned(), file.head().last_seq());
            let position = begins.store.heads.of(kind).last_seq();
            if last_seq > bus_last_seq {
                return Err(MemoryError::Ahead { path, last_seq, bus_last_seq });
            }
            if last_seq < position {
                return Err(MemoryError::Gap { path, position });
            }
        }
        let progress = Progress::open(memory_dir)?;
        let resume_after = progress.resume_after(last_seqs(&files)).max(forgotten);
        Ok(Self { resume_after, progress, files })
    }

    /// What opening had to cut off.
    pub fn repairs(&self) -> Vec<Repair> {
        self.files.iter().filter_map(RecordFile::repair).collect()
    }

    /// The position behind which to read the bus: up to here all files hold everything.
    pub fn resume_after(&self) -> u64 {
        self.resume_after
    }

    /// The ends of the chains.
    pub fn heads(&self) -> Heads {
        let mut heads = Heads::NONE;
        for (file, kind) in self.files.iter().zip(RecordKind::ALL) {
            heads.set(kind, file.head());
        }
        heads
    }

    /// How many files were closed since it was opened.
    pub fn closed(&self) -> u64 {
        self.files.iter().map(RecordFile::closed).sum()
    }

    /// Appends what the files do not hold yet, and returns when it survives power loss. Entries come in the order of the
    /// bus, from [`Projection::resume_after`] on, without a gap. After an error the same entries can be given again.
    pub fn project(&mut self, entries: &[Entry]) -> Result<(), MemoryError> {
        let Some(last) = entries.last() else { return Ok(()) };
        crash_point!("memory::before_append");
        for file in &mut self.files {
            file.append(entries)?;
        }
        crash_point!("memory::after_append");
        self.resume_after = self.resume_after.max(last.seq);
        self.progress.record(self.resume_after, last_seqs(&self.files))
    }
}

fn last_seqs(files: &[RecordFile; 3]) -> [u64; 3] {
    files.each_ref().map(|file| file.head().last_seq())
}
