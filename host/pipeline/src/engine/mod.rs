//! The whole pipeline at work: starts every stage, applies generations, ends in order.
//!
//! Ends from the source side: groups finish the evaluation in hand and commit, then each later stage reads what is left
//! and ends. So after an orderly end Memory holds everything, and a start goes on exactly there.

mod groups;
mod logs;
mod stages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, BusError};
use orion_model::Clock;
use orion_sandbox::Sandbox;
use orion_source::Source;
use tokio::sync::{Notify, Semaphore, watch};

use self::groups::Groups;
use self::logs::Logs;
use self::stages::{StageContext, Stages};
use crate::archive::ArchiveSettings;
use crate::around::Arounds;
use crate::attestation::{Attestation, AttestationError};
use crate::forward::{ForwardMeter, Forwarding};
use crate::library::{FolderWatch, Generation, Library, LibraryError, LibrarySettings, SETTLE_MILLIS};
use crate::logs::{LogContext, MAX_OPEN_FILES};
use crate::meters::Meters;
use crate::observer::{Files, Observer};
use crate::outside::agent::{self, Agents};
use crate::outside::hook::{Hook, Hooks};
use crate::rule_sets::RuleSets;
use crate::shares::{Look, Shares, partition_of_group};
use crate::store_watch::StoreWatch;
use crate::watcher::{EndGroupError, SourceHealth, WatcherContext, WatcherSettings, end_stored_group};
use crate::watermark::Watermark;
use crate::workers::Workers;

/// What the engine is made of.
pub struct EngineParts {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The bus in this host's own folder: the same one, or what follows it. Memory's files are its projection.
    pub own: Arc<dyn Bus>,
    /// What of the work is this host's.
    pub shares: Shares,
    /// Whether this host writes Memory's files.
    pub remembers: bool,
    /// The sandbox.
    pub sandbox: Arc<Sandbox>,
    /// What is asked, by the name rule files use.
    pub sources: BTreeMap<String, Arc<dyn Source>>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Rules and plugins.
    pub library: LibrarySettings,
    /// Settings of the Watcher.
    pub watcher: WatcherSettings,
    /// Settings of Memory.
    pub archive: ArchiveSettings,
    /// How many plugin calls may run at once.
    pub workers: usize,
    /// What the process says of itself, where that is recorded.
    pub attestation: Option<Attestation>,
    /// Whether what is observed is correlated here or by a control host.
    pub place: Place,
}

/// What a host is to others.
pub enum Place {
    /// It correlates, decides and remembers, and takes from agents. One of those that is not heard of for so long is said to be silent.
    Control {
        /// How long.
        silent_millis: i64,
    },
    /// It forwards to a control host.
    Agent(Forwarding),
}

