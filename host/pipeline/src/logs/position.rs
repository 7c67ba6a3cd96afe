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

/// Bytes at the beginning of a file by which it is recognised: two logs of one program differ in their first line.
const HEAD_BYTES: usize = 256;

/// What a file began with when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    length: usize,
    hash: Option<RecordId>,
}

impl Head {
    /// As it is now.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        Self::of_length(file, HEAD_BYTES)
    }

    fn of_length(file: &File, length: usize) -> io::Result<Self> {
        let mut bytes = vec![0; length.min(HEAD_BYTES)];
        let length = read_at(file, &mut bytes, 0)?;
        let hash = IdBuilder::new("log-head").bytes(bytes.get(..length).unwrap_or_default()).finish();
        Ok(Self { length, hash: Some(hash) })
    }

    /// Whether the file still begins so.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        Ok(self.hash.is_none() || Self::of_length(file, self.length)? == *self)
    }

    /// Whether more of the beginning is known by now.
    pub(super) fn may_grow(&self) -> bool {
        self.hash.is_none() || self.length < HEAD_BYTES
    }
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
    pub(super) head: Head,
    /// Whether the offset is within a line that was cut.
    pub(super) skips: bool,
    /// Whether it was said that a line was cut.
    pub(super) said_cut: bool,
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
        let head = Head::read(&file).unwrap();
        file.write_all(b"two\n").unwrap();
        assert!(head.is_of(&file).unwrap() && head.may_grow());
        file.write_at(b"x", 0).unwrap();
        assert!(!head.is_of(&file).unwrap());
        assert!(Head::default().is_of(&file).unwrap());
    }
}
