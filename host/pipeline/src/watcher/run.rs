//! The loop of one rule group: wait for the slot, ask, compute, commit; take edits in between two evaluations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::{Bus, BusError, Partition};
use orion_model::Clock;
use orion_source::Source;
use tokio::sync::watch;

use super::asking::ask;
use super::ended::{EndGroupError, end_stored_group, owner_of};
use super::flush::next_flush;
use super::group::{Evaluating, Group, Which};
use super::health::{HealthError, SourceHealth};
use super::overtaken::{Overtaken, Step};
use super::plan::GroupPlan;
use super::seat::Effort;
use crate::TRACED;
use crate::clock::sleep_towards;
use crate::draft::NotWritable;
use crate::history::History;
use crate::meters::{Evaluation, Meters};
use crate::shares::partition_of_group;
use crate::watermark::Watermark;
use crate::workers::Workers;

/// How long answers are waited for once Orion is to end: most come within this time. What is abandoned is asked again
/// after the next start; a source that hangs must not hold up the end.
const LAST_ANSWERS_MILLIS: u64 = 8_000;

/// First and longest wait after the store refused a commit.
const RETRY_MILLIS: (u64, u64) = (200, 15_000);

/// What the groups share.
pub struct WatcherContext {
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// What is asked, by the name rule files use.
    pub sources: BTreeMap<String, Arc<dyn Source>>,
    /// Whether they answer.
    pub health: SourceHealth,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// How far observation has come.
    pub watermark: Arc<Watermark>,
    /// Places for detectors at work.
    pub workers: Arc<Workers>,
    /// The numbers of the work.
    pub meters: Arc<Meters>,
    /// Settings.
    pub settings: WatcherSettings,
    /// Counts evaluations that were completed; others wait on it.
    pub evaluations: watch::Sender<u64>,
}

/// Settings of the Watcher.
#[derive(Clone, Copy, Debug)]
pub struct WatcherSettings {
    /// How far back missed instants are evaluated.
    pub catch_up_millis: i64,
}

impl Default for WatcherSettings {
    /// An hour: a reboot, an upgrade, a power cut are covered, and a day away does not ask for ten thousand answers.
    fn default() -> Self {
        Self { catch_up_millis: 3_600_000 }
    }
}

/// What a group's loop is told. The latest counts: a plan is everything there is to know.
#[derive(Clone)]
pub enum Command {
    /// Go on under this plan.
    Adopt(GroupPlan),
    /// The group is in no rule file any more; the number is the generation that dropped it.
    Remove(u64),
}

/// Why a step came to nothing. The group starts again from what the store has.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    End(#[from] EndGroupError),
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    #[error("the source did not answer in time before the end; the instant is evaluated after the next start")]
    Abandoned,
    #[error("the evaluation panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl StepError {
    /// Whether the store cannot be written. That is said once for all groups ([`crate::store_watch`]).
    fn is_of_the_store(&self) -> bool {
        match self {
            Self::Bus(error) | Self::Health(HealthError::Bus(error)) | Self::End(EndGroupError::Bus(error)) => {
                error.is_unwritable() || error.is_away()
            }
            _ => false,
        }
    }
}

enum Ended {
    Removed(u64),
    ShutDown,
    /// What it goes on from may be gone.
    HistoryOver,
}

/// What a group does next.
enum Next {
    Look,
    Adopt(GroupPlan),
    End(Ended),
}

/// Runs a group until it is removed or `shutdown` turns true. What was begun is committed first. The watermark expects it already.
pub async fn run_group(
    context: Arc<WatcherContext>,
    plan: GroupPlan,
    mut commands: watch::Receiver<Command>,
    mut shutdown: watch::Receiver<bool>,
) {
    let id = plan.group.id.clone();
    run_until_ended(&context, plan, &mut commands, &mut shutdown).await;
    context.watermark.forget(&id);
    context.meters.forget(&id);
}

