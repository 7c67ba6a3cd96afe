//! Checks the files of the audit trail line by line. Needs nothing but the files.

use std::fs::File;
use std::path::Path;

use orion_bus::RecordKind;

use super::head::Head;
use super::lines::{Lines, TrailLines};
use super::{MemoryError, line};

/// What files that are in order hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Files.
    pub files: u64,
    /// Whole lines.
    pub lines: u64,
    /// Position of the first record; 0 when there is none.
    pub first_seq: u64,
    /// Position of the last record; 0 when there is none.
    pub last_seq: u64,
    /// Bytes behind the last whole line: a host is just writing, or a crash tore the line and the next start completes it.
    pub torn_bytes: u64,
    pub(super) head: Head,
}

impl Verified {
    /// `hash` of the last line, which covers every line before it; zeros when there is none.
    pub fn head(&self) -> String {
        self.head.hash()
    }
}

/// Recomputes the chain of hashes of one file that is the first of its kind; the error names the first line that is edited,
/// missing, added or out of order.
///
/// Lines cut off at the end leave a shorter file that is in order: compare `last_seq` with the bus.
pub fn verify(path: &Path) -> Result<Verified, MemoryError> {
    let mut lines = Lines::of_current(File::open(path).map_err(MemoryError::io("open", path))?, path);
    let mut walk = Walk::from(Head::NONE);
    while lines.advance()? {
        walk.step(lines.text()).map_err(|what| lines.is_broken(what))?;
    }
    Ok(walk.verified(1, lines.torn_bytes()))
}

/// What a chain must have been at some position, and whether it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) head: Head,
    pub(super) state: MarkState,
}

/// What was found of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkState {
    /// The chain has not come that far.
    Ahead,
    /// It was as the mark says.
    Held,
    /// It was otherwise.
    Broken,
    /// The files begin behind it.
    Before,
}

/// Recomputes the chain of all files of a kind, as [`verify`] does of one. A chain may begin with any line: whoever asks has
/// to know from a mark whether its beginning may be gone.
pub(super) fn verify_trail(
    memory_dir: &Path,
    kind: RecordKind,
    marks: &mut [Mark],
) -> Result<(Verified, Head), MemoryError> {
    let mut lines = TrailLines::open(memory_dir, kind)?;
    let (mut walk, mut begin) = (Walk::from(Head::NONE), Head::NONE);
    while let Some(text) = lines.next_line()? {
        let sealed = line::read(text);
        if walk.lines == 0
            && let Some(first) = &sealed
        {
            // The line before it had a lower position; more is not known of it.
            begin = Head { last_seq: first.seq.saturating_sub(1), hash: first.prev };
            if begin.hash == Head::NONE.hash {
                begin = Head::NONE;
            }
            walk.head = begin;
            marks.iter_mut().for_each(|mark| mark.begins(first.seq, begin));
        }
        let followed = sealed.ok_or(NOT_OURS).and_then(|sealed| walk.follow(&sealed));
        if let Err(what) = followed {
            return Err(lines.is_broken(what).unwrap_or(MemoryError::Damaged { path: memory_dir.to_owned() }));
        }
        marks.iter_mut().for_each(|mark| mark.passes(walk.head));
    }
    Ok((walk.verified(lines.files(), lines.torn_bytes()), begin))
}

impl Mark {
    pub(super) fn of(head: Head) -> Self {
        // Of a chain without a line there is nothing that could be otherwise.
        Self { head, state: if head == Head::NONE { MarkState::Held } else { MarkState::Ahead } }
    }

    /// The files begin with a line of this position that follows `begin`.
    fn begins(&mut self, first_seq: u64, begin: Head) {
        if self.state == MarkState::Ahead && self.head.last_seq < first_seq {
            self.state = if begin.hash == self.head.hash { MarkState::Held } else { MarkState::Before };
        }
    }

    /// The chain has come to this.
    fn passes(&mut self, head: Head) {
        if self.state == MarkState::Ahead && head.last_seq >= self.head.last_seq {
            self.state = if head == self.head { MarkState::Held } else { MarkState::Broken };
        }
    }
}

const NOT_OURS: &str = "is not as Orion wrote it";

struct Walk {
    lines: u64,
    first_seq: u64,
    head: Head,
}

impl Walk {
    fn from(head: Head) -> Self {
        Self { lines: 0, first_seq: 0, head }
    }

    fn step(&mut self, text: &[u8]) -> Result<(), &'static str> {
        self.follow(&line::read(text).ok_or(NOT_OURS)?)
    }

    fn follow(&mut self, sealed: &line::Sealed) -> Result<(), &'static str> {
        self.head = self.head.follow(sealed)?;
        self.lines += 1;
        if self.lines == 1 {
            self.first_seq = sealed.seq;
        }
        Ok(())
    }

    fn verified(&self, files: u64, torn_bytes: u64) -> Verified {
        let Self { lines, first_seq, head } = *self;
        let head = if lines == 0 { Head::NONE } else { head };
        Verified { files, lines, first_seq, last_seq: head.last_seq, torn_bytes, head }
    }
}
