//! The Guardian's loop: read events, correlate, commit; tick when time alone may change something.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use orion_bus::{Bus, BusError, Entry};
use orion_model::{Clock, RecordId, Timestamp};
use tokio::sync::watch;

use super::desk::{Answers, Desk, Events, Remembered, TICK_MILLIS, events_of};
use super::recent::Seen;
use super::share::Share;
use super::strays::Told;
use crate::TRACED;
use crate::draft::NotWritable;
use crate::library::Generation;
use crate::meters::StageMeter;
use crate::stage::{BATCH, QUIET_ENTRIES, StageError, StageLoop, behind_full};
use crate::watermark::Reached;
use crate::workers::Workers;

/// What the Guardian works with.
pub struct Guardian {
    /// Where events come from and incidents go.
    pub bus: Arc<dyn Bus>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Which correlations it has.
    pub share: Share,
    /// How far observation has come.
    pub reached: Reached,
    /// Places for plugins at work.
    pub workers: Arc<Workers>,
    /// Who looks how far it has come.
    pub meter: Arc<StageMeter>,
    /// The live generation.
    pub generation: watch::Receiver<Arc<Generation>>,
}

/// Runs until `shutdown` turns true and every event is read.
pub async fn run_guardian(guardian: Guardian, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new("guardian", guardian.bus.appended(), shutdown);
    while let Err(error) = work(&guardian, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(guardian: &Guardian, stage: &mut StageLoop) -> Result<(), StageError> {
    let mut generation = guardian.generation.clone();
    let live = generation.borrow_and_update().clone();
    let mut progress = Progress::open(guardian, &live).await?;
    let mut ahead: Option<Look> = None;
    loop {
        if generation.has_changed().unwrap_or(false) {
            let live = generation.borrow_and_update().clone();
            progress.desk.adopt(&live, guardian.clock.now())?;
        }
        guardian.meter.reached(progress.position);
        let Look { reached, entries } = match ahead.take() {
            Some(look) => look,
            None => Look::at(guardian, progress.position).await?,
        };
        let behind = behind_full(&entries, BATCH);
        let tick = reached.filter(|now| behind.is_none() && progress.desk.is_tick_due(*now));
        if !entries.is_empty() || tick.is_some() {
            let (stepped, look) = tokio::join!(progress.step(guardian, entries, tick), Look::ahead(guardian, behind));
            (progress, ahead) = (stepped?, look?);
            stage.succeeded();
            continue;
        }
        if stage.is_shut_down() {
            return progress.commit(guardian).await;
        }
        tokio::select! {
            () = stage.wait() => {}
            // Waiting for a change counts as having seen it: a generation that comes while nothing is read would not be adopted.
            _ = generation.changed() => generation.mark_changed(),
            () = tokio::time::sleep(std::time::Duration::from_millis(guardian.clock.real_millis(TICK_MILLIS).max(1))) => {}
        }
    }
}

/// What there is to correlate.
struct Look {
    /// How far observation had come.
    reached: Option<Timestamp>,
    entries: Vec<Entry>,
}

impl Look {
    async fn at(guardian: &Guardian, position: u64) -> Result<Self, BusError> {
        // Asked before the bus is: what is committed between the two has a later time than this, and a tick with it would
        // end incidents before the events were seen that keep them open.
        let reached = guardian.reached.at(guardian.clock.now());
        let entries = guardian.bus.read(position, BATCH).await?;
        Ok(Self { reached, entries })
    }

    /// What comes behind a batch that was full, looked at while that one is worked on: a Guardian that is behind would otherwise wait for
    /// each batch. Where nothing came it has to be looked for again.
    async fn ahead(guardian: &Guardian, behind: Option<u64>) -> Result<Option<Self>, BusError> {
        let Some(position) = behind else { return Ok(None) };
        let look = Self::at(guardian, position).await?;
        Ok(Some(look).filter(|look| !look.entries.is_empty()))
    }
}

/// How far the Guardian has come.
struct Progress {
    desk: Box<Desk>,
    position: u64,
    committed: Option<i64>,
    /// Whether the log may say of an incident what was not said from here.
    may_stray: bool,
}

impl Progress {
    async fn open(guardian: &Guardian, live: &Generation) -> Result<Self, StageError> {
        let loaded = guardian.bus.load(&guardian.share.owner()).await?;
        let committed = loaded.offset;
        let position = u64::try_from(committed.unwrap_or(0)).unwrap_or(0);
        let desk = Box::new(Desk::open(live, guardian.share, loaded, guardian.clock.now(), Remembered::InStore)?);
        Ok(Self { desk, position, committed, may_stray: guardian.bus.history().is_some() })
    }

    #[tracing::instrument(
        target = TRACED, level = "debug", name = "guardian", skip_all,
        fields(owner = guardian.share.owner(), records = entries.len())
    )]
    async fn step(self, guardian: &Guardian, entries: Vec<Entry>, tick: Option<Timestamp>) -> Result<Self, StageError> {
        let Self { mut desk, position, committed, may_stray } = self;
        let share = guardian.share;
        let position = entries.last().map_or(position, |entry| entry.seq);
        let place = guardian.workers.place(guardian.share.partition()).await;
        let (desk, told, unsettled) = tokio::task::spawn_blocking(move || {
            let told = if may_stray { Told::of(&entries, share) } else { BTreeMap::new() };
            let unsettled = ask_and_settle(&mut desk, entries, tick);
            drop(place);
            (desk, told, unsettled)
        })
        .await?;
        let desk = match unsettled? {
            Some(unsettled) => settle(guardian, desk, unsettled, tick).await?,
            None => desk,
        };
        let mut progress = Self { desk, position, committed, may_stray };
        progress.compare(&told, tick)?;
        let behind = position.saturating_sub(u64::try_from(committed.unwrap_or(0)).unwrap_or(0));
        if !progress.desk.is_quiet() || behind >= QUIET_ENTRIES {
            progress.commit(guardian).await?;
        }
        Ok(progress)
    }

    /// What the log says of incidents is compared with what the correlators know. With a tick, all of it was read.
    fn compare(&mut self, told: &BTreeMap<RecordId, Told>, tick: Option<Timestamp>) -> Result<(), NotWritable> {
        self.desk.hear(told, Instant::now())?;
        match tick {
            Some(reached) => self.desk.end_strays(reached, Instant::now()),
            None => Ok(()),
        }
    }

    async fn commit(&mut self, guardian: &Guardian) -> Result<(), StageError> {
        let offset = i64::try_from(self.position).unwrap_or(i64::MAX);
        if self.desk.is_quiet() && self.committed == Some(offset) {
            return Ok(());
        }
        let commit = self.desk.take_pending().into_commit(&guardian.share.owner(), self.committed, offset);
        orion_bus::crash_point!("guardian::before_commit");
        guardian.bus.commit(commit).await?;
        orion_bus::crash_point!("guardian::after_commit");
        self.committed = Some(offset);
        Ok(())
    }
}

