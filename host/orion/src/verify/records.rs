//! The audit trail: what was decided, and whether it is as it was written.

use std::path::Path;

use orion_bus::{Entry, Ownership, Reader, RecordKind};
use orion_model::Decision;
use orion_pipeline::memory::{KindAudit, TrailLines, audit, file_name};
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::finding::{Check, Fault, counted, some_of};

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
    let (in_file, odd) = odd_lines(memory)?;
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

/// How many whole lines the files of decisions have, and which of them are something else than `NO_ACTION`. A line that cannot
/// be read at all is found with the chain.
fn odd_lines(memory: &Path) -> Result<(u64, Vec<String>), Failure> {
    let (mut lines, mut odd) = (0, Vec::new());
    let mut trail = TrailLines::open(memory, RecordKind::Decision).map_err(Failure::configuration)?;
    while let Ok(Some(line)) = trail.next_line() {
        lines += 1;
        if !is_no_action(line) {
            odd.push(format!("line {lines}"));
        }
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
    let found = audit(memory, store, may_lag, None).map_err(Failure::configuration)?;
    let failures = found.findings.into_iter().map(|finding| Fault::new(finding.what, finding.mend)).collect();
    let count = |of: fn(&KindAudit) -> u64| found.kinds.iter().map(of).sum::<u64>();
    let said = format!(
        "{} in {}, each following from the one before it, as the store has them",
        counted(count(|kind| kind.lines), "line"),
        counted(count(|kind| kind.files), "file")
    );
    let told = |kind: &KindAudit| if kind.is_there { json!(kind) } else { Value::Null };
    let mut facts: serde_json::Map<String, Value> =
        found.kinds.iter().map(|kind| (kind.name.to_owned(), told(kind))).collect();
    facts.insert("checkpoints".to_owned(), json!(found.checkpoints));
    Ok(Check::of("chain", said, failures, Value::Object(facts)))
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
