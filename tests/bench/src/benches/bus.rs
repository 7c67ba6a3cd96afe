//! Events onto the embedded bus in commits of a batch each, synced to the disk, and off it again.
//!
//! Time on the wall: waiting for the disk is what this is about.

use std::time::Instant;

use orion_bus::{Body, Bus, Commit, Entry, NewRecord, RecordKind, SqliteBus};
use orion_model::{IdBuilder, Timestamp};
use serde_json::json;

use super::Context;
use crate::deployment::folder_on_disk;
use crate::error::{BenchError, require};
use crate::median::median;
use crate::report::{Figure, Target};

const BATCH: usize = 256;
const BATCHES: usize = 200;
const RUNS: usize = 7;
const LEAST_EVENTS_PER_SECOND: f64 = 30_000.0;
const OWNER: &str = "bench";

/// Measures it.
pub fn run(_: &Context) -> Result<Vec<Figure>, BenchError> {
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start threads"))?;
    let events: Vec<NewRecord> = (0..BATCH * BATCHES).filter_map(event).collect();
    let (mut written, mut read, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let folder = folder_on_disk()?;
        let bus = SqliteBus::open(folder.path()).map_err(BenchError::failed("open the bus"))?;
        let commits = commits(&events);
        let began = Instant::now();
        runtime.block_on(commit_all(&bus, commits))?;
        let writing = began.elapsed();
        let began = Instant::now();
        let entries = runtime.block_on(read_all(&bus))?;
        let reading = began.elapsed();
        same_events(&events, &entries)?;
        bus.close().map_err(BenchError::failed("close the bus"))?;
        let rate = |time: std::time::Duration| events.len() as f64 / time.as_secs_f64();
        written.push(rate(writing));
        read.push(rate(reading));
        both.push(rate(writing + reading));
    }
    let size = events.first().map_or(0, |event| event.body.len());
    Ok(vec![
        Figure::new("committed and read back", Target::AtLeast(LEAST_EVENTS_PER_SECOND), median(both), "events/s")
            .note(format!("{size} bytes each, {BATCH} a commit, time on the wall")),
        Figure::new("committed", Target::None, median(written), "events/s"),
        Figure::new("read", Target::None, median(read), "events/s"),
    ])
}

/// As the Watcher writes one.
fn event(index: usize) -> Option<NewRecord> {
    let millis = 1_732_174_269_007 + index as i64;
    let id = IdBuilder::new("bench").number(index as i64).finish();
    let event = json!({
        "event_id": id.to_string(), "event_type": "service_down", "severity": "error", "status": "firing",
        "ts": "2024-11-21T07:31:09.007Z", "rule": "media-stack.yaml/containers/ContainerDown", "source": "prometheus",
        "generation": 3, "fingerprint": id.to_string(),
        "labels": {
            "alertname": "ContainerDown", "instance": "cadvisor:8080", "job": "cadvisor", "name": "jellyfin",
            "service": "jellyfin", "severity": "error",
        },
        "annotations": { "summary": "jellyfin is down" },
        "data": { "value": index as f64 + 0.5, "active_since": "2024-11-21T07:29:09.007Z" },
        "evidence": {
            "expr": "time() - container_last_seen{name=~\"jellyfin|radarr|sonarr|qbittorrent\"} > 60",
            "instant": "2024-11-21T07:31:09.007Z", "input_id": id.to_string(), "plugin": "threshold",
            "plugin_digest": format!("{id}{id}"), "contract": "v1", "fuel": 12_345,
        },
    });
    Some(NewRecord { kind: RecordKind::Event, id, ts: Timestamp::from_millis(millis), body: Body::of(&event).ok()? })
}

fn commits(events: &[NewRecord]) -> Vec<Commit> {
    let commit = |(offset, records): (i64, &[NewRecord])| Commit {
        owner: OWNER.to_owned(),
        expected: (offset > 0).then(|| offset - 1),
        offset,
        records: records.to_vec(),
        state: Vec::new(),
    };
    (0..).zip(events.chunks(BATCH)).map(commit).collect()
}

/// One after the other: each is on the disk before the next begins.
async fn commit_all(bus: &SqliteBus, commits: Vec<Commit>) -> Result<(), BenchError> {
    for commit in commits {
        bus.commit(commit).await.map_err(BenchError::failed("commit"))?;
    }
    Ok(())
}

async fn read_all(bus: &SqliteBus) -> Result<Vec<Entry>, BenchError> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.seq);
        let more = bus.read(after, BATCH).await.map_err(BenchError::failed("read"))?;
        if more.is_empty() {
            return Ok(entries);
        }
        entries.extend(more);
    }
}

fn same_events(written: &[NewRecord], read: &[Entry]) -> Result<(), BenchError> {
    let same = |(event, entry): (&NewRecord, &Entry)| event.id == entry.id && *event.body == *entry.body;
    let all = written.len() == read.len() && written.iter().zip(read).all(same);
    require(all, || "what was read is not what was committed".to_owned())
}
