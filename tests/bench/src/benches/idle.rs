//! Orion with all shipped rules while nothing happens: its memory, how soon it begins, and how soon an edit is live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::SqliteBus;
use orion_lab::{MediaStack, Prometheus};
use orion_pipeline::library::{GenerationRecord, SETTLE_MILLIS};

use super::Context;
use crate::deployment::{Deployment, PATIENCE, wait_until};
use crate::error::{BenchError, require};
use crate::median::median;
use crate::report::{Figure, Target};
use crate::stand_in::{NOTHING, StandIn};

const MOST_MIB: f64 = 48.0;
const MOST_START_MILLIS: f64 = 250.0;
const MOST_LISTED_MILLIS: f64 = 100.0;
const MOST_EVALUATED_MILLIS: f64 = 200.0;

/// Long enough for every shipped rule to be evaluated once: their interval is fifteen seconds.
const WATCHED: Duration = Duration::from_secs(20);

const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// Starts and edits, each.
const RUNS: usize = 7;

/// How often is looked for what should happen within milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let mut figures = memory(context)?;
    figures.push(start(context)?);
    figures.extend(edits(context)?);
    Ok(figures)
}

fn memory(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let stack = MediaStack::start()?;
    let prometheus = Prometheus::start(&stack.scrape_config(SCRAPE_EVERY))?;
    prometheus.wait_for("container_last_seen", "jellyfin", PATIENCE)?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.shipped_rules()?;
    fill_cache(&deployment)?;
    let orion = deployment.start()?;
    std::thread::sleep(WATCHED);
    let memory = deployment.explained(orion.process().memory())?;
    deployment.explained(orion.terminate())?;
    Ok(vec![Figure::new("memory after 20 s", Target::AtMost(MOST_MIB), memory.resident_mib, "MiB").note(format!(
        "{:.1} MiB at most; {} events",
        memory.peak_mib,
        deployment.event_count()
    ))])
}

/// A first start compiles the plugins and keeps the result.
fn fill_cache(deployment: &Deployment) -> Result<(), BenchError> {
    let orion = deployment.start()?;
    let live =
        wait_until(
            "the first generation",
            PATIENCE,
            Duration::from_millis(20),
            || Ok(generation(deployment).is_some()),
        );
    deployment.explained(live)?;
    deployment.explained(orion.terminate())
}

/// The number of the generation that runs.
pub fn generation(deployment: &Deployment) -> Option<u64> {
    let loaded = SqliteBus::open_read_only(&deployment.memory_dir()).ok()?.load("library").ok()?;
    GenerationRecord::find(&loaded.state).map(|record| record.number)
}

fn stand_in() -> Result<StandIn, BenchError> {
    StandIn::start(Arc::new(|_| NOTHING.to_vec()))
}

fn start(context: &Context) -> Result<Figure, BenchError> {
    let mut warm = Deployment::new(context.orion()?, &stand_in()?.url())?;
    warm.shipped_rules()?;
    fill_cache(&warm)?;
    let mut millis = Vec::new();
    for _ in 0..RUNS {
        let prometheus = stand_in()?;
        let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
        deployment.shipped_rules()?;
        deployment.take_cache_of(&warm)?;
        let orion = deployment.start()?;
        let asked = deployment.explained(prometheus.wait_for("", PATIENCE))?;
        millis.push((asked - orion.started).as_secs_f64() * 1_000.0);
        orion.terminate()?;
        warm = deployment;
    }
    Ok(Figure::new("start to the first evaluation", Target::AtMost(MOST_START_MILLIS), median(millis), "ms")
        .note("compiled plugins kept, no records yet, time on the wall"))
}

fn edits(context: &Context) -> Result<[Figure; 2], BenchError> {
    let prometheus = stand_in()?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.shipped_rules()?;
    deployment.rule_file("edited.yaml", &edited(0))?;
    let orion = deployment.start()?;
    deployment.explained(prometheus.wait_for(&expr(0), PATIENCE))?;
    let (mut listed, mut evaluated) = (Vec::new(), Vec::new());
    for edit in 1..=RUNS {
        let after_settling =
            |at: Instant, edited: Instant| (at - edited).as_secs_f64() * 1_000.0 - SETTLE_MILLIS as f64;
        let before = generation(&deployment);
        let at = deployment.rule_file("edited.yaml", &edited(edit))?;
        let seen = wait_until("the edit", PATIENCE, LOOK_EVERY, || Ok(generation(&deployment) > before));
        deployment.explained(seen)?;
        listed.push(after_settling(Instant::now(), at));
        let asked = deployment.explained(prometheus.wait_for(&expr(edit), PATIENCE))?;
        evaluated.push(after_settling(asked, at));
    }
    orion.terminate()?;
    require(deployment.event_count() == 0, || "nothing happened, and there are events".to_owned())?;
    Ok([
        Figure::new("a settled edit until it is listed", Target::AtMost(MOST_LISTED_MILLIS), median(listed), "ms"),
        Figure::new(
            "a settled edit until it is evaluated",
            Target::AtMost(MOST_EVALUATED_MILLIS),
            median(evaluated),
            "ms",
        )
        .note("peers wait for the next slot, up to a whole interval"),
    ])
}

fn expr(edit: usize) -> String {
    format!("edited_{edit}_times")
}

fn edited(edit: usize) -> String {
    format!(
        "groups:\n  - name: edited\n    interval: 5m\n    rules:\n      - alert: Edited\n        expr: {} > 0\n",
        expr(edit)
    )
}
