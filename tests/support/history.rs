//! A past: a store that holds records of many days, as if Orion had run for as long.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use orion_bus::{Body, Bus, Commit, NewRecord, RecordKind, SqliteBus};
use orion_model::{IdBuilder, Timestamp};

/// Time between two records.
const STEP_MILLIS: i64 = 30 * 60 * 1000;

/// Real records, one of each kind.
const DOCUMENTATION: &str = include_str!("../../docs/records.md");

/// Puts `count` records of the past into the store of a memory folder, the last of them half an hour old, read by all stages.
pub fn fill(memory: &Path, count: i64) {
    fill_read_until(memory, count, count);
}

/// The same, and the Brain has read up to there.
pub fn fill_read_until(memory: &Path, count: i64, read: i64) {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let records: Vec<NewRecord> = (0..count).map(|n| record(n, now - (count - n) * STEP_MILLIS)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = SqliteBus::open(memory).unwrap();
        commit(&bus, "past", 1, records).await;
        commit(&bus, "guardian", count, Vec::new()).await;
        commit(&bus, "brain", read, Vec::new()).await;
        bus.close().unwrap();
    });
}

async fn commit(bus: &SqliteBus, owner: &str, offset: i64, records: Vec<NewRecord>) {
    let commit = Commit { owner: owner.to_owned(), expected: None, offset, records, state: Vec::new() };
    bus.commit(commit).await.unwrap();
}

fn record(n: i64, millis: i64) -> NewRecord {
    let kind = RecordKind::ALL[usize::try_from(n % 3).unwrap()];
    let (ts, id) = (Timestamp::from_millis(millis), IdBuilder::new("past").number(n).finish());
    let schema = format!("orion.{kind}/1\",");
    let line = DOCUMENTATION.lines().find(|line| line.starts_with('{') && line.contains(&schema)).unwrap();
    let (_, rest) = line.split_once(&schema).unwrap();
    let (members, _) = rest.rsplit_once(",\"prev\":").unwrap();
    let members = match kind {
        // The id is the first member, and no two records have the same.
        RecordKind::Event | RecordKind::Decision => replaced(members, "_id\":\"", &id.to_string()),
        RecordKind::Incident => replaced(members, "\"revision\":", &format!("{}", n + 1)),
    };
    let body = format!("{{{}}}", replaced(&members, "\"ts\":\"", &ts.to_string()));
    NewRecord { kind, id, ts, body: Body::parse(body).unwrap() }
}

/// The text with another value behind the first place where that stands.
fn replaced(text: &str, before: &str, value: &str) -> String {
    let (head, rest) = text.split_once(before).unwrap();
    let end = rest.find(['"', ',']).unwrap();
    format!("{head}{before}{value}{}", &rest[end..])
}
