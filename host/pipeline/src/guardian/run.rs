//! The Guardian's loop: read events, correlate, commit; tick when time alone may change something.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use orion_bus::{Bus, BusError, Entry, Loaded, RecordKind};
use orion_model::{Clock, Event, Severity, Timestamp};
use orion_sandbox::ConfigureError;
use tokio::sync::{Semaphore, watch};

use super::correlation::{Answer, CorrelationRun};
use super::incident::{BatchFacts, CLOSED_ROOM, OPEN_ROOM};
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::library::{CorrelationPlan, Generation};
use crate::plugin_state::{OWNER_ROOM, PLUGIN_ROOM};
use crate::stage::{BATCH, QUIET_ENTRIES, StageError, StageLoop};
use crate::watermark::Watermark;

const OWNER: &str = "guardian";

/// How often correlators are told the time. Idle gaps are minutes; a second more does not matter to anyone.
const TICK_MILLIS: i64 = 1_000;

/// What the Guardian works with.
pub struct Guardian {
    /// Where events come from and incidents go.
    pub bus: Arc<dyn Bus>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// How far observation has come.
    pub watermark: Arc<Watermark>,
    /// Places for plugins at work.
    pub workers: Arc<Semaphore>,
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
    let mut desk = Box::new(Desk::open(&*guardian.bus, &live, guardian.clock.now()).await?);
    loop {
        if generation.has_changed().unwrap_or(false) {
            let live = generation.borrow_and_update().clone();
            desk.adopt(&live, guardian.clock.now())?;
        }
        let entries = guardian.bus.read(desk.position, BATCH).await?;
        let caught_up = entries.len() < BATCH;
        let now = guardian.watermark.reached(guardian.clock.now());
        let tick = now.filter(|now| caught_up && desk.is_tick_due(*now));
        if !entries.is_empty() || tick.is_some() {
            desk = desk.step(guardian, entries, tick).await?;
            stage.succeeded();
            continue;
        }
        if stage.is_shut_down() {
            return desk.commit(&*guardian.bus).await;
        }
        tokio::select! {
            () = stage.wait() => {}
            _ = generation.changed() => {}
            () = tokio::time::sleep(std::time::Duration::from_millis(guardian.clock.real_millis(TICK_MILLIS).max(1))) => {}
        }
    }
}

/// The Guardian's state between two steps.
struct Desk {
    runs: BTreeMap<String, CorrelationRun>,
    conditions: Conditions,
    generation: u64,
    position: u64,
    committed: Option<i64>,
    ticked: Timestamp,
    pending: Draft,
}

/// The events of one step and what each correlation made of them.
type Answers = Vec<(String, Result<Answer, ConfigureError>)>;

impl Desk {
    async fn open(bus: &dyn Bus, live: &Generation, now: Timestamp) -> Result<Self, StageError> {
        let loaded = bus.load(OWNER).await?;
        let mut desk = Self {
            runs: live.correlations.iter().map(|(id, plan)| (id.clone(), CorrelationRun::new(plan.clone()))).collect(),
            conditions: Conditions::default(),
            generation: live.number,
            position: u64::try_from(loaded.offset.unwrap_or(0)).unwrap_or(0),
            committed: loaded.offset,
            ticked: Timestamp::default(),
            pending: Draft::default(),
        };
        desk.restore(loaded, now)?;
        Ok(desk)
    }

