//! The past again: a hundred rules over thirty days, without the time that the source takes.
//!
//! The source lies in this process and counts its own time, which is subtracted: it makes columns out of nothing, but that is
//! not free. What a real one costs is its own business, except for reading its answers, which is shown beside.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use orion_bus::{NewRecord, RecordKind};
use orion_model::{Frame, Labels, Timestamp};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplayCounts, ReplaySettings};
use orion_source::{AnswerLimits, Instants, QuerySession, Source, SourceError, decode_range};

use super::Context;
use crate::cpu;
use crate::error::{BenchError, require};
use crate::events::mixed;
use crate::median;
use crate::report::{Figure, Target};
use crate::rule_set::{SOURCE, generation, shelf};

const GROUPS: usize = 10;
const RULES_OF_A_GROUP: usize = 10;
const SERIES: usize = 100;
pub(super) const STEP_MILLIS: i64 = 60_000;
const DAYS: i64 = 30;
pub(super) const DAY_MILLIS: i64 = 86_400_000;
const LEAST_TIMES_REAL_TIME: f64 = 50_000.0;

/// A multiple of the step, so that the first instant is at its beginning.
pub(super) const FROM: Timestamp = Timestamp::from_millis(1_732_147_200_000);

/// Now and then a series is above it for a while.
const BOUND: f64 = 1_000.0;

/// A series that is above the bound is so for as many steps in this many.
const SPELL_STEPS: i64 = 30;
const SPELLS_EVERY_STEPS: i64 = 1_440;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let shelf = shelf(context.sandbox()?)?;
    let generation = generation(&shelf, &rules())?;
    let source = Arc::new(Memory::default());
    let sources: BTreeMap<String, Arc<dyn Source>> = BTreeMap::from([(SOURCE.to_owned(), source.clone() as _)]);
    let settings =
        ReplaySettings { from: FROM, to: FROM.plus_millis(DAYS * DAY_MILLIS - 1), pace: Pace::Aligned(STEP_MILLIS) };
    let mut records = Records::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(BenchError::failed("start a runtime"))?;
    let before = cpu::of_this_thread();
    let replay = Replay::new(&generation, &sources, settings).map_err(BenchError::failed("replay"))?;
    let counts = runtime.block_on(replay.run(&mut records)).map_err(BenchError::failed("replay"))?;
    let all = cpu::of_this_thread() - before;
    check(counts, &records)?;
    let own = all.saturating_sub(source.took());
    let times = (DAYS * DAY_MILLIS) as f64 / 1_000.0 / own.as_secs_f64();
    let nanos = own.as_nanos() as f64;
    let what = format!("{DAYS} days, {} rules of {SERIES} series", GROUPS * RULES_OF_A_GROUP);
    Ok(vec![
        Figure::new(what, Target::AtLeast(LEAST_TIMES_REAL_TIME), times, "× real time").note(format!(
            "{:.1} s CPU, and {:.1} s of the source; {} events, {} revisions of incidents",
            own.as_secs_f64(),
            source.took().as_secs_f64(),
            records.events,
            records.incidents,
        )),
        Figure::new("samples that are looked at", Target::None, counts.samples as f64 / nanos * 1e9, "samples/s")
            .note(format!("{:.2} µs an evaluation of {SERIES} series", nanos / 1_000.0 / counts.evaluations as f64)),
        decoding()?,
    ])
}

/// Everything was looked at, every spell was seen once, and its end.
fn check(counts: ReplayCounts, records: &Records) -> Result<(), BenchError> {
    let evaluations = (GROUPS * RULES_OF_A_GROUP) as u64 * (DAYS * DAY_MILLIS / STEP_MILLIS).unsigned_abs();
    require(counts.evaluations == evaluations, || {
        format!("{} evaluations instead of {evaluations}", counts.evaluations)
    })?;
    let samples = evaluations * SERIES as u64;
    require(counts.samples == samples, || format!("{} samples instead of {samples}", counts.samples))?;
    let expected = spells();
    require(records.events == expected, || format!("{} events instead of {expected}", records.events))?;
    require(records.incidents > 0, || "no incident opened".to_owned())
}

/// Counts what would have been recorded.
#[derive(Default)]
struct Records {
    events: usize,
    incidents: usize,
}

impl Observer for Records {
    fn record(&mut self, record: &NewRecord) {
        self.events += usize::from(record.kind == RecordKind::Event);
        self.incidents += usize::from(record.kind == RecordKind::Incident);
    }
}

pub(super) fn expr(group: usize, rule: usize) -> String {
    format!("load_{group}_{rule}")
}

