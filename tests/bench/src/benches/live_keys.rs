//! A million keys of `count` at one time: the memory of the guest, and of the copy of its saved state that the host keeps.
//!
//! Fed as a replay feeds events, so that it is the Guardian's desk that keeps them. A replay also remembers every event, which live is in the
//! store: what it takes for that shows beside a replay of the same events whose keys are gone after a second, and is subtracted. In a
//! process of its own, which has not yet held anything else: an allocator keeps what others gave back.
#![expect(clippy::disallowed_types, reason = "the bench starts itself; none of this is deployed")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use orion_bus::NewRecord;
use orion_model::{Event, Fingerprint, IdBuilder, Labels, Severity, StateEntry, Status, Timestamp};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_sandbox::EventBatch;
use serde_json::Value;

use super::Context;
use crate::cpu::{self, ProcessId};
use crate::error::{BenchError, require};
use crate::events::BATCH;
use crate::plugins::{correlator, load};
use crate::report::{Figure, Target};
use crate::rule_set::{SOURCE, generation, shelf};

/// What `--only` calls it.
pub const NAME: &str = "live_keys";

const KEYS: u64 = 1_000_000;
/// Events after which a replay holds no more than it will whenever events come.
const WARM_UP: u64 = 20_000;
const MOST_MIB: f64 = 350.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Time between two events; all of them lie within the window.
const STEP_MILLIS: i64 = 10;
/// The window of the counts.
pub(super) const WINDOW_MILLIS: i64 = 86_400_000;

/// When the first event is.
pub(super) const FIRST: Timestamp = Timestamp::from_millis(1_732_174_269_000);

/// A window in which few keys live at a time.
const SHORT_WINDOW: &str = "1s";
/// One in which all do.
const LONG_WINDOW: &str = "24h";

