//! The task of an entry: step after step, each committed before the next.

use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, BusError};
use orion_model::Timestamp;
use tokio::sync::watch;

use super::tail::Tail;
use super::{LogCommand, LogContext, LogPlan, owner_of};
use crate::draft::NotWritable;
use crate::meters::LogMeter;
use crate::stage::{StageError, StageLoop};
use crate::watermark::Watermark;

/// Time between two looks at files of which nothing more could be read. A look is a call of the system for each.
const PAUSE: Duration = Duration::from_millis(1_000);

/// Why an entry that is gone could not be ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndLogError {
    /// The bus does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

/// Follows an entry until it is told to end, or is in no rule file any more.
pub(crate) async fn run_log(
    context: Arc<LogContext>,
    watermark: Arc<Watermark>,
    mut commands: watch::Receiver<LogCommand>,
    shutdown: watch::Receiver<bool>,
) {
    let LogCommand::Follow(plan) = commands.borrow_and_update().clone() else { return };
    let id = plan.entry.id.clone();
    let meter = context.meters.log(&id);
    let mut stage = StageLoop::new("logs", context.bus.appended(), shutdown.clone());
    let mut task = Task { context, watermark, id, meter, plan, tail: Tail::default(), shutdown };
    while let Err(error) = task.follow(&mut commands, &mut stage).await {
        // Whoever told it to end does not wait for a store that is away; what it knew is ended later.
        if commands.has_changed().is_err() || !stage.retry(&error).await {
            break;
        }
    }
    task.watermark.forget(&owner_of(&task.id));
}

struct Task {
    context: Arc<LogContext>,
    watermark: Arc<Watermark>,
    id: String,
    meter: Arc<LogMeter>,
    plan: LogPlan,
    tail: Tail,
    shutdown: watch::Receiver<bool>,
}

impl Task {
    async fn follow(
        &mut self,
        commands: &mut watch::Receiver<LogCommand>,
        stage: &mut StageLoop,
    ) -> Result<(), StageError> {
        let owner = owner_of(&self.id);
        let loaded = self.context.bus.load(&owner).await?;
        let mut committed = loaded.offset;
        self.tail.restore(loaded.state);
        loop {
            let command = commands.borrow_and_update().clone();
            match command {
                LogCommand::Follow(plan) => self.plan = plan,
                LogCommand::Forget => {
                    let (now, generation) = (self.context.clock.now(), self.plan.generation);
                    let draft = std::mem::take(&mut self.tail).end(now, generation)?;
                    let offset = committed.map_or(0, |offset| offset + 1);
                    self.context.bus.commit(draft.into_commit(&owner, committed, offset)).await?;
                    return Ok(());
                }
            }
            let ends = stage.is_shut_down() || commands.has_changed().is_err();
            let step = self.step(ends).await?;
            if !step.draft.is_empty() {
                let offset = committed.map_or(0, |offset| offset + 1);
                orion_bus::crash_point!("logs::before_commit");
                self.context.bus.commit(step.draft.into_commit(&owner, committed, offset)).await?;
                orion_bus::crash_point!("logs::after_commit");
                committed = Some(offset);
            }
            stage.succeeded();
            if ends {
                return Ok(());
            }
            if !step.more {
                // What was written while nobody looked is said: time may go on.
                self.watermark.forget(&owner);
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = commands.changed() => {}
                    _ = self.shutdown.wait_for(|down| *down) => {}
                }
            }
        }
    }

    /// Reading blocks; it is kept off the threads that serve groups.
    async fn step(&mut self, ends: bool) -> Result<super::tail::Step, StageError> {
        let (context, plan, meter) = (self.context.clone(), self.plan.clone(), self.meter.clone());
        let mut tail = std::mem::take(&mut self.tail);
        let now = self.context.clock.now();
        let work = tokio::task::spawn_blocking(move || {
            let step = tail.step(&context, &plan, &meter, now, ends);
            (tail, step)
        });
        let (tail, step) = work.await?;
        self.tail = tail;
        Ok(step?)
    }
}

/// Ends an entry that does not run here and is in no rule file any more: one that went while nothing ran.
pub(crate) async fn end_stored_log(
    bus: &dyn Bus,
    owner: &str,
    now: Timestamp,
    generation: u64,
) -> Result<(), EndLogError> {
    let loaded = bus.load(owner).await?;
    if loaded.state.is_empty() {
        return Ok(());
    }
    let mut tail = Tail::default();
    tail.restore(loaded.state);
    let offset = loaded.offset.map_or(0, |offset| offset + 1);
    bus.commit(tail.end(now, generation)?.into_commit(owner, loaded.offset, offset)).await?;
    Ok(())
}
