//! The audit trail: what was decided, and whether it is as it was written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use orion_bus::{Entry, Ownership, Reader, RecordKind};
use orion_model::Decision;
use orion_pipeline::memory::{Chain, Verified, file_name, verify};
use serde_json::{Value, json};

use super::{Check, Fault, counted, some_of};
use crate::cli::Failure;

/// Records read at once.
const BATCH: usize = 1_024;

/// A file that Orion never writes: one that holds actions.
const ACTIONS_FILE: &str = "actions.jsonl";

/// Whether every decision is `NO_ACTION` at N0, in the store and in the file, and nothing tells of actions.
pub fn decisions(memory: &Path, store: &mut Reader) -> Result<Check, Failure> {
    let mut failures = Vec::new();
    let mut in_store = 0_u64;
    let mut odd = Vec::new();
    each(store, RecordKind::Decision, |entry| {
        in_store += 1;
        // The type holds no other decision and no other level, so another one cannot be read.
        if serde_json::from_str::<Decision>(&entry.body).is_err() {
            odd.push(format!("record {}", entry.seq));
        }
    })?;
    let database = orion_bus::DATABASE_FILE;
    if !odd.is_empty() {
        failures.push(not_no_action(database, &odd));
    }
    let (in_file, odd) = odd_lines(&memory.join(file_name(RecordKind::Decision)))?;
    if !odd.is_empty() {
        failures.push(not_no_action(file_name(RecordKind::Decision), &odd));
    }
    if memory.join(ACTIONS_FILE).symlink_metadata().is_ok() {
        failures.push(Fault::new(
            format!("there is a file {ACTIONS_FILE}, and Orion has no actions to write down"),
            "find out who put it there, and move it away",
        ));
    }
    let said = format!("{}, each NO_ACTION at N0; no {ACTIONS_FILE}", counted(in_store, "decision"));
    Ok(Check::of("decisions", said, failures, json!({ "in_store": in_store, "in_file": in_file })))
}

fn not_no_action(file: &str, odd: &[String]) -> Fault {
    Fault::new(
        format!("{file} has decisions that are not NO_ACTION at N0: {}", some_of(odd)),
        "Orion cannot write these: keep a copy of the memory folder as evidence, find out who changed it, and restore a backup",
    )
}

/// How many whole lines a file of decisions has, and which of them are something else than `NO_ACTION`.
fn odd_lines(path: &Path) -> Result<(u64, Vec<String>), Failure> {
    let failed = |error: std::io::Error| Failure::Configuration(format!("{} cannot be read: {error}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, Vec::new())),
        Err(error) => return Err(failed(error)),
    };
    let (mut lines, mut odd) = (0, Vec::new());
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        // A line without its end is being written.
        if line.ends_with(b"\n") {
            lines += 1;
            if !is_no_action(&line) {
                odd.push(format!("line {lines}"));
            }
        }
        line.clear();
    }
    Ok((lines, odd))
}

fn is_no_action(line: &[u8]) -> bool {
    let decision: Value = serde_json::from_slice(line).unwrap_or_default();
    let says = |member: &str, what: &str| decision.get(member).and_then(Value::as_str) == Some(what);
    says("decision_type", "NO_ACTION") && says("autonomy_level", "N0")
}

/// Whether the chains of hashes are whole, and are those that the store's records make.
pub fn chain(memory: &Path, store: &mut Reader, ownership: Ownership) -> Result<Check, Failure> {
    // A host that runs writes the store first and the files a moment later.
    let may_lag = ownership != Ownership::Nobody;
    let mut failures = Vec::new();
    let mut facts = serde_json::Map::new();
    let mut lines = 0;
    for kind in RecordKind::ALL {
        let name = file_name(kind);
        let path = memory.join(name);
        let file = match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            _ => match verify(&path) {
                Ok(verified) => Some(verified),
                Err(why) => {
                    failures.push(Fault::new(why.to_string(), mend(name)));
                    facts.insert(name.to_owned(), json!({ "intact": false }));
                    continue;
                }
            },
        };
        lines += file.as_ref().map_or(0, |file| file.lines);
        failures.extend(compare(store, kind, file.as_ref(), may_lag)?);
        let told = |file: &Verified| json!({ "intact": true, "lines": file.lines, "last_seq": file.last_seq, "head": file.head() });
        facts.insert(name.to_owned(), file.as_ref().map_or(Value::Null, told));
    }
    let said = format!(
        "{} in three files, each following from the one before it, as the store has them",
        counted(lines, "line")
    );
    Ok(Check::of("chain", said, failures, Value::Object(facts)))
}

/// What differs between a file that is whole in itself and the records it is written from. A file that somebody wrote anew with
/// all its hashes, or cut, shows here.
fn compare(
    store: &mut Reader,
    kind: RecordKind,
    file: Option<&Verified>,
    may_lag: bool,
) -> Result<Option<Fault>, Failure> {
    let name = file_name(kind);
    let last_seq = file.map_or(0, |file| file.last_seq);
    let mut chain = Chain::empty();
    let mut behind = 0_u64;
    let mut is_writable = true;
    each(store, kind, |entry| {
        if entry.seq > last_seq {
            behind += 1;
        } else {
            is_writable &= chain.push(entry);
        }
    })?;
    if !is_writable || file.is_some_and(|file| !chain.is_of(file)) {
        let what = format!(
            "{name} is whole in itself and is not what {} has: one of the two was written anew",
            orion_bus::DATABASE_FILE
        );
        return Ok(Some(Fault::new(what, mend(name))));
    }
    if behind > 0 && !may_lag {
        let what = format!(
            "{name} ends {} before {} does: its end was cut off",
            counted(behind, "record"),
            orion_bus::DATABASE_FILE
        );
        return Ok(Some(Fault::new(
            what,
            "start Orion: it writes what is missing from the store; find out who cut it",
        )));
    }
    Ok(None)
}

fn mend(name: &str) -> String {
    format!(
        "keep a copy of {name} as evidence and find out who changed it; then move it away with Orion stopped: the next start \
         writes it anew from {}",
        orion_bus::DATABASE_FILE
    )
}

/// Every record of a kind, in order.
fn each(store: &mut Reader, kind: RecordKind, mut act: impl FnMut(&Entry)) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let entries = store.read(after, BATCH).map_err(Failure::configuration)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.seq;
        entries.iter().filter(|entry| entry.kind == kind).for_each(&mut act);
    }
}
