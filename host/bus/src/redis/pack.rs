//! Records as the log holds them: those of a commit together, compressed.
//!
//! What a group commits at an instant differs in little but ids and labels, and becomes a tenth or less. Every copy of it gets
//! cheaper by as much: from socket to server, into its log, its append-only file and its replicas, and to every host that follows.
//! Packed by the host and not by the server, which has one thread for all hosts.

use std::cell::RefCell;

use orion_model::{RecordId, Timestamp};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

use crate::body::Body;
use crate::record::{Entry, MAX_PIECE_BYTES, NewRecord, RecordKind};

/// Bytes of an id, and of what stands before a body: id, kind and time.
const ID_BYTES: usize = 16;
const HEAD_BYTES: usize = ID_BYTES + 1 + 8;

/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// A pack that has grown to this before compression is closed: a server takes no argument of more than 512 MiB, and who unpacks
/// holds a pack whole.
const PACK_BYTES: usize = 4 * 1024 * 1024;

/// The most that a pack holds: one record less than what closes it, and the largest record. Nothing larger is unpacked, whatever
/// another program wrote into the log.
const MOST_PACK_BYTES: usize = PACK_BYTES + MAX_PIECE_BYTES + HEAD_BYTES + LENGTH_BYTES;

/// The quickest of the ordinary levels. The next ones take twice the time for a few hundredths less.
const LEVEL: i32 = 1;

/// What a pack begins with: how the rest is written. Never renumber: logs in the field hold these.
const AS_IT_IS: u8 = 0;
const COMPRESSED: u8 = 1;

thread_local! {
    // Each holds half a megabyte that takes longer to make than a small pack to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A record without its place, wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unplaced<'a> {
    kind: RecordKind,
    id: RecordId,
    ts: Timestamp,
    body: &'a str,
}

impl<'a> From<&'a NewRecord> for Unplaced<'a> {
    fn from(record: &'a NewRecord) -> Self {
        Self { kind: record.kind, id: record.id, ts: record.ts, body: &record.body }
    }
}

impl<'a> From<&'a Entry> for Unplaced<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self { kind: entry.kind, id: entry.id, ts: entry.ts, body: &entry.body }
    }
}

impl Unplaced<'_> {
    pub(super) fn at(self, seq: u64) -> Entry {
        Entry { seq, kind: self.kind, id: self.id, ts: self.ts, body: self.body.into() }
    }

    pub(super) fn to_new(self) -> NewRecord {
        NewRecord { kind: self.kind, id: self.id, ts: self.ts, body: Body::stored(self.body) }
    }
}

/// How the wire spells a kind. Never renumber: logs in the field hold these.
const fn code_of(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Event => 1,
        RecordKind::Incident => 2,
        RecordKind::Decision => 3,
    }
}

fn kind_of(code: u8) -> Option<RecordKind> {
    RecordKind::ALL.into_iter().find(|kind| code_of(*kind) == code)
}

/// Writes a record: id, kind, time, body.
pub(super) fn write_record(bytes: &mut Vec<u8>, record: Unplaced<'_>) {
    bytes.extend_from_slice(record.id.as_bytes());
    bytes.push(code_of(record.kind));
    bytes.extend_from_slice(&record.ts.as_millis().to_le_bytes());
    bytes.extend_from_slice(record.body.as_bytes());
}

/// The record that [`write_record`] wrote; `None` for other bytes.
pub(super) fn read_record(bytes: &[u8]) -> Option<Unplaced<'_>> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
    let (id, rest) = head.split_first_chunk::<ID_BYTES>()?;
    let (code, ts) = rest.split_first()?;
    let ts = Timestamp::from_millis(i64::from_le_bytes(ts.try_into().ok()?));
    Some(Unplaced { kind: kind_of(*code)?, id: RecordId::from_bytes(*id), ts, body: std::str::from_utf8(body).ok()? })
}

/// Packs records, in their order: one pack, and more where there is much.
pub(super) fn pack<'a>(records: impl IntoIterator<Item = Unplaced<'a>>) -> Vec<Vec<u8>> {
    let (mut packs, mut open) = (Vec::new(), Vec::new());
    for record in records {
        let begins = open.len();
        open.extend_from_slice(&[0; LENGTH_BYTES]);
        write_record(&mut open, record);
        let length = open.len() - begins - LENGTH_BYTES;
        // A body is far shorter than what four bytes can say.
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = open.get_mut(begins..begins + LENGTH_BYTES) {
            place.copy_from_slice(&length);
        }
        if open.len() >= PACK_BYTES {
            packs.push(compressed(&open));
            open.clear();
        }
    }
    if !open.is_empty() {
        packs.push(compressed(&open));
    }
    packs
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let packed = COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL).ok()?),
        };
        compressor.compress(bytes).ok().filter(|packed| packed.len() < bytes.len())
    });
    // What does not get shorter, as single small records, is kept as it is.
    let (form, packed) = packed.as_deref().map_or((AS_IT_IS, bytes), |packed| (COMPRESSED, packed));
    [&[form], packed].concat()
}

