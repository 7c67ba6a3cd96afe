//! Answers of a source, kept in a file and given again: demonstrations and tests see the same day every day.
//!
//! A recording is gzip'ed text of one JSON object a line, so that `zcat` and `jq` read it. The first line says what it
//! is; each further line holds one raw answer, sorted by query and then by time, which lets gzip find what an answer
//! has in common with the one before:
//! ```text
//! {"orion_recording":1,"name":"demo","interval_millis":15000,"start":"…","end":"…","answers":2}
//! {"expr":"up","t":"2026-01-31T12:00:00.000Z","body":{"status":"success","data":{…}}}
//! {"expr":"up","t":"2026-01-31T12:00:15.000Z","body":{"status":"success","data":{…}}}
//! ```

mod reader;
mod source;
mod writer;

use std::borrow::Cow;

use orion_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use reader::Recording;
pub use source::RecordingSource;
pub use writer::RecordingWriter;

/// The one version of the format that there is.
const FORMAT: u32 = 1;

/// A line holds one answer; the largest a rule can use have a few megabytes.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// A recording is held in memory. A gzip'ed file of a megabyte can unpack to a thousand.
const MAX_TOTAL_BYTES: usize = 256 * 1024 * 1024;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    orion_recording: u32,
    name: String,
    interval_millis: i64,
    start: Timestamp,
    end: Timestamp,
    /// How many lines follow.
    answers: usize,
}

/// Every further line.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    expr: Cow<'a, str>,
    t: Timestamp,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// A file that is no usable recording, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Cannot be read or written.
    #[error("recording {file}: {why}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// Something else than a recording.
    #[error("{file} is not a recording ({why}); recordings are made with `orion-lab record`")]
    NotARecording {
        /// Which file.
        file: String,
        /// Why not.
        why: String,
    },
    /// It ends too early.
    #[error("recording {file} breaks off after {answers} answers; copy or record it again")]
    Truncated {
        /// Which file.
        file: String,
        /// How many came whole.
        answers: usize,
    },
    /// It is too large to be held.
    #[error("recording {file}: {what} unpacks to more than {limit_bytes} bytes; record less")]
    TooLarge {
        /// Which file.
        file: String,
        /// The whole or a line.
        what: &'static str,
        /// How many bytes it may have.
        limit_bytes: usize,
    },
    /// One line is wrong.
    #[error("recording {file}, line {line}: {why}")]
    Line {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An answer that cannot be kept.
    #[error("the answer to `{expr}` cannot be recorded: {why}")]
    Unrecordable {
        /// The query.
        expr: String,
        /// Why not.
        why: String,
    },
}

#[cfg(test)]
mod tests;