/// A step whose answers name events that have to be looked up first.
struct Unsettled {
    events: Events,
    answers: Answers,
    forgotten: Vec<u64>,
}

/// Most steps are done here, on the worker's thread: writing incidents down takes as long as finding them, and events are given
/// back cheapest where they were made.
fn ask_and_settle(
    desk: &mut Desk,
    entries: Vec<Entry>,
    tick: Option<Timestamp>,
) -> Result<Option<Unsettled>, NotWritable> {
    let events = if desk.is_idle() { Vec::new() } else { events_of(entries) };
    let answers = desk.ask_all(&events, tick);
    let forgotten = desk.forgotten_positions(&answers);
    if !forgotten.is_empty() {
        return Ok(Some(Unsettled { events, answers, forgotten }));
    }
    desk.settle(&events, answers, &HashMap::new(), tick)?;
    Ok(None)
}

/// The same with what was looked up.
async fn settle(
    guardian: &Guardian,
    mut desk: Box<Desk>,
    unsettled: Unsettled,
    tick: Option<Timestamp>,
) -> Result<Box<Desk>, StageError> {
    let Unsettled { events, answers, forgotten } = unsettled;
    let earlier = guardian.bus.read_at(&forgotten).await?;
    let place = guardian.workers.place(guardian.share.partition()).await;
    let settled = tokio::task::spawn_blocking(move || {
        let earlier = earlier.into_iter().map(|entry| (entry.seq, Seen::from(entry))).collect();
        let settled = desk.settle(&events, answers, &earlier, tick);
        drop(place);
        settled.map(|()| desk)
    });
    Ok(settled.await??)
}
