//! Puts a pipeline together from arguments, and takes it apart in time.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, RedisBus, RedisServer, RedisSettings, SqliteBus};
use orion_model::{AgentName, Clock};
use orion_pipeline::archive::ArchiveSettings;
use orion_pipeline::attestation::Attestation;
use orion_pipeline::engine::{Engine, EngineParts, Place};
use orion_pipeline::forward::{Buffer, Control, Forwarding};
use orion_pipeline::library::{Defaults, LibrarySettings};
use orion_pipeline::shares::Shares;
use orion_pipeline::watcher::WatcherSettings;
use orion_sandbox::{Limits, Sandbox, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::arguments::RuleArgs;
use crate::cli::Failure;
use crate::shipped;
use crate::source::{LOKI, PROMETHEUS, Sources};
use crate::told::Shared;

/// After a signal everything is committed within this time, or given up: the next start goes on from what was
/// committed. Supervisors kill after 30 s.
const SHUT_DOWN_MILLIS: u64 = 25_000;

/// Threads for blocking work besides plugin calls: the store, the JSONL files, looking at folders.
const BLOCKING_THREADS: usize = 16;

/// A runtime sized for a machine that has other things to do. Its threads only wait for sources and the store; plugins
/// run elsewhere. One of them for two cores: with more, an evaluation wanders between them, and waking one costs more
/// than the evaluation.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads((workers() / 2).clamp(1, 4))
        .max_blocking_threads(BLOCKING_THREADS + workers())
        .enable_all()
        .build()
        .map_err(|error| Failure::Configuration(format!("the threads cannot be started: {error}")))
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The sandbox. Compiled plugins are kept in the memory folder, or nowhere.
pub fn sandbox(memory_dir: Option<&Path>) -> Result<Sandbox, Failure> {
    let cache_dir = memory_dir.map(|dir| dir.join("compiled"));
    Sandbox::new(Settings { cache_dir, limits: Limits::default() }).map_err(Failure::configuration)
}

/// What a rule file may leave out, and what it may name for somebody who runs nothing of it.
pub fn defaults(interval_millis: i64) -> Defaults {
    let sources = [PROMETHEUS, LOKI].map(str::to_owned).into();
    Defaults { interval_millis, sources, log_dirs: None }
}

/// The same where rules run: with these sources, and logs in these folders.
pub fn defaults_of_run<'a>(
    interval_millis: i64,
    sources: impl Iterator<Item = &'a str>,
    log_dirs: &[PathBuf],
) -> Defaults {
    let absolute = |dir: &PathBuf| std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
    let log_dirs = Some(log_dirs.iter().map(absolute).collect());
    Defaults { interval_millis, sources: sources.map(str::to_owned).collect(), log_dirs }
}

/// Everything a pipeline needs besides the bus.
pub struct Plan {
    /// Where rules and plugins lie.
    pub rules: RuleArgs,
    /// Where records go.
    pub memory_dir: PathBuf,
    /// What is asked.
    pub sources: Sources,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Time between instants where nothing is said.
    pub interval_millis: i64,
    /// How far back missed instants are evaluated.
    pub catch_up_millis: i64,
    /// How the audit trail is kept.
    pub archive: ArchiveSettings,
    /// What the process says of itself, where that is recorded.
    pub attestation: Option<Attestation>,
    /// Where hosts meet; without it this one is alone.
    pub redis: Option<RedisSettings>,
    /// Whether the audit trail's files are written.
    pub remembers: bool,
    /// Where what is observed goes, where it is not correlated here.
    pub forward: Option<Forward>,
    /// How long an agent may be silent before that is said.
    pub agent_silence_millis: i64,
}

/// Where an agent forwards to.
pub struct Forward {
    /// As whom.
    pub agent: AgentName,
    /// To whom.
    pub control: Arc<dyn Control>,
    /// How much may wait.
    pub buffer_bytes: u64,
}

impl Forward {
    /// Puts a bound on what waits on this bus.
    async fn on(self, bus: Arc<dyn Bus>) -> Result<Forwarding, Failure> {
        let buffer = Buffer::open(bus, self.buffer_bytes).await.map_err(Failure::configuration)?;
        Ok(Forwarding { agent: self.agent, control: self.control, buffer: Arc::new(buffer) })
    }
}

/// A pipeline and its bus.
pub struct Pipeline {
    /// The stages.
    pub engine: Engine,
    /// What this host has of everything.
    pub bus: Arc<SqliteBus>,
    /// The one sandbox.
    pub sandbox: Arc<Sandbox>,
    redis: Option<Arc<RedisBus>>,
    /// Where hosts meet, and what the keys of their deployment begin with.
    meets_at: Option<(RedisServer, String)>,
    memory_dir: PathBuf,
}

