//! Checks a file of the audit trail line by line. Needs nothing but the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use blake3::Hash;
use orion_bus::Entry;

use super::record_file::MAX_LINE_BYTES;
use super::{MemoryError, line};

/// What a file that is in order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whole lines.
    pub lines: u64,
    /// Position of the last record; 0 when there is none.
    pub last_seq: u64,
    /// Bytes behind the last whole line: a host is just writing, or a crash tore the line and the next start completes it.
    pub torn_bytes: u64,
    head: Hash,
}

impl Verified {
    /// `hash` of the last line, which covers every line before it; zeros when there is none.
    pub fn head(&self) -> String {
        format!("b3:{}", self.head.to_hex())
    }
}

/// The chain that records of one kind make, given in order of their positions: what their file must hold.
#[derive(Debug)]
pub struct Chain {
    lines: u64,
    prev: Hash,
    line: Vec<u8>,
}

impl Chain {
    /// Of no records yet.
    pub fn empty() -> Self {
        Self { lines: 0, prev: line::NO_LINE, line: Vec::new() }
    }

    /// Adds a record; false for one that cannot be a line.
    pub fn push(&mut self, entry: &Entry) -> bool {
        self.line.clear();
        let Some(hash) = line::write(&mut self.line, entry, self.prev) else { return false };
        self.prev = hash;
        self.lines += 1;
        true
    }

    /// Whether a file holds exactly these records.
    pub fn is_of(&self, file: &Verified) -> bool {
        (self.lines, self.prev) == (file.lines, file.head)
    }
}

/// Recomputes the chain of hashes; the error names the first line that is edited, missing, added or out of order.
///
/// Lines cut off at the end leave a shorter file that is in order: compare `last_seq` with the bus.
pub fn verify(path: &Path) -> Result<Verified, MemoryError> {
    let mut file = BufReader::new(File::open(path).map_err(MemoryError::io("open", path))?);
    let mut verified = Verified { lines: 0, last_seq: 0, torn_bytes: 0, head: line::NO_LINE };
    let mut text = Vec::new();
    loop {
        text.clear();
        let mut limited = (&mut file).take(MAX_LINE_BYTES as u64 + 1);
        limited.read_until(b'\n', &mut text).map_err(MemoryError::io("read", path))?;
        let broken = |what| MemoryError::Broken { path: path.to_owned(), line: verified.lines + 1, what };
        let Some(whole) = text.strip_suffix(b"\n") else {
            if text.len() > MAX_LINE_BYTES {
                return Err(broken("is longer than any line Orion writes"));
            }
            verified.torn_bytes = text.len() as u64;
            return Ok(verified);
        };
        let sealed = line::read(whole).ok_or_else(|| broken("is not as Orion wrote it"))?;
        if sealed.prev != verified.head {
            return Err(broken("does not follow the line before it: lines were removed, added or moved here"));
        }
        if sealed.seq <= verified.last_seq {
            return Err(broken("has a position that is not higher than the one before it"));
        }
        verified.head = sealed.hash;
        verified.lines += 1;
        verified.last_seq = sealed.seq;
    }
}
