//! One file of the audit trail: finds its own end after a crash, and adds to it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use blake3::Hash;
use orion_bus::{Entry, MAX_PIECE_BYTES, RecordKind};

use super::line::{self, Sealed};
use super::{MemoryError, Repair, file_name};

/// Bytes that are written and synced at once: as many as the records that are read at once usually have, so that these share a
/// sync, and a crash tears no more than this and a line.
const MAX_CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// The longest line: the longest body the bus takes, and what a line adds to it.
pub(super) const MAX_LINE_BYTES: usize = MAX_PIECE_BYTES + line::FRAME_BYTES;

/// How far from the end the last whole line is looked for. A crash cannot tear more; beyond it something else happened to
/// the file, and cutting would destroy what a person should see.
const MAX_TORN_BYTES: u64 = (MAX_CHUNK_BYTES + 2 * MAX_LINE_BYTES) as u64;

/// How much of the end is looked at first; most lines are shorter by far.
const FIRST_LOOK_BYTES: u64 = 64 * 1024;

/// A file that records of one kind are appended to.
pub(super) struct RecordFile {
    kind: RecordKind,
    path: PathBuf,
    file: File,
    /// Everything before this is whole lines and synced.
    end: u64,
    last_seq: u64,
    last_hash: Hash,
    /// There may be bytes behind `end`: of a torn line, or of an append that failed.
    untidy: bool,
    cut_bytes: u64,
}

impl RecordFile {
    /// Opens or creates the file and cuts what a crash tore.
    pub(super) fn open(memory_dir: &Path, kind: RecordKind) -> Result<Self, MemoryError> {
        let path = memory_dir.join(file_name(kind));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(MemoryError::io("open", &path))?;
        let length = file.metadata().map_err(MemoryError::io("read", &path))?.len();
        let (end, last) = find_end(&file, length, &path)?;
        let (last_seq, last_hash) = last.map_or((0, line::NO_LINE), |last| (last.seq, last.hash));
        let untidy = end < length;
        let mut this = Self { kind, path, file, end, last_seq, last_hash, untidy, cut_bytes: length - end };
        this.tidy()?;
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Position of the last record in the file; 0 while it is empty.
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn repair(&self) -> Option<Repair> {
        (self.cut_bytes > 0).then(|| Repair { path: self.path.clone(), cut_bytes: self.cut_bytes })
    }

    /// Appends the entries of this file's kind that it does not hold yet, and syncs.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), MemoryError> {
        let (mut seq, mut hash) = (self.last_seq, self.last_hash);
        let mut chunk = Vec::new();
        for entry in entries {
            if entry.kind != self.kind || entry.seq <= seq {
                continue;
            }
            hash = line::write(&mut chunk, entry, hash).ok_or(MemoryError::Malformed { seq: entry.seq })?;
            seq = entry.seq;
            if chunk.len() >= MAX_CHUNK_BYTES {
                self.write(&chunk, seq, hash)?;
                chunk.clear();
            }
        }
        if chunk.is_empty() { Ok(()) } else { self.write(&chunk, seq, hash) }
    }

    fn write(&mut self, chunk: &[u8], last_seq: u64, last_hash: Hash) -> Result<(), MemoryError> {
        self.still_there()?;
        self.tidy()?;
        self.untidy = true;
        let written = self.file.write_all_at(chunk, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Give a full disk its bytes back at once. Should that fail too, the next append tries again.
            let _ = self.tidy();
            return Err(MemoryError::io("write", &self.path)(error));
        }
        self.untidy = false;
        self.end += chunk.len() as u64;
        (self.last_seq, self.last_hash) = (last_seq, last_hash);
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), MemoryError> {
        if self.untidy {
            self.file.set_len(self.end).map_err(MemoryError::io("cut the torn end of", &self.path))?;
            self.untidy = false;
        }
        Ok(())
    }

    /// Lines written to a file that has no name any more would be lost without a word.
    fn still_there(&self) -> Result<(), MemoryError> {
        let ours = self.file.metadata().map_err(MemoryError::io("read", &self.path))?;
        match std::fs::metadata(&self.path) {
            Ok(named) if named.ino() == ours.ino() && named.dev() == ours.dev() => Ok(()),
            _ => Err(MemoryError::Replaced { path: self.path.clone() }),
        }
    }
}

/// Where the last whole line ends, and what it says.
fn find_end(file: &File, length: u64, path: &Path) -> Result<(u64, Option<Sealed>), MemoryError> {
    let mut look_bytes = FIRST_LOOK_BYTES;
    loop {
        let start = length.saturating_sub(look_bytes);
        let mut tail = vec![0; usize::try_from(length - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut tail, start).map_err(MemoryError::io("read", path))?;
        if let Some((end, last)) = last_whole_line(&tail, start == 0) {
            return Ok((start + end as u64, Some(last)));
        }
        if start == 0 && line::could_begin(&tail) && length <= MAX_TORN_BYTES {
            return Ok((0, None));
        }
        if start == 0 || look_bytes >= MAX_TORN_BYTES {
            return Err(MemoryError::Damaged { path: path.to_owned() });
        }
        look_bytes = (look_bytes * 8).min(MAX_TORN_BYTES);
    }
}

/// The end of the last line in `tail` that is whole and whose hash is right. Only from the file's start on is it known
/// that the first bytes begin a line.
fn last_whole_line(tail: &[u8], from_start: bool) -> Option<(usize, Sealed)> {
    let mut rest = tail;
    loop {
        let line_break = rest.iter().rposition(|byte| *byte == b'\n')?;
        let before = rest.get(..line_break)?;
        let begin = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(previous) => previous + 1,
            None if from_start => 0,
            None => return None,
        };
        if let Some(sealed) = line::read(before.get(begin..)?) {
            return Some((line_break + 1, sealed));
        }
        rest = before;
    }
}

/// A new file's name is not on the disk before its folder is.
pub(super) fn sync_folder(memory_dir: &Path) -> Result<(), MemoryError> {
    File::open(memory_dir).and_then(|folder| folder.sync_all()).map_err(MemoryError::io("sync", memory_dir))
}