/// What a pack holds, for [`records_of`]; `None` for other bytes.
pub(super) fn unpack(pack: &[u8]) -> Option<Vec<u8>> {
    let (form, packed) = pack.split_first()?;
    match *form {
        AS_IT_IS => Some(packed.to_vec()),
        COMPRESSED => decompressed(packed),
        _ => None,
    }
}

fn decompressed(packed: &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(get_frame_content_size(packed).ok()??).ok()?;
    if length > MOST_PACK_BYTES {
        return None;
    }
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new().ok()?),
        };
        decompressor.decompress(packed, length).ok()
    })
}

/// The records of an unpacked pack, in their order; `None` for other bytes.
pub(super) fn records_of(unpacked: &[u8]) -> Option<Vec<Unplaced<'_>>> {
    let (mut records, mut rest) = (Vec::new(), unpacked);
    while let Some((length, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (record, behind) = behind.split_at_checked(length)?;
        records.push(read_record(record)?);
        rest = behind;
    }
    rest.is_empty().then_some(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::event;

    fn unpacked(packs: &[Vec<u8>]) -> Vec<NewRecord> {
        let bytes: Vec<_> = packs.iter().map(|pack| unpack(pack).unwrap()).collect();
        bytes.iter().flat_map(|bytes| records_of(bytes).unwrap()).map(Unplaced::to_new).collect()
    }

    fn packed(records: &[NewRecord]) -> Vec<Vec<u8>> {
        pack(records.iter().map(Unplaced::from))
    }

    #[test]
    fn what_is_alike_becomes_a_fraction_and_what_is_not_stays_as_it_is() {
        let body = |n| format!(r#"{{"n":{n},"rule":"media.yaml/containers/ContainerDown","source":"prometheus"}}"#);
        let records: Vec<_> = (0..256).map(|n| NewRecord { body: Body::parse(body(n)).unwrap(), ..event(n) }).collect();
        let bytes: usize = records.iter().map(|record| record.body.len() + HEAD_BYTES).sum();
        let packs = packed(&records);
        assert!(packs.len() == 1 && packs[0].len() * 2 < bytes, "{} of {bytes}", packs[0].len());
        assert_eq!(unpacked(&packs), records);
        let alone = packed(&[event(7)]);
        assert_eq!(unpacked(&alone), [event(7)]);
        assert_eq!(packed(&[]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_pack_is_closed_when_it_is_large_and_holds_the_largest_record() {
        let large = |bytes: usize| NewRecord {
            body: Body::parse(format!("{{\"x\":\"{}\"}}", "x".repeat(bytes - 8))).unwrap(),
            ..event(1)
        };
        let records = [large(PACK_BYTES - 100), large(MAX_PIECE_BYTES), large(1_000)];
        assert_eq!(records[1].body.len(), MAX_PIECE_BYTES);
        let packs = packed(&records);
        assert_eq!(packs.len(), 2);
        assert!(unpacked(&packs) == records);
    }

    #[test]
    fn nothing_is_unpacked_that_is_larger_than_a_pack() {
        let of =
            |bytes: usize| [&[COMPRESSED], zstd::bulk::compress(&vec![0; bytes], LEVEL).unwrap().as_slice()].concat();
        assert_eq!(unpack(&of(MOST_PACK_BYTES)).map(|bytes| bytes.len()), Some(MOST_PACK_BYTES));
        assert_eq!(unpack(&of(MOST_PACK_BYTES + 1)), None);
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_no_panic(bytes in any::<Vec<u8>>(), numbers in proptest::collection::vec(any::<u32>(), 1..9), cut in any::<prop::sample::Index>()) {
            let _ = unpack(&bytes).map(|bytes| records_of(&bytes).map(|records| records.len()));
            let _ = records_of(&bytes);
            let count = numbers.len();
            let whole = packed(&numbers.into_iter().map(event).collect::<Vec<_>>()).remove(0);
            let part = unpack(&whole[..cut.index(whole.len())]);
            let found = part.and_then(|bytes| records_of(&bytes).map(|records| records.len()));
            prop_assert!(found.is_none_or(|found| found < count));
        }
    }
}
