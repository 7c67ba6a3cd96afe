//! The Guardian's desk: every correlation of the live generation, what it knows, and what a step changed. Without I/O.
//!
//! A step has two halves, because a change may name events of earlier batches, whose ids have to be looked up in between:
//! [`Desk::ask_all`] lets correlators look, [`Desk::take_in`] writes down what they said.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use orion_bus::{Entry, Loaded, RecordKind};
use orion_model::{Event, RecordId, Severity, Status, Timestamp};

use super::attempt::{Answer, Unfit};
use super::correlation::CorrelationRun;
use super::incident::{CLOSED_ROOM, OPEN_ROOM};
use super::readers::Readers;
use super::recent::{Facts, Recent, Seen};
use super::share::Share;
use super::strays::{STRAY_ROOM, Strays, Told, ended};
use crate::aside::{ASIDE_ROOM, Input};
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::library::{CorrelationPlan, Generation};
use crate::plugin_state::{OWNER_ROOM, PLUGIN_ROOM};
use crate::supervision::SUPERVISION_ROOM;

/// How often correlators are told the time. Idle gaps are minutes; a second more does not matter to anyone.
pub const TICK_MILLIS: i64 = 1_000;

/// In a flood the time is told sooner, when so many events came: what incidents gain in a second would be one commit of thousands of
/// revisions, for which all others wait.
const BUSY_TICK_MILLIS: i64 = 100;

/// Events with which a second is a flood: as many as the Guardian reads in two batches.
const BUSY_EVENTS: usize = 2_048;

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Records and state go to a store, and old events come from there.
    InStore,
    /// There is no store: records are all that counts, and events are remembered for as long as the desk is there.
    Here,
}

/// The Guardian's state between two steps.
pub struct Desk {
    share: Share,
    runs: BTreeMap<String, CorrelationRun>,
    readers: Readers,
    conditions: Conditions,
    generation: u64,
    ticked: Timestamp,
    /// Events that came since then.
    came: usize,
    remembered: Remembered,
    recent: Recent,
    strays: Strays,
    pending: Draft,
}

/// Events by their position on the bus.
pub type Events = Vec<(u64, Event)>;

/// What each correlation made of the events of a step.
pub type Answers = Vec<(String, Answer)>;

impl Desk {
    /// The desk of a generation, as the store has it.
    pub fn open(
        live: &Generation,
        share: Share,
        loaded: Loaded,
        now: Timestamp,
        remembered: Remembered,
    ) -> Result<Self, NotWritable> {
        let plans = share.plans(live);
        let mut desk = Self {
            share,
            readers: Readers::of(&plans),
            runs: plans.into_iter().map(|(id, plan)| (id, CorrelationRun::new(plan))).collect(),
            conditions: Conditions::default(),
            generation: live.number,
            ticked: Timestamp::default(),
            came: 0,
            remembered,
            recent: Recent::default(),
            strays: Strays::default(),
            pending: match remembered {
                Remembered::InStore => Draft::default(),
                Remembered::Here => Draft::of_records(),
            },
        };
        desk.restore(live, loaded, now)?;
        Ok(desk)
    }

    fn restore(&mut self, live: &Generation, loaded: Loaded, now: Timestamp) -> Result<(), NotWritable> {
        let mut gone: BTreeMap<String, CorrelationRun> = BTreeMap::new();
        for (state_key, value) in loaded.state {
            let parts = key::split(&state_key, 3);
            let (room, id, name) = match parts.as_slice() {
                [condition::ROOM, ..] => {
                    self.conditions.restore(&value);
                    continue;
                }
                [STRAY_ROOM, ..] => {
                    self.strays.restore(&value, Instant::now());
                    continue;
                }
                [room, id, name] => (*room, String::from_utf8_lossy(id).into_owned(), *name),
                [room @ (OWNER_ROOM | SUPERVISION_ROOM), id] => {
                    (*room, String::from_utf8_lossy(id).into_owned(), &[][..])
                }
                _ => continue,
            };
            let run = match self.runs.get_mut(&id) {
                Some(run) => run,
                None => match live.correlations.values().next() {
                    // It went away while Orion was down; any plan will do to end what it left open.
                    Some(any) => gone.entry(id.clone()).or_insert_with(|| CorrelationRun::new(renamed(any, &id))),
                    None => continue,
                },
            };
            match room {
                OPEN_ROOM => run.incidents().restore_open(&String::from_utf8_lossy(name), &value),
                CLOSED_ROOM => run.incidents().restore_closed(&String::from_utf8_lossy(name), &value),
                PLUGIN_ROOM => run.state().restore_entry(name, &value),
                OWNER_ROOM => run.state().restore_owner(&value),
                SUPERVISION_ROOM => run.supervisor().restore(&value),
                ASIDE_ROOM => run.asides().restore(name),
                _ => {}
            }
        }
        for run in self.runs.values_mut() {
            run.restored(now, self.generation, &mut self.pending)?;
        }
        for run in gone.into_values() {
            run.end(&mut self.pending, now, self.generation)?;
        }
        Ok(())
    }

