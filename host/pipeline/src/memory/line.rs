//! One line of the audit trail: the record's own members between its place (`seq`, `schema`) and its seal (`prev`, `hash`).
//!
//! `hash` is the blake3 of the line as it would be without its `hash` member, and so covers `prev`, the `hash` of the line
//! before. Anyone can check a line: `sed 's/,"hash":"b3:[0-9a-f]*"}$/}/' | tr -d '\n' | b3sum`.

use std::io::Write;

use blake3::Hash;
use orion_bus::{Entry, RecordKind};
use orion_model::Timestamp;
use serde::Deserialize;

/// `prev` of a file's first line.
pub(super) const NO_LINE: Hash = Hash::from_bytes([0; 32]);

const SEQ: &str = "{\"seq\":";
const PREV: &str = ",\"prev\":\"b3:";
const HASH: &str = "\",\"hash\":\"b3:";
const END: &str = "\"}";

const HEX_BYTES: usize = 64;

/// From `,"prev"` to the end: always as long.
const SEAL_BYTES: usize = PREV.len() + HEX_BYTES + HASH.len() + HEX_BYTES + END.len();

/// `,"schema":"orion.incident/1",`: the longest of its kind.
const MAX_SCHEMA_BYTES: usize = 30;

/// Digits of the highest position.
const MAX_SEQ_BYTES: usize = 20;

/// What a line adds to its record at most, with its line break.
pub(super) const FRAME_BYTES: usize = SEQ.len() + MAX_SEQ_BYTES + MAX_SCHEMA_BYTES + SEAL_BYTES + 1;

/// What a line says of its place in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) hash: Hash,
}

const fn schema(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Event => "orion.event/1",
        RecordKind::Incident => "orion.incident/1",
        RecordKind::Decision => "orion.decision/1",
    }
}

/// Appends the record's line to `out`, with its line break; the line's hash. `None`, and nothing appended, when its body
/// is no object on one line.
pub(super) fn write(out: &mut Vec<u8>, entry: &Entry, prev: Hash) -> Option<Hash> {
    let members = entry.body.strip_prefix('{')?.strip_suffix('}')?.trim_matches(' ');
    if memchr::memchr2(b'\n', b'\r', members.as_bytes()).is_some() {
        return None;
    }
    let start = out.len();
    let comma = if members.is_empty() { "" } else { "," };
    let (seq, schema, prev) = (entry.seq, schema(entry.kind), prev.to_hex());
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{SEQ}{seq},\"schema\":\"{schema}\"{comma}{members}{PREV}{prev}");
    let mut hasher = blake3::Hasher::new();
    hasher.update(out.get(start..).unwrap_or_default()).update(END.as_bytes());
    let hash = hasher.finalize();
    let _ = writeln!(out, "{HASH}{}{END}", hash.to_hex());
    Some(hash)
}

/// Reads the place and seal of a line (without its line break) whose hash is right; `None` for every other.
pub(super) fn read(line: &[u8]) -> Option<Sealed> {
    let (record, seal) = line.split_at_checked(line.len().checked_sub(SEAL_BYTES)?)?;
    let seal = std::str::from_utf8(seal).ok()?;
    let (prev, hash) = seal.strip_prefix(PREV)?.strip_suffix(END)?.split_once(HASH)?;
    let hashed = line.get(..line.len().checked_sub(HASH.len() + HEX_BYTES + END.len())?)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(hashed).update(END.as_bytes());
    let (prev, hash) = (hash_of(prev)?, hash_of(hash)?);
    let seq = seq_of(record)?;
    (hasher.finalize() == hash).then_some(Sealed { seq, prev, hash })
}

pub(super) fn hash_of(hex: &str) -> Option<Hash> {
    let hash = Hash::from_hex(hex).ok()?;
    // One hash has one spelling.
    (hash.to_hex().as_str() == hex).then_some(hash)
}

/// The position that a line begins with.
pub fn seq_of(record: &[u8]) -> Option<u64> {
    let rest = record.strip_prefix(SEQ.as_bytes())?;
    let digits = rest.split(|byte| *byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// When a line's record happened, by the data; none for a line that does not say.
pub(super) fn ts_of(line: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Dated {
        ts: Timestamp,
    }
    serde_json::from_slice::<Dated>(line).ok().map(|dated| dated.ts)
}

/// Whether these bytes can be the beginning of a file of ours: of a first line, or of one the disk never got.
pub(super) fn could_begin(bytes: &[u8]) -> bool {
    let begun = bytes.iter().zip(SEQ.as_bytes()).all(|(byte, expected)| byte == expected);
    begun || bytes.iter().take(SEQ.len()).all(|byte| *byte == 0)
}