pub(super) fn rules() -> String {
    let mut text = String::from("groups:\n");
    for group in 0..GROUPS {
        let _ = write!(text, "  - name: group-{group}\n    interval: 1m\n    rules:\n");
        for rule in 0..RULES_OF_A_GROUP {
            let _ = write!(
                text,
                "      - alert: TooMuch{group}x{rule}\n        expr: {}\n        with: {{ above: {BOUND} }}\n        for: 5m\n\
                 \x20       labels: {{ severity: warning, event_type: too_much, service: \"{{{{ $labels.app }}}}\" }}\n\
                 \x20       annotations: {{ summary: \"{{{{ $labels.app }}}} has {{{{ $value }}}}\" }}\n",
                expr(group, rule)
            );
        }
    }
    text.push_str(
        "correlations:\n  - name: overload\n    match: { event_type: too_much }\n    group_by: [service]\n    plugin: grouping\n\
         \x20   incident: { type: overload, summary: \"{{ $labels.service }} is overloaded\" }\n",
    );
    text
}

/// Answers out of nothing.
#[derive(Default)]
pub(super) struct Memory {
    nanos: AtomicU64,
}

impl Memory {
    fn took(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

fn labels(series: usize) -> Labels {
    let (app, instance) = (format!("app-{series:03}"), format!("10.0.{series}.7:9100"));
    Labels::from_iter([("app", app.as_str()), ("instance", &instance), ("job", "node"), ("namespace", "media")])
}

/// Above the bound for half an hour of a day, each series at another time.
fn value(series: usize, instant: Timestamp) -> f64 {
    let step = instant.millis_since(FROM) / STEP_MILLIS;
    let since = (step - begin(series)).rem_euclid(SPELLS_EVERY_STEPS);
    let usual = BOUND / 2.0 + ((step + series as i64) % 100) as f64;
    if since < SPELL_STEPS { usual + BOUND } else { usual }
}

/// The step of each day in which the spell of a series begins; none lasts over midnight, so that each is whole.
fn begin(series: usize) -> i64 {
    (mixed(series as u64) % (SPELLS_EVERY_STEPS - SPELL_STEPS - 1).unsigned_abs()).cast_signed()
}

fn spells() -> usize {
    const BEGINS_AND_ENDS: usize = 2;
    GROUPS * RULES_OF_A_GROUP * SERIES * usize::try_from(DAYS).unwrap_or(0) * BEGINS_AND_ENDS
}

#[async_trait]
impl Source for Memory {
    fn name(&self) -> &str {
        SOURCE
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let ids: Vec<u32> = (0..SERIES).map(|series| session.table.define(&labels(series), instant)).collect();
        Ok(frame(&ids, instant))
    }

    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        let before = cpu::of_this_thread();
        let last = instants.last();
        let ids: Vec<u32> = (0..SERIES).map(|series| session.table.define(&labels(series), last)).collect();
        let frames = instants.iter().map(|instant| frame(&ids, instant)).collect();
        let took = cpu::of_this_thread() - before;
        self.nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        Ok(frames)
    }
}

fn frame(ids: &[u32], instant: Timestamp) -> Frame {
    Frame {
        instant,
        ids: ids.to_vec(),
        timestamps: vec![instant.as_millis(); ids.len()],
        values: (0..ids.len()).map(|series| value(series, instant)).collect(),
        warnings: Vec::new(),
    }
}

/// What it costs to read the answer of a Prometheus about many instants.
fn decoding() -> Result<Figure, BenchError> {
    const INSTANTS: usize = 400;
    let instants = Instants { first: FROM, step_millis: STEP_MILLIS, count: INSTANTS };
    let body = matrix(instants);
    let mut session = QuerySession::new("x");
    let mut read =
        || decode_range(&body, &mut session, instants, AnswerLimits::default()).map_err(BenchError::failed("decode"));
    let frames = read()?;
    let is_right = |frame: &Frame| frame.values == frame_values(frame.instant);
    require(frames.len() == INSTANTS && frames.iter().all(is_right), || "an answer was read wrongly".to_owned())?;
    let nanos = median::nanos(&mut || read().map(drop))?;
    Ok(Figure::new("a sample of an answer read", Target::None, nanos / (SERIES * INSTANTS) as f64, "ns")
        .note(format!("{SERIES} series, {INSTANTS} instants, {} bytes a sample", body.len() / (SERIES * INSTANTS))))
}

fn frame_values(instant: Timestamp) -> Vec<f64> {
    (0..SERIES).map(|series| value(series, instant)).collect()
}

fn matrix(instants: Instants) -> Vec<u8> {
    let mut body = String::from(r#"{"status":"success","data":{"resultType":"matrix","result":["#);
    for series in 0..SERIES {
        let metric = labels(series).iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect::<Vec<_>>();
        let samples =
            instants.iter().map(|instant| format!("[{},\"{}\"]", instant.as_prometheus(), value(series, instant)));
        let (metric, samples) = (metric.join(","), samples.collect::<Vec<_>>().join(","));
        let comma = if series == 0 { "" } else { "," };
        let _ = write!(body, r#"{comma}{{"metric":{{{metric}}},"values":[{samples}]}}"#);
    }
    body.push_str("]}}");
    body.into_bytes()
}