    /// Goes on under another generation.
    pub fn adopt(&mut self, live: &Generation, now: Timestamp) -> Result<(), NotWritable> {
        self.generation = live.number;
        let plans = self.share.plans(live);
        self.readers = Readers::of(&plans);
        let mut old = std::mem::take(&mut self.runs);
        for (id, plan) in plans {
            let run = match old.remove(&id) {
                Some(run) if is_same(run.plan(), &plan) => run,
                Some(mut run) => {
                    run.adopt(plan, now, self.generation, &mut self.pending)?;
                    run
                }
                None => CorrelationRun::new(plan),
            };
            self.runs.insert(id, run);
        }
        for (id, run) in old {
            self.clear_faults(&id, now, "the correlation was removed")?;
            run.end(&mut self.pending, now, self.generation)?;
        }
        Ok(())
    }

    /// Whether there is no correlation, so that no event need be read.
    pub fn is_idle(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether correlators are to be told the time.
    pub fn is_tick_due(&self, now: Timestamp) -> bool {
        let has_timers = || !self.strays.is_empty() || self.runs.values().any(CorrelationRun::has_timers);
        let every = if self.came >= BUSY_EVENTS { BUSY_TICK_MILLIS } else { TICK_MILLIS };
        now.millis_since(self.ticked) >= every && has_timers()
    }

    /// Lets every correlation look at the events that it reads, and tells the time.
    pub fn ask_all(&mut self, events: &[(u64, Event)], tick: Option<Timestamp>) -> Answers {
        let mut answers = Vec::new();
        if !events.is_empty() {
            let wanted = self.readers.sort_out(events);
            let at = |place: &usize| events.get(*place);
            self.recent.remember(wanted.by_any.iter().filter_map(at));
            for ((id, run), wanted) in self.runs.iter_mut().zip(&wanted.by_each) {
                let wanted = wanted.iter().filter_map(at);
                answers.extend(run.correlate(wanted).map(|answer| (id.clone(), answer)));
            }
        }
        if let Some(now) = tick {
            for (id, run) in self.runs.iter_mut().filter(|(_, run)| run.has_timers()) {
                answers.extend(run.tick(now).map(|answer| (id.clone(), answer)));
            }
        }
        answers
    }

    /// Changes may refer to events that are not remembered any more: a group that opens with its second event names the
    /// first, and a restart forgets all. Their positions.
    pub fn forgotten_positions(&self, answers: &Answers) -> Vec<u64> {
        let changes = answers.iter().flat_map(|(_, answer)| &answer.changes);
        let mut forgotten: Vec<u64> = changes.flat_map(|change| self.recent.forgotten(change)).collect();
        forgotten.sort_unstable();
        forgotten.dedup();
        forgotten
    }

    /// Writes down what the correlations said. `earlier` has the events at [`Self::forgotten_positions`].
    pub fn settle(
        &mut self,
        events: &[(u64, Event)],
        answers: Answers,
        earlier: &HashMap<u64, Seen>,
        tick: Option<Timestamp>,
    ) -> Result<(), NotWritable> {
        let now = tick.or_else(|| events.iter().map(|(_, event)| event.ts).max()).unwrap_or(self.ticked);
        for (id, answer) in answers {
            self.take_in(&id, answer, earlier, now)?;
        }
        self.came += events.len();
        if let Some(tick) = tick {
            (self.ticked, self.came) = (tick, 0);
        }
        if self.remembered == Remembered::InStore {
            self.recent.keep_within_limits();
        }
        Ok(())
    }

    /// Takes in what the log says of incidents, of which all events up to there were looked at.
    pub fn hear(&mut self, told: &BTreeMap<RecordId, Told>, now: Instant) -> Result<(), NotWritable> {
        if told.is_empty() {
            return Ok(());
        }
        let open = self.runs.values_mut().flat_map(|run| run.incidents().open_revisions());
        let open: HashMap<RecordId, u32> = open.filter(|(id, _)| told.contains_key(id)).collect();
        for (id, told) in told {
            self.strays.hear(&mut self.pending, told, open.get(id).copied(), now)?;
        }
        Ok(())
    }

    /// Ends what lasts in the log and with no correlator, when everything was observed and read up to `reached`.
    pub fn end_strays(&mut self, reached: Timestamp, now: Instant) -> Result<(), NotWritable> {
        for stray in self.strays.take_due(&mut self.pending, reached, now) {
            let correlation = stray.correlation.clone();
            let is_open = match self.runs.get_mut(&correlation) {
                Some(run) => run.incidents().go_on_behind(&mut self.pending, &correlation, &stray)?,
                None => false,
            };
            if !is_open {
                tracing::warn!(correlation, incident = %stray.incident_id, "no correlator knows it any more; it is ended");
                self.pending.incident(&ended(stray, self.generation))?;
            }
        }
        Ok(())
    }

    /// Whether nothing is there to be committed.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty()
    }