    fn restore(&mut self, loaded: Loaded, now: Timestamp) -> Result<(), NotWritable> {
        let mut gone: BTreeMap<String, CorrelationRun> = BTreeMap::new();
        for (state_key, value) in loaded.state {
            let parts = key::split(&state_key, 3);
            let (room, id, name) = match parts.as_slice() {
                [condition::ROOM, ..] => {
                    self.conditions.restore(&value);
                    continue;
                }
                [room, id, name] => (*room, String::from_utf8_lossy(id).into_owned(), *name),
                [OWNER_ROOM, id] => (OWNER_ROOM, String::from_utf8_lossy(id).into_owned(), &[][..]),
                _ => continue,
            };
            let run = match self.runs.get_mut(&id) {
                Some(run) => run,
                None => match self.runs.values().next() {
                    // It went away while Orion was down; any plan will do to end what it left open.
                    Some(any) => {
                        gone.entry(id.clone()).or_insert_with(|| CorrelationRun::new(renamed(any.plan(), &id)))
                    }
                    None => continue,
                },
            };
            match room {
                OPEN_ROOM => run.incidents().restore_open(&String::from_utf8_lossy(name), &value),
                CLOSED_ROOM => run.incidents().restore_closed(&String::from_utf8_lossy(name), &value),
                PLUGIN_ROOM => run.state().restore_entry(name, &value),
                OWNER_ROOM => run.state().restore_owner(&value),
                _ => {}
            }
        }
        for run in self.runs.values_mut() {
            run.restored(&mut self.pending);
        }
        for run in gone.into_values() {
            run.end(&mut self.pending, now, self.generation)?;
        }
        Ok(())
    }

    fn adopt(&mut self, live: &Generation, now: Timestamp) -> Result<(), NotWritable> {
        self.generation = live.number;
        let mut old = std::mem::take(&mut self.runs);
        for (id, plan) in &live.correlations {
            let run = match old.remove(id) {
                Some(run) if is_same(run.plan(), plan) => run,
                Some(mut run) => {
                    run.adopt(plan.clone(), &mut self.pending);
                    run
                }
                None => CorrelationRun::new(plan.clone()),
            };
            self.runs.insert(id.clone(), run);
        }
        for (id, run) in old {
            self.clear_faults(&id, now, "the correlation was removed")?;
            run.end(&mut self.pending, now, self.generation)?;
        }
        Ok(())
    }

    fn is_tick_due(&self, now: Timestamp) -> bool {
        now.millis_since(self.ticked) >= TICK_MILLIS && self.runs.values().any(CorrelationRun::has_timers)
    }

    async fn step(
        mut self: Box<Self>,
        guardian: &Guardian,
        entries: Vec<Entry>,
        tick: Option<Timestamp>,
    ) -> Result<Box<Self>, StageError> {
        let last = entries.last().map(|entry| entry.seq);
        let place = guardian.workers.clone().acquire_owned().await;
        let (mut desk, events, answers) = tokio::task::spawn_blocking(move || {
            let events = events_of(entries);
            let answers = self.ask_all(&events, tick);
            drop(place);
            (self, events, answers)
        })
        .await?;
        let now = tick.or_else(|| events.iter().map(|(_, event)| event.ts).max()).unwrap_or(desk.ticked);
        let earlier = earlier_ids(&*guardian.bus, &events, &answers).await?;
        for (id, answer) in answers {
            desk.take_in(&id, answer, &events, &earlier, now)?;
        }
        desk.position = last.unwrap_or(desk.position);
        desk.ticked = tick.unwrap_or(desk.ticked);
        let behind = desk.position.saturating_sub(u64::try_from(desk.committed.unwrap_or(0)).unwrap_or(0));
        if !desk.pending.is_empty() || behind >= QUIET_ENTRIES {
            desk.commit(&*guardian.bus).await?;
        }
        Ok(desk)
    }

    fn ask_all(&mut self, events: &[(u64, Event)], tick: Option<Timestamp>) -> Answers {
        let mut answers = Vec::new();
        if let Some(now) = events.iter().map(|(_, event)| event.ts).max() {
            for (id, run) in &mut self.runs {
                answers.extend(run.correlate(events, now).map(|answer| (id.clone(), answer)));
            }
        }
        if let Some(now) = tick {
            for (id, run) in self.runs.iter_mut().filter(|(_, run)| run.has_timers()) {
                answers.push((id.clone(), run.tick(now)));
            }
        }
        answers
    }

