//! The promises of the audit trail: nothing lost, nothing twice, whatever a crash tears; and no edit goes unseen.

mod audit;
mod golden;
mod retention;
mod rotation;

use std::fs;
use std::path::Path;

use orion_bus::{Entry, RecordKind};
use orion_model::{IdBuilder, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Begins, Chain, DEFAULT_ROTATE_BYTES, Heads, MemoryError, Projection, file_name, verify};

pub(super) fn entry(seq: u64, kind: RecordKind, body: &str) -> Entry {
    let id = IdBuilder::new("test").number(seq as i64).finish();
    Entry { seq, kind, id, ts: Timestamp::from_millis(seq as i64), body: body.into() }
}

/// A log in which kinds take turns and bodies differ in length.
pub(super) fn log(length: u64) -> Vec<Entry> {
    let one = |seq| {
        let kind = RecordKind::ALL[(seq * 7 % 5 % 3) as usize];
        entry(seq, kind, &format!(r#"{{"n":{seq},"text":"{}"}}"#, "ä".repeat((seq * 13 % 40) as usize)))
    };
    (1..=length).map(one).collect()
}

fn open(folder: &Path, bus_last_seq: u64) -> Result<Projection, MemoryError> {
    Projection::open(folder, bus_last_seq, &Begins::NONE, DEFAULT_ROTATE_BYTES)
}

fn texts(folder: &Path) -> [String; 3] {
    RecordKind::ALL.map(|kind| fs::read_to_string(folder.join(file_name(kind))).unwrap())
}

/// What the stage does at every start: open, and project what the bus has behind the point to resume from.
pub(super) fn run(folder: &Path, log: &[Entry]) -> Projection {
    let mut projection = open(folder, log.len() as u64).unwrap();
    let after = usize::try_from(projection.resume_after()).unwrap();
    projection.project(&log[after..]).unwrap();
    projection
}

fn projected(log: &[Entry]) -> (TempDir, [String; 3]) {
    let folder = TempDir::new().unwrap();
    run(folder.path(), log);
    let texts = texts(folder.path());
    (folder, texts)
}

#[test]
fn a_line_is_the_record_between_its_place_and_its_seal() {
    let body = r#"{"event_id":"00","text":"Größe"}"#;
    let log = [entry(1, RecordKind::Event, body), entry(2, RecordKind::Event, "{}")];
    let (_folder, [events, incidents, decisions]) = projected(&log);
    let lines: Vec<_> = events.lines().collect();
    let zero = "0".repeat(64);
    let unsealed = format!(r#"{{"seq":1,"schema":"orion.event/1","event_id":"00","text":"Größe","prev":"b3:{zero}"}}"#);
    let hash = blake3::hash(unsealed.as_bytes()).to_hex();
    assert_eq!(lines[0], format!(r#"{},"hash":"b3:{hash}"}}"#, unsealed.strip_suffix('}').unwrap()));
    let second: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(second["prev"], format!("b3:{hash}"));
    assert_eq!((second["seq"].as_u64(), second["schema"].as_str()), (Some(2), Some("orion.event/1")));
    assert_eq!((lines.len(), incidents.as_str(), decisions.as_str()), (2, "", ""));
}

#[test]
fn every_record_goes_to_the_file_of_its_kind_and_every_file_verifies() {
    let log = log(60);
    let (folder, texts) = projected(&log);
    for (kind, text) in RecordKind::ALL.into_iter().zip(texts) {
        let of_kind = || log.iter().filter(|entry| entry.kind == kind);
        let seqs = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64());
        assert!(seqs.eq(of_kind().map(|entry| Some(entry.seq))));
        let (lines, last_seq) = (of_kind().count() as u64, of_kind().next_back().unwrap().seq);
        let verified = verify(&folder.path().join(file_name(kind))).unwrap();
        assert_eq!((verified.lines, verified.last_seq, verified.torn_bytes), (lines, last_seq, 0));
        let mut chain = Chain::from(Heads::NONE);
        assert!(of_kind().all(|entry| chain.heads().of(kind) != verified.head && chain.push(entry)));
        assert_eq!(chain.heads().of(kind), verified.head);
    }
}

#[test]
fn a_restart_after_any_entry_changes_nothing() {
    let log = log(25);
    let (_, whole) = projected(&log);
    for stop in 0..=log.len() {
        let folder = TempDir::new().unwrap();
        run(folder.path(), &log[..stop]);
        let again = run(folder.path(), &log);
        assert_eq!(texts(folder.path()), whole, "stopped after {stop}");
        assert_eq!((again.resume_after(), again.repairs()), (25, vec![]));
    }
}

#[test]
fn entries_given_again_are_not_written_again() {
    let log = log(20);
    let (folder, whole) = projected(&log);
    let mut projection = open(folder.path(), 20).unwrap();
    projection.project(&log).unwrap();
    projection.project(&log[5..]).unwrap();
    projection.project(&[]).unwrap();
    assert_eq!(texts(folder.path()), whole);
}

#[test]
fn a_file_torn_at_any_byte_of_its_last_lines_becomes_whole_again() {
    let log = log(12);
    let (folder, whole) = projected(&log);
    let (path, text) = (folder.path().join(file_name(RecordKind::Event)), whole[0].as_bytes());
    let second_last = whole[0].lines().rev().nth(1).unwrap();
    for length in whole[0].find(second_last).unwrap()..text.len() {
        fs::write(&path, &text[..length]).unwrap();
        let kept = text[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let repairs = run(folder.path(), &log).repairs();
        assert_eq!(repairs.iter().map(|repair| repair.cut_bytes).sum::<u64>(), (length - kept) as u64);
        assert_eq!(texts(folder.path()), whole, "torn at byte {length}");
    }
}

#[test]
fn a_first_line_torn_at_any_byte_becomes_whole_again() {
    let log = log(1);
    let (folder, whole) = projected(&log);
    let path = folder.path().join(file_name(log[0].kind));
    let text = fs::read(&path).unwrap();
    for length in 0..text.len() {
        fs::write(&path, &text[..length]).unwrap();
        run(folder.path(), &log);
        assert_eq!(texts(folder.path()), whole, "torn at byte {length}");
    }
}

#[test]
fn bytes_the_disk_never_got_count_as_torn() {
    let log = log(12);
    let (folder, whole) = projected(&log);
    let path = folder.path().join(file_name(RecordKind::Event));
    let middle = whole[0].len() / 2;
    for keep in [0, middle] {
        let mut bytes = whole[0].clone().into_bytes();
        bytes[keep..].fill(0);
        bytes.push(b'\n');
        fs::write(&path, bytes).unwrap();
        assert_eq!(run(folder.path(), &log).repairs().len(), 1);
        assert_eq!(texts(folder.path()), whole);
    }
}

#[test]
fn a_deleted_file_comes_back_byte_for_byte() {
    let log = log(30);
    let (folder, whole) = projected(&log);
    for kind in RecordKind::ALL {
        fs::remove_file(folder.path().join(file_name(kind))).unwrap();
        assert_eq!(open(folder.path(), 30).unwrap().resume_after(), 0);
        run(folder.path(), &log);
        assert_eq!(texts(folder.path()), whole);
    }
}

#[test]
fn a_kind_that_never_comes_does_not_make_every_start_read_everything() {
    let log: Vec<_> = (1..=50).map(|seq| entry(seq, RecordKind::Event, "{}")).collect();
    let (folder, whole) = projected(&log);
    assert_eq!(open(folder.path(), 50).unwrap().resume_after(), 50);
    // The hint is no more than that: torn, wrong or gone, the files speak for themselves.
    for hint in ["", "50 50 0", "99 50 0 0 b3:00\n"] {
        fs::write(folder.path().join("projected"), hint).unwrap();
        assert_eq!(open(folder.path(), 50).unwrap().resume_after(), 0, "{hint:?}");
        run(folder.path(), &log);
        assert_eq!(texts(folder.path()), whole);
    }
}

#[test]
fn a_foreign_or_scrambled_file_is_refused_and_left_alone() {
    let (folder, whole) = projected(&log(12));
    let path = folder.path().join(file_name(RecordKind::Event));
    let scrambled = whole[0].replace("orion.event/1", "orion.event/2");
    for text in ["my notes\n", "[1,2]", scrambled.replacen("{\"seq\"", "{\"sek\"", 1).as_str()] {
        fs::write(&path, text).unwrap();
        let refused = open(folder.path(), 12).err();
        assert!(matches!(refused, Some(MemoryError::Damaged { .. })), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn files_of_another_database_are_noticed() {
    let (folder, _) = projected(&log(12));
    assert!(open(folder.path(), 12).is_ok());
    let refused = open(folder.path(), 11).err();
    assert!(matches!(refused, Some(MemoryError::Ahead { last_seq: 12, bus_last_seq: 11, .. })), "{refused:?}");
}

#[test]
fn a_file_deleted_under_a_running_host_is_noticed_and_comes_back() {
    let log = log(30);
    let (folder, whole) = projected(&log);
    let mut projection = open(folder.path(), 30).unwrap();
    let kind = log[29].kind;
    fs::remove_file(folder.path().join(file_name(kind))).unwrap();
    let more = [entry(31, kind, "{}")];
    assert!(matches!(projection.project(&more), Err(MemoryError::Replaced { .. })));
    run(folder.path(), &log);
    assert_eq!(texts(folder.path()), whole);
}

#[test]
fn a_record_that_would_break_its_line_is_refused_and_nothing_of_the_batch_stays_in_that_file() {
    let folder = TempDir::new().unwrap();
    let mut projection = open(folder.path(), 3).unwrap();
    for body in ["", "{", "[]", "{\"a\":\n1}"] {
        let batch = [entry(1, RecordKind::Event, "{}"), entry(2, RecordKind::Event, body)];
        let refused = projection.project(&batch);
        assert!(matches!(refused, Err(MemoryError::Malformed { seq: 2 })), "{refused:?}");
    }
    assert_eq!(texts(folder.path()), ["", "", ""].map(str::to_owned));
    assert_eq!(projection.resume_after(), 0);
}

#[test]
fn a_batch_larger_than_a_chunk_is_whole() {
    let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(700_000));
    let log: Vec<_> = (1..=5).map(|seq| entry(seq, RecordKind::Event, &body)).collect();
    let (folder, whole) = projected(&log);
    assert_eq!(verify(&folder.path().join("events.jsonl")).unwrap().lines, 5);
    // The last whole line is found although the torn one is longer than the first look.
    fs::write(folder.path().join("events.jsonl"), &whole[0].as_bytes()[..whole[0].len() - 9]).unwrap();
    run(folder.path(), &log);
    assert_eq!(texts(folder.path()), whole);
}

fn broken_line(path: &Path, text: &str) -> Option<u64> {
    fs::write(path, text).unwrap();
    match verify(path) {
        Ok(_) => None,
        Err(MemoryError::Broken { line, .. }) => Some(line),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_edit_a_deletion_a_reordering_and_an_addition_are_found_at_their_line() {
    let log: Vec<_> = (1..=5).map(|seq| entry(seq, RecordKind::Event, r#"{"severity":"error"}"#)).collect();
    let (folder, [text, ..]) = projected(&log);
    let path = folder.path().join("events.jsonl");
    let lines: Vec<_> = text.lines().collect();
    let of = |order: &[usize]| order.iter().map(|at| format!("{}\n", lines[*at])).collect::<String>();
    assert_eq!(broken_line(&path, &of(&[0, 1, 2, 3, 4])), None);
    assert_eq!(broken_line(&path, &of(&[0, 1, 2, 3, 4]).replacen("error", "info", 1)), Some(1));
    assert_eq!(broken_line(&path, &of(&[0, 1, 3, 4])), Some(3));
    assert_eq!(broken_line(&path, &of(&[1, 2, 3, 4])), Some(1));
    assert_eq!(broken_line(&path, &of(&[0, 2, 1, 3, 4])), Some(2));
    assert_eq!(broken_line(&path, &of(&[0, 1, 1, 2, 3, 4])), Some(3));
    assert_eq!(broken_line(&path, &format!("{}\n", of(&[0, 1]))), Some(3));
    fs::write(&path, of(&[0, 1]) + "{\"seq\"").unwrap();
    let verified = verify(&path).unwrap();
    assert_eq!((verified.lines, verified.last_seq, verified.torn_bytes), (2, 2, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_byte_goes_unseen(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let (folder, [text, ..]) = projected(&log(9));
        let path = folder.path().join("events.jsonl");
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(&path, &bytes).unwrap();
        let changed = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        match verify(&path) {
            Err(MemoryError::Broken { line, .. }) => prop_assert_eq!(line, changed),
            // Only the line break at the very end can go and leave a torn line.
            Ok(verified) => prop_assert!(at == bytes.len() - 1 && verified.torn_bytes > 0),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }

    #[test]
    fn any_batches_restarts_and_tears_give_the_same_files(
        steps in proptest::collection::vec((1..9usize, 0..3usize, prop::option::of(0..400usize)), 1..12)
    ) {
        let log = log(40);
        let (_, whole) = projected(&log);
        let folder = TempDir::new().unwrap();
        for (batch, kind, tear) in steps {
            let mut projection = open(folder.path(), 40).unwrap();
            let after = usize::try_from(projection.resume_after()).unwrap();
            projection.project(&log[after..log.len().min(after + batch)]).unwrap();
            if let Some(cut) = tear {
                let path = folder.path().join(file_name(RecordKind::ALL[kind]));
                let text = fs::read(&path).unwrap();
                fs::write(&path, &text[..text.len().saturating_sub(cut)]).unwrap();
            }
        }
        run(folder.path(), &log);
        prop_assert_eq!(texts(folder.path()), whole);
    }

    #[test]
    fn any_bytes_at_all_are_verified_or_refused_without_a_panic(bytes in any::<Vec<u8>>(), opens in any::<bool>()) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, &bytes).unwrap();
        if opens {
            let _ = open(folder.path(), 0);
        } else {
            let _ = verify(&path);
        }
    }
}
