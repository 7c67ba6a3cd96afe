//! Closed files of the audit trail: in a folder of their own, packed, never written on.
//!
//! A file is closed by its name: it is renamed into the folder, whole and synced. Packing it comes later and takes its time;
//! the packed one is complete before it gets its name, and the other one goes after that. So at any moment there is one of
//! them or both, and both hold the same.
//!
//! Packed with gzip: every machine has `zcat`, Orion can read it already, and lines that are mostly alike become a tenth.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use orion_bus::{RecordKind, crash_point};

use super::day::Day;
use super::lines::first_line;
use super::{MemoryError, file_name, line};

/// Where closed files lie, in the memory folder.
pub const CLOSED_DIR: &str = "archive";

/// What names of files end with: plain, packed, and being packed.
const PLAIN: &str = ".jsonl";
const PACKED: &str = ".jsonl.gz";
const PARTIAL: &str = ".jsonl.gz.partial";

/// Digits of a position in a name, so that names sort as their files follow: enough for 50,000 records a second over six
/// thousand years.
const POSITION_DIGITS: usize = 16;

/// A closed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClosedFile {
    /// Position of its first record.
    pub(super) first_seq: u64,
    /// The day of its first record; no record of it is of a later one.
    pub(super) day: Day,
    /// The file, as it was found.
    pub(super) path: PathBuf,
}

impl ClosedFile {
    /// Opens it, also when a host has packed it since it was found.
    pub(super) fn open(&self) -> Result<(File, PathBuf), MemoryError> {
        let packed = self.path.with_extension("jsonl.gz");
        for path in [&self.path, &packed] {
            match File::open(path) {
                Ok(file) => return Ok((file, path.clone())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(MemoryError::io("open", path)(error)),
            }
        }
        Err(MemoryError::io("open", &self.path)(io::ErrorKind::NotFound.into()))
    }

    /// Its size on the disk; 0 when it is gone.
    pub(super) fn bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    pub(super) fn remove(&self) -> Result<(), MemoryError> {
        fs::remove_file(&self.path).map_err(MemoryError::io("remove", &self.path))
    }
}

/// The folder.
pub(super) fn closed_dir(memory_dir: &Path) -> PathBuf {
    memory_dir.join(CLOSED_DIR)
}

/// What a closed file of a kind is called: `events-0000000000000001-2026-11-28.jsonl`.
pub(super) fn closed_path(memory_dir: &Path, kind: RecordKind, first_seq: u64, day: Day) -> PathBuf {
    let name = format!("{}-{first_seq:0POSITION_DIGITS$}-{day}{PLAIN}", stem(kind));
    closed_dir(memory_dir).join(name)
}

fn stem(kind: RecordKind) -> &'static str {
    file_name(kind).trim_end_matches(PLAIN)
}

/// All closed files of a kind, oldest first. Files with other names are none of Orion's business.
pub(super) fn closed_files(memory_dir: &Path, kind: RecordKind) -> Result<Vec<ClosedFile>, MemoryError> {
    let mut files: Vec<ClosedFile> = Vec::new();
    for name in names(memory_dir)? {
        let Some((first_seq, day)) = parse(&name, kind) else { continue };
        files.push(ClosedFile { first_seq, day, path: closed_dir(memory_dir).join(&name) });
    }
    // Of two forms of one file the packed one counts; it sorts behind the other.
    files.sort_by(|a, b| (a.first_seq, &b.path).cmp(&(b.first_seq, &a.path)));
    files.dedup_by(|plain, packed| (plain.first_seq, plain.day) == (packed.first_seq, packed.day));
    Ok(files)
}