    /// What is to be committed.
    pub fn take_pending(&mut self) -> Draft {
        self.pending.take()
    }

    fn take_in(
        &mut self,
        id: &str,
        mut answer: Answer,
        earlier: &HashMap<u64, Seen>,
        now: Timestamp,
    ) -> Result<(), NotWritable> {
        let Some(run) = self.runs.get_mut(id) else { return Ok(()) };
        let trouble = Trouble::of(&mut answer);
        let facts = Facts { recent: &self.recent, earlier };
        run.write(&mut self.pending, answer, facts, self.generation)?;
        match trouble {
            Some(trouble) => self.say_trouble(id, trouble, now),
            None => self.say_works(id, now),
        }
    }

    fn say_trouble(&mut self, id: &str, trouble: Trouble, now: Timestamp) -> Result<(), NotWritable> {
        let Some(plan) = self.runs.get(id).map(CorrelationRun::plan) else { return Ok(()) };
        let about = |kind, severity| about(plan, id, kind, severity);
        let Trouble { fault, unfit, quarantined, passed_over } = trouble;
        let failed = about(kind::PLUGIN_FAULT, Severity::Error);
        self.conditions.raise(&mut self.pending, failed, now, self.generation, &fault)?;
        for (at, event_id, fault) in unfit {
            let (plugin, event) = (plan.plugin.manifest().name.as_str(), event_id.to_string());
            let labels = [("rule", id), ("plugin", plugin), ("event", &event)];
            let aside = Condition::new(kind::INPUT_SET_ASIDE, Severity::Warning, "orion", labels);
            let message = format!("the event is kept, see `orion aside list`: {fault}");
            self.pending.event(&aside.event(Status::Occurred, at, self.generation, &message))?;
        }
        if let Some(until) = quarantined {
            let left_out = match passed_over {
                0 => String::new(),
                count => format!(", and goes on without {count} events"),
            };
            let message = format!("it keeps failing and is not called before {until}{left_out}: {fault}");
            let quarantined = about(kind::PLUGIN_QUARANTINED, Severity::Error);
            self.conditions.raise(&mut self.pending, quarantined, now, self.generation, &message)?;
        }
        Ok(())
    }

    fn say_works(&mut self, id: &str, now: Timestamp) -> Result<(), NotWritable> {
        let Some(run) = self.runs.get_mut(id).filter(|_| !self.conditions.is_empty()) else { return Ok(()) };
        let message = match run.take_passed_over() {
            0 => "the plugin works again".to_owned(),
            count => format!("the plugin works again; {count} events came in the meantime"),
        };
        self.clear_faults(id, now, &message)
    }

    fn clear_faults(&mut self, correlation: &str, now: Timestamp, message: &str) -> Result<(), NotWritable> {
        for kind in [kind::PLUGIN_FAULT, kind::PLUGIN_QUARANTINED] {
            for fault in self.conditions.about_rule(kind, correlation) {
                self.conditions.clear(&mut self.pending, &fault, now, self.generation, message)?;
            }
        }
        Ok(())
    }
}

/// What is to be said of a correlator that failed.
struct Trouble {
    fault: String,
    unfit: Vec<(Timestamp, RecordId, String)>,
    quarantined: Option<Timestamp>,
    passed_over: usize,
}

impl Trouble {
    fn of(answer: &mut Answer) -> Option<Self> {
        let fault = answer.fault.take()?;
        let event_id = |unfit: &Unfit| match &unfit.input {
            Input::Event { event, .. } => Some((unfit.at, event.event_id, unfit.fault.clone())),
            Input::Answer { .. } | Input::TooLarge { .. } => None,
        };
        let unfit = answer.unfit.iter().filter_map(event_id).collect();
        Some(Self { fault, unfit, quarantined: answer.quarantined, passed_over: answer.passed_over })
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

fn about(plan: &CorrelationPlan, id: &str, kind: &str, severity: Severity) -> Condition {
    let plugin = plan.plugin.manifest().name.as_str();
    Condition::new(kind, severity, "orion", [("rule", id), ("plugin", plugin)])
}

/// The events among records of the bus, as correlators may read them: without their evidence.
pub fn events_of(entries: Vec<Entry>) -> Events {
    let events = entries.into_iter().filter(|entry| entry.kind == RecordKind::Event);
    events
        .filter_map(|entry| match Event::without_evidence(&entry.body) {
            Ok(event) => Some((entry.seq, event)),
            Err(error) => {
                tracing::error!(seq = entry.seq, "an event on the bus cannot be read and is passed over: {error}");
                None
            }
        })
        .collect()
}
