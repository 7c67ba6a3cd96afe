//! Reading files of the audit trail line by line, packed or not, and whole trails file by file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use orion_bus::RecordKind;

use super::closed::{ClosedFile, closed_files};
use super::record_file::MAX_LINE_BYTES;
use super::{MemoryError, file_name, line};

/// How much of a file is read for its first line at once; most lines are shorter.
const FIRST_LOOK_BYTES: usize = 4 * 1024;

/// The first whole line of a file, without its line break; none while there is none.
pub(super) fn first_line(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    let mut piece = [0; FIRST_LOOK_BYTES];
    while text.len() <= MAX_LINE_BYTES {
        let read = file.read_at(&mut piece, text.len() as u64)?;
        let piece = piece.get(..read).unwrap_or_default();
        if let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            text.extend_from_slice(piece.get(..end).unwrap_or_default());
            return Ok(Some(text));
        }
        if piece.is_empty() {
            return Ok(None);
        }
        text.extend_from_slice(piece);
    }
    Ok(None)
}

/// The lines of one file.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    text: Vec<u8>,
    /// Counted from 1; 0 before the first.
    number: u64,
    is_closed: bool,
    torn_bytes: u64,
}

impl Lines {
    /// Of a file that may be written on.
    pub(super) fn of_current(file: File, path: &Path) -> Self {
        Self::new(Box::new(BufReader::new(file)), path, false)
    }

    /// Of a closed file.
    pub(super) fn of_closed(closed: &ClosedFile) -> Result<Self, MemoryError> {
        let (file, path) = closed.open()?;
        let file = BufReader::new(file);
        let is_packed = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn BufRead + Send> =
            if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        Ok(Self::new(reader, &path, true))
    }

    fn new(reader: Box<dyn BufRead + Send>, path: &Path, is_closed: bool) -> Self {
        Self { reader, path: path.to_owned(), text: Vec::new(), number: 0, is_closed, torn_bytes: 0 }
    }

    /// Goes to the next whole line; false behind the last.
    pub(super) fn advance(&mut self) -> Result<bool, MemoryError> {
        self.text.clear();
        let mut limited = (&mut self.reader).take(MAX_LINE_BYTES as u64 + 1);
        if let Err(error) = limited.read_until(b'\n', &mut self.text) {
            return Err(match error.kind() {
                // What the unpacker says of bytes that no packer wrote.
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                    self.broken("cannot be unpacked from here on: the file was cut or changed")
                }
                _ => MemoryError::io("read", &self.path)(error),
            });
        }
        if self.text.pop_if(|last| *last == b'\n').is_some() {
            self.number += 1;
            return Ok(true);
        }
        if self.text.len() > MAX_LINE_BYTES {
            return Err(self.broken("is longer than any line Orion writes"));
        }
        if self.is_closed && !self.text.is_empty() {
            return Err(self.broken("has no end: the file was cut"));
        }
        self.torn_bytes = self.text.len() as u64;
        Ok(false)
    }

    /// The line, without its line break.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Bytes behind the last whole line.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// An error about the line that comes next, or about this one when it was read.
    fn broken(&self, what: &'static str) -> MemoryError {
        MemoryError::Broken { path: self.path.clone(), line: self.number + 1, what }
    }

    /// An error about this line.
    pub(super) fn is_broken(&self, what: &'static str) -> MemoryError {
        MemoryError::Broken { path: self.path.clone(), line: self.number, what }
    }
}

/// The lines of all files of one kind, oldest first.
pub struct TrailLines {
    closed: VecDeque<ClosedFile>,
    current: Option<(File, PathBuf)>,
    lines: Option<Lines>,
    files: u64,
    torn_bytes: u64,
}

impl TrailLines {
    /// Of a memory folder, whether a host runs or not.
    pub fn open(memory_dir: &Path, kind: RecordKind) -> Result<Self, MemoryError> {
        // The file that is written on comes first: should a host close it in this moment, it is the one that is open here,
        // and is left out below.
        let path = memory_dir.join(file_name(kind));
        let current = match File::open(&path) {
            Ok(file) => Some((file, path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(MemoryError::io("open", &path)(error)),
        };
        let begins = match &current {
            Some((file, path)) => first_line(file).map_err(MemoryError::io("read", path))?,
            None => None,
        };
        let begins = begins.as_deref().and_then(line::seq_of).unwrap_or(u64::MAX);
        let mut closed = closed_files(memory_dir, kind)?;
        closed.retain(|file| file.first_seq < begins);
        Ok(Self { closed: closed.into(), current, lines: None, files: 0, torn_bytes: 0 })
    }

    /// Bytes of all files that are still to be read, as they lie on the disk.
    pub fn bytes_left(&self) -> u64 {
        let closed: u64 = self.closed.iter().map(ClosedFile::bytes).sum();
        let current = self.current.as_ref().and_then(|(file, _)| file.metadata().ok());
        closed + current.map_or(0, |metadata| metadata.len())
    }

    /// The next whole line, without its line break.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, MemoryError> {
        loop {
            if let Some(lines) = &mut self.lines
                && lines.advance()?
            {
                break;
            }
            self.torn_bytes += self.lines.take().map_or(0, |lines| lines.torn_bytes());
            self.lines = match (self.closed.pop_front(), self.current.take_if(|_| true)) {
                (Some(closed), current) => {
                    self.current = current;
                    Some(Lines::of_closed(&closed)?)
                }
                (None, Some((file, path))) => Some(Lines::of_current(file, &path)),
                (None, None) => return Ok(None),
            };
            self.files += 1;
        }
        Ok(self.lines.as_ref().map(Lines::text))
    }

    /// Files looked at so far.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// Bytes behind the last whole line of the file that is written on.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// An error about the line that was read last.
    pub(super) fn is_broken(&self, what: &'static str) -> Option<MemoryError> {
        self.lines.as_ref().map(|lines| lines.is_broken(what))
    }
}
