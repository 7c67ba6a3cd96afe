//! An edit of a rule or correlation whose plugin remembers a mebibyte: how long it stands still while one instance makes room
//! for the next.
//!
//! `count` keeps many small things, as most plugins do: the new instance reads them, and that is all. `anomaly` keeps what it
//! learned of a series only in turn, and the samples since; the new instance learns these again.

use std::collections::BTreeMap;
use std::time::Duration;

use orion_model::{Frame, Labels, StateEntry, Timestamp};
use orion_sandbox::{Correlator, Detector, EventBatch, Plugin};

use super::{Context, live_keys};
use crate::cpu;
use crate::error::BenchError;
use crate::events::{BATCH, mixed};
use crate::median::median;
use crate::plugins::{correlator, load};
use crate::report::{Figure, Target};

const STATE_BYTES: usize = 1024 * 1024;
const MOST_MILLIS: f64 = 10.0;

/// Handovers; one after the other, each to the next instance.
const RUNS: usize = 21;

/// Evaluations after which every series was kept in its turn, twice.
const LEARNED: i64 = 64;

/// So many series more are tried until what is remembered of them is a mebibyte.
const SERIES_STEP: u32 = 100;

const INTERVAL_MILLIS: i64 = 15_000;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let count = load(context.sandbox()?, "count")?;
    let anomaly = load(context.sandbox()?, "anomaly")?;
    Ok(vec![of_count(&count)?, of_anomaly(&anomaly)?])
}

/// What is kept of a plugin, as the pipeline has it.
#[derive(Default)]
struct Kept(BTreeMap<Vec<u8>, Vec<u8>>);

impl Kept {
    fn take(&mut self, entries: Vec<StateEntry>) {
        for StateEntry { key, value } in entries {
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    fn entries(&self) -> Vec<StateEntry<&[u8]>> {
        self.0.iter().map(|(key, value)| StateEntry { key: &**key, value: Some(&**value) }).collect()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    fn figure(&self, plugin: &str, of: &str, took: Vec<Duration>) -> Figure {
        let millis = median(took.iter().map(|took| took.as_secs_f64() * 1_000.0).collect());
        Figure::new(format!("`{plugin}` stands still"), Target::AtMost(MOST_MILLIS), millis, "ms CPU").note(format!(
            "{of}, {:.2} MiB in {} entries; asked for what changed, started anew, given all of it",
            self.bytes() as f64 / STATE_BYTES as f64,
            self.0.len()
        ))
    }
}

fn of_count(plugin: &Plugin) -> Result<Figure, BenchError> {
    let given = [("gte", 100.into()), ("window", live_keys::WINDOW_MILLIS.into())];
    let mut old = correlator(plugin, &given)?;
    let (mut kept, mut keys) = (Kept::default(), 0);
    while kept.bytes() < STATE_BYTES {
        correlate(&mut old, &mut keys)?;
        kept.take(old.checkpoint().map_err(BenchError::failed("checkpoint"))?);
    }
    let mut took = Vec::new();
    for _ in 0..RUNS {
        // Of keys that it knows, so that its state does not grow.
        correlate(&mut old, &mut 0)?;
        let began = cpu::of_this_thread();
        kept.take(old.checkpoint().map_err(BenchError::failed("checkpoint"))?);
        let mut new = correlator(plugin, &given)?;
        new.restore(version(plugin), &kept.entries()).map_err(BenchError::failed("restore"))?;
        took.push(cpu::of_this_thread() - began);
        old = new;
    }
    Ok(kept.figure("count", &format!("{keys} keys"), took))
}

/// Events of as many new keys as are read at once.
fn correlate(correlator: &mut Correlator, keys: &mut u64) -> Result<(), BenchError> {
    let mut batch = EventBatch::new();
    (*keys..*keys + BATCH as u64).for_each(|index| live_keys::push(&mut batch, index));
    *keys += BATCH as u64;
    correlator.correlate(live_keys::FIRST, &batch, &mut Vec::new()).map_err(BenchError::failed("correlate"))?;
    Ok(())
}

fn of_anomaly(plugin: &Plugin) -> Result<Figure, BenchError> {
    let mut series = SERIES_STEP;
    let (mut old, mut kept) = learned(plugin, series)?;
    while kept.bytes() < STATE_BYTES {
        series += SERIES_STEP;
        (old, kept) = learned(plugin, series)?;
    }
    let labels: Vec<Labels> = (0..series).map(labels).collect();
    let mut took = Vec::new();
    for run in 0..RUNS as i64 {
        observe(&mut old, series, LEARNED + run)?;
        let began = cpu::of_this_thread();
        kept.take(old.checkpoint().map_err(BenchError::failed("checkpoint"))?);
        let mut new = start(plugin)?;
        new.restore(version(plugin), &kept.entries()).map_err(BenchError::failed("restore"))?;
        new.define_series((0..).zip(&labels)).map_err(BenchError::failed("define series"))?;
        took.push(cpu::of_this_thread() - began);
        old = new;
    }
    Ok(kept.figure("anomaly", &format!("{series} series"), took))
}

/// A detector that knows so many series, and what it has to remember.
fn learned(plugin: &Plugin, series: u32) -> Result<(Detector, Kept), BenchError> {
    let mut detector = start(plugin)?;
    let labels: Vec<Labels> = (0..series).map(labels).collect();
    detector.define_series((0..).zip(&labels)).map_err(BenchError::failed("define series"))?;
    let mut kept = Kept::default();
    for round in 0..LEARNED {
        observe(&mut detector, series, round)?;
        kept.take(detector.checkpoint().map_err(BenchError::failed("checkpoint"))?);
    }
    Ok((detector, kept))
}

fn start(plugin: &Plugin) -> Result<Detector, BenchError> {
    let mut detector = plugin.detector().map_err(BenchError::failed("start the detector"))?;
    let parameters = plugin.manifest().complete(&[]);
    detector.configure(&parameters).map_err(BenchError::failed("set up the detector"))?;
    Ok(detector)
}

fn observe(detector: &mut Detector, series: u32, round: i64) -> Result<(), BenchError> {
    let instant = live_keys::FIRST.plus_millis(round * INTERVAL_MILLIS);
    let value = |id: u32| 100.0 + (mixed(u64::from(id) + round.unsigned_abs() * 1_000_003) % 1_000) as f64 / 1_000.0;
    let frame = frame_at(instant, series, value);
    detector.observe(&frame, &mut Vec::new()).map_err(BenchError::failed("observe"))?;
    Ok(())
}

fn frame_at(instant: Timestamp, series: u32, value: impl Fn(u32) -> f64) -> Frame {
    Frame {
        instant,
        ids: (0..series).collect(),
        timestamps: vec![instant.as_millis(); series as usize],
        values: (0..series).map(value).collect(),
        warnings: Vec::new(),
    }
}

fn labels(series: u32) -> Labels {
    let (app, node) = (format!("app-{series:04}"), format!("node-{}", series % 20));
    Labels::from_iter([("app", app.as_str()), ("job", "bench"), ("node", node.as_str())])
}

fn version(plugin: &Plugin) -> u32 {
    plugin.manifest().state_version.unwrap_or_default()
}