impl Pipeline {
    /// Opens the store, loads rules and plugins, starts all stages.
    pub async fn start(plan: Plan) -> Result<Self, Failure> {
        let bus = Arc::new(SqliteBus::open(&plan.memory_dir).map_err(Failure::configuration)?);
        let meets_at = plan.redis.as_ref().map(|redis| (redis.server.clone(), redis.prefix.clone()));
        let memory_dir = plan.memory_dir.clone();
        let redis = match plan.redis {
            Some(settings) => Some(Arc::new(join(settings, bus.clone()).await?)),
            None => None,
        };
        let (log, shares): (Arc<dyn Bus>, _) = match &redis {
            Some(redis) => (redis.clone(), Shares::among(redis.clone())),
            None => (bus.clone(), Shares::alone(&bus).await.map_err(Failure::configuration)?),
        };
        let (log, place): (Arc<dyn Bus>, _) = match plan.forward {
            Some(forward) => {
                let forwarding = forward.on(log).await?;
                (forwarding.buffer.clone(), Place::Agent(forwarding))
            }
            None => (log, Place::Control { silent_millis: plan.agent_silence_millis }),
        };
        let sandbox = Arc::new(sandbox(Some(&plan.memory_dir))?);
        let parts = EngineParts {
            bus: log,
            own: bus.clone(),
            shares,
            remembers: plan.remembers,
            sandbox: sandbox.clone(),
            clock: plan.clock,
            library: LibrarySettings {
                rules_dir: plan.rules.rules,
                plugins_dir: Some(plan.rules.plugins.plugins),
                trusted_keys: plan.rules.plugins.trusted_keys,
                memory_dir: plan.memory_dir,
                builtin_rules: shipped::BUILTIN_RULES,
                standard_plugins: shipped::standard_plugins(),
                defaults: defaults_of_run(
                    plan.interval_millis,
                    plan.sources.keys().map(String::as_str),
                    &plan.rules.logs,
                ),
                of_sets: defaults(plan.interval_millis),
            },
            sources: plan.sources,
            watcher: WatcherSettings { catch_up_millis: plan.catch_up_millis },
            archive: plan.archive,
            workers: workers(),
            attestation: plan.attestation,
            place,
        };
        let engine = Engine::start(parts).await.map_err(Failure::configuration)?;
        Ok(Self { engine, bus, sandbox, redis, meets_at, memory_dir })
    }

    /// Where records go.
    pub fn memory_dir(&self) -> &Path {
        &self.memory_dir
    }

    /// The deployment that is shared, for whoever looks. To be let go of before the pipeline ends.
    pub fn shared(&self) -> Option<Shared> {
        let (bus, (server, prefix)) = (self.redis.as_ref()?, self.meets_at.as_ref()?);
        Some(Shared::of(bus.clone(), server.clone(), prefix.clone()))
    }

    /// The bus, to read along.
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.bus.clone()
    }

    /// Takes edits until `end` comes, then finishes and commits what is in hand. The store that comes back is at rest.
    pub async fn run_until(mut self, end: impl Future<Output = ()>) -> Result<Arc<SqliteBus>, Failure> {
        tokio::select! {
            outcome = self.engine.follow_edits() => outcome.map_err(Failure::configuration)?,
            () = end => {}
        }
        let ended = tokio::time::timeout(Duration::from_millis(SHUT_DOWN_MILLIS), self.engine.shut_down()).await;
        ended.map_err(|_| {
            Failure::Configuration(format!(
                "not everything was finished within {SHUT_DOWN_MILLIS} ms; the next start goes on from what was committed"
            ))
        })?;
        if let Some(redis) = self.redis.and_then(Arc::into_inner) {
            redis.close().await;
        }
        Ok(self.bus)
    }
}

/// Joins the hosts that meet at a Redis.
async fn join(settings: RedisSettings, own: Arc<SqliteBus>) -> Result<RedisBus, Failure> {
    let (server, node) = (settings.server.to_string(), settings.lease.node().to_owned());
    let bus = RedisBus::open(settings, own).await.map_err(Failure::configuration)?;
    tracing::info!(server, node, "hosts meet at Redis");
    Ok(bus)
}

/// Closes a store that nobody else holds any more.
pub fn close(bus: Arc<SqliteBus>) -> Result<(), Failure> {
    Arc::into_inner(bus).map_or(Ok(()), |bus| bus.close().map_err(Failure::configuration))
}

/// SIGTERM and SIGINT, caught from the moment this exists. It is made before anything is started: a signal that comes
/// while Orion starts must find somebody who listens, or it ends the process in the middle.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen. Needs a runtime.
    pub fn catch() -> Result<Self, Failure> {
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("SIGTERM: finishing what is in hand"),
            _ = self.interrupt.recv() => tracing::info!("SIGINT: finishing what is in hand"),
        }
    }
}

/// SIGHUP, with which a supervisor asks for a reload, caught from the moment this exists. Only of what supervisors run: in a terminal it
/// means that the terminal is gone.
pub struct Hangups(Signal);

impl Hangups {
    /// Begins to listen. Needs a runtime.
    pub fn catch() -> Result<Self, Failure> {
        Ok(Self(listen(SignalKind::hangup())?))
    }

    /// Has the folders looked at with each that comes, for ever.
    pub async fn look(mut self, look: &Notify) {
        while self.0.recv().await.is_some() {
            tracing::info!("SIGHUP: looking at rules and plugins");
            look.notify_one();
        }
        std::future::pending().await
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Configuration(format!("signals cannot be caught: {error}")))
}