async fn run_until_ended(
    context: &Arc<WatcherContext>,
    mut plan: GroupPlan,
    commands: &mut watch::Receiver<Command>,
    shutdown: &mut watch::Receiver<bool>,
) {
    let id = plan.group.id.clone();
    let mut retry_millis = RETRY_MILLIS.0;
    loop {
        let removed_by = removed_by(commands);
        let mut run = Run { context, plan: &mut plan, commands, shutdown };
        let ended = match removed_by {
            Some(generation) => Ok(Ended::Removed(generation)),
            None => run.until_ended(&mut retry_millis).await,
        };
        let outcome = match ended {
            Ok(Ended::ShutDown) => return,
            Ok(Ended::HistoryOver) => continue,
            Ok(Ended::Removed(generation)) => run.remove(&id, generation).await,
            Err(error) => Err(error),
        };
        let Err(error) = outcome else { return };
        if commands.has_changed().is_err() {
            // Nobody wants it any more: another host has taken it over, and repeats what did not come to stand here.
            tracing::info!(group = id, "given up: {error}");
            return;
        }
        match error.is_of_the_store() {
            true => tracing::debug!(group = id, retry_millis, "{error}"),
            false => tracing::error!(group = id, retry_millis, "{error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(retry_millis)) => {}
            _ = shutdown.wait_for(|down| *down) => return,
        }
        retry_millis = (retry_millis * 2).min(RETRY_MILLIS.1);
    }
}

/// The generation that dropped the group, also when it was heard of before and its end did not come about.
fn removed_by(commands: &watch::Receiver<Command>) -> Option<u64> {
    match &*commands.borrow() {
        Command::Adopt(_) => None,
        Command::Remove(generation) => Some(*generation),
    }
}

struct Run<'a> {
    context: &'a Arc<WatcherContext>,
    plan: &'a mut GroupPlan,
    commands: &'a mut watch::Receiver<Command>,
    shutdown: &'a mut watch::Receiver<bool>,
}

