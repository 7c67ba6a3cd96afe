//! The stages behind the bus that run here: Guardians, Brain, Memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use orion_bus::Bus;
use orion_model::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::archive::{Archive, ArchiveSettings, READERS, run_archive};
use crate::brain::run_brain;
use crate::forward::{FORWARD_OWNER, Forwarding, run_forward};
use crate::guardian::{Guardian, Share, run_guardian};
use crate::library::Generation;
use crate::meters::Meters;
use crate::outside::agent::Agents;
use crate::outside::{run_in, run_out};
use crate::shares::{Shares, partition_of_brain};
use crate::store_watch::StoreWatch;
use crate::watcher::{Said, run_said};
use crate::watermark::{Reached, Watermark};
use crate::workers::Workers;

/// What the stages work with.
pub(super) struct StageContext {
    pub(super) bus: Arc<dyn Bus>,
    /// The bus in this host's own folder.
    pub(super) own: Arc<dyn Bus>,
    /// Who notes whether files can be written.
    pub(super) store: Arc<StoreWatch>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reached: Reached,
    pub(super) workers: Arc<Workers>,
    pub(super) meters: Arc<Meters>,
    pub(super) generation: watch::Receiver<Arc<Generation>>,
    /// How far what this host itself sees has come.
    pub(super) watermark: Arc<Watermark>,
    /// What takes from agents, where this host does.
    pub(super) agents: Option<Arc<Agents>>,
    /// Where what is observed goes, where it is not correlated here.
    pub(super) forwarding: Option<Forwarding>,
}

/// The stages.
pub(super) struct Stages {
    context: StageContext,
    guardians: BTreeMap<Share, Stage>,
    brain: Option<Stage>,
    outside: Vec<Stage>,
    forward: Option<Stage>,
    agents: Option<Stage>,
    memory: Option<Stage>,
}

struct Stage {
    down: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Stage {
    fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(watch::Receiver<bool>) -> F) -> Self {
        let (down, shutdown) = watch::channel(false);
        Self { down, task: tokio::spawn(run(shutdown)) }
    }

    /// Returns when it has read everything and committed.
    async fn end(self) {
        self.down.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!("a stage ended badly: {error}");
        }
    }
}

impl Stages {
    /// Memory's stage, where there is a folder for it; the others come with [`Stages::share_out`].
    pub(super) fn start(context: StageContext, memory_dir: Option<PathBuf>, settings: ArchiveSettings) -> Self {
        let (bus, store, clock) = (context.own.clone(), context.store.clone(), context.clock.clone());
        let memory = memory_dir.map(|memory_dir| {
            let meter = context.meters.stage("memory", String::new());
            let readers: &[&str] = if context.forwarding.is_some() { &[FORWARD_OWNER] } else { &READERS };
            let archive = Archive { bus, store, clock, meter, memory_dir, settings, readers };
            Stage::start(|shutdown| run_archive(archive, shutdown))
        });
        let watch = |agents: &Arc<Agents>| Stage::start(|shutdown| agents.clone().watch(shutdown));
        let agents = context.agents.as_ref().map(watch);
        Self { context, agents, guardians: BTreeMap::new(), brain: None, outside: Vec::new(), forward: None, memory }
    }

    /// Runs what is this host's and nothing else. Returns when what ended has committed.
    pub(super) async fn share_out(&mut self, shares: &Shares, live: &Generation) {
        if self.context.forwarding.is_some() {
            return self.start_forwarding();
        }
        let mine = shares.guardians();
        let lost = self.guardians.extract_if(.., |share, _| !mine.contains(share)).map(|(_, stage)| stage.end());
        join_all(lost.collect::<Vec<_>>()).await;
        let mut answers = true;
        for share in mine {
            if !self.guardians.contains_key(&share) && self.has_work(share, live, &mut answers).await {
                self.start_guardian(share);
            }
        }
        match (shares.has(partition_of_brain()), self.brain.take()) {
            (true, None) => {
                let bus = self.context.bus.clone();
                let meter = self.context.meters.stage("brain", String::new());
                self.brain = Some(Stage::start(|shutdown| run_brain(bus, meter, shutdown)));
                self.open_doors(shares);
            }
            (true, running) => self.brain = running,
            (false, Some(lost)) => {
                join_all(self.outside.drain(..).chain([lost]).map(Stage::end)).await;
            }
            (false, None) => {}
        }
    }

    /// What is forwarded is neither correlated nor decided about here.
    fn start_forwarding(&mut self) {
        let Some(forwarding) = self.context.forwarding.clone().filter(|_| self.forward.is_none()) else { return };
        let StageContext { bus, clock, watermark, meters, .. } = &self.context;
        let (bus, clock, watermark) = (bus.clone(), clock.clone(), watermark.clone());
        let meter = meters.stage("forward", String::new());
        self.forward = Some(Stage::start(|shutdown| run_forward(forwarding, bus, clock, watermark, meter, shutdown)));
    }

    /// Who has the decisions among hosts also meets programs that know nothing of Orion, and looks after what is said of sources.
    fn open_doors(&mut self, shares: &Shares) {
        let Some(streams) = shares.plain_streams().map(Arc::new) else { return };
        let (bus, to) = (self.context.bus.clone(), streams.clone());
        self.outside.push(Stage::start(|shutdown| run_out(bus, to, shutdown)));
        let StageContext { bus, reached, clock, .. } = &self.context;
        let said = Said { bus: bus.clone(), reached: reached.clone(), clock: clock.clone() };
        self.outside.push(Stage::start(|shutdown| run_said(said, shutdown)));
        let bus = bus.clone();
        self.outside.push(Stage::start(|shutdown| run_in(bus, streams, shutdown)));
    }

    /// A part of the correlations may be empty, and then there is nothing to do but to end what an earlier generation left.
    async fn has_work(&self, share: Share, live: &Generation, answers: &mut bool) -> bool {
        // A bus that does not answer says so to the stage, which tries again. Here it is not asked a second time: it takes seconds to
        // say nothing, and there are many parts.
        if share == Share::All || live.correlations.keys().any(|id| share.has(id)) || !*answers {
            return true;
        }
        let loaded = self.context.bus.load(&share.owner()).await;
        *answers = loaded.is_ok();
        !loaded.is_ok_and(|loaded| loaded.state.is_empty())
    }

    fn start_guardian(&mut self, share: Share) {
        let StageContext { bus, clock, reached, workers, meters, generation, .. } = &self.context;
        let part = share.partition().map_or_else(String::new, |partition| partition.to_string());
        let guardian = Guardian {
            bus: bus.clone(),
            clock: clock.clone(),
            share,
            reached: reached.clone(),
            workers: workers.clone(),
            meter: meters.stage("guardian", part),
            generation: generation.clone(),
        };
        self.guardians.insert(share, Stage::start(|shutdown| run_guardian(guardian, shutdown)));
    }

    /// Ends every stage in order: each reads what the one before it left.
    pub(super) async fn shut_down(self, shares: &Shares) {
        join_all(self.guardians.into_values().map(Stage::end)).await;
        join_all(self.agents.map(Stage::end)).await;
        if let Some(forward) = self.forward {
            forward.end().await;
        }
        if let Some(brain) = self.brain {
            brain.end().await;
        }
        join_all(self.outside.into_iter().map(Stage::end)).await;
        shares.take_over_the_rest().await;
        if let Some(memory) = self.memory {
            memory.end().await;
        }
    }
}