/// The files of a kind that hold records up to a position, by their names in the folder.
pub fn trail_files(memory_dir: &Path, kind: RecordKind, position: u64) -> Result<Vec<PathBuf>, MemoryError> {
    let current = PathBuf::from(file_name(kind));
    let begins = begin_of(&memory_dir.join(&current))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for closed in closed_files(memory_dir, kind)? {
        let name = closed.path.file_name().map(|name| Path::new(CLOSED_DIR).join(name));
        files.extend(name.filter(|_| closed.first_seq <= position));
    }
    if begins.is_some_and(|begins| begins <= position) {
        files.push(current);
    }
    Ok(files)
}

/// Position of the first record of a file that is written on; none when there is no file, or no line in it.
pub(super) fn begin_of(current: &Path) -> Result<Option<u64>, MemoryError> {
    let file = match File::open(current) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(MemoryError::io("open", current)(error)),
    };
    let line = first_line(&file).map_err(MemoryError::io("read", current))?;
    Ok(line.as_deref().and_then(line::seq_of))
}

fn parse(name: &str, kind: RecordKind) -> Option<(u64, Day)> {
    let name = name.strip_suffix(PACKED).or_else(|| name.strip_suffix(PLAIN))?;
    let (position, day) = name.strip_prefix(stem(kind))?.strip_prefix('-')?.split_once('-')?;
    (position.len() >= POSITION_DIGITS).then_some((position.parse().ok()?, day.parse().ok()?))
}

fn names(memory_dir: &Path) -> Result<Vec<String>, MemoryError> {
    let dir = closed_dir(memory_dir);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(MemoryError::io("read", &dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(MemoryError::io("read", &dir))?.file_name();
        names.extend(name.into_string());
    }
    Ok(names)
}

/// Makes the folder when it is missing.
pub(super) fn create_closed_dir(memory_dir: &Path) -> Result<(), MemoryError> {
    let dir = closed_dir(memory_dir);
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(&dir).map_err(MemoryError::io("create", &dir))?;
    sync_folder(memory_dir)
}

/// A new name is not on the disk before its folder is.
pub(super) fn sync_folder(dir: &Path) -> Result<(), MemoryError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(MemoryError::io("sync", dir))
}

/// Takes away what a crash left of packing: what was not finished, and what was packed and still lies there.
pub(super) fn tidy(memory_dir: &Path) -> Result<(), MemoryError> {
    let names = names(memory_dir)?;
    for name in &names {
        let is_packed_too = || name.strip_suffix(PLAIN).is_some_and(|base| names.contains(&format!("{base}{PACKED}")));
        if name.ends_with(PARTIAL) || is_packed_too() {
            let path = closed_dir(memory_dir).join(name);
            fs::remove_file(&path).map_err(MemoryError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Packs every closed file that is not packed yet. Nobody else may pack or delete there meanwhile.
pub fn pack_closed(memory_dir: &Path) -> Result<(), MemoryError> {
    tidy(memory_dir)?;
    for kind in RecordKind::ALL {
        for file in closed_files(memory_dir, kind)? {
            if !file.path.to_string_lossy().ends_with(PACKED) {
                pack(memory_dir, &file.path)?;
            }
        }
    }
    Ok(())
}

fn pack(memory_dir: &Path, plain: &Path) -> Result<(), MemoryError> {
    let (partial, packed) = (plain.with_extension("jsonl.gz.partial"), plain.with_extension("jsonl.gz"));
    let written = (|| {
        let mut from = BufReader::new(File::open(plain)?);
        let mut to = GzEncoder::new(File::create(&partial)?, Compression::default());
        io::copy(&mut from, &mut to)?;
        to.finish()?.sync_all()
    })();
    if let Err(error) = written {
        // Give a full disk its bytes back at once; should that fail too, the next start does it.
        let _ = fs::remove_file(&partial);
        return Err(MemoryError::io("pack", plain)(error));
    }
    crash_point!("memory::before_packed");
    fs::rename(&partial, &packed).map_err(MemoryError::io("name", &packed))?;
    sync_folder(&closed_dir(memory_dir))?;
    crash_point!("memory::after_packed");
    fs::remove_file(plain).map_err(MemoryError::io("remove", plain))
}
