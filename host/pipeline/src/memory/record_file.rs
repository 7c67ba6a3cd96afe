//! The file of the audit trail that records of one kind are written to: finds its own end after a crash, adds to it, and is
//! closed when it is large or its day is over.
//!
//! When a file is closed follows from its records and from nothing else: the same records are cut into the same files whenever
//! they are written, also when they are written again.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use blake3::Hash;
use orion_bus::{Entry, MAX_PIECE_BYTES, RecordKind, crash_point};

use super::closed::{closed_dir, closed_files, closed_path, create_closed_dir, sync_folder};
use super::day::Day;
use super::head::Head;
use super::line::{self, Sealed};
use super::lines::{Lines, first_line};
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

/// The first record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begin {
    seq: u64,
    /// None when its line does not say; then the file is closed for its size alone.
    day: Option<Day>,
}

/// A file that records of one kind are appended to.
pub(super) struct RecordFile {
    kind: RecordKind,
    memory_dir: PathBuf,
    path: PathBuf,
    file: File,
    rotate_bytes: u64,
    /// Everything before this is whole lines and synced.
    end: u64,
    /// None while the file is empty.
    begin: Option<Begin>,
    head: Head,
    /// There may be bytes behind `end`: of a torn line, or of an append that failed.
    untidy: bool,
    cut_bytes: u64,
    closed: u64,
}

impl RecordFile {
    /// Opens or creates the file and cuts what a crash tore. An audit trail without a file goes on from `begins`.
    pub(super) fn open(
        memory_dir: &Path,
        kind: RecordKind,
        begins: Head,
        rotate_bytes: u64,
    ) -> Result<Self, MemoryError> {
        let path = memory_dir.join(file_name(kind));
        let file = open_or_create(&path)?;
        let length = file.metadata().map_err(MemoryError::io("read", &path))?.len();
        let (end, last) = find_end(&file, length, &path)?;
        let begin = match last {
            Some(_) => begin_of(&file, &path)?,
            None => None,
        };
        let head = match last {
            Some(last) => Head { last_seq: last.seq, hash: last.hash },
            None => end_of_closed(memory_dir, kind)?.unwrap_or(begins),
        };
        if let Some(begin) = begin {
            let is_in_it = head.last_seq >= begins.last_seq;
            leave_out_opened_again(memory_dir, &path, kind, begin.seq, is_in_it)?;
        }
        let (memory_dir, untidy, cut_bytes) = (memory_dir.to_owned(), end < length, length - end);
        let mut this =
            Self { kind, memory_dir, path, file, rotate_bytes, end, begin, head, untidy, cut_bytes, closed: 0 };
        this.tidy()?;
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the trail of this kind ends.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// How many files were closed since it was opened.
    pub(super) fn closed(&self) -> u64 {
        self.closed
    }

    pub(super) fn repair(&self) -> Option<Repair> {
        (self.cut_bytes > 0).then(|| Repair { path: self.path.clone(), cut_bytes: self.cut_bytes })
    }

    /// Appends the entries of this file's kind that it does not hold yet, and syncs.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), MemoryError> {
        let mut chunk = Chunk { text: Vec::with_capacity(self.room_for(entries)), begin: self.begin, head: self.head };
        for entry in entries {
            if entry.kind != self.kind || entry.seq <= chunk.head.last_seq {
                continue;
            }
            if self.is_over(&chunk, entry) {
                self.write(&mut chunk)?;
                self.close()?;
                chunk.begin = None;
            }
            chunk.push(entry)?;
            if chunk.text.len() >= MAX_CHUNK_BYTES {
                self.write(&mut chunk)?;
            }
        }
        self.write(&mut chunk)
    }

    /// Bytes that the lines of entries need, as far as they are written at once: text that grows while it is made is copied again and again.
    fn room_for(&self, entries: &[Entry]) -> usize {
        let own = entries.iter().filter(|entry| entry.kind == self.kind);
        let bytes: usize = own.map(|entry| entry.body.len() + line::FRAME_BYTES).sum();
        bytes.min(MAX_CHUNK_BYTES)
    }

    /// Whether the file, with what is about to be written to it, is to be closed before this record.
    fn is_over(&self, chunk: &Chunk, entry: &Entry) -> bool {
        let Some(begin) = chunk.begin else { return false };
        let is_large = self.end + chunk.text.len() as u64 >= self.rotate_bytes;
        is_large || begin.day.is_some_and(|day| Day::of(entry.ts) > day)
    }

