//! Files are closed, packed and read as one; where they are cut follows from the records alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use orion_bus::{Entry, RecordKind};
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::line;
use super::super::scene::{ROTATE_BYTES, at_day, lines_of, record};
use super::super::{Begins, CLOSED_DIR, Chain, Heads, MemoryError, Projection, cut_after, file_name, pack_closed};

/// Records of three days, the last of which has a straggler of the day before.
fn log() -> Vec<Entry> {
    let at = |n: i64| match n {
        110 => at_day(1, 0),
        _ => at_day(n / 40, n),
    };
    let record = |n| record(n, at(n));
    let entry = |(record, seq): (orion_bus::NewRecord, u64)| Entry {
        seq,
        kind: record.kind,
        id: record.id,
        ts: record.ts,
        body: record.body.into(),
    };
    (0..120).map(record).zip(1..).map(entry).collect()
}

fn open(folder: &Path) -> Projection {
    Projection::open(folder, 1_000, &Begins::NONE, ROTATE_BYTES).unwrap()
}

fn run(folder: &Path, log: &[Entry]) -> Projection {
    let mut projection = open(folder);
    let after = usize::try_from(projection.resume_after()).unwrap();
    projection.project(&log[after..]).unwrap();
    projection
}

/// Every file of the trail by its name, without the name's end for packed ones, with what it says.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for kind in RecordKind::ALL {
        files.insert(file_name(kind).to_owned(), fs::read_to_string(folder.join(file_name(kind))).unwrap());
    }
    for entry in fs::read_dir(folder.join(CLOSED_DIR)).into_iter().flatten().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let mut text = String::new();
        match name.strip_suffix(".gz") {
            Some(_) => GzDecoder::new(&bytes[..]).read_to_string(&mut text).map(drop).unwrap(),
            None => text = String::from_utf8(bytes).unwrap(),
        }
        files.insert(name.trim_end_matches(".gz").to_owned(), text);
    }
    files
}

fn whole() -> BTreeMap<String, String> {
    let folder = TempDir::new().unwrap();
    run(folder.path(), &log());
    files(folder.path())
}

#[test]
fn files_are_closed_when_they_are_large_or_their_day_is_over_and_names_sort_as_they_follow() {
    let files = whole();
    let names: Vec<&str> = files.keys().map(String::as_str).filter(|name| name.starts_with("events")).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    events-0000000000000001-1970-01-01.jsonl
    events-0000000000000040-1970-01-01.jsonl
    events-0000000000000041-1970-01-02.jsonl
    events-0000000000000080-1970-01-02.jsonl
    events-0000000000000081-1970-01-03.jsonl
    events.jsonl
    ");
    let mut last = 0;
    for name in &names[..names.len() - 1] {
        let seqs: Vec<u64> = files[*name].lines().map(|line| line::seq_of(line.as_bytes()).unwrap()).collect();
        assert!(last < seqs[0] && name.contains(&format!("-{:016}-", seqs[0])), "{name}");
        last = *seqs.last().unwrap();
    }
}

#[test]
fn the_chain_goes_on_over_files_and_holds_each_record_once() {
    let (folder, log) = (TempDir::new().unwrap(), log());
    run(folder.path(), &log);
    pack_closed(folder.path()).unwrap();
    let mut chain = Chain::from(Heads::NONE);
    for kind in RecordKind::ALL {
        let mut expected = Vec::new();
        let mut prev = line::NO_LINE;
        for entry in log.iter().filter(|entry| entry.kind == kind) {
            prev = line::write(&mut expected, entry, prev).unwrap();
            assert!(chain.push(entry));
        }
        let lines = lines_of(folder.path(), kind);
        assert_eq!(lines.join("\n") + "\n", String::from_utf8(expected).unwrap());
    }
    assert_eq!(open(folder.path()).heads(), chain.heads());
}

#[test]
fn a_file_is_closed_by_the_record_that_comes_when_it_has_its_size_and_not_before() {
    let log: Vec<Entry> = log().into_iter().filter(|entry| entry.kind == RecordKind::Event).take(3).collect();
    let mut two_lines = Vec::new();
    let prev = line::write(&mut two_lines, &log[0], line::NO_LINE).unwrap();
    line::write(&mut two_lines, &log[1], prev).unwrap();
    for (rotate_bytes, closed) in [(two_lines.len() as u64, 1), (two_lines.len() as u64 + 1, 0)] {
        let folder = TempDir::new().unwrap();
        let mut projection = Projection::open(folder.path(), 1_000, &Begins::NONE, rotate_bytes).unwrap();
        projection.project(&log).unwrap();
        assert_eq!(projection.closed(), closed, "{rotate_bytes}");
    }
}

