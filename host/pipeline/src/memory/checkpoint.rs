//! Checkpoints: once a day, what the chains have come to, signed with a key that lies elsewhere.
//!
//! A chain of hashes shows an edit, and not a history that was written anew from beginning to end with all its hashes. A
//! checkpoint does: its signature cannot be made again by somebody who has the memory folder and not the key. Nothing in the
//! store leads back to it, so it is evidence and no projection: what is lost of it is lost.
//!
//! One line each in `checkpoints.jsonl`. What is signed is the line without its `signature` member.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blake3::Hash;
use orion_bus::crash_point;
use orion_model::Timestamp;
use orion_trust::{EnvelopeSignature, SecretKey};
use serde::{Deserialize, Serialize};

use super::MemoryError;
use super::closed::sync_folder;
use super::day::Day;
use super::head::Heads;
use super::line::NO_LINE;

/// The file's name in the memory folder.
pub const CHECKPOINTS_FILE: &str = "checkpoints.jsonl";

/// Keeps signatures of checkpoints apart from every other use of a key.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.orion.checkpoint+json";

const SCHEMA: &str = "orion.checkpoint/1";

/// Most that is read of the file: a hundred years of checkpoints have half of it.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

const SIGNATURE: &str = ",\"signature\":";

/// What the chains had come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What the line is.
    pub schema: String,
    /// When it was made.
    pub at: Timestamp,
    /// How many records there were on the bus; each of them is in one of the chains.
    pub position: u64,
    /// The chains.
    pub chains: Heads,
    /// blake3 of the line before in this file; zeros in the first.
    pub prev: String,
}

/// A line of the file.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) checkpoint: Checkpoint,
    /// What a signature covers.
    pub(super) payload: String,
    pub(super) signature: Option<EnvelopeSignature>,
}

/// The file, open for appending.
pub struct Checkpoints {
    file: File,
    path: PathBuf,
    key: Option<Arc<SecretKey>>,
    end: u64,
    last_hash: Hash,
    /// Time and position of the last one.
    last: Option<(Timestamp, u64)>,
    /// The day of the first record, where there is no checkpoint yet.
    first_day: Option<Day>,
}

impl Checkpoints {
    /// Opens or creates the file of a memory folder and cuts what a crash tore. Without a key checkpoints are not signed.
    pub fn open(memory_dir: &Path, key: Option<Arc<SecretKey>>) -> Result<Self, MemoryError> {
        let path = memory_dir.join(CHECKPOINTS_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(MemoryError::io("open", &path))?;
        sync_folder(memory_dir)?;
        let text = read_text(&file, &path)?;
        let whole = text.rfind('\n').map_or("", |end| text.get(..=end).unwrap_or_default());
        let (mut last, mut last_hash) = (None, NO_LINE);
        if let Some(line) = whole.lines().next_back() {
            let sealed = read(line).ok_or_else(|| MemoryError::Damaged { path: path.clone() })?;
            last = Some((sealed.checkpoint.at, sealed.checkpoint.position));
            last_hash = blake3::hash(line.as_bytes());
        }
        let end = whole.len() as u64;
        file.set_len(end).map_err(MemoryError::io("cut the torn end of", &path))?;
        Ok(Self { file, path, key, end, last_hash, last, first_day: None })
    }

    /// To be called before the first records of a step are written: makes a checkpoint of what there is, when its day is over
    /// and no checkpoint says so yet. Returns when it survives power loss.
    pub fn note(&mut self, now: Timestamp, position: u64, chains: Heads) -> Result<Option<Checkpoint>, MemoryError> {
        if !self.is_due(now, position) {
            return Ok(None);
        }
        let prev = format!("b3:{}", self.last_hash.to_hex());
        let checkpoint = Checkpoint { schema: SCHEMA.to_owned(), at: now, position, chains, prev };
        let line = self.line(&checkpoint)?;
        crash_point!("memory::before_checkpoint");
        let text = format!("{line}\n");
        let written = self.file.write_all_at(text.as_bytes(), self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Give a full disk its bytes back at once; what stays is written over by the next one.
            let _ = self.file.set_len(self.end);
            return Err(MemoryError::io("write", &self.path)(error));
        }
        crash_point!("memory::after_checkpoint");
        self.end += text.len() as u64;
        self.last_hash = blake3::hash(line.as_bytes());
        self.last = Some((now, position));
        Ok(Some(checkpoint))
    }

    fn is_due(&mut self, now: Timestamp, position: u64) -> bool {
        let today = Day::of(now);
        match (self.last, self.first_day) {
            (Some((at, covered)), _) => today > Day::of(at) && position > covered,
            (None, Some(first)) => today > first,
            // Records from before there were checkpoints, of whatever day.
            (None, None) if position > 0 => true,
            (None, None) => {
                self.first_day = Some(today);
                false
            }
        }
    }

    fn line(&self, checkpoint: &Checkpoint) -> Result<String, MemoryError> {
        let unwritable = |error: serde_json::Error| MemoryError::io("write", &self.path)(error.into());
        let payload = serde_json::to_string(checkpoint).map_err(unwritable)?;
        let Some(key) = &self.key else { return Ok(payload) };
        let signature = EnvelopeSignature::of(PAYLOAD_TYPE, payload.as_bytes(), key);
        let signature = serde_json::to_string(&signature).map_err(unwritable)?;
        let members = payload.strip_suffix('}').unwrap_or_default();
        Ok(format!("{members}{SIGNATURE}{signature}}}"))
    }
}

/// All checkpoints of a memory folder, in order. The error names the first that is no checkpoint, or does not follow.
pub(super) fn read_all(memory_dir: &Path) -> Result<Vec<Sealed>, MemoryError> {
    let path = memory_dir.join(CHECKPOINTS_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(MemoryError::io("open", &path)(error)),
    };
    let text = read_text(&file, &path)?;
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    let mut all = Vec::new();
    let mut prev = NO_LINE;
    for (line, number) in whole.lines().zip(1..) {
        let broken = |what| MemoryError::Broken { path: path.clone(), line: number, what };
        let sealed = read(line).ok_or_else(|| broken("is no checkpoint that Orion wrote"))?;
        if sealed.checkpoint.prev != format!("b3:{}", prev.to_hex()) {
            return Err(broken(
                "does not follow the checkpoint before it: checkpoints were changed, removed or moved here",
            ));
        }
        prev = blake3::hash(line.as_bytes());
        all.push(sealed);
    }
    Ok(all)
}

fn read_text(file: &File, path: &Path) -> Result<String, MemoryError> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(MemoryError::io("read", path))?;
    let damaged = || MemoryError::Damaged { path: path.to_owned() };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(damaged());
    }
    String::from_utf8(bytes).map_err(|_| damaged())
}

fn read(line: &str) -> Option<Sealed> {
    let (payload, signature) = match line.rsplit_once(SIGNATURE) {
        Some((members, rest)) => (format!("{members}}}"), Some(serde_json::from_str(rest.strip_suffix('}')?).ok()?)),
        None => (line.to_owned(), None),
    };
    let checkpoint: Checkpoint = serde_json::from_str(&payload).ok()?;
    (checkpoint.schema == SCHEMA).then_some(Sealed { checkpoint, payload, signature })
}
