//! The entries of logs that run here.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::logs::{
    EndLogError, LOG_OWNERS, LogCommand, LogContext, LogPlan, STREAM_OWNERS, end_stored_log, owner_of, run_log,
    run_stream,
};
use crate::shares::{Shares, partition_of_group};
use crate::watcher::WatcherContext;
use crate::watermark::Watermark;

/// Entries by their ids.
pub(super) struct Logs {
    context: Arc<LogContext>,
    watcher: Arc<WatcherContext>,
    running: BTreeMap<String, Running>,
    /// Those that end by themselves.
    ending: BTreeMap<String, JoinHandle<()>>,
    down: watch::Sender<bool>,
}

struct Running {
    commands: watch::Sender<LogCommand>,
    task: JoinHandle<()>,
    is_of_files: bool,
}

impl Logs {
    /// None that run yet.
    pub(super) fn new(context: LogContext, watcher: Arc<WatcherContext>) -> Self {
        Self {
            context: Arc::new(context),
            watcher,
            running: BTreeMap::new(),
            ending: BTreeMap::new(),
            down: watch::Sender::default(),
        }
    }

    /// Before the Guardian learns of the generation: what was written while nobody looked is about to be said.
    pub(super) fn expect<'a>(watermark: &Watermark, plans: impl Iterator<Item = &'a LogPlan>) {
        plans.filter(|plan| plan.is_of_files()).for_each(|plan| watermark.expect(&owner_of(&plan.entry.id)));
    }

    /// Entries of this generation that do not run yet.
    pub(super) fn new_ones<'a>(&self, plans: &'a BTreeMap<String, LogPlan>) -> impl Iterator<Item = &'a LogPlan> {
        plans.iter().filter(|(id, _)| !self.running.contains_key(*id)).map(|(_, plan)| plan)
    }

    /// Runs those of these entries that are this host's, and no others. Returns when what others are to go on with is committed.
    pub(super) async fn share_out(&mut self, plans: &BTreeMap<String, LogPlan>, generation: u64, shares: &Shares) {
        self.ending.retain(|_, task| !task.is_finished());
        let is_mine = |id: &str, plan: &LogPlan| plan.is_of_files() || shares.has(partition_of_group(id));
        for (id, Running { commands, task, .. }) in self.running.extract_if(.., |id, _| !plans.contains_key(id)) {
            commands.send_replace(LogCommand::Forget);
            self.ending.insert(id, task);
        }
        let is_lost = |id: &String, running: &mut Running| {
            plans.get(id).is_some_and(|plan| !is_mine(id, plan) || plan.is_of_files() != running.is_of_files)
        };
        let lost = self.running.extract_if(.., is_lost).map(|(_, Running { commands, task, .. })| {
            // Without its sender an entry ends.
            drop(commands);
            task
        });
        join_all(lost.collect::<Vec<_>>()).await;
        for (id, plan) in plans.iter().filter(|(id, plan)| is_mine(id, plan)) {
            match self.running.get(id) {
                Some(running) => drop(running.commands.send_replace(LogCommand::Follow(plan.clone()))),
                None => self.start(id, plan),
            }
        }
        if let Err(error) = self.end_stored(plans, generation, shares).await {
            // Found again with the next generation, and at the next start.
            tracing::warn!("what is known of logs that are in no rule file any more is kept for now: {error}");
        }
    }

    /// Entries that went while nothing ran.
    async fn end_stored(
        &self,
        plans: &BTreeMap<String, LogPlan>,
        generation: u64,
        shares: &Shares,
    ) -> Result<(), EndLogError> {
        for prefix in [LOG_OWNERS, STREAM_OWNERS] {
            for owner in self.context.bus.owners(prefix).await? {
                let id = owner.strip_prefix(prefix).unwrap_or_default();
                let is_mine = prefix == LOG_OWNERS || shares.has(partition_of_group(id));
                let is_wanted = plans.get(id).is_some_and(|plan| plan.is_of_files() == (prefix == LOG_OWNERS));
                if is_mine && !is_wanted && !self.ending.contains_key(id) {
                    end_stored_log(&*self.context.bus, &owner, self.context.clock.now(), generation).await?;
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, id: &str, plan: &LogPlan) {
        let (commands, read) = watch::channel(LogCommand::Follow(plan.clone()));
        let (context, watcher, down) = (self.context.clone(), self.watcher.clone(), self.down.subscribe());
        let is_of_files = plan.is_of_files();
        let task = match is_of_files {
            true => tokio::spawn(run_log(context, watcher.watermark.clone(), read, down)),
            false => tokio::spawn(run_stream(context, watcher, read, down)),
        };
        self.running.insert(id.to_owned(), Running { commands, task, is_of_files });
    }

    /// Ends all of them. Returns when what they had in hand is committed.
    pub(super) async fn shut_down(self) {
        self.down.send_replace(true);
        let running = self.running.into_values().map(|running| running.task);
        join_all(running.chain(self.ending.into_values())).await;
    }
}
