//! How commits are written: out of entries of the log, and as bytes for the outbox.

use std::collections::BTreeSet;

use redis::Value;

use super::pack::{Unplaced, read_record, records_of, unpack, write_record};
use crate::record::{Commit, Entry, StateChange};

/// The id of an entry of the log: the position of the last record so far, and which one it is of those at that position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    pub(super) position: u64,
    pub(super) number: u64,
}

impl EntryId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (position, number) = text.split_once('-')?;
        Some(Self { position: position.parse().ok()?, number: number.parse().ok()? })
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.position, self.number)
    }
}

/// An entry of the log: a commit, or one part of a large one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) id: EntryId,
    pub(super) owner: String,
    /// The owner's offset from here on; the parts of a commit but the last have none.
    pub(super) offset: Option<i64>,
    pub(super) records: Vec<Entry>,
    pub(super) state: Vec<StateChange>,
}

/// What is no entry of ours: another program wrote into the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {id} of the log is not one that Orion wrote: {what}")]
pub(super) struct NotOurs {
    id: String,
    what: &'static str,
}

/// A change as the log holds it: a name that says what and where, and a value.
pub(super) fn change_fields(change: &StateChange) -> (Vec<u8>, &[u8]) {
    let named = |what: u8, key: &[u8]| [&[what], key].concat();
    match change {
        StateChange::Put { key, value } => (named(b'p', key), value),
        StateChange::Delete { key } => (named(b'd', key), &[]),
        StateChange::Clear => (named(b'c', &[]), &[]),
    }
}

fn read_change(name: &[u8], value: Vec<u8>) -> Option<StateChange> {
    let (what, key) = name.split_first()?;
    let key = key.to_vec();
    match what {
        b'p' => Some(StateChange::Put { key, value }),
        b'd' => Some(StateChange::Delete { key }),
        b'c' => Some(StateChange::Clear),
        _ => None,
    }
}

/// The entries of an answer to XRANGE, or of one stream of XREAD.
pub(super) fn read_entries(answer: Value) -> Result<Vec<LogEntry>, NotOurs> {
    let Value::Array(entries) = answer else { return Ok(Vec::new()) };
    entries.into_iter().map(read_entry).collect()
}

fn read_entry(entry: Value) -> Result<LogEntry, NotOurs> {
    let not_ours = |id: &str, what| NotOurs { id: id.to_owned(), what };
    let Value::Array(parts) = entry else { return Err(not_ours("?", "it has no id")) };
    let mut parts = parts.into_iter();
    let (Some(Value::BulkString(id)), Some(Value::Array(fields))) = (parts.next(), parts.next()) else {
        return Err(not_ours("?", "it has no fields"));
    };
    let text = String::from_utf8_lossy(&id).into_owned();
    let id = EntryId::parse(&text).ok_or_else(|| not_ours(&text, "its id is none"))?;
    read_fields(id, fields).ok_or_else(|| not_ours(&text, "its fields are other ones"))
}

fn read_fields(id: EntryId, fields: Vec<Value>) -> Option<LogEntry> {
    let mut entry = LogEntry { id, owner: String::new(), offset: None, records: Vec::new(), state: Vec::new() };
    let (mut packs, mut left_out) = (Vec::new(), BTreeSet::new());
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) = (fields.next(), fields.next()) {
        match name.as_slice() {
            b"o" => entry.owner = String::from_utf8(value).ok()?,
            b"f" => entry.offset = Some(std::str::from_utf8(&value).ok()?.parse().ok()?),
            b"r" => packs.push(unpack(&value)?),
            b"x" => left_out = read_numbers(&value)?,
            _ => entry.state.push(read_change(&name, value)?),
        }
    }
    entry.records = placed_before(id.position, &packs, &left_out)?;
    Some(entry)
}

/// Which records of a commit were known already, counted from 0: they are in its packs, and have no position.
fn read_numbers(bytes: &[u8]) -> Option<BTreeSet<u32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|number| u32::from_le_bytes(*number)).collect())
}

/// The records of a commit, of which the last one has this position.
fn placed_before(last: u64, packs: &[Vec<u8>], left_out: &BTreeSet<u32>) -> Option<Vec<Entry>> {
    let mut records = Vec::new();
    for pack in packs {
        records.extend(records_of(pack)?);
    }
    let numbered = (0..).zip(records).filter(|(number, _)| !left_out.contains(number));
    let records: Vec<Unplaced<'_>> = numbered.map(|(_, record)| record).collect();
    let before = last.checked_sub(records.len() as u64)?;
    Some(records.into_iter().zip(before + 1..).map(|(record, seq)| record.at(seq)).collect())
}

