//! What it costs to hold plugins: how soon one that spins is ended, what a trap costs, what one in quarantine costs the others,
//! and what counting work and keeping deadlines costs those that behave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use orion_bus::{NewRecord, RecordKind};
use orion_hostile_plugins::guest::{DetectorGuest, SPIN};
use orion_model::Labels;
use orion_pipeline::library::{Generation, Shelf, StandardPlugin};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_sandbox::{Fault, Limits, Sandbox, Settings};
use orion_source::Source;
use orion_standard_plugins::STANDARD;
use tokio::runtime::Runtime;

use super::Context;
use super::columns::frame_of;
use super::replay::{DAY_MILLIS, FROM, Memory, STEP_MILLIS, expr, rules};
use crate::error::{BenchError, require, require_equal};
use crate::median;
use crate::plugins::{NEVER_BROKEN, threshold};
use crate::report::{Figure, Target};
use crate::rule_set::{SOURCE, generation};

const MOST_TICKS: f64 = 1.0;
const MOST_MICROS_TO_REPLACE: f64 = 100.0;
const MOST_PERCENT_OF_QUARANTINE: f64 = 1.0;
const MOST_PERCENT_OF_METERING: f64 = 15.0;

/// What a call may take beyond its deadline.
const TICK_MILLIS: f64 = 100.0;

/// One that makes the clock of deadlines as coarse as it ever is.
const DEADLINE_MILLIS: u64 = 270;

/// Calls that are let spin. Where in a tick each begins is chance.
const SPINS: usize = 15;

/// One value in a hundred is above it.
const SOMETIMES_BROKEN: f64 = 990_000.0;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let mut figures = deadlines()?;
    figures.push(trap_and_replace(context)?);
    figures.push(quarantine(context)?);
    for series in [1_000, 10_000] {
        for above in [NEVER_BROKEN, SOMETIMES_BROKEN] {
            figures.push(metering(context, series, above)?);
        }
    }
    Ok(figures)
}

/// A plugin that spins, once instruction by instruction and once in instructions that take milliseconds each.
fn deadlines() -> Result<Vec<Figure>, BenchError> {
    const FILL: &str =
        "(loop $forever (memory.fill (i32.const 65536) (i32.const 0) (i32.const 0x2000000)) (br $forever))";
    [("in a loop", SPIN), ("filling 32 MiB again and again", FILL)]
        .map(|(how, observe)| {
            let late = late_ticks(observe)?;
            let worst = late.iter().copied().fold(f64::NAN, f64::max);
            Ok(Figure::new(
                format!("a plugin that spins {how}, after its deadline"),
                Target::AtMost(MOST_TICKS),
                worst,
                "ticks",
            )
            .note(format!("the latest of {SPINS}; median {:.2}", median::median(late))))
        })
        .into_iter()
        .collect()
}

/// How long after its deadline each of [`SPINS`] calls was over, in ticks. Fuel would last for hours.
fn late_ticks(observe: &'static str) -> Result<Vec<f64>, BenchError> {
    let limits = Limits { call_fuel: u64::MAX / 2, call_millis: DEADLINE_MILLIS, ..Limits::default() };
    let sandbox =
        Sandbox::new(Settings { limits, ..Settings::default() }).map_err(BenchError::failed("start a sandbox"))?;
    let guest = DetectorGuest { observe, pages: 600, ..Default::default() };
    let plugin = sandbox.load(&guest.named("spins")).map_err(BenchError::failed("load a plugin that spins"))?;
    let late = |_| {
        let mut detector = plugin.detector().map_err(BenchError::failed("start a plugin that spins"))?;
        let began = Instant::now();
        let ended = detector.observe(&frame_of(1), &mut Vec::new());
        let took = began.elapsed().as_secs_f64() * 1e3;
        require(matches!(ended, Err(Fault::DeadlinePassed { .. })), || format!("it ended otherwise: {ended:?}"))?;
        Ok((took - DEADLINE_MILLIS as f64) / TICK_MILLIS)
    };
    (0..SPINS).map(late).collect()
}

fn trap_and_replace(context: &Context) -> Result<Figure, BenchError> {
    let guest = DetectorGuest { observe: "unreachable", ..Default::default() };
    let plugin =
        context.sandbox()?.load(&guest.named("panics")).map_err(BenchError::failed("load a plugin that traps"))?;
    let frame = frame_of(1);
    let labels = Labels::empty();
    let set_up = || {
        let mut detector = plugin.detector().map_err(BenchError::failed("start a plugin that traps"))?;
        detector.configure(&[]).map_err(BenchError::failed("configure a plugin that traps"))?;
        detector.define_series([(0, &labels)]).map_err(BenchError::failed("define series"))?;
        Ok::<_, BenchError>(detector)
    };
    let mut detector = set_up()?;
    let nanos = median::nanos(&mut || {
        let ended = detector.observe(&frame, &mut Vec::new());
        require(matches!(ended, Err(Fault::Trap { .. })), || "it did not trap".to_owned())?;
        detector = set_up()?;
        Ok(())
    })?;
    Ok(Figure::new(
        "a trap, and a new instance set up in its place",
        Target::AtMost(MOST_MICROS_TO_REPLACE),
        nanos / 1e3,
        "µs",
    ))
}

