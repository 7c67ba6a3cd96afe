//! Writes the files anew from the store: as far as the store goes back, byte for byte.
//!
//! What the store has forgotten stays as it lies in the files; the rest is cut off and written again. A crash in between leaves
//! shorter files, which the next rebuild or start goes on with.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use orion_bus::{Reader, RecordKind, crash_point};
use serde::Serialize;

use super::begins::{Begins, MEMORY_OWNER};
use super::closed::{ClosedFile, begin_of, closed_files, pack_closed, sync_folder};
use super::head::Head;
use super::lines::Lines;
use super::{MemoryError, Projection, TrailError, file_name, line};

/// Records read at once.
const BATCH: usize = 1_024;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Up to here the store has forgotten, and the files were left as they were.
    pub kept_up_to: u64,
    /// Records written.
    pub written: u64,
    /// The last of them.
    pub position: u64,
}

/// Rebuilds. The caller owns the folder; `tell` learns of each position that is reached.
pub fn rebuild(
    memory_dir: &Path,
    store: &mut Reader,
    rotate_bytes: u64,
    mut tell: impl FnMut(u64),
) -> Result<Rebuilt, TrailError> {
    let begins = Begins::of(&store.load(MEMORY_OWNER)?)?;
    for kind in RecordKind::ALL {
        cut_after(memory_dir, kind, begins.store.heads.of(kind))?;
    }
    let last_seq = store.last_seq()?;
    let mut projection = Projection::open(memory_dir, last_seq, &begins, rotate_bytes)?;
    let mut written = 0;
    loop {
        let entries = store.read(projection.resume_after(), BATCH)?;
        if entries.is_empty() {
            break;
        }
        projection.project(&entries)?;
        written += entries.len() as u64;
        tell(projection.resume_after());
    }
    pack_closed(memory_dir)?;
    Ok(Rebuilt { kept_up_to: begins.store.position, written, position: projection.resume_after() })
}

/// Takes everything behind a line away from the files of a kind. Files that do not have that line, as it was, are left alone:
/// nobody could tell what of them is true.
pub fn cut_after(memory_dir: &Path, kind: RecordKind, head: Head) -> Result<(), MemoryError> {
    let current = memory_dir.join(file_name(kind));
    let closed = closed_files(memory_dir, kind)?;
    let gap = || MemoryError::Gap { path: current.clone(), position: head.last_seq() };
    let current_begins = begin_of(&current)?;
    if current_begins.is_some_and(|seq| seq <= head.last_seq()) {
        let keeps = bytes_up_to(Lines::of_current(open(&current)?, &current), head)?;
        return truncate(&current, keeps.ok_or_else(gap)?);
    }
    let (before, behind): (Vec<_>, Vec<_>) = closed.into_iter().partition(|file| file.first_seq <= head.last_seq());
    let Some(last) = before.last() else {
        return remove_all(&current, &behind);
    };
    let bytes = bytes_up_to(Lines::of_closed(last)?, head)?.ok_or_else(gap)?;
    remove_all(&current, &behind)?;
    open_again(memory_dir, &current, last, bytes)
}

fn open(path: &Path) -> Result<File, MemoryError> {
    File::open(path).map_err(MemoryError::io("open", path))
}

/// How many bytes of a file its lines take up to that one; none when it does not come, or something else does.
fn bytes_up_to(mut lines: Lines, head: Head) -> Result<Option<u64>, MemoryError> {
    let mut bytes = 0;
    loop {
        match lines.advance() {
            Ok(true) => {}
            Ok(false) | Err(MemoryError::Broken { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        bytes += lines.text().len() as u64 + 1;
        let Some(sealed) = line::read(lines.text()) else { return Ok(None) };
        if sealed.seq >= head.last_seq() {
            return Ok((sealed.seq == head.last_seq() && sealed.hash == head.hash).then_some(bytes));
        }
    }
}

fn truncate(path: &Path, bytes: u64) -> Result<(), MemoryError> {
    let cut = File::options().write(true).open(path).and_then(|file| {
        file.set_len(bytes)?;
        file.sync_all()
    });
    cut.map_err(MemoryError::io("cut", path))
}

/// From the newest to the oldest: whatever a crash leaves is the beginning of a trail.
fn remove_all(current: &Path, closed: &[ClosedFile]) -> Result<(), MemoryError> {
    if current.exists() {
        fs::remove_file(current).map_err(MemoryError::io("remove", current))?;
    }
    closed.iter().rev().try_for_each(ClosedFile::remove)
}

/// What is kept of a closed file is written on: it was closed for what came after it.
fn open_again(memory_dir: &Path, current: &Path, closed: &ClosedFile, bytes: u64) -> Result<(), MemoryError> {
    let partial = current.with_extension("jsonl.partial");
    let mut lines = Lines::of_closed(closed)?;
    let mut written = 0;
    let file = File::create(&partial).map_err(MemoryError::io("create", &partial))?;
    let mut to = BufWriter::new(file);
    while written < bytes && lines.advance()? {
        let text = lines.text();
        to.write_all(text).and_then(|()| to.write_all(b"\n")).map_err(MemoryError::io("write", &partial))?;
        written += text.len() as u64 + 1;
    }
    let synced = to.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    synced.map_err(MemoryError::io("write", &partial))?;
    fs::rename(&partial, current).map_err(MemoryError::io("name", current))?;
    sync_folder(memory_dir)?;
    crash_point!("memory::opened_again");
    closed.remove()
}
