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
        // Also one that was another host's until now: without it time would pass over what it is about to catch up on.
        context.watermark.expect(id);
        let (commands, read) = watch::channel(Command::Adopt(plan.clone()));
        let shutdown = self.down.subscribe();
        let task = tokio::spawn(run_group(context.clone(), plan.clone(), read, shutdown));
        self.running.insert(id.to_owned(), Running { commands, task });
    }

    /// Whether a group runs here.
    pub(super) fn runs(&self, id: &str) -> bool {
        self.running.get(id).is_some_and(|group| !group.commands.is_closed())
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

#[cfg(test)]
mod tests {
    use orion_bus::SqliteBus;
    use orion_model::Clock;

    use super::*;
    use crate::clock::SystemClock;
    use crate::watcher::SourceHealth;
    use crate::watcher::run_tests::{context, plan};

    #[tokio::test(flavor = "multi_thread")]
    async fn time_waits_for_every_group_that_begins_to_run() {
        let (plan, dir) = (plan(), tempfile::tempdir().unwrap());
        let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
        let context = context(bus.clone(), SourceHealth::open(bus.clone(), bus.clone()).await.unwrap());
        let now = SystemClock.now();
        assert_eq!(context.watermark.reached(now, ""), Some(now), "nothing runs");
        let mut groups = Groups::default();
        groups.run(&context, &plan.group.id, &plan);
        let next = plan.slots.after(now).plus_millis(-1);
        assert!(context.watermark.reached(now, "").is_none_or(|reached| reached <= next.min(now)));
        let far = now.plus_millis(1_000_000_000);
        while context.watermark.reached(far, "").is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(context.watermark.reached(far, "").is_some_and(|reached| reached < far), "it holds time back");
        groups.shut_down().await;
        assert_eq!(context.watermark.reached(far, ""), Some(far));
    }
}
