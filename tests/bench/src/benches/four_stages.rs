//! A flood of events through all four stages of one process, every commit synced to the disk, and how long a commit takes
//! meanwhile.
//!
//! Time on the wall, from the first commit until the last record is in the audit trail: waiting for the disk is part of it. What
//! a Watcher costs before it commits is in other benchmarks.

use std::time::Instant;

use super::Context;
use crate::deployment::folder_on_disk;
use crate::error::BenchError;
use crate::flood::{self, EVENTS_OF_A_COMMIT, Recorded, Stages, With};
use crate::median::median;
use crate::report::{Figure, Target};

const ALERTS: u64 = 100_000;
const RUNS: usize = 3;
const LEAST_EVENTS_PER_SECOND: f64 = 50_000.0;
const MOST_COMMIT_MILLIS: f64 = 20.0;

struct Run {
    events_per_second: f64,
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
    let runs: Vec<Run> = (0..RUNS).map(|_| once(with)).collect::<Result<_, _>>()?;
    let Some(Recorded { revisions, decisions }) = runs.first().map(|run| run.recorded) else { return Ok(Vec::new()) };
    let rate = median(runs.iter().map(|run| run.events_per_second).collect());
    let commit = |share: f64| median(runs.iter().map(|run| percentile(&run.commit_millis, share)).collect());
    Ok(vec![
        Figure::new(format!("{what}, through all stages"), Target::AtLeast(LEAST_EVENTS_PER_SECOND), rate, "events/s")
            .note(format!(
                "{} events, {EVENTS_OF_A_COMMIT} a commit; {revisions} revisions of incidents, {decisions} decisions",
                2 * ALERTS
            )),
        Figure::new(format!("{what}, a commit meanwhile, p99"), Target::AtMost(MOST_COMMIT_MILLIS), commit(0.99), "ms")
            .note(format!("p50 {:.1} ms", commit(0.5))),
    ])
}

fn once(with: With) -> Result<Run, BenchError> {
    let folder = folder_on_disk()?;
    flood::write_rules(folder.path())?;
    let runtime = flood::runtime()?;
    let commits = flood::commits(0, ALERTS, with);
    let (took, commit_millis) = runtime.block_on(async {
        let stages = Stages::start(folder.path()).await?;
        let began = Instant::now();
        let commits = flood::send(&stages.bus, commits).await?;
        let bus = stages.finish().await;
        let took = began.elapsed();
        drop(bus);
        Ok::<_, BenchError>((took, commits.iter().map(|took| took.as_secs_f64() * 1e3).collect()))
    })?;
    let recorded = flood::require_recorded(&folder.path().join("memory"), ALERTS)?;
    Ok(Run { events_per_second: 2.0 * ALERTS as f64 / took.as_secs_f64(), commit_millis, recorded })
}

/// The least value that so large a share of them does not exceed.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((values.len() as f64 * share) as usize).or_else(|| values.get(last)).copied().unwrap_or(f64::NAN)
}
