//! Which file it is, and up to where it was read.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;

use orion_model::{IdBuilder, RecordId};
use serde::{Deserialize, Serialize};

/// A file by what stays when it is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Under which it is kept.
    pub(super) fn key(self) -> Vec<u8> {
        format!("{:016x}{:016x}", self.device, self.inode).into_bytes()
    }

    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok().filter(|text| text.len() == 32)?;
        let number = |text: Option<&str>| u64::from_str_radix(text?, 16).ok();
        Some(Self { device: number(text.get(..16))?, inode: number(text.get(16..))? })
    }
}

/// Bytes at the beginning of a file by which it is recognised: two logs of one program differ in their first line. As many before the
/// position, of which a file that was written anew has others, however it begins and however long it is.
const MARK_BYTES: usize = 256;

/// What a piece of a file was when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    length: usize,
    hash: Option<RecordId>,
}

impl Mark {
    fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), hash: Some(IdBuilder::new("log-head").bytes(bytes).finish()) }
    }

    /// How the file begins now.
    pub(super) fn of_head(file: &File) -> io::Result<Self> {
        Ok(Self::of(&piece(file, 0, MARK_BYTES)?))
    }

    /// Whether the file still begins so.
    pub(super) fn is_head_of(&self, file: &File) -> io::Result<bool> {
        Ok(self.hash.is_none() || Self::of(&piece(file, 0, self.length)?) == *self)
    }

    /// Whether more of the beginning is known by now.
    pub(super) fn may_grow(&self) -> bool {
        self.hash.is_none() || self.length < MARK_BYTES
    }
}

/// Up to `length` bytes of a file, as far as it goes.
fn piece(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.min(MARK_BYTES)];
    let length = read_at(file, &mut bytes, offset)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// The last `length` bytes before an offset, or as many as there are.
fn piece_before(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let from = offset.saturating_sub(length as u64);
    piece(file, from, usize::try_from(offset - from).unwrap_or(length))
}

/// Up to where a file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Where it lay.
    pub(super) path: PathBuf,
    /// The first byte that was not read yet.
    pub(super) offset: u64,
    /// The number it was given when it was begun: one that was emptied and begun again has another, and so have its events.
    pub(super) number: u64,
    /// How it begins.
    pub(super) head: Mark,
    /// What lies before the offset. Positions of before it was kept have none.
    #[serde(default)]
    pub(super) before: Mark,
    /// Whether the offset is within a line that was cut.
    pub(super) skips: bool,
    /// Whether it was said that a line was cut.
    pub(super) said_cut: bool,
}

impl Position {
    /// One that is begun there.
    pub(super) fn begun(path: PathBuf, offset: u64, number: u64) -> Self {
        let (head, before) = (Mark::default(), Mark::default());
        Self { path, offset, number, head, before, skips: false, said_cut: false }
    }

    /// Whether the file is still the one that was read up to here: it begins as it did, and what lies before the offset is what was read.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        Ok(self.head.is_head_of(file)? && (self.before.hash.is_none() || self.before == self.before_now(file)?))
    }

    /// What lies before the offset is known now.
    pub(super) fn mark(&mut self, file: &File) -> io::Result<()> {
        self.before = Mark::default();
        self.before = self.before_now(file)?;
        Ok(())
    }

    /// This was read behind the offset.
    pub(super) fn advance(&mut self, file: &File, read: &[u8]) {
        self.offset += read.len() as u64;
        let last = read.get(read.len().saturating_sub(MARK_BYTES)..).unwrap_or_default();
        let before = piece_before(file, self.offset, MARK_BYTES).unwrap_or_default();
        // Where the file is another one by now, what was read is what the next look has to miss.
        self.before = Mark::of(if before.ends_with(last) { &before } else { last });
    }

    fn before_now(&self, file: &File) -> io::Result<Mark> {
        let length = if self.before.hash.is_some() { self.before.length } else { MARK_BYTES };
        Ok(Mark::of(&piece_before(file, self.offset, length)?))
    }
}

/// Fills the buffer as far as the file goes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_key_says_which_file_it_is() {
        let id = FileId { device: 7, inode: u64::MAX };
        assert_eq!(FileId::of_key(&id.key()), Some(id));
        assert_eq!(FileId::of_key(b"x"), None);
        assert_eq!(FileId::of_key("é".repeat(16).as_bytes()), None);
    }

    #[test]
    fn a_file_that_grew_begins_as_before_and_one_that_was_written_anew_does_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\n").unwrap();
        let head = Mark::of_head(&file).unwrap();
        file.write_all(b"two\n").unwrap();
        assert!(head.is_head_of(&file).unwrap() && head.may_grow());
        file.write_at(b"x", 0).unwrap();
        assert!(!head.is_head_of(&file).unwrap());
        assert!(Mark::default().is_head_of(&file).unwrap());
    }

    #[test]
    fn a_position_knows_what_lies_before_it_however_little_was_read_at_once() {
        let mut file = tempfile::tempfile().unwrap();
        let mut position = Position::begun(PathBuf::new(), 0, 1);
        let lines: Vec<String> = (0..200).map(|line| format!("line {line}\n")).collect();
        for line in &lines {
            file.write_all(line.as_bytes()).unwrap();
            position.advance(&file, line.as_bytes());
            assert!(position.is_of(&file).unwrap());
        }
        assert_eq!(position.before.length, MARK_BYTES);
        let at = position.offset;
        file.write_at(b"x", at).unwrap();
        assert!(position.is_of(&file).unwrap(), "what lies behind is not read yet");
        file.write_at(b"x", at - MARK_BYTES as u64).unwrap();
        assert!(!position.is_of(&file).unwrap());
        position.mark(&file).unwrap();
        assert!(position.is_of(&file).unwrap());
        // Read, and another by the time it is marked.
        position.advance(&file, b"y");
        assert!(!position.is_of(&file).unwrap());
    }

    #[test]
    fn a_position_that_was_kept_without_what_lies_before_it_is_taken_as_it_is() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        let mut kept = serde_json::to_value(Position::begun(PathBuf::new(), 4, 1)).unwrap();
        kept.as_object_mut().unwrap().remove("before");
        let kept: Position = serde_json::from_value(kept).unwrap();
        assert!(kept.is_of(&file).unwrap());
    }
}
