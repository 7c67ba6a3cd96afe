//! From answers to a file, in one step: there is a whole recording or none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use orion_model::Timestamp;
use serde_json::value::RawValue;

use super::{FORMAT, Header, Line, MAX_LINE_BYTES, MAX_TOTAL_BYTES, RecordingError};

/// What a line has beside query and body; an upper bound.
const LINE_OVERHEAD_BYTES: usize = 100;

/// Collects answers and writes them as a recording.
#[derive(Debug)]
pub struct RecordingWriter {
    path: PathBuf,
    name: String,
    interval_millis: i64,
    answers: BTreeMap<(String, Timestamp), Box<RawValue>>,
    total_bytes: usize,
}

impl RecordingWriter {
    /// A recording to be written to `path`; nothing is written before [`RecordingWriter::finish`].
    pub fn new(path: &Path, name: &str, interval_millis: i64) -> Self {
        Self {
            path: path.to_owned(),
            name: name.to_owned(),
            interval_millis,
            answers: BTreeMap::new(),
            total_bytes: LINE_OVERHEAD_BYTES + name.len(),
        }
    }

    /// Adds the raw answer to `expr` at `instant`: any JSON text. The last one for an instant counts.
    pub fn push(&mut self, expr: &str, instant: Timestamp, body: &[u8]) -> Result<(), RecordingError> {
        let unrecordable = |why: String| RecordingError::Unrecordable { expr: expr.to_owned(), why };
        // Outside of texts a line break is mere space, and inside of texts JSON has none.
        let one_line: Vec<u8> =
            body.iter().map(|&byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }).collect();
        let body: Box<RawValue> =
            serde_json::from_slice(&one_line).map_err(|why| unrecordable(format!("it is not JSON: {why}")))?;
        // The query may double in length when quotes are escaped.
        let line_bytes = body.get().len() + 2 * expr.len() + LINE_OVERHEAD_BYTES;
        if line_bytes > MAX_LINE_BYTES {
            return Err(unrecordable(format!("it has {line_bytes} bytes, and at most {MAX_LINE_BYTES} fit")));
        }
        self.total_bytes = self.total_bytes.saturating_add(line_bytes);
        if self.total_bytes > MAX_TOTAL_BYTES {
            return Err(unrecordable(format!("the recording is full with {MAX_TOTAL_BYTES} bytes")));
        }
        self.answers.insert((expr.trim().to_owned(), instant), body);
        Ok(())
    }

    /// Writes the file in one step and returns its size in bytes.
    pub fn finish(self) -> Result<u64, RecordingError> {
        let failed = |why| RecordingError::Io { file: self.path.display().to_string(), why };
        let mut unfinished = self.path.clone().into_os_string();
        unfinished.push(".unfinished");
        let bytes = self.write(Path::new(&unfinished)).map_err(failed)?;
        std::fs::rename(&unfinished, &self.path).map_err(failed)?;
        Ok(bytes)
    }

    fn write(&self, path: &Path) -> std::io::Result<u64> {
        let mut gzip = GzEncoder::new(BufWriter::new(File::create(path)?), Compression::best());
        let instants = || self.answers.keys().map(|(_, instant)| *instant);
        let header = Header {
            orion_recording: FORMAT,
            name: self.name.clone(),
            interval_millis: self.interval_millis,
            start: instants().min().unwrap_or_default(),
            end: instants().max().unwrap_or_default(),
            answers: self.answers.len(),
        };
        serde_json::to_writer(&mut gzip, &header)?;
        gzip.write_all(b"\n")?;
        for ((expr, t), body) in &self.answers {
            serde_json::to_writer(&mut gzip, &Line { expr: expr.into(), t: *t, body })?;
            gzip.write_all(b"\n")?;
        }
        let file = gzip.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}
