//! A flood of events through all four stages of one process, every commit synced to the disk; and how long a commit takes while as many
//! events come a second as are asked for.
//!
//! Two runs, because four groups that each wait for their commit of 256 events before they send the next have four commits under way
//! at any rate: at 51,200 events a second each of them takes 20 ms, whatever the store does. So the rate is measured with groups that send as fast as
//! they can, and the time of a commit at a rate that is given.
//!
//! Time on the wall, from the first commit until the last record is in the audit trail: waiting for the disk is part of it. What
//! a Watcher costs before it commits is in other benchmarks.

use std::time::Instant;

use super::Context;
use crate::cpu::ProcessId;
use crate::deployment::folder_on_disk;
use crate::error::BenchError;
use crate::flood::{self, EVENTS_OF_A_COMMIT, Engines, Pace, Recorded, Stages, With};
use crate::median::median;
use crate::report::{Figure, Target};

const ALERTS: u64 = 100_000;
const RUNS: usize = 3;
const LEAST_EVENTS_PER_SECOND: f64 = 50_000.0;
const MOST_COMMIT_MILLIS: f64 = 20.0;

struct Run {
    events_per_second: f64,
    cpu_micros: f64,
    commit_millis: Vec<f64>,
    recorded: Recorded,
}

/// Measures it.
pub fn run(_: &Context) -> Result<Vec<Figure>, BenchError> {
    let mut figures = through("commits of events alone", With::OffsetAlone)?;
    figures.extend(through("with the state of their alerts", With::AlertState)?);
    Ok(figures)
}

fn through(what: &str, with: With) -> Result<Vec<Figure>, BenchError> {
    let runs_at = |pace| (0..RUNS).map(|_| once(with, pace)).collect::<Result<Vec<Run>, _>>();
    let (runs, paced) = (runs_at(Pace::AsFastAsTheyStand)?, runs_at(Pace::EventsPerSecond(LEAST_EVENTS_PER_SECOND))?);
    let Some(Recorded { revisions, decisions }) = runs.first().map(|run| run.recorded) else { return Ok(Vec::new()) };
    let rate = median(runs.iter().map(|run| run.events_per_second).collect());
    let cpu_micros = median(runs.iter().map(|run| run.cpu_micros).collect());
    let commit =
        |runs: &[Run], share: f64| median(runs.iter().map(|run| percentile(&run.commit_millis, share)).collect());
    Ok(vec![
        Figure::new(format!("{what}, through all stages"), Target::AtLeast(LEAST_EVENTS_PER_SECOND), rate, "events/s")
            .note(format!(
                "{} events, {EVENTS_OF_A_COMMIT} a commit; {revisions} revisions of incidents, {decisions} decisions",
                2 * ALERTS
            )),
        Figure::new(format!("{what}, CPU of all threads for an event"), Target::None, cpu_micros, "µs"),
        Figure::new(
            format!("{what}, a commit at {LEAST_EVENTS_PER_SECOND} events/s, p99"),
            Target::AtMost(MOST_COMMIT_MILLIS),
            commit(&paced, 0.99),
            "ms",
        )
        .note(format!(
            "p50 {:.1} ms; in a flood {:.1} ms, p50 {:.1} ms",
            commit(&paced, 0.5),
            commit(&runs, 0.99),
            commit(&runs, 0.5)
        )),
    ])
}

fn once(with: With, pace: Pace) -> Result<Run, BenchError> {
    let folder = folder_on_disk()?;
    flood::write_rules(folder.path())?;
    let runtime = flood::runtime()?;
    let commits = flood::commits(0, ALERTS, with);
    let me = ProcessId(std::process::id());
    let ((took, cpu), commit_millis) = runtime.block_on(async {
        let stages = Stages::start(folder.path(), Engines::embedded(folder.path())?).await?;
        let (began, before) = (Instant::now(), me.cpu()?);
        let commits = flood::send(&stages.bus, commits, pace).await?;
        let bus = stages.finish().await;
        let took = (began.elapsed(), me.cpu()? - before);
        drop(bus);
        Ok::<_, BenchError>((took, commits.iter().map(|took| took.as_secs_f64() * 1e3).collect()))
    })?;
    let recorded = flood::require_recorded(&folder.path().join("memory"), ALERTS)?;
    let events = 2.0 * ALERTS as f64;
    let (events_per_second, cpu_micros) = (events / took.as_secs_f64(), cpu.as_secs_f64() * 1e6 / events);
    Ok(Run { events_per_second, cpu_micros, commit_millis, recorded })
}

/// The least value that so large a share of them does not exceed.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((values.len() as f64 * share) as usize).or_else(|| values.get(last)).copied().unwrap_or(f64::NAN)
}