/// Why the pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Rules or plugins.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// What the process says of itself could not be recorded.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// A group that is gone could not be ended.
    #[error(transparent)]
    EndGroup(#[from] EndGroupError),
    /// A defect of ours.
    #[error("looking at the folders panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// How often new plugins are looked at: one that fails is to be gone before it fails again, and looking costs nothing.
const TRIAL_LOOK_MILLIS: u64 = 500;

/// A running pipeline.
pub struct Engine {
    store: Arc<StoreWatch>,
    context: Arc<WatcherContext>,
    library: Option<Library>,
    library_settings: LibrarySettings,
    shares: Shares,
    groups: Groups,
    logs: Logs,
    generation: watch::Sender<Arc<Generation>>,
    files: watch::Sender<Arc<Files>>,
    stages: Stages,
    sets: Arc<RuleSets>,
    /// Told when somebody wants the folders looked at now.
    asked: Arc<Notify>,
    agents: Option<Arc<Agents>>,
    forwards: Option<Arc<ForwardMeter>>,
}

impl Engine {
    /// Loads rules and plugins and starts every stage.
    pub async fn start(parts: EngineParts) -> Result<Self, EngineError> {
        let EngineParts { bus, own, mut shares, remembers, sandbox, sources, clock, attestation, place, .. } = parts;
        let meters = Arc::new(Meters::of(sources.keys()));
        let node = shares.node();
        let store = Arc::new(StoreWatch::open(bus, clock.clone(), meters.clone(), node.clone()).await?);
        let bus: Arc<dyn Bus> = store.clone();
        let asked: Arc<Notify> = Arc::default();
        let sets = Arc::new(RuleSets::open(bus.clone(), asked.clone()).await?);
        let mut library = Library::open(parts.library.clone(), sandbox, bus.clone(), sets.clone(), &node).await?;
        library = scan(library, clock.clone()).await?;
        if library.misses_files() {
            // A file that was taken away while nobody looked is not to run for another moment.
            tokio::time::sleep(Duration::from_millis(SETTLE_MILLIS)).await;
            library = scan(library, clock.clone()).await?;
        }
        let accepted = library.accept(clock.now()).await?;
        let mut first = accepted.unwrap_or_else(|| library.current());
        first.ended_groups = library.ending();
        store.set_generation(first.number);
        if let Some(attestation) = attestation {
            attestation.record(&*bus, &node, clock.now(), first.number).await?;
        }
        let watermark = Arc::new(Watermark::default());
        // Before the Guardian looks for the first time: without its groups it would take the present for reached, and end by time
        // what the groups are about to catch up on.
        let mine = first.groups.keys().filter(|id| shares.has(partition_of_group(id)));
        mine.for_each(|id| watermark.expect(id));
        Logs::expect(&watermark, first.logs.values());
        let workers = Workers::new(parts.workers);
        let (generation, live) = watch::channel(Arc::new(first.clone()));
        let context = Arc::new(WatcherContext {
            bus: bus.clone(),
            sources,
            health: SourceHealth::open(bus.clone(), own.clone()).await?,
            clock: clock.clone(),
            watermark: watermark.clone(),
            workers: workers.clone(),
            meters: meters.clone(),
            settings: parts.watcher,
            evaluations: watch::Sender::new(0),
        });
        shares.tell(&watermark, &context.workers, &clock);
        let log_dirs = parts.library.defaults.log_dirs.clone().unwrap_or_default();
        let logs_context = LogContext {
            bus: bus.clone(),
            clock: clock.clone(),
            meters: meters.clone(),
            // Without links, as the paths of files are compared with them.
            dirs: log_dirs.iter().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.clone())).collect(),
            node,
            open: Arc::new(Semaphore::new(MAX_OPEN_FILES)),
        };
        let (agents, forwarding) = match place {
            Place::Control { silent_millis } => {
                let parts = agent::Parts {
                    bus: bus.clone(),
                    kept: own.appended(),
                    clock: clock.clone(),
                    watermark: watermark.clone(),
                    generation: live.clone(),
                    silent_millis,
                };
                (Some(Arc::new(Agents::open(parts).await?)), None)
            }
            Place::Agent(forwarding) => (None, Some(forwarding)),
        };
        let forwards = forwarding.as_ref().map(Forwarding::meter);
        let stages = StageContext {
            bus,
            forwarding,
            agents: agents.clone(),
            watermark: watermark.clone(),
            own,
            store: store.clone(),
            clock,
            reached: shares.reached(&watermark),
            workers,
            meters,
            generation: live,
        };
        let files = watch::Sender::default();
        let logs = Logs::new(logs_context, context.clone());
        let mut engine = Self {
            store,
            context,
            library: Some(library),
            shares,
            groups: Groups::default(),
            logs,
            generation,
            files,
            stages: Stages::start(stages, remembers.then(|| parts.library.memory_dir.clone()), parts.archive),
            library_settings: parts.library,
            agents,
            forwards,
            sets,
            asked,
        };
        engine.apply(first).await?;
        engine.library.iter_mut().for_each(Library::have_ended);
        engine.tell_files();
        Ok(engine)
    }

    /// For whoever looks.
    pub fn observer(&self) -> Observer {
        Observer {
            context: self.context.clone(),
            store: self.store.clone(),
            generation: self.generation.subscribe(),
            files: self.files.subscribe(),
            lock_outs: Arc::default(),
            marks: Arc::default(),
            forwards: self.forwards.clone(),
            sets: self.sets.clone(),
            of_sets: self.library_settings.of_sets.clone(),
            arounds: Arc::new(Arounds::new(self.context.clone())),
        }
    }

    /// Takes what programs deliver to these hooks. It holds on to the bus, so it has to be gone before that is closed.
    pub fn hooks(&self, hooks: Vec<Hook>, own: &dyn Bus) -> Hooks {
        Hooks::new(hooks, self.store.clone(), own, self.context.clock.clone())
    }

    /// What takes from agents, where this host does. It holds on to the bus, so it has to be gone before that is closed.
    pub fn agents(&self) -> Option<Arc<Agents>> {
        self.agents.clone()
    }

    /// Tells whoever looks how the files are.
    fn tell_files(&self) {
        let Some(library) = &self.library else { return };
        let files = library.files();
        let (is_whole, now) = (files.refused.is_empty(), self.context.clock.now());
        self.context.meters.reloads.note(is_whole, now, library.generation());
        self.files.send_replace(Arc::new(files));
    }

    /// Counts completed evaluations.
    pub fn evaluations(&self) -> watch::Receiver<u64> {
        self.context.evaluations.subscribe()
    }

    /// Whoever tells it has the folders looked at now, while edits are followed.
    pub fn look(&self) -> Arc<Notify> {
        self.asked.clone()
    }

    /// Takes edits of rules and plugins as they come. Returns only on an error that no edit can mend.
    pub async fn follow_edits(&mut self) -> Result<(), EngineError> {
        let mut watch = FolderWatch::start(&self.library_settings.dirs(), self.asked.clone());
        loop {
            let shares = self.shares.changed();
            let is_work_another = match &self.library {
                Some(library) if library.misses_files() => tokio::select! {
                    () = watch.settled() => false,
                    () = shares => true,
                },
                Some(library) if library.tries_plugins() => tokio::select! {
                    () = watch.changed() => false,
                    () = failed_trial(library) => false,
                    () = shares => true,
                },
                _ => tokio::select! {
                    () = watch.changed() => false,
                    () = shares => true,
                },
            };
            if is_work_another {
                self.share_out().await;
            }
            // Also then: the wait that was cut short may have been for an edit to settle.
            self.reload().await?;
        }
    }

    /// Looks at the folders now and applies what has changed.
    pub async fn reload(&mut self) -> Result<(), EngineError> {
        if let Err(error) = self.sets.refresh().await {
            // What is known of them runs on; the next look asks again.
            tracing::debug!("it is not known whether rule sets were applied elsewhere: {error}");
        }
        let Some(library) = self.library.take() else { return Ok(()) };
        let mut library = match scan(library, self.context.clock.clone()).await {
            Ok(library) => library,
            Err(ScanError::Folder(library, error)) => {
                // The folder may come back; what runs goes on.
                tracing::error!("rules and plugins cannot be looked at, what runs goes on: {error}");
                self.context.meters.reloads.note(false, self.context.clock.now(), library.generation());
                self.library = Some(*library);
                return Ok(());
            }
            Err(ScanError::Panicked(error)) => return Err(error.into()),
        };
        let accepted = library.accept(self.context.clock.now()).await;
        self.library = Some(library);
        self.tell_files();
        match accepted {
            Ok(Some(generation)) => self.apply(generation).await,
            Ok(None) => Ok(()),
            Err(error) => {
                // Nothing was applied; the next look finds the same difference again.
                tracing::error!("an edit could not be recorded and is not live yet: {error}");
                Ok(())
            }
        }
    }

    async fn apply(&mut self, generation: Generation) -> Result<(), EngineError> {
        let (bus, clock) = (self.context.bus.clone(), self.context.clock.clone());
        for id in &generation.ended_groups {
            if !self.groups.remove(id, generation.number) && self.shares.has(partition_of_group(id)) {
                end_stored_group(&*bus, id, clock.now(), generation.number).await?;
            }
        }
        let (groups, correlations) = (generation.groups.len(), generation.correlations.len());
        tracing::info!(generation = generation.number, groups, correlations, "rules and plugins are live");
        self.store.set_generation(generation.number);
        // Before the Guardian learns of the generation, as at the start.
        self.expect(&generation);
        Logs::expect(&self.context.watermark, self.logs.new_ones(&generation.logs));
        self.generation.send_replace(Arc::new(generation));
        self.share_out().await;
        Ok(())
    }

    /// Time waits for the groups of this host that do not run yet.
    fn expect(&self, live: &Generation) {
        let mine = live.groups.keys().filter(|id| self.shares.has(partition_of_group(id)));
        mine.filter(|id| !self.groups.runs(id)).for_each(|id| self.context.watermark.expect(id));
    }

    /// Runs what is this host's and nothing else.
    pub async fn share_out(&mut self) {
        let look: Look = self.shares.look();
        let live = self.generation.borrow().clone();
        self.expect(&live);
        let (mine, others): (Vec<_>, Vec<_>) =
            live.groups.iter().partition(|(id, _)| self.shares.has(partition_of_group(id)));
        let ended = self.groups.stop(others.into_iter().map(|(id, _)| id.as_str()));
        let stages = self.stages.share_out(&self.shares, &live);
        tokio::join!(ended, stages);
        for (id, plan) in mine {
            self.groups.run(&self.context, id, plan);
        }
        self.logs.share_out(&live.logs, live.number, &self.shares).await;
        self.shares.done(look).await;
    }

    /// Finishes what is in hand, commits, and ends every stage in order.
    pub async fn shut_down(mut self) {
        self.shares.tell_no_more().await;
        tokio::join!(self.groups.shut_down(), self.logs.shut_down());
        self.stages.shut_down(&self.shares).await;
    }
}

/// Waits until a new plugin has failed too often.
async fn failed_trial(library: &Library) {
    while !library.has_failed_trial() {
        tokio::time::sleep(Duration::from_millis(TRIAL_LOOK_MILLIS)).await;
    }
}

enum ScanError {
    Folder(Box<Library>, LibraryError),
    Panicked(tokio::task::JoinError),
}

impl From<ScanError> for EngineError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Folder(_, error) => error.into(),
            ScanError::Panicked(error) => error.into(),
        }
    }
}

/// Reading, parsing and compiling block; they are kept off the threads that serve the groups.
async fn scan(mut library: Library, clock: Arc<dyn Clock>) -> Result<Library, ScanError> {
    let scanned = tokio::task::spawn_blocking(move || match library.scan(&*clock) {
        Ok(()) => Ok(library),
        Err(error) => Err(ScanError::Folder(Box::new(library), error)),
    });
    scanned.await.map_err(ScanError::Panicked)?
}
