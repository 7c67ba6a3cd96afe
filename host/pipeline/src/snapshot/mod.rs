//! Snapshots: one folder with everything that a deployment remembers, taken while it runs, checked, and put back as a whole.
//!
//! A snapshot holds the database as of one moment, the plugin files that it names, the checkpoints, and of the audit trail
//! what the database has forgotten; the rest of the trail is written anew from the database. `snapshot.json` names every file
//! with its hash. A folder gets its name when it is complete, and changes places with another in one step: whatever is cut
//! short leaves what was there before.

mod create;
mod restore;

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use orion_bus::{BusError, Reader, SqliteBus};
use orion_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::{Begins, Chain, Heads, MEMORY_OWNER, MemoryError};

pub use create::create;
pub use restore::{Restored, restore};

/// The file that names all others.
const MANIFEST_FILE: &str = "snapshot.json";

const SCHEMA: &str = "orion.snapshot/1";

/// Most that is read of the manifest: room for a hundred thousand files.
const MAX_MANIFEST_BYTES: u64 = 32 * 1024 * 1024;

/// Records read at once.
const BATCH: usize = 1_024;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the file is.
    pub schema: String,
    /// When it was taken.
    pub at: Timestamp,
    /// The highest position on the bus.
    pub position: u64,
    /// The chains that its records make.
    pub chains: Heads,
    /// Every other file of the folder.
    pub files: Vec<SnapshotFile>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Its path in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// blake3 of its bytes.
    pub hash: String,
}

/// Why there is no snapshot, or why it was not put back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The audit trail.
    #[error(transparent)]
    Memory(#[from] MemoryError),
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
    /// Something has the name already.
    #[error("{path} is there already: choose another name")]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// The folder is none that Orion wrote, or not as it was written.
    #[error("{path} is no snapshot as Orion wrote it: {what}")]
    NotWhole {
        /// The snapshot.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Something that the snapshot needs went while it was taken.
    #[error("{what} went while the snapshot was taken: take it again")]
    Moved {
        /// What.
        what: String,
    },
    /// There is something in the place that the snapshot is to have.
    #[error("{path} is not empty: restore into another data folder, or say --replace and what is there is put aside")]
    NotEmpty {
        /// The memory folder.
        path: PathBuf,
    },
    /// The file system cannot do it in one step.
    #[error(
        "the file system of {path} cannot exchange two folders in one step: stop Orion, move {path} away, and restore again"
    )]
    NoExchange {
        /// The memory folder.
        path: PathBuf,
    },
}

impl SnapshotError {
    fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl Manifest {
    /// Reads the manifest of a snapshot.
    pub fn read(snapshot: &Path) -> Result<Self, SnapshotError> {
        let not_whole = |what: String| SnapshotError::NotWhole { path: snapshot.to_owned(), what };
        let path = snapshot.join(MANIFEST_FILE);
        let file = File::open(&path).map_err(|error| not_whole(format!("{MANIFEST_FILE} cannot be read: {error}")))?;
        let mut text = String::new();
        let read = file.take(MAX_MANIFEST_BYTES).read_to_string(&mut text);
        read.map_err(|error| not_whole(format!("{MANIFEST_FILE} cannot be read: {error}")))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| not_whole(format!("{MANIFEST_FILE} is damaged: {error}")))?;
        if manifest.schema != SCHEMA {
            return Err(not_whole(format!("it has the format `{}`, and this Orion reads {SCHEMA}", manifest.schema)));
        }
        // Each name becomes a path below the data folder.
        let is_below = |name: &str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        match manifest.files.iter().find(|file| !is_below(&file.name)) {
            Some(odd) => Err(not_whole(format!("it names the file `{}`, which lies elsewhere", odd.name))),
            None => Ok(manifest),
        }
    }

    /// How large all of it is.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The highest position of a folder's database, and the chains that its records make.
fn chains_of(memory_dir: &Path, path: &Path) -> Result<(u64, Heads), SnapshotError> {
    let mut store: Reader = SqliteBus::open_read_only(memory_dir)?;
    let begins = Begins::of(&store.load(MEMORY_OWNER)?)?;
    let mut chain = Chain::from(begins.store.heads);
    let mut position = begins.store.position;
    loop {
        let entries = store.read(position, BATCH)?;
        let Some(last) = entries.last() else { break };
        if let Some(odd) = entries.iter().find(|entry| !chain.push(entry)) {
            let what = format!("the record at position {} of its database is none", odd.seq);
            return Err(SnapshotError::NotWhole { path: path.to_owned(), what });
        }
        position = last.seq;
    }
    Ok((position, chain.heads()))
}

/// Copies a file, and syncs it.
fn copy(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let mut source = File::open(from).map_err(SnapshotError::io("read", from))?;
    let copied = File::create(to).and_then(|mut file| {
        io::copy(&mut source, &mut file)?;
        file.sync_all()
    });
    copied.map_err(SnapshotError::io("write", to))
}

fn create_dir(path: &Path) -> Result<(), SnapshotError> {
    // What Orion remembers names hosts and people; it is for its owner alone.
    DirBuilder::new().mode(0o700).create(path).map_err(SnapshotError::io("create", path))
}

fn sync_dir(path: &Path) -> Result<(), SnapshotError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(SnapshotError::io("sync", path))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Size and hash of a file.
fn measure(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((bytes, format!("b3:{}", hasher.finalize().to_hex())))
}
