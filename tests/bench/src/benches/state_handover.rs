//! An edit of a rule whose detector remembers a mebibyte: how long the rule stands still while one instance makes room for
//! the next.

use std::collections::BTreeMap;
use std::time::Duration;

use orion_model::{Frame, Labels, StateEntry, Timestamp};
use orion_sandbox::{Detector, Plugin};

use super::Context;
use crate::cpu;
use crate::error::{BenchError, require};
use crate::events::mixed;
use crate::median::median;
use crate::plugins::load;
use crate::report::{Figure, Target};

const STATE_BYTES: usize = 1024 * 1024;
const MOST_MILLIS: f64 = 10.0;

/// Handovers; one after the other, each to the next instance.
const RUNS: usize = 21;

/// Evaluations after which there is something to remember of each series.
const LEARNED: i64 = 20;

/// From how many series is learned what one takes.
const TRIED: u32 = 1_000;

const FIRST: Timestamp = Timestamp::from_millis(1_732_174_269_000);
const INTERVAL_MILLIS: i64 = 15_000;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let plugin = load(context.sandbox()?, "anomaly")?;
    let (_, tried) = learned(&plugin, TRIED)?;
    let series = u32::try_from((STATE_BYTES * TRIED as usize).div_ceil(size(&tried))).unwrap_or(u32::MAX);
    let (mut detector, mut kept) = learned(&plugin, series)?;
    require(size(&kept) >= STATE_BYTES, || format!("{} bytes of state", size(&kept)))?;
    let labels: Vec<Labels> = (0..series).map(labels).collect();
    let (mut asked, mut given, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS as i64 {
        observe(&mut detector, series, LEARNED + run)?;
        let handover = hand_over(&plugin, &mut detector, &mut kept, &labels)?;
        changed.push(handover.changed_bytes as f64 / STATE_BYTES as f64);
        asked.push(millis(handover.asked));
        given.push(millis(handover.given));
    }
    let whole = asked.iter().zip(&given).map(|(asked, given)| asked + given).collect();
    Ok(vec![
        Figure::new("an edited rule stands still", Target::AtMost(MOST_MILLIS), median(whole), "ms CPU").note(format!(
            "`anomaly`, {series} series, {:.2} MiB, of which {:.2} changed since it was last asked",
            size(&kept) as f64 / STATE_BYTES as f64,
            median(changed)
        )),
        Figure::new("of this: the old instance is asked", Target::None, median(asked), "ms CPU"),
        Figure::new("of this: the new one is started and told", Target::None, median(given), "ms CPU"),
    ])
}

/// What is kept of a detector, as the pipeline has it.
type Kept = BTreeMap<Vec<u8>, Vec<u8>>;

struct Handover {
    changed_bytes: usize,
    asked: Duration,
    given: Duration,
}

/// What the pipeline does when a rule was edited: asks the old instance for what changed, starts another, gives it all that
/// is kept and tells it the series.
fn hand_over(
    plugin: &Plugin,
    detector: &mut Detector,
    kept: &mut Kept,
    series: &[Labels],
) -> Result<Handover, BenchError> {
    const WHAT: &str = "hand over the state";
    let began = cpu::of_this_thread();
    let changed_bytes = checkpoint(detector, kept)?;
    let asked = cpu::of_this_thread();
    let mut next = start(plugin)?;
    let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| StateEntry { key: key.clone(), value: Some(value.clone()) };
    let entries: Vec<StateEntry> = kept.iter().map(entry).collect();
    next.restore(plugin.manifest().state_version.unwrap_or_default(), &entries).map_err(BenchError::failed(WHAT))?;
    next.define_series((0..).zip(series)).map_err(BenchError::failed(WHAT))?;
    let given = cpu::of_this_thread();
    *detector = next;
    Ok(Handover { changed_bytes, asked: asked - began, given: given - asked })
}

fn start(plugin: &Plugin) -> Result<Detector, BenchError> {
    let mut detector = plugin.detector().map_err(BenchError::failed("start the detector"))?;
    let parameters = plugin.manifest().complete(&[]);
    detector.configure(&parameters).map_err(BenchError::failed("set up the detector"))?;
    Ok(detector)
}

/// A detector that knows so many series, and what it has to remember.
fn learned(plugin: &Plugin, series: u32) -> Result<(Detector, Kept), BenchError> {
    let mut detector = start(plugin)?;
    let labels: Vec<Labels> = (0..series).map(labels).collect();
    detector.define_series((0..).zip(&labels)).map_err(BenchError::failed("define series"))?;
    (0..LEARNED).try_for_each(|round| observe(&mut detector, series, round))?;
    let mut kept = Kept::new();
    checkpoint(&mut detector, &mut kept)?;
    Ok((detector, kept))
}

/// Asks for what changed; how many bytes that were.
fn checkpoint(detector: &mut Detector, kept: &mut Kept) -> Result<usize, BenchError> {
    let entries = detector.checkpoint().map_err(BenchError::failed("checkpoint"))?;
    let mut bytes = 0;
    for StateEntry { key, value } in entries {
        bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        match value {
            Some(value) => drop(kept.insert(key, value)),
            None => drop(kept.remove(&key)),
        }
    }
    Ok(bytes)
}

fn size(kept: &Kept) -> usize {
    kept.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn observe(detector: &mut Detector, series: u32, round: i64) -> Result<(), BenchError> {
    let instant = FIRST.plus_millis(round * INTERVAL_MILLIS);
    let value = |id: u32| 100.0 + (mixed(u64::from(id) + round.unsigned_abs() * 1_000_003) % 1_000) as f64 / 1_000.0;
    let frame = Frame {
        instant,
        ids: (0..series).collect(),
        timestamps: vec![instant.as_millis(); series as usize],
        values: (0..series).map(value).collect(),
        warnings: Vec::new(),
    };
    detector.observe(&frame, &mut Vec::new()).map_err(BenchError::failed("observe"))?;
    Ok(())
}

fn labels(series: u32) -> Labels {
    let (app, node) = (format!("app-{series:04}"), format!("node-{}", series % 20));
    Labels::from_iter([("app", app.as_str()), ("job", "bench"), ("node", node.as_str())])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