/// A commit as bytes: for the outbox.
pub(super) fn commit_bytes(commit: &Commit) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |piece: &[u8]| {
        bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
        bytes.extend_from_slice(piece);
    };
    put(commit.owner.as_bytes());
    put(&commit.expected.map_or_else(Vec::new, |expected| expected.to_le_bytes().to_vec()));
    put(&commit.offset.to_le_bytes());
    put(&(commit.records.len() as u64).to_le_bytes());
    for record in &commit.records {
        let mut bytes = Vec::new();
        write_record(&mut bytes, Unplaced::from(record));
        put(&bytes);
    }
    for change in &commit.state {
        let (name, value) = change_fields(change);
        put(&name);
        put(value);
    }
    bytes
}

/// The commit of [`commit_bytes`]; `None` for other bytes.
pub(super) fn read_commit(bytes: &[u8]) -> Option<Commit> {
    let mut pieces = Pieces(bytes);
    let owner = String::from_utf8(pieces.next()?.to_vec()).ok()?;
    let expected = match pieces.next()? {
        [] => None,
        bytes => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
    };
    let offset = i64::from_le_bytes(pieces.next()?.try_into().ok()?);
    let count = u64::from_le_bytes(pieces.next()?.try_into().ok()?);
    let mut commit = Commit { owner, expected, offset, ..Commit::default() };
    for _ in 0..count {
        commit.records.push(read_record(pieces.next()?)?.to_new());
    }
    while let Some(name) = pieces.next() {
        commit.state.push(read_change(name, pieces.next()?.to_vec())?);
    }
    pieces.0.is_empty().then_some(commit)
}

/// Pieces, each behind its length.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<8>()?;
        let (piece, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::event;
    use crate::redis::pack::pack;

    fn any_change() -> impl Strategy<Value = StateChange> {
        prop_oneof![
            (any::<Vec<u8>>(), any::<Vec<u8>>()).prop_map(|(key, value)| StateChange::Put { key, value }),
            any::<Vec<u8>>().prop_map(|key| StateChange::Delete { key }),
            Just(StateChange::Clear),
        ]
    }

    fn any_commit() -> impl Strategy<Value = Commit> {
        let state = proptest::collection::vec(any_change(), 0..5);
        let events = proptest::collection::vec(any::<u32>().prop_map(event), 0..5);
        (".*", any::<Option<i64>>(), any::<i64>(), events, state)
            .prop_map(|(owner, expected, offset, records, state)| Commit { owner, expected, offset, records, state })
    }

    fn entry(position: u64, fields: &[(&[u8], &[u8])]) -> Value {
        let bytes = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let fields = fields.iter().flat_map(|(name, value)| [bytes(name), bytes(value)]);
        Value::Array(vec![bytes(format!("{position}-0").as_bytes()), Value::Array(fields.collect())])
    }

    #[test]
    fn records_that_were_known_are_in_the_entry_and_have_no_position() {
        let events: Vec<_> = (0..5).map(event).collect();
        let pack = pack(events.iter().map(Unplaced::from)).remove(0);
        let found = |position, left_out: &[u32]| {
            let left_out: Vec<u8> = left_out.iter().flat_map(|number| number.to_le_bytes()).collect();
            let entry = entry(position, &[(b"o", b"a"), (b"r", &pack), (b"x", &left_out)]);
            let found = read_entries(Value::Array(vec![entry])).ok()?;
            Some(found[0].records.iter().map(|record| (record.seq, record.id)).collect::<Vec<_>>())
        };
        assert_eq!(found(9, &[0, 3]), Some(vec![(7, events[1].id), (8, events[2].id), (9, events[4].id)]));
        assert_eq!(found(5, &[]).map(|found| found.len()), Some(5));
        assert_eq!(found(4, &[]), None, "a position below 1");
    }

    proptest! {
        #[test]
        fn a_commit_comes_back_from_its_bytes_and_from_no_part_of_them(commit in any_commit(), cut in any::<prop::sample::Index>()) {
            let bytes = commit_bytes(&commit);
            prop_assert_eq!(read_commit(&bytes), Some(commit.clone()));
            let part = read_commit(&bytes[..cut.index(bytes.len())]);
            prop_assert!(part.is_none_or(|part| part.state.len() < commit.state.len()));
        }

        #[test]
        fn bytes_of_any_kind_are_no_panic(bytes in any::<Vec<u8>>()) {
            let _ = read_commit(&bytes);
            for name in [b"r", b"x"] {
                let _ = read_entries(Value::Array(vec![entry(7, &[(name, &bytes)]), Value::BulkString(bytes.clone())]));
            }
        }
    }
}
