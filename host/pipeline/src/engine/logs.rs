//! The entries of logs that run here.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::logs::{EndLogError, LOG_OWNERS, LogCommand, LogContext, LogPlan, end_stored_log, owner_of, run_log};
use crate::watermark::Watermark;

/// Entries by their ids.
pub(super) struct Logs {
    context: Arc<LogContext>,
    watermark: Arc<Watermark>,
    running: BTreeMap<String, Running>,
    /// Those that end by themselves.
    ending: BTreeMap<String, JoinHandle<()>>,
    down: watch::Sender<bool>,
}

struct Running {
    commands: watch::Sender<LogCommand>,
    task: JoinHandle<()>,
}

impl Logs {
    /// None that run yet.
    pub(super) fn new(context: LogContext, watermark: Arc<Watermark>) -> Self {
        Self {
            context: Arc::new(context),
            watermark,
            running: BTreeMap::new(),
            ending: BTreeMap::new(),
            down: watch::Sender::default(),
        }
    }

    /// Before the Guardian learns of the generation: what was written while nobody looked is about to be said.
    pub(super) fn expect(watermark: &Watermark, ids: impl Iterator<Item = String>) {
        ids.for_each(|id| watermark.expect(&owner_of(&id)));
    }

    /// Ids of this generation that do not run yet.
    pub(super) fn new_ones(&self, plans: &BTreeMap<String, LogPlan>) -> Vec<String> {
        plans.keys().filter(|id| !self.running.contains_key(*id)).cloned().collect()
    }

    /// Runs these entries and no others.
    pub(super) async fn follow(&mut self, plans: &BTreeMap<String, LogPlan>, generation: u64) {
        self.ending.retain(|_, task| !task.is_finished());
        for (id, Running { commands, task }) in self.running.extract_if(.., |id, _| !plans.contains_key(id)) {
            commands.send_replace(LogCommand::Forget);
            self.ending.insert(id, task);
        }
        for (id, plan) in plans {
            match self.running.get(id) {
                Some(running) => drop(running.commands.send_replace(LogCommand::Follow(plan.clone()))),
                None => self.start(id, plan),
            }
        }
        if let Err(error) = self.end_stored(plans, generation).await {
            // Found again with the next generation, and at the next start.
            tracing::warn!("what is known of logs that are in no rule file any more is kept for now: {error}");
        }
    }

    /// Entries that went while nothing ran.
    async fn end_stored(&self, plans: &BTreeMap<String, LogPlan>, generation: u64) -> Result<(), EndLogError> {
        for owner in self.context.bus.owners(LOG_OWNERS).await? {
            let id = owner.strip_prefix(LOG_OWNERS).unwrap_or_default();
            if !plans.contains_key(id) && !self.ending.contains_key(id) {
                end_stored_log(&*self.context.bus, &owner, self.context.clock.now(), generation).await?;
            }
        }
        Ok(())
    }

    fn start(&mut self, id: &str, plan: &LogPlan) {
        let (commands, read) = watch::channel(LogCommand::Follow(plan.clone()));
        let (context, watermark) = (self.context.clone(), self.watermark.clone());
        let task = tokio::spawn(run_log(context, watermark, read, self.down.subscribe()));
        self.running.insert(id.to_owned(), Running { commands, task });
    }

    /// Ends all of them. Returns when what they had in hand is committed.
    pub(super) async fn shut_down(self) {
        self.down.send_replace(true);
        let running = self.running.into_values().map(|running| running.task);
        join_all(running.chain(self.ending.into_values())).await;
    }
}
