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
use crate::cpu::ProcessId;
use crate::deployment::folder_on_disk;
use crate::error::{BenchError, require_equal};
use crate::flood::{self, Engines, Pace, Stages, With};
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

/// What one run gave.
struct Run {
    /// Of the server's own benchmark, in events a second.
    benchmark: f64,
    published: Phase,
    read: Phase,
    stages: Phase,
}

/// Events a second, and what one of them cost this process and the server in microseconds of CPU time.
#[derive(Clone, Copy)]
struct Phase {
    per_second: f64,
    host_micros: f64,
    server_micros: f64,
}

/// Measures it.
pub fn run(_: &Context) -> Result<Vec<Figure>, BenchError> {
    let runs: Vec<Run> = (0..RUNS).map(|_| once()).collect::<Result<_, _>>()?;
    let of = |figure: &dyn Fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    let share = |phase: fn(&Run) -> Phase| of(&|run| phase(run).per_second / run.benchmark);
    let cpu = |phase: fn(&Run) -> Phase| {
        let (host, server) = (of(&|run| phase(run).host_micros), of(&|run| phase(run).server_micros));
        format!("CPU for an event: host {host:.1} µs, Redis {server:.1} µs")
    };
    let rate = |phase: fn(&Run) -> Phase| of(&|run| phase(run).per_second);
    let (published, read, stages) = (|run: &Run| run.published, |run: &Run| run.read, |run: &Run| run.stages);
    Ok(vec![
        Figure::new("redis-benchmark, XADD", Target::None, of(&|run| run.benchmark), "events/s")
            .note(format!("depth {PIPELINE}, the same payload, append-only file synced each second")),
        Figure::new("published, of that", Target::AtLeast(LEAST_SHARE_PUBLISHED), share(published), "×").note(format!(
            "{:.0} events/s. {}",
            rate(published),
            cpu(published)
        )),
        Figure::new("read and committed", Target::AtLeast(LEAST_READ_PER_SECOND), rate(read), "events/s")
            .note(cpu(read)),
        Figure::new("through all stages, of XADD", Target::AtLeast(LEAST_SHARE_OF_STAGES), share(stages), "×")
            .note(format!("{:.0} events/s, into the audit trail. {}", rate(stages), cpu(stages))),
    ])
}

/// Measures a phase in which all events pass once.
struct Watch {
    host: ProcessId,
    server: ProcessId,
    host_before: Duration,
    server_before: Duration,
    began: Instant,
}

impl Watch {
    fn start(server: &Server) -> Result<Self, BenchError> {
        const WHAT: &str = "find the process of Redis";
        let id = server.info("process_id").map_err(BenchError::failed(WHAT))?.and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| BenchError::Failed { what: WHAT.to_owned(), why: "it does not say".to_owned() })?;
        let (host, server) = (ProcessId(std::process::id()), ProcessId(id));
        let (host_before, server_before) = (host.cpu()?, server.cpu()?);
        Ok(Self { host, server, host_before, server_before, began: Instant::now() })
    }

    fn stop(self) -> Result<Phase, BenchError> {
        let events = 2.0 * ALERTS as f64;
        let per_second = events / self.began.elapsed().as_secs_f64();
        let micros = |used: Duration| used.as_secs_f64() * 1e6 / events;
        let (host, server) = (self.host.cpu()? - self.host_before, self.server.cpu()? - self.server_before);
        Ok(Phase { per_second, host_micros: micros(host), server_micros: micros(server) })
    }
}

fn once() -> Result<Run, BenchError> {
    let options = RedisOptions::default().append_only(Fsync::EverySecond);
    let server = Server::start(&options).map_err(BenchError::failed("start Redis"))?;
    let runtime = flood::runtime()?;
    let commits = flood::commits(0, ALERTS, With::OffsetAlone);
    let payload = commits.first().and_then(|group| group.first()).and_then(|commit| commit.records.first());
    // Each begins on a server that holds nothing: it would write down what others left whenever it rewrites its append-only file.
    let benchmark = xadd(&server, payload.map_or("", |record| &record.body))?;
    empty(&server)?;
    let (published, read) = runtime.block_on(publish_and_read(&server, commits.clone()))?;
    empty(&server)?;
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
    rates.last().ok_or_else(|| BenchError::Failed { what: WHAT.to_owned(), why: text.into_owned() })
}

fn empty(server: &Server) -> Result<(), BenchError> {
    server.command(&["FLUSHALL"]).map(drop).map_err(BenchError::failed("empty Redis"))
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

async fn publish_and_read(server: &Server, commits: Vec<Vec<Commit>>) -> Result<(Phase, Phase), BenchError> {
    let folder = folder_on_disk()?;
    let bus = bus(server, "published", flood::own_file(folder.path())?).await?;
    let log: Arc<dyn Bus> = bus.clone();
    // One whom the log waits for: what nobody has yet to read is let go of.
    let read_up_to = |expected: Option<i64>, offset: i64| {
        log.commit(Commit { owner: BRAIN_OWNER.to_owned(), expected, offset, ..Commit::default() })
    };
    flood::take_all(&bus).await?;
    read_up_to(None, 0).await.map_err(BenchError::failed("meet Redis"))?;
    let watch = Watch::start(server)?;
    flood::send(&log, commits, Pace::AsFastAsTheyStand).await?;
    let published = watch.stop()?;
    let watch = Watch::start(server)?;
    let (mut after, mut read, mut offset) = (0, 0_u64, 0);
    while read < 2 * ALERTS {
        let entries = log.read(after, READ_AT_ONCE).await.map_err(BenchError::failed("read"))?;
        let Some(last) = entries.last() else { continue };
        (after, read) = (last.seq, read + entries.len() as u64);
        let next = i64::try_from(after).unwrap_or(i64::MAX);
        read_up_to(Some(offset), next).await.map_err(BenchError::failed("commit"))?;
        offset = next;
    }
    let reading = watch.stop()?;
    require_equal("events read and published", &read, &(2 * ALERTS))?;
    Ok((published, reading))
}

async fn through_stages(server: &Server, commits: Vec<Vec<Commit>>) -> Result<Phase, BenchError> {
    let folder = folder_on_disk()?;
    flood::write_rules(folder.path())?;
    let own = flood::own_file(folder.path())?;
    let bus = bus(server, "stages", own.clone()).await?;
    let shares = Shares::among(bus.clone());
    let mut stages = Stages::start(folder.path(), Engines { log: bus.clone(), own, shares }).await?;
    stages.take_shares(&bus).await?;
    let watch = Watch::start(server)?;
    flood::send(&stages.bus, commits, Pace::AsFastAsTheyStand).await?;
    stages.finish().await;
    let phase = watch.stop()?;
    flood::require_recorded(&folder.path().join("memory"), ALERTS)?;
    Ok(phase)
}
