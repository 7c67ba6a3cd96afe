//! Events onto the bus in Redis, off it again, and through all four stages, beside what `redis-benchmark` gets out of the same
//! server with the same payload in the same run.
//!
//! Time on the wall. Server, host and benchmark share the machine, and the host follows its own log into its file all the
//! while, as it is deployed.
#![expect(clippy::disallowed_types, reason = "the benchmark starts Redis' own; none of this is deployed")]

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::{Bus, Commit, LeaseSettings, RedisBus, RedisServer, RedisSettings, Role, SqliteBus};
use orion_lab::{Fsync, RedisOptions, RedisServer as Server};
use orion_pipeline::brain::BRAIN_OWNER;
use orion_pipeline::shares::{self, Shares};

use super::Context;
use crate::deployment::folder_on_disk;
use crate::error::{BenchError, require_equal};
use crate::flood::{self, Engines, Stages, With};
use crate::median::median;
use crate::report::{Figure, Target};

const ALERTS: u64 = 100_000;
const RUNS: usize = 3;
/// Commands of one batch of `redis-benchmark`.
const PIPELINE: &str = "256";
const BENCHMARK_REQUESTS: &str = "400000";
const READ_AT_ONCE: usize = 4_096;
const LEAST_SHARE_PUBLISHED: f64 = 0.6;
const LEAST_SHARE_OF_STAGES: f64 = 0.25;
const LEAST_READ_PER_SECOND: f64 = 200_000.0;
const OUTBOX_BYTES: usize = 1 << 30;

/// What one run gave, in events a second.
struct Run {
    benchmark: f64,
    published: f64,
    read: f64,
    stages: f64,
}

/// Measures it.
pub fn run(_: &Context) -> Result<Vec<Figure>, BenchError> {
    let runs: Vec<Run> = (0..RUNS).map(|_| once()).collect::<Result<_, _>>()?;
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    let share = |figure: fn(&Run) -> f64| median(runs.iter().map(|run| figure(run) / run.benchmark).collect());
    Ok(vec![
        Figure::new("redis-benchmark, XADD", Target::None, of(|run| run.benchmark), "events/s")
            .note(format!("depth {PIPELINE}, the same payload, append-only file synced each second")),
        Figure::new("published, of that", Target::AtLeast(LEAST_SHARE_PUBLISHED), share(|run| run.published), "×")
            .note(format!("{:.0} events/s", of(|run| run.published))),
        Figure::new("read and committed", Target::AtLeast(LEAST_READ_PER_SECOND), of(|run| run.read), "events/s"),
        Figure::new(
            "through all stages, of XADD",
            Target::AtLeast(LEAST_SHARE_OF_STAGES),
            share(|run| run.stages),
            "×",
        )
        .note(format!("{:.0} events/s, into the audit trail", of(|run| run.stages))),
    ])
}

fn once() -> Result<Run, BenchError> {
    let options = RedisOptions::default().append_only(Fsync::EverySecond);
    let server = Server::start(&options).map_err(BenchError::failed("start Redis"))?;
    let runtime = flood::runtime()?;
    let commits = flood::commits(0, ALERTS, With::OffsetAlone);
    let payload = commits.first().and_then(|group| group.first()).and_then(|commit| commit.records.first());
    let benchmark = xadd(&server, payload.map_or("", |record| &record.body))?;
    let (published, read) = runtime.block_on(publish_and_read(&server, commits.clone()))?;
    let stages = runtime.block_on(through_stages(&server, commits))?;
    Ok(Run { benchmark, published, read, stages })
}

/// What the server does with single entries, by its own benchmark.
fn xadd(server: &Server, payload: &str) -> Result<f64, BenchError> {
    const WHAT: &str = "run redis-benchmark";
    let port = server.address().port().to_string();
    let arguments =
        ["-p", &port, "-n", BENCHMARK_REQUESTS, "-P", PIPELINE, "--csv", "XADD", "{bench}:log", "*", "d", payload];
    let output = Command::new("redis-benchmark").args(arguments).output().map_err(BenchError::failed(WHAT))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // The name of the test has commas of its own; the rate is the first number behind it.
    let last = text.lines().last().unwrap_or_default();
    let rates = last.rsplit("\",\"").map(|cell| cell.trim_matches('"')).filter_map(|cell| cell.parse::<f64>().ok());
    let rate = rates.last().ok_or_else(|| BenchError::Failed { what: WHAT.to_owned(), why: text.into_owned() });
    server.command(&["FLUSHALL"]).map_err(BenchError::failed(WHAT))?;
    rate
}

async fn bus(server: &Server, prefix: &str, own: Arc<SqliteBus>) -> Result<Arc<RedisBus>, BenchError> {
    const WHAT: &str = "open the bus in Redis";
    let settings = RedisSettings {
        server: RedisServer::parse(&server.url()).map_err(BenchError::failed(WHAT))?,
        prefix: prefix.to_owned(),
        lease: LeaseSettings::new(prefix, "bench", Role::ALL, Duration::from_secs(10))
            .map_err(BenchError::failed(WHAT))?,
        outbox_bytes: OUTBOX_BYTES,
        place: shares::place,
    };
    Ok(Arc::new(RedisBus::open(settings, own).await.map_err(BenchError::failed(WHAT))?))
}

async fn publish_and_read(server: &Server, commits: Vec<Vec<Commit>>) -> Result<(f64, f64), BenchError> {
    let folder = folder_on_disk()?;
    let bus = bus(server, "published", flood::own_file(folder.path())?).await?;
    let log: Arc<dyn Bus> = bus.clone();
    // One whom the log waits for: what nobody has yet to read is let go of.
    let read_up_to = |expected: Option<i64>, offset: i64| {
        log.commit(Commit { owner: BRAIN_OWNER.to_owned(), expected, offset, ..Commit::default() })
    };
    flood::take_all(&bus).await?;
    read_up_to(None, 0).await.map_err(BenchError::failed("meet Redis"))?;
    let began = Instant::now();
    flood::send(&log, commits).await?;
    let publishing = began.elapsed();
    let began = Instant::now();
    let (mut after, mut read, mut offset) = (0, 0_u64, 0);
    while read < 2 * ALERTS {
        let entries = log.read(after, READ_AT_ONCE).await.map_err(BenchError::failed("read"))?;
        let Some(last) = entries.last() else { continue };
        (after, read) = (last.seq, read + entries.len() as u64);
        let next = i64::try_from(after).unwrap_or(i64::MAX);
        read_up_to(Some(offset), next).await.map_err(BenchError::failed("commit"))?;
        offset = next;
    }
    let reading = began.elapsed();
    require_equal("events read and published", &read, &(2 * ALERTS))?;
    let rate = |took: Duration| 2.0 * ALERTS as f64 / took.as_secs_f64();
    Ok((rate(publishing), rate(reading)))
}

async fn through_stages(server: &Server, commits: Vec<Vec<Commit>>) -> Result<f64, BenchError> {
    let folder = folder_on_disk()?;
    flood::write_rules(folder.path())?;
    let own = flood::own_file(folder.path())?;
    let bus = bus(server, "stages", own.clone()).await?;
    let shares = Shares::among(bus.clone());
    let mut stages = Stages::start(folder.path(), Engines { log: bus.clone(), own, shares }).await?;
    stages.take_shares(&bus).await?;
    let began = Instant::now();
    flood::send(&stages.bus, commits).await?;
    stages.finish().await;
    let took = began.elapsed();
    flood::require_recorded(&folder.path().join("memory"), ALERTS)?;
    Ok(2.0 * ALERTS as f64 / took.as_secs_f64())
}