#[test]
fn a_crash_after_a_file_was_closed_goes_on_from_its_end() {
    let (log, whole) = (log(), whole());
    for stop in 1..log.len() {
        let folder = TempDir::new().unwrap();
        run(folder.path(), &log[..stop]);
        // What is written on is gone, as it is for a moment when it was closed.
        for kind in RecordKind::ALL {
            let path = folder.path().join(file_name(kind));
            let text = fs::read_to_string(&path).unwrap();
            let Some(first) = text.lines().next().and_then(|line| line::seq_of(line.as_bytes())) else { continue };
            let is_new = log[..stop].iter().rfind(|entry| entry.kind == kind).unwrap().seq == first;
            if is_new {
                fs::remove_file(&path).unwrap();
            }
        }
        run(folder.path(), &log);
        assert_eq!(files(folder.path()), whole, "stopped after {stop}");
    }
}

#[test]
fn what_a_crash_leaves_of_packing_is_tidied_up() {
    let (folder, log, whole) = (TempDir::new().unwrap(), log(), whole());
    run(folder.path(), &log);
    let closed = |name: &str| folder.path().join(CLOSED_DIR).join(name);
    let name = whole.keys().find(|name| name.starts_with("events-")).unwrap();
    // Half packed; packed, and not yet taken away.
    fs::write(closed(&format!("{name}.gz.partial")), "half").unwrap();
    open(folder.path());
    assert!(!closed(&format!("{name}.gz.partial")).exists() && closed(name).exists());
    pack_closed(folder.path()).unwrap();
    fs::write(closed(name), &whole[name]).unwrap();
    assert_eq!(
        lines_of(folder.path(), RecordKind::Event).len(),
        log.iter().filter(|it| it.kind == RecordKind::Event).count()
    );
    open(folder.path());
    assert!(!closed(name).exists());
    assert_eq!(files(folder.path()), whole);
}

#[test]
fn a_closed_file_is_never_written_over() {
    let (folder, log) = (TempDir::new().unwrap(), log());
    let day = super::super::day::Day::of(log[0].ts);
    let first = log.iter().find(|entry| entry.kind == RecordKind::Event).unwrap().seq;
    let in_the_way = folder.path().join(CLOSED_DIR).join(format!("events-{first:016}-{day}.jsonl"));
    let mut projection = open(folder.path());
    fs::create_dir(folder.path().join(CLOSED_DIR)).unwrap();
    fs::write(&in_the_way, "evidence").unwrap();
    let refused = projection.project(&log);
    assert!(matches!(refused, Err(MemoryError::InTheWay { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(in_the_way).unwrap(), "evidence");
}

#[test]
fn what_is_cut_off_anywhere_comes_back_byte_for_byte() {
    let (log, whole) = (log(), whole());
    for packed in [false, true] {
        let mut chain = Chain::from(Heads::NONE);
        for position in 0..=log.len() {
            let folder = TempDir::new().unwrap();
            run(folder.path(), &log);
            if packed {
                pack_closed(folder.path()).unwrap();
            }
            for kind in RecordKind::ALL {
                cut_after(folder.path(), kind, chain.heads().of(kind)).unwrap();
                let kept = log[..position].iter().filter(|entry| entry.kind == kind).count();
                assert_eq!(lines_of(folder.path(), kind).len(), kept, "cut after {position}");
            }
            run(folder.path(), &log);
            assert_eq!(files(folder.path()), whole, "cut after {position}");
            if let Some(entry) = log.get(position) {
                chain.push(entry);
            }
        }
    }
}

#[test]
fn a_crash_while_a_closed_file_is_opened_again_leaves_one_of_both() {
    let (folder, log, whole) = (TempDir::new().unwrap(), log(), whole());
    run(folder.path(), &log);
    let kind = RecordKind::Event;
    let name = whole.keys().find(|name| name.starts_with("events-")).unwrap();
    let closed = fs::read(folder.path().join(CLOSED_DIR).join(name)).unwrap();
    let first = log.iter().find(|entry| entry.kind == kind).unwrap();
    let mut chain = Chain::from(Heads::NONE);
    chain.push(first);
    cut_after(folder.path(), kind, chain.heads().of(kind)).unwrap();
    // As if it had not been taken away.
    fs::write(folder.path().join(CLOSED_DIR).join(name), closed).unwrap();
    assert_eq!(lines_of(folder.path(), kind).len(), 1);
    run(folder.path(), &log);
    assert_eq!(files(folder.path()), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_batches_restarts_tears_and_packing_give_the_same_files(
        steps in proptest::collection::vec((1..50usize, 0..3usize, prop::option::of(0..400usize), any::<bool>()), 1..12)
    ) {
        let (log, folder) = (log(), TempDir::new().unwrap());
        for (batch, kind, tear, packs) in steps {
            let mut projection = open(folder.path());
            let after = usize::try_from(projection.resume_after()).unwrap();
            projection.project(&log[after..log.len().min(after + batch)]).unwrap();
            if packs {
                pack_closed(folder.path()).unwrap();
            }
            if let Some(cut) = tear {
                let path = folder.path().join(file_name(RecordKind::ALL[kind]));
                let text = fs::read(&path).unwrap();
                fs::write(&path, &text[..text.len().saturating_sub(cut)]).unwrap();
            }
        }
        run(folder.path(), &log);
        prop_assert_eq!(files(folder.path()), whole());
    }
}