    fn take_in(
        &mut self,
        id: &str,
        answer: Result<Answer, ConfigureError>,
        events: &[(u64, Event)],
        earlier: &HashMap<u64, orion_model::RecordId>,
        now: Timestamp,
    ) -> Result<(), NotWritable> {
        let Some(run) = self.runs.get_mut(id) else { return Ok(()) };
        match answer {
            Ok(answer) => {
                let events = events.iter().map(|(position, event)| (*position, event)).collect();
                let facts = BatchFacts { events, earlier: earlier.clone(), keys: BTreeMap::new() };
                run.write(&mut self.pending, answer, facts, self.generation)?;
                self.clear_faults(id, now, "the plugin works again")
            }
            Err(error) => {
                let fault = fault_of(run.plan(), id);
                let message = format!("{error}; the correlation goes on without these {} events", events.len());
                self.conditions.raise(&mut self.pending, fault, now, self.generation, &message)
            }
        }
    }

    fn clear_faults(&mut self, correlation: &str, now: Timestamp, message: &str) -> Result<(), NotWritable> {
        for fault in self.conditions.about_rule(kind::PLUGIN_FAULT, correlation) {
            self.conditions.clear(&mut self.pending, &fault, now, self.generation, message)?;
        }
        Ok(())
    }

    async fn commit(&mut self, bus: &dyn Bus) -> Result<(), StageError> {
        let offset = i64::try_from(self.position).unwrap_or(i64::MAX);
        if self.pending.is_empty() && self.committed == Some(offset) {
            return Ok(());
        }
        let commit = std::mem::take(&mut self.pending).into_commit(OWNER, self.committed, offset);
        orion_bus::crash_point!("guardian::before_commit");
        bus.commit(commit).await?;
        orion_bus::crash_point!("guardian::after_commit");
        self.committed = Some(offset);
        Ok(())
    }
}

fn is_same(a: &CorrelationPlan, b: &CorrelationPlan) -> bool {
    let at_line_0 = |plan: &CorrelationPlan| orion_rules::Correlation { line: 0, ..(*plan.correlation).clone() };
    a.plugin.digest() == b.plugin.digest() && at_line_0(a) == at_line_0(b)
}

fn renamed(plan: &CorrelationPlan, id: &str) -> CorrelationPlan {
    let correlation = orion_rules::Correlation { id: id.to_owned(), ..(*plan.correlation).clone() };
    CorrelationPlan { correlation: Arc::new(correlation), plugin: plan.plugin.clone() }
}

fn fault_of(plan: &CorrelationPlan, id: &str) -> Condition {
    let plugin = plan.plugin.manifest().name.as_str();
    Condition::new(kind::PLUGIN_FAULT, Severity::Error, "orion", [("rule", id), ("plugin", plugin)])
}

fn events_of(entries: Vec<Entry>) -> Vec<(u64, Event)> {
    let events = entries.into_iter().filter(|entry| entry.kind == RecordKind::Event);
    events
        .filter_map(|entry| match serde_json::from_str(&entry.body) {
            Ok(event) => Some((entry.seq, event)),
            Err(error) => {
                tracing::error!(seq = entry.seq, "an event on the bus cannot be read and is passed over: {error}");
                None
            }
        })
        .collect()
}

/// Changes may refer to events of earlier batches: a group that opens with its second event names the first.
async fn earlier_ids(
    bus: &dyn Bus,
    events: &[(u64, Event)],
    answers: &Answers,
) -> Result<HashMap<u64, orion_model::RecordId>, BusError> {
    let is_here = |position: &u64| events.binary_search_by_key(position, |(position, _)| *position).is_ok();
    let answers = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    let positions = answers.flat_map(|answer| &answer.changes).flat_map(|change| &change.positions);
    let mut missing: Vec<u64> = positions.filter(|position| !is_here(position)).copied().collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(bus.read_at(&missing).await?.into_iter().map(|entry| (entry.seq, entry.id)).collect())
}
