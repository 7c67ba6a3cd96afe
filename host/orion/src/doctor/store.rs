//! The store: whether it opens, who has it, how often it was started, and whether what reads it comes along.

use std::collections::BTreeMap;
use std::path::Path;

use orion_bus::{BusError, Ownership, Reader, RecordKind, SqliteBus, ownership};
use orion_model::{Event, Timestamp};
use orion_pipeline::condition::kind::CONFINEMENT_ATTESTED as STARTED;
use orion_pipeline::watcher::{GROUP_OWNERS, Outcome, standings};
use serde_json::json;

use crate::finding::{Check, Fault, counted, some_of};

/// Starts within this time are looked at.
const RESTART_WINDOW_MILLIS: i64 = 10 * 60 * 1_000;

/// So many of them are no accident.
const MOST_STARTS: usize = 3;

/// Records that are looked through for starts: a start that goes wrong leaves few others behind.
const RECORDS_LOOKED_AT: usize = 4_096;

/// What is about the store. All of it, or why there is nothing to look at.
pub fn checks(memory: &Path, now: Timestamp) -> Vec<Check> {
    const NAME: &str = "store";
    if !memory.join("orion.db").exists() {
        let why = "there is none yet; the first start makes it".to_owned();
        return vec![Check::not_seen(NAME, why, json!({}))];
    }
    let opened = SqliteBus::open_read_only(memory).and_then(|reader| Ok((reader, ownership(memory)?)));
    match opened.and_then(|(mut reader, ownership)| look(&mut reader, ownership, now)) {
        Ok(checks) => checks,
        Err(why) => {
            let mend = "`orion snapshot restore FOLDER` puts a snapshot in its place; `orion audit rebuild` writes the files anew from a store \
                        that opens";
            vec![Check::of(NAME, String::new(), vec![Fault::new(why.to_string(), mend)], json!({}))]
        }
    }
}

fn look(reader: &mut Reader, ownership: Ownership, now: Timestamp) -> Result<Vec<Check>, BusError> {
    Ok(vec![store(reader, ownership)?, starts(reader, now)?, evaluations(reader)?])
}

fn store(reader: &mut Reader, ownership: Ownership) -> Result<Check, BusError> {
    let records = reader.last_seq()?;
    let who = match ownership {
        Ownership::Process(pid) => format!("process {pid} has it"),
        Ownership::Elsewhere => "a process that cannot be seen from here has it".to_owned(),
        Ownership::Nobody => "nobody has it: Orion does not run".to_owned(),
    };
    let facts = json!({ "last_position": records, "runs": !matches!(ownership, Ownership::Nobody) });
    Ok(Check::of("store", format!("opens, up to position {records}; {who}"), Vec::new(), facts))
}

/// Whether it starts again and again.
fn starts(reader: &mut Reader, now: Timestamp) -> Result<Check, BusError> {
    let after = reader.last_seq()?.saturating_sub(RECORDS_LOOKED_AT as u64);
    let since = now.plus_millis(-RESTART_WINDOW_MILLIS);
    let starts = reader
        .read(after, RECORDS_LOOKED_AT)?
        .into_iter()
        .filter(|entry| entry.kind == RecordKind::Event && entry.ts >= since)
        .filter_map(|entry| serde_json::from_str::<Event>(&entry.body).ok())
        .filter(|event| event.event_type == STARTED && !event.is_forwarded())
        .count();
    let mut failures = Vec::new();
    if starts > MOST_STARTS {
        failures.push(Fault::new(
            format!("{starts} starts within ten minutes: something ends it again and again"),
            "its last words say what: `journalctl --unit orion --lines 50`, `docker logs --tail 50 orion`; exit code 3 is a setting or \
             something that cannot be opened, a kill is often the memory limit of its container",
        ));
    }
    let said = format!("{} within ten minutes", counted(starts, "start"));
    Ok(Check::of("starts", said, failures, json!({ "within_ten_minutes": starts })))
}

/// Whether every rule has an answer.
fn evaluations(reader: &mut Reader) -> Result<Check, BusError> {
    let mut all = BTreeMap::new();
    for owner in reader.owners(GROUP_OWNERS)? {
        all.extend(standings(&reader.load(&owner)?));
    }
    let is_wrong = |outcome: Outcome| matches!(outcome, Outcome::Error | Outcome::Partial);
    let unwell =
        all.values().filter(|standing| standing.health.as_ref().is_some_and(|health| is_wrong(health.outcome)));
    let unwell: Vec<String> = unwell.map(|standing| standing.rule.clone()).collect();
    let mut failures = Vec::new();
    if !unwell.is_empty() {
        failures.push(Fault::new(
            format!("{} without a whole answer: {}", counted(unwell.len(), "rule"), some_of(&unwell)),
            "`orion rule list --unwell` says why, `orion explain RULE` shows one of them",
        ));
    }
    let said = format!("{} evaluated, each with an answer", counted(all.len(), "rule"));
    Ok(Check::of("rules live", said, failures, json!({ "rules": all.len(), "unwell": unwell })))
}