impl Run<'_> {
    async fn until_ended(&mut self, retry_millis: &mut u64) -> Result<Ended, StepError> {
        let mut history = History::of(&*self.context.bus);
        let loaded = self.context.bus.load(&owner_of(&self.plan.group.id)).await?;
        self.context.health.hear().await?;
        let mut group = Box::new(Group::open(self.plan.clone(), loaded, self.context.clock.now())?);
        let mut quiet_since = self.context.clock.now();
        let mut overtaken = Overtaken::default();
        loop {
            if history.is_over() {
                return Ok(Ended::HistoryOver);
            }
            let now = self.context.clock.now();
            if overtaken.look(group.last(), now) {
                group.say_clock_went_back(now)?;
            }
            if let Some(last) = group.last() {
                let next = overtaken.next_instant(group.slots(), last);
                self.context.watermark.advance(&self.plan.group.id, last, next, history.name());
            }
            let due = group.slots().due(group.last(), now, self.context.settings.catch_up_millis);
            if let Some((first, last, count)) = due.missed {
                group.say_missed(first, last, count, now)?;
            }
            let ahead = overtaken.step(group.slots(), group.last(), now);
            for step in ahead.into_iter().chain(due.instants.into_iter().map(Step::at)) {
                group = self.evaluate(group, step, Which::All, None).await?;
                *retry_millis = RETRY_MILLIS.0;
                if *self.shutdown.borrow() || self.commands.has_changed().unwrap_or(true) {
                    break;
                }
            }
            let now = self.context.clock.now();
            if !group.is_ahead_of_store() || now < quiet_since {
                quiet_since = now;
            }
            let flush_at = next_flush(quiet_since);
            // The first instant is kept at once. Whoever goes on from nothing begins with the present, so that what happened
            // between a crash and the next start, or the host that takes over, would be missed.
            if group.is_ahead_of_store() && (flush_at <= now || !group.is_known_to_store()) {
                group = self.commit(group).await?;
                continue;
            }
            let wake_at = overtaken.wake_at(group.slots(), group.last(), now);
            let wake_at = if group.is_ahead_of_store() { wake_at.min(flush_at) } else { wake_at };
            let next = tokio::select! {
                biased;
                _ = self.shutdown.wait_for(|down| *down) => Next::End(Ended::ShutDown),
                changed = self.commands.changed() => match changed {
                    Ok(()) => match self.commands.borrow_and_update().clone() {
                        Command::Adopt(plan) => Next::Adopt(plan),
                        Command::Remove(generation) => Next::End(Ended::Removed(generation)),
                    },
                    Err(_) => Next::End(Ended::ShutDown),
                },
                () = history.over() => Next::End(Ended::HistoryOver),
                _ = sleep_towards(&*self.context.clock, wake_at) => Next::Look,
            };
            match next {
                Next::Look => {}
                Next::Adopt(plan) => group = self.adopt(group, plan).await?,
                // Not committed first: it is evaluated again from what is there.
                Next::End(Ended::HistoryOver) => return Ok(Ended::HistoryOver),
                Next::End(ended) => {
                    self.commit_if_ahead(group).await?;
                    return Ok(ended);
                }
            }
        }
    }

    /// Takes an edit, and evaluates what it touched at once, for the present slot: an operator who saved a rule wants to
    /// see it work now and not at the end of the interval.
    async fn adopt(&mut self, mut group: Box<Group>, plan: GroupPlan) -> Result<Box<Group>, StepError> {
        *self.plan = plan.clone();
        let now = self.context.clock.now();
        let changed = group.adopt(plan, now)?;
        let asks = self.plan.group.rules.iter().map(|rule| rule.expr.clone()).collect();
        self.context.health.forget(&self.plan.group.id, &asks).await;
        let Some(last) = group.last() else { return Ok(group) };
        let instant = group.slots().at_or_before(now);
        if instant > last {
            // The slot is due for all of the group in a moment.
            return Ok(group);
        }
        if changed.is_empty() {
            return self.commit_if_ahead(group).await;
        }
        // The present slot, but for a clock that went back.
        let (step, edit) = (Step { instant: last, asked: last.min(instant) }, Some(self.plan.generation));
        self.evaluate(group, step, Which::Some(changed), edit).await
    }

    #[tracing::instrument(
        target = TRACED, level = "debug", name = "evaluation", skip_all,
        fields(group = %group.plan().group.id, instant = %step.instant)
    )]
    async fn evaluate(
        &self,
        mut group: Box<Group>,
        step: Step,
        which: Which,
        edit: Option<u64>,
    ) -> Result<Box<Group>, StepError> {
        let (instant, began) = (step.instant, Instant::now());
        let of_rules = which.clone();
        let mut shutdown = self.shutdown.clone();
        let too_late = async {
            // A sender that is gone is the end as well.
            let _ = shutdown.wait_for(|down| *down).await;
            tokio::time::sleep(Duration::from_millis(LAST_ANSWERS_MILLIS)).await;
        };
        let answers = tokio::select! {
            answers = ask(self.context, &mut group, step, &which) => answers?,
            () = too_late => return Err(StepError::Abandoned),
        };
        let late = group.slots().after(instant) <= self.context.clock.now();
        let rest = match group.is_brief(&answers, &which) {
            true => {
                let briefly = Evaluating { instant, edit, late, which: &which, effort: Effort::Brief };
                let _at_work = self.context.workers.briefly(partition_of(&group));
                Which::Some(group.compute(briefly, &answers)?)
            }
            false => which,
        };
        if !rest.is_none() {
            let compute = move |group: &mut Group| {
                let fully = Evaluating { instant, edit, late, which: &rest, effort: Effort::Full };
                group.compute(fully, &answers)
            };
            (group, _) = self.on_worker(group, compute).await?;
        }
        while !group.is_quiet() {
            group = self.commit(group).await?;
        }
        let evaluation = Evaluation { group: &group.plan().group.id, instant, late, took: began.elapsed() };
        self.context.meters.evaluated(&evaluation, group.healths(&of_rules));
        self.context.evaluations.send_modify(|count| *count += 1);
        Ok(group)
    }

    async fn on_worker<T: Send + 'static>(
        &self,
        mut group: Box<Group>,
        work: impl FnOnce(&mut Group) -> Result<T, NotWritable> + Send + 'static,
    ) -> Result<(Box<Group>, T), StepError> {
        let place = self.context.workers.place(partition_of(&group)).await;
        let (group, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut group);
            drop(place);
            (group, outcome)
        })
        .await?;
        Ok((group, outcome?))
    }

    async fn commit_if_ahead(&self, mut group: Box<Group>) -> Result<Box<Group>, StepError> {
        // A group that was never evaluated has no instant to commit under; what it would say is said with the first.
        while group.last().is_some() && (group.is_ahead_of_store() || !group.is_quiet()) {
            group = self.commit(group).await?;
        }
        Ok(group)
    }

    async fn commit(&self, mut group: Box<Group>) -> Result<Box<Group>, StepError> {
        let commit = match group.is_briefly_written() {
            true => group.next_commit()?,
            false => {
                let (back, commit) = self.on_worker(group, Group::next_commit).await?;
                group = back;
                commit
            }
        };
        let Some(commit) = commit else { return Ok(group) };
        let offset = commit.offset;
        orion_bus::crash_point!("watcher::before_commit");
        self.context.bus.commit(commit).await?;
        if group.is_quiet() {
            orion_bus::crash_point!("watcher::after_commit");
        } else {
            orion_bus::crash_point!("watcher::after_part");
        }
        group.committed(offset);
        Ok(group)
    }

    async fn remove(&self, id: &str, generation: u64) -> Result<(), StepError> {
        self.context.health.forget(id, &BTreeSet::new()).await;
        Ok(end_stored_group(&*self.context.bus, id, self.context.clock.now(), generation).await?)
    }
}

/// Which part of a deployment's work a group is.
fn partition_of(group: &Group) -> Option<Partition> {
    Some(partition_of_group(&group.plan().group.id))
}
