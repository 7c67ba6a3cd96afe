//! The rule groups that run here.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::watcher::{Command, GroupPlan, WatcherContext, run_group};

/// Groups by their ids.
#[derive(Default)]
pub(super) struct Groups {
    running: BTreeMap<String, Running>,
    /// Groups that end by themselves.
    ending: Vec<JoinHandle<()>>,
    down: watch::Sender<bool>,
}

struct Running {
    commands: watch::Sender<Command>,
    task: JoinHandle<()>,
}

impl Groups {
    /// Runs a group under this plan from now on.
    pub(super) fn run(&mut self, context: &Arc<WatcherContext>, id: &str, plan: &GroupPlan) {
        if let Some(group) = self.running.get(id).filter(|group| !group.commands.is_closed()) {
            group.commands.send_if_modified(|command| {
                let is_new = !matches!(command, Command::Adopt(known) if known.generation == plan.generation);
                *command = Command::Adopt(plan.clone());
                is_new
            });
            return;
        }
        let (commands, read) = watch::channel(Command::Adopt(plan.clone()));
        let shutdown = self.down.subscribe();
        let task = tokio::spawn(run_group(context.clone(), plan.clone(), read, shutdown));
        self.running.insert(id.to_owned(), Running { commands, task });
    }

    /// The group is in no rule file any more; false when it does not run here.
    pub(super) fn remove(&mut self, id: &str, generation: u64) -> bool {
        let Some(group) = self.running.remove(id) else { return false };
        group.commands.send_replace(Command::Remove(generation));
        self.ending.retain(|task| !task.is_finished());
        self.ending.push(group.task);
        true
    }

    /// Ends groups that others are to go on with. Returns when what they had in hand is committed.
    pub(super) async fn stop(&mut self, ids: impl Iterator<Item = &str>) {
        let stopped: Vec<_> = ids.filter_map(|id| self.running.remove(id)).collect();
        // Without its sender a group ends.
        join_all(stopped.into_iter().map(|Running { commands, task }| {
            drop(commands);
            task
        }))
        .await;
    }

    /// Ends all groups. Returns when what they had in hand is committed.
    pub(super) async fn shut_down(self) {
        self.down.send_replace(true);
        let running = self.running.into_values().map(|group| group.task);
        join_all(running.chain(self.ending)).await;
    }
}
