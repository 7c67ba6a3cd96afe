//! From a file to a recording: the door, with its limits.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use orion_model::Timestamp;

use super::{FORMAT, Header, Line, MAX_LINE_BYTES, MAX_TOTAL_BYTES, RecordingError};

/// Answers to a few queries over some time, in memory.
#[derive(Debug)]
pub struct Recording {
    name: String,
    interval_millis: i64,
    start: Timestamp,
    end: Timestamp,
    /// For each query its answers, in order of time.
    answers: BTreeMap<String, Vec<(Timestamp, Box<str>)>>,
}

impl Recording {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let file = path.display().to_string();
        match File::open(path) {
            Ok(opened) => Self::read(&file, opened),
            Err(why) => Err(RecordingError::Io { file, why }),
        }
    }

    /// Reads gzip'ed bytes; `file` is what errors call them.
    pub fn read(file: &str, gzipped: impl Read) -> Result<Self, RecordingError> {
        let unpacked = MultiGzDecoder::new(gzipped);
        let mut lines = Lines { file, reader: BufReader::new(unpacked), line: Vec::new(), number: 0, total: 0 };
        let header = lines.header()?;
        let mut recording = Self {
            name: header.name,
            interval_millis: header.interval_millis,
            start: header.start,
            end: header.end,
            answers: BTreeMap::new(),
        };
        while lines.next(header.answers)? {
            recording.add(&lines.line).map_err(|why| lines.wrong(why))?;
        }
        Ok(recording)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|why| why.to_string())?;
        if line.t < self.start || line.t > self.end {
            return Err(format!("{} is outside of what the first line announces", line.t));
        }
        let answers = self.answers.entry(line.expr.into_owned()).or_default();
        if answers.last().is_some_and(|(last, _)| *last >= line.t) {
            return Err(format!("{} does not come after the answer before it", line.t));
        }
        answers.push((line.t, line.body.get().into()));
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Distance of its instants.
    pub fn interval_millis(&self) -> i64 {
        self.interval_millis
    }

    /// Its first instant.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Its last instant.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// The queries it has answers to, in order of text.
    pub fn exprs(&self) -> impl Iterator<Item = &str> {
        self.answers.keys().map(String::as_str)
    }

    /// All answers to a query, in order of time.
    pub(super) fn answers(&self, expr: &str) -> Option<&[(Timestamp, Box<str>)]> {
        self.answers.get(expr).map(Vec::as_slice)
    }
}

struct Lines<'f, R> {
    file: &'f str,
    reader: BufReader<R>,
    line: Vec<u8>,
    number: usize,
    total: usize,
}

impl<R: Read> Lines<'_, R> {
    fn header(&mut self) -> Result<Header, RecordingError> {
        let not_one = |file: &str, why: String| RecordingError::NotARecording { file: file.to_owned(), why };
        match self.fill() {
            Ok(()) => {}
            Err(Failure::Io(why)) if matches!(why.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
                return Err(not_one(self.file, why.to_string()));
            }
            Err(failure) => return Err(self.told(failure)),
        }
        let header: Header =
            serde_json::from_slice(&self.line).map_err(|why| not_one(self.file, format!("its first line: {why}")))?;
        if header.orion_recording != FORMAT {
            let why = format!("format {} is not format {FORMAT}, the one known here", header.orion_recording);
            return Err(not_one(self.file, why));
        }
        Ok(header)
    }

    /// Whether there is another line after the first. As many must come as the first line announces.
    fn next(&mut self, announced: usize) -> Result<bool, RecordingError> {
        self.fill().map_err(|failure| self.told(failure))?;
        if self.line.is_empty() {
            return if self.answers() < announced { Err(self.told(Failure::Cut)) } else { Ok(false) };
        }
        if self.answers() > announced {
            return Err(self.wrong(format!("the first line announces {announced} answers, and here is another")));
        }
        Ok(true)
    }

    /// How many lines after the first are whole.
    fn answers(&self) -> usize {
        self.number.saturating_sub(1)
    }

    /// Reads a line; it is empty only at the end.
    fn fill(&mut self) -> Result<(), Failure> {
        self.line.clear();
        let allowed = MAX_LINE_BYTES.min(MAX_TOTAL_BYTES.saturating_sub(self.total));
        // One more than allowed, so that a line of just the length allowed is told from a longer one.
        let mut limited = self.reader.by_ref().take(allowed as u64 + 1);
        limited.read_until(b'\n', &mut self.line).map_err(|why| match why.kind() {
            ErrorKind::UnexpectedEof => Failure::Cut,
            _ => Failure::Io(why),
        })?;
        self.total += self.line.len();
        match self.line.last() {
            None => Ok(()),
            Some(_) if self.line.len() > allowed => Err(match allowed {
                MAX_LINE_BYTES => Failure::TooLarge { what: "a line of it", limit_bytes: MAX_LINE_BYTES },
                _ => Failure::TooLarge { what: "it", limit_bytes: MAX_TOTAL_BYTES },
            }),
            Some(b'\n') => {
                self.number += 1;
                Ok(())
            }
            Some(_) => Err(Failure::Cut),
        }
    }

    fn told(&self, failure: Failure) -> RecordingError {
        let file = self.file.to_owned();
        match failure {
            Failure::Io(why) => RecordingError::Io { file, why },
            Failure::Cut => RecordingError::Truncated { file, answers: self.answers() },
            Failure::TooLarge { what, limit_bytes } => RecordingError::TooLarge { file, what, limit_bytes },
        }
    }

    fn wrong(&self, why: String) -> RecordingError {
        RecordingError::Line { file: self.file.to_owned(), line: self.number, why }
    }
}

enum Failure {
    Io(std::io::Error),
    Cut,
    TooLarge { what: &'static str, limit_bytes: usize },
}