fn rules(window: &str) -> String {
    format!(
        "
correlations:
  - name: refused
    match: {{ event_type: connection_refused }}
    group_by: [client]
    plugin: count
    window: {window}
    with: {{ gte: 100 }}
    incident: {{ type: many_refused, summary: \"{{{{ $labels.client }}}} is refused again and again\" }}
"
    )
}

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let numbers = if context.is_alone() { measure(context)? } else { measure_in_a_process_of_its_own()? };
    let [keys, events, restored, rate] = numbers;
    Ok(vec![
        Figure::new("memory of a million keys", Target::AtMost(MOST_MIB), keys, "MiB")
            .note("resident: what the guest holds, and the host's copy of its saved state"),
        Figure::new("what a replay remembers of their events", Target::None, events, "MiB")
            .note("subtracted from that; live it is in the store"),
        Figure::new("a guest that is given all of it back", Target::None, restored, "MiB")
            .note("its linear memory; what carried the state there is not given back"),
        Figure::new("events, each of a new key", Target::None, rate, "events/s"),
    ])
}

/// Starts this program for this benchmark only; what it measured.
fn measure_in_a_process_of_its_own() -> Result<[f64; 4], BenchError> {
    const WHAT: &str = "measure in a process of its own";
    let me = std::env::current_exe().map_err(BenchError::failed(WHAT))?;
    let arguments = ["--alone", "--only", NAME, "--output", "json"];
    let output =
        Command::new(me).args(arguments).stderr(Stdio::inherit()).output().map_err(BenchError::failed(WHAT))?;
    let report: Value = serde_json::from_slice(&output.stdout).map_err(BenchError::failed(WHAT))?;
    let figures = report.get("figures").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let measured: Vec<f64> = figures.iter().filter_map(|figure| figure.get("measured")?.as_f64()).collect();
    measured.try_into().map_err(|_| BenchError::Failed { what: WHAT.to_owned(), why: report.to_string() })
}

fn measure(context: &Context) -> Result<[f64; 4], BenchError> {
    let me = ProcessId(std::process::id());
    // Whatever is there once is not the keys'.
    drop(replayed(context, SHORT_WINDOW, WARM_UP)?);
    let began = me.memory()?.resident_mib;
    let beside = replayed(context, SHORT_WINDOW, KEYS)?;
    let remembered = me.memory()?.resident_mib;
    let before = cpu::of_this_thread();
    let replay = replayed(context, LONG_WINDOW, KEYS)?;
    let took = cpu::of_this_thread() - before;
    let full = me.memory()?.resident_mib;
    drop((beside, replay));
    let restored = restored_bytes(context)?;
    let events = remembered - began;
    Ok([full - remembered - events, events, restored as f64 / MIB, KEYS as f64 / took.as_secs_f64()])
}

/// A replay that was fed so many events, each of a new key.
fn replayed(context: &Context, window: &str, keys: u64) -> Result<Replay, BenchError> {
    let generation = generation(&shelf(context.sandbox()?)?, &rules(window))?;
    let settings = ReplaySettings { from: FIRST, to: FIRST, pace: Pace::AsLive };
    let mut replay = Replay::new(&generation, &BTreeMap::new(), settings).map_err(BenchError::failed("feed events"))?;
    let mut records = Records(0);
    for first in (0..keys).step_by(BATCH) {
        let events: Vec<Event> = (first..keys.min(first + BATCH as u64)).map(event).collect();
        let reached = events.last().map_or(FIRST, |event| event.ts);
        replay.feed(events, reached, &mut records).map_err(BenchError::failed("feed events"))?;
    }
    require(records.0 == 0, || format!("{} records, and no client was refused a hundred times", records.0))?;
    Ok(replay)
}

/// Counts records; an incident, or a fault of the plugin, would be one.
struct Records(usize);

impl Observer for Records {
    fn record(&mut self, _record: &NewRecord) {
        self.0 += 1;
    }
}

fn event(index: u64) -> Event {
    let [_, b, c, d] = u32::try_from(index).unwrap_or_default().to_be_bytes();
    let client = format!("10.{b}.{c}.{d}");
    Event {
        event_id: IdBuilder::new("bench").number(index.cast_signed()).finish(),
        event_type: "connection_refused".to_owned(),
        severity: Severity::Info,
        status: Status::Occurred,
        ts: FIRST.plus_millis(index.cast_signed() * STEP_MILLIS),
        rule: "bench.yaml/group/refused".to_owned(),
        source: SOURCE.to_owned(),
        generation: 1,
        fingerprint: Fingerprint::from(IdBuilder::new("alert").number(index.cast_signed()).finish()),
        labels: Labels::from_iter([("client", client.as_str())]),
        annotations: Labels::empty(),
        data: serde_json::Map::new(),
        evidence: None,
    }
}

/// What an instance holds that is given the state of a million keys at once, as after a restart, and is then told an event.
fn restored_bytes(context: &Context) -> Result<usize, BenchError> {
    let plugin = load(context.sandbox()?, "count")?;
    let given = [("gte", 100.into()), ("window", WINDOW_MILLIS.into())];
    let mut first = correlator(&plugin, &given)?;
    let (mut batch, mut changes, mut saved) = (EventBatch::new(), Vec::new(), BTreeMap::new());
    for start in (0..KEYS).step_by(BATCH) {
        batch.clear();
        (start..KEYS.min(start + BATCH as u64)).for_each(|index| push(&mut batch, index));
        first.correlate(FIRST, &batch, &mut changes).map_err(BenchError::failed("correlate"))?;
        let entries = first.checkpoint().map_err(BenchError::failed("checkpoint"))?;
        saved.extend(entries.into_iter().map(|entry| (entry.key, entry.value)));
    }
    drop(first);
    let entries: Vec<StateEntry> = saved.into_iter().map(|(key, value)| StateEntry { key, value }).collect();
    require(entries.len() as u64 == KEYS, || format!("{} keys are saved", entries.len()))?;
    let version = plugin.manifest().state_version.unwrap_or_default();
    let mut second = correlator(&plugin, &given)?;
    second.restore(version, &entries).map_err(BenchError::failed("restore"))?;
    batch.clear();
    push(&mut batch, KEYS);
    let report = second.correlate(FIRST, &batch, &mut changes).map_err(BenchError::failed("correlate"))?;
    Ok(report.memory_bytes)
}

/// Adds the event of that number, of a key of its own.
pub(super) fn push(batch: &mut EventBatch, index: u64) {
    let event = event(index);
    let key = event.labels.to_string();
    let fingerprint = event.fingerprint.as_u64();
    let Event { ts, severity, status, event_type, labels, .. } = &event;
    batch.push(index + 1, *ts, *severity, *status, fingerprint, f64::NAN, &key, event_type, labels);
}