/// A day of a hundred rules again, with one more whose plugin traps whenever it is called and without it.
fn quarantine(context: &Context) -> Result<Figure, BenchError> {
    let traps = DetectorGuest { observe: "unreachable", ..Default::default() }.named("traps");
    let traps = StandardPlugin { name: "traps", component: traps.leak() };
    let standard = STANDARD.iter().map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component });
    let plugins: Vec<_> = standard.chain([traps]).collect();
    let refused = |(name, why): (String, String)| BenchError::Failed { what: format!("load the plugin {name}"), why };
    let shelf = Shelf::of_standard(context.sandbox()?, &plugins).map_err(refused)?;
    let alone = generation(&shelf, &rules())?;
    let beside = generation(&shelf, &with_one_that_traps())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(BenchError::failed("start a runtime"))?;
    let (without, with) = (day(&runtime, &alone)?, day(&runtime, &beside)?);
    require(with.quarantines > 0 && without.quarantines == 0, || "nothing was quarantined".to_owned())?;
    require_equal("events of the healthy rules", &with.healthy, &without.healthy)?;
    let measured =
        median::side_by_side(&mut || day(&runtime, &beside).map(drop), &mut || day(&runtime, &alone).map(drop))?;
    let percent = (measured.ratio - 1.0) * 100.0;
    Ok(Figure::new(
        "a plugin in quarantine, on a hundred rules",
        Target::AtMost(MOST_PERCENT_OF_QUARANTINE),
        percent,
        "%",
    )
    .note(format!(
        "of the CPU time of a day again; {} quarantines, {} events of the others alike",
        with.quarantines,
        with.healthy.len()
    )))
}

/// In a group of the others, and it asks what one of them asks: only the plugin is new.
fn with_one_that_traps() -> String {
    const RULES: &str = "    rules:\n";
    let rule = format!("{RULES}      - {{ alert: Traps, expr: \"{}\", plugin: traps }}\n", expr(0, 0));
    rules().replacen(RULES, &rule, 1)
}

/// What a day of rules comes to.
#[derive(Default)]
struct Day {
    healthy: Vec<String>,
    quarantines: usize,
}

impl Observer for Day {
    fn record(&mut self, record: &NewRecord) {
        if record.kind == RecordKind::Event && record.body.contains("too_much") {
            self.healthy.push(record.id.to_string());
        }
        self.quarantines += usize::from(record.kind == RecordKind::Event && record.body.contains("plugin_quarantined"));
    }
}

fn day(runtime: &Runtime, generation: &Generation) -> Result<Day, BenchError> {
    let sources: BTreeMap<String, Arc<dyn Source>> =
        BTreeMap::from([(SOURCE.to_owned(), Arc::new(Memory::default()) as _)]);
    let settings =
        ReplaySettings { from: FROM, to: FROM.plus_millis(DAY_MILLIS - 1), pace: Pace::Aligned(STEP_MILLIS) };
    let replay = Replay::new(generation, &sources, settings).map_err(BenchError::failed("replay"))?;
    let mut day = Day::default();
    runtime.block_on(replay.run(&mut day)).map_err(BenchError::failed("replay"))?;
    // In an order that does not depend on what else there is.
    day.healthy.sort_unstable();
    Ok(day)
}

/// The threshold detector as it is deployed, beside the same without fuel, deadlines and limits.
fn metering(context: &Context, series: u32, above: f64) -> Result<Figure, BenchError> {
    let free = Sandbox::unmetered(Settings::default()).map_err(BenchError::failed("start a sandbox"))?;
    let frame = frame_of(series);
    let labels = Labels::empty();
    let mut detectors = [threshold(context.sandbox()?, above)?, threshold(&free, above)?];
    let mut found = Vec::new();
    for detector in &mut detectors {
        let mut findings = Vec::new();
        detector
            .define_series(frame.ids.iter().map(|id| (*id, &labels)))
            .map_err(BenchError::failed("define series"))?;
        detector.observe(&frame, &mut findings).map_err(BenchError::failed("observe"))?;
        found.push(findings);
    }
    let [held, free] = &mut detectors;
    require_equal("findings", &found.first(), &found.last())?;
    let count = found.first().map_or(0, Vec::len);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let measured = median::side_by_side(
        &mut || {
            one.clear();
            held.observe(&frame, &mut one).map(drop).map_err(BenchError::failed("observe"))
        },
        &mut || {
            other.clear();
            free.observe(&frame, &mut other).map(drop).map_err(BenchError::failed("observe"))
        },
    )?;
    let what = format!("fuel, deadlines and limits, {series} series, {count} found");
    Ok(Figure::new(what, Target::AtMost(MOST_PERCENT_OF_METERING), (measured.ratio - 1.0) * 100.0, "%").note(format!(
        "{:.1} µs beside {:.1} µs",
        measured.first / 1e3,
        measured.second / 1e3
    )))
}