    fn write(&mut self, chunk: &mut Chunk) -> Result<(), MemoryError> {
        if chunk.text.is_empty() {
            return Ok(());
        }
        self.still_there()?;
        self.tidy()?;
        self.untidy = true;
        let written = self.file.write_all_at(&chunk.text, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Give a full disk its bytes back at once. Should that fail too, the next append tries again.
            let _ = self.tidy();
            return Err(MemoryError::io("write", &self.path)(error));
        }
        self.untidy = false;
        self.end += chunk.text.len() as u64;
        (self.begin, self.head) = (chunk.begin, chunk.head);
        chunk.text.clear();
        Ok(())
    }

    /// Gives the file, whole and synced, its name among the closed ones and goes on with an empty one.
    fn close(&mut self) -> Result<(), MemoryError> {
        let Some(Begin { seq, day }) = self.begin else { return Ok(()) };
        self.still_there()?;
        create_closed_dir(&self.memory_dir)?;
        let closed = closed_path(&self.memory_dir, self.kind, seq, day.unwrap_or(Day::of(Default::default())));
        if closed.exists() || closed.with_extension("jsonl.gz").exists() {
            return Err(MemoryError::InTheWay { path: closed });
        }
        crash_point!("memory::before_close");
        fs::rename(&self.path, &closed).map_err(MemoryError::io("close", &self.path))?;
        sync_folder(&closed_dir(&self.memory_dir))?;
        crash_point!("memory::after_close");
        self.file = open_or_create(&self.path)?;
        sync_folder(&self.memory_dir)?;
        (self.end, self.begin) = (0, None);
        self.closed += 1;
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

/// Lines that are written and synced together, and what the file is with them.
struct Chunk {
    text: Vec<u8>,
    begin: Option<Begin>,
    head: Head,
}

impl Chunk {
    fn push(&mut self, entry: &Entry) -> Result<(), MemoryError> {
        let prev: Hash = self.head.hash;
        let hash = line::write(&mut self.text, entry, prev).ok_or(MemoryError::Malformed { seq: entry.seq })?;
        self.head = Head { last_seq: entry.seq, hash };
        self.begin.get_or_insert(Begin { seq: entry.seq, day: Some(Day::of(entry.ts)) });
        Ok(())
    }
}

fn open_or_create(path: &Path) -> Result<File, MemoryError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(MemoryError::io("open", path))
}

fn begin_of(file: &File, path: &Path) -> Result<Option<Begin>, MemoryError> {
    let Some(line) = first_line(file).map_err(MemoryError::io("read", path))? else { return Ok(None) };
    Ok(line::seq_of(&line).map(|seq| Begin { seq, day: line::ts_of(&line).map(Day::of) }))
}

/// A closed file that begins where this one does was opened again and is in it, as far as the bus does not bring it back: a crash
/// kept it from being removed. Any other that does not end before this one begins is left for a person to look at.
fn leave_out_opened_again(
    memory_dir: &Path,
    path: &Path,
    kind: RecordKind,
    begin: u64,
    is_in_it: bool,
) -> Result<(), MemoryError> {
    let files = closed_files(memory_dir, kind)?;
    match files.last().filter(|newest| newest.first_seq >= begin) {
        Some(newest) if newest.first_seq == begin && is_in_it => newest.remove(),
        Some(newest) => Err(MemoryError::Overlap { path: path.to_owned(), closed: newest.path.clone() }),
        None => Ok(()),
    }
}

/// Where the newest closed file ends; none where there is no closed file.
fn end_of_closed(memory_dir: &Path, kind: RecordKind) -> Result<Option<Head>, MemoryError> {
    let Some(newest) = closed_files(memory_dir, kind)?.pop() else { return Ok(None) };
    let mut lines = Lines::of_closed(&newest)?;
    let mut last = Vec::new();
    while lines.advance()? {
        last.clear();
        last.extend_from_slice(lines.text());
    }
    let damaged = || MemoryError::Damaged { path: newest.path.clone() };
    let last = line::read(&last).ok_or_else(damaged)?;
    Ok(Some(Head { last_seq: last.seq, hash: last.hash }))
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
