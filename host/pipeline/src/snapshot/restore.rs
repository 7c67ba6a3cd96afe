//! Putting a snapshot back: everything is checked and lies beside its place before it takes it, in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use orion_bus::{FolderLock, check_whole, crash_point};
use orion_model::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Manifest, SnapshotError, chains_of, copy, create_dir, measure, parent_of, sync_dir};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What was put back.
    pub manifest: Manifest,
    /// Where that lies which was there before; none when there was nothing.
    pub put_aside: Option<PathBuf>,
}

/// Puts a snapshot in the place of a memory folder that is not there or is empty; with `replace` of one that no host owns,
/// which is put aside.
pub fn restore(snapshot: &Path, memory_dir: &Path, replace: bool, now: Timestamp) -> Result<Restored, SnapshotError> {
    let manifest = Manifest::read(snapshot)?;
    let is_free = is_free(memory_dir)?;
    if !is_free && !replace {
        return Err(SnapshotError::NotEmpty { path: memory_dir.to_owned() });
    }
    // Held until the end: no host starts on what is about to be put aside.
    let _lock = if is_free { None } else { Some(FolderLock::take(memory_dir)?) };
    let beside = beside(memory_dir, now);
    if beside.symlink_metadata().is_ok() {
        return Err(SnapshotError::Exists { path: beside });
    }
    let data_dir = parent_of(memory_dir);
    fs::create_dir_all(data_dir).map_err(SnapshotError::io("create", data_dir))?;
    let prepared = prepare(snapshot, &manifest, &beside);
    if prepared.is_err() {
        // Only room is at stake: its name says what it is.
        let _ = fs::remove_dir_all(&beside);
    }
    prepared?;
    crash_point!("restore::before_swap");
    let swapped = swap(&beside, memory_dir, is_free);
    if swapped.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    swapped?;
    crash_point!("restore::after_swap");
    sync_dir(data_dir)?;
    Ok(Restored { manifest, put_aside: (!is_free).then_some(beside) })
}

/// Whether there is nothing in the place.
fn is_free(memory_dir: &Path) -> Result<bool, SnapshotError> {
    match fs::read_dir(memory_dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(SnapshotError::io("read", memory_dir)(error)),
    }
}

/// What is put back lies here before it has its place, and what was there lies here after.
fn beside(memory_dir: &Path, now: Timestamp) -> PathBuf {
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
    let name = memory_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    memory_dir.with_file_name(format!("{name}.restore-{digits}"))
}

fn prepare(snapshot: &Path, manifest: &Manifest, beside: &Path) -> Result<(), SnapshotError> {
    let not_whole = |what: String| SnapshotError::NotWhole { path: snapshot.to_owned(), what };
    create_dir(beside)?;
    for file in &manifest.files {
        let (from, to) = (snapshot.join(&file.name), beside.join(&file.name));
        let folder = parent_of(&to);
        if !folder.exists() {
            create_dir(folder)?;
        }
        if !from.exists() {
            return Err(not_whole(format!("the file {} is missing", file.name)));
        }
        copy(&from, &to)?;
        // The copy is what counts.
        let (bytes, hash) = measure(&to).map_err(SnapshotError::io("read", &to))?;
        if (bytes, &hash) != (file.bytes, &file.hash) {
            return Err(not_whole(format!("the file {} was changed", file.name)));
        }
        sync_dir(folder)?;
    }
    check_whole(beside)?;
    if chains_of(beside, snapshot)? != (manifest.position, manifest.chains) {
        return Err(not_whole("its records make other chains than it says".to_owned()));
    }
    sync_dir(beside)
}

fn swap(beside: &Path, memory_dir: &Path, is_free: bool) -> Result<(), SnapshotError> {
    if is_free {
        // Takes the place of an empty folder, and fails where one is not empty any more.
        return fs::rename(beside, memory_dir)
            .map_err(SnapshotError::io("put the snapshot in the place of", memory_dir));
    }
    renameat_with(CWD, beside, CWD, memory_dir, RenameFlags::EXCHANGE).map_err(|errno| match errno {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => SnapshotError::NoExchange { path: memory_dir.to_owned() },
        other => SnapshotError::io("put the snapshot in the place of", memory_dir)(other.into()),
    })
}
