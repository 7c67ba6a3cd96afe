//! The past again: the code that runs live, over what a source remembers, as fast as it goes.
//!
//! Groups are evaluated at their slots, in order of time; what they find goes through the correlations and the Brain at once.
//! It is the same [`Group`] and the same desk of the Guardian that run live, without bus, store and clock: nothing is kept,
//! and whoever replays is told what would have been recorded. A source is asked about many instants at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use orion_bus::{Loaded, NewRecord, RecordKind};
use orion_model::{Event, Frame, Timestamp};
use orion_source::{Instants, Source, SourceError};

use crate::brain::decisions_about;
use crate::draft::NotWritable;
use crate::guardian::{Desk, Remembered, Share};
use crate::library::Generation;
use crate::schedule::Slots;
use crate::shared_labels::SharedLabels;
use crate::watcher::{Answers, Effort, Evaluating, Group, GroupPlan, Which, next_flush};

/// Samples of answers held at one time, over all queries: a few hundred megabytes of JSON on their way in, a fifth of that
/// in frames.
const SAMPLES_HELD: usize = 4_000_000;

/// Prometheus gives no more instants in one answer.
const MOST_INSTANTS: usize = 11_000;

/// Instants of the first question about a query, before anybody knows how many series answer it.
const FIRST_INSTANTS: usize = 60;

/// Events that correlations look at in one go. What they say does not depend on it; calls into plugins are shared by more
/// events than live, where they come in smaller numbers and a batch that faults is to be small.
const BATCH: usize = 4_096;

/// What is replayed.
#[derive(Clone, Copy, Debug)]
pub struct ReplaySettings {
    /// The first instant that may be evaluated.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// When groups are evaluated.
    pub pace: Pace,
}

/// When groups are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At the slots at which they run live.
    AsLive,
    /// Every so many milliseconds, each at a slot of its own.
    Every(i64),
    /// All at once, at multiples of so many milliseconds.
    Aligned(i64),
}

/// Who is told what happens.
pub trait Observer {
    /// This would have been recorded. Records come in the order of the bus.
    fn record(&mut self, record: &NewRecord);

    /// A group was evaluated.
    fn evaluated(&mut self, _group: &Group, _instant: Timestamp) {}

    /// Everything before this instant has happened. Whether it goes on: when not, the replay ends with [`ReplayError::Stopped`].
    fn reached(&mut self, _instant: Timestamp) -> bool {
        true
    }
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Evaluations of rules.
    pub evaluations: u64,
    /// Samples that were looked at, once for each query.
    pub samples: u64,
}

/// Why a replay ends early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The source does not tell what it remembers.
    #[error("at {instant}, `{expr}`: {source}")]
    Source {
        /// The first instant asked about.
        instant: Timestamp,
        /// The query.
        expr: String,
        /// What it said.
        source: SourceError,
    },
    /// A group asks a source that is not there.
    #[error("group `{group}` asks the source `{source_name}`, which is not configured")]
    UnknownSource {
        /// The group.
        group: String,
        /// What it asks.
        source_name: String,
    },
    /// Who is told wanted no more.
    #[error("the replay was stopped before its end")]
    Stopped,
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

/// A rule set on its way through the past.
pub struct Replay {
    courses: Vec<Course>,
    due: BinaryHeap<Reverse<(Timestamp, usize)>>,
    to: Timestamp,
    desk: Desk,
    /// The last position; there are no gaps.
    position: u64,
    labels: SharedLabels,
    waiting: Vec<(u64, Event)>,
    counts: ReplayCounts,
    /// Samples of answers held at one time, over all queries.
    samples_held: usize,
}

/// One group on its way.
struct Course {
    group: Group,
    source: Arc<dyn Source>,
    /// What is known already of the next instants, for each query of the group.
    ahead: Vec<Ahead>,
    /// When it is written down live though nothing happens.
    flush_at: Timestamp,
}

/// Answers to one query, for the next instants.
#[derive(Default)]
struct Ahead {
    answers: VecDeque<Result<Frame, SourceError>>,
    /// Series of the largest answer so far.
    series: usize,
}

impl Replay {
    /// A rule set at the beginning of its way. Nothing is asked yet.
    pub fn new(
        generation: &Generation,
        sources: &BTreeMap<String, Arc<dyn Source>>,
        settings: ReplaySettings,
    ) -> Result<Self, ReplayError> {
        let mut courses = Vec::new();
        let mut due = BinaryHeap::new();
        for plan in generation.groups.values() {
            let plan = GroupPlan { slots: slots_of(plan, settings.pace), ..plan.clone() };
            let first = plan.slots.after(settings.from.plus_millis(-1));
            let unknown =
                || ReplayError::UnknownSource { group: plan.group.id.clone(), source_name: plan.group.source.clone() };
            let source = sources.get(&plan.group.source).ok_or_else(unknown)?.clone();
            let group = Group::open(plan, Loaded::default(), settings.from)?;
            due.push(Reverse((first, courses.len())));
            let ahead = (0..group.session_count()).map(|_| Ahead::default()).collect();
            courses.push(Course { group, source, ahead, flush_at: next_flush(settings.from) });
        }
        let desk = Desk::open(generation, Share::All, Loaded::default(), settings.from, Remembered::Here)?;
        let counts = ReplayCounts::default();
        let (position, labels, waiting) = (0, SharedLabels::default(), Vec::new());
        Ok(Self { courses, due, to: settings.to, desk, position, labels, waiting, counts, samples_held: SAMPLES_HELD })
    }

    /// With so many samples of answers held at one time, where it is not alone on the machine. What it gives does not depend on it.
    #[must_use]
    pub fn holding(self, samples: usize) -> Self {
        Self { samples_held: samples, ..self }
    }

    /// Goes all the way.
    pub async fn run(mut self, observer: &mut dyn Observer) -> Result<ReplayCounts, ReplayError> {
        let queries: usize = self.courses.iter().map(|course| course.ahead.len()).sum();
        let samples_held = self.samples_held / queries.max(1);
        while let Some(&Reverse((instant, index))) = self.due.peek()
            && instant <= self.to
        {
            let Some(course) = self.courses.get_mut(index) else { break };
            self.due.pop();
            self.due.push(Reverse((course.group.slots().after(instant), index)));
            let answers = course.answers(instant, self.to, samples_held).await?;
            let evaluated = course.evaluate(instant, &answers, &mut self.counts)?;
            observer.evaluated(&course.group, instant);
            for record in evaluated {
                self.append(&record, observer);
            }
            let next = self.due.peek().map_or(instant, |Reverse((next, _))| *next);
            // As live: nothing that is reported from now on is older than that.
            self.correlate(next.min(self.to).plus_millis(-1), observer)?;
            if !observer.reached(next.min(self.to)) {
                return Err(ReplayError::Stopped);
            }
        }
        self.correlate(self.to, observer)?;
        Ok(self.counts)
    }

    /// Lets the correlations look at events that come from elsewhere, in this order, and then at the time.
    pub fn feed(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        reached: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayError> {
        for event in events {
            self.position += 1;
            self.wait(event);
        }
        self.correlate(reached, observer)
    }

    fn append(&mut self, record: &NewRecord, observer: &mut dyn Observer) {
        observer.record(record);
        self.position += 1;
        if record.kind == RecordKind::Event
            && let Ok(event) = serde_json::from_str(&record.body)
        {
            self.wait(event);
        }
    }

    /// An event at the last position waits for the correlations.
    fn wait(&mut self, mut event: Event) {
        self.labels.share(&mut event);
        self.waiting.push((self.position, event));
    }

    /// Lets the correlations look at what was reported, then at the time.
    fn correlate(&mut self, reached: Timestamp, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        // What a step says about the plugins is an event itself, and waits for the next round.
        while !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            for batch in waiting.chunks(BATCH) {
                self.step(batch, None, observer)?;
            }
        }
        if self.desk.is_tick_due(reached) {
            self.step(&[], Some(reached), observer)?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        events: &[(u64, Event)],
        tick: Option<Timestamp>,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayError> {
        let answers = self.desk.ask_all(events, tick);
        self.desk.settle(events, answers, &HashMap::new(), tick)?;
        let records = self.desk.take_pending().into_records();
        for record in &records {
            self.append(record, observer);
        }
        let incidents = records.iter().filter(|record| record.kind == RecordKind::Incident);
        for decision in decisions_about(incidents.map(|record| &*record.body))?.into_records() {
            self.append(&decision, observer);
        }
        Ok(())
    }
}

impl Course {
    async fn answers(
        &mut self,
        instant: Timestamp,
        to: Timestamp,
        samples_held: usize,
    ) -> Result<Answers, ReplayError> {
        let Self { group, source, ahead, .. } = self;
        let slots = group.slots();
        let offset_millis = group.plan().group.query_offset_millis;
        let left = usize::try_from(to.millis_since(instant) / slots.interval_millis()).unwrap_or(usize::MAX);
        for (index, session) in group.questions(&Which::All) {
            let Some(ahead) = ahead.get_mut(index).filter(|ahead| ahead.answers.is_empty()) else { continue };
            let known = samples_held.checked_div(ahead.series).unwrap_or(FIRST_INSTANTS);
            let mut count = known.clamp(1, MOST_INSTANTS).min(left.saturating_add(1));
            loop {
                let first = instant.plus_millis(-offset_millis);
                let instants = Instants { first, step_millis: slots.interval_millis(), count };
                match source.query_range(session, instants).await {
                    Ok(frames) => {
                        ahead.series = frames.iter().map(Frame::len).max().unwrap_or(0).max(1);
                        ahead.answers = frames.into_iter().map(Ok).collect();
                    }
                    // Too much for one answer need not be too much for a part of it.
                    Err(SourceError::TooLarge { .. }) if count > 1 => {
                        count /= 2;
                        continue;
                    }
                    // What is wrong with the query is a finding about its rule, as it is live.
                    Err(error) if error.is_query_fault() => {
                        ahead.answers = std::iter::repeat_n(Err(error), count).collect();
                    }
                    Err(error) => {
                        let expr = session.expr().to_owned();
                        return Err(ReplayError::Source { instant, expr, source: error });
                    }
                }
                break;
            }
        }
        Ok(ahead.iter_mut().map(|ahead| ahead.answers.pop_front()).collect())
    }

    fn evaluate(
        &mut self,
        instant: Timestamp,
        answers: &Answers,
        counts: &mut ReplayCounts,
    ) -> Result<Vec<NewRecord>, ReplayError> {
        counts.evaluations += self.group.plan().group.rules.len() as u64;
        let samples = answers.iter().flatten().flatten().map(Frame::len).sum::<usize>();
        counts.samples += samples as u64;
        let evaluating = Evaluating { instant, edit: None, late: false, which: &Which::All, effort: Effort::Full };
        self.group.compute(evaluating, answers)?;
        if self.group.is_quiet() && instant < self.flush_at {
            return Ok(Vec::new());
        }
        self.flush_at = next_flush(instant);
        Ok(self.group.take_records()?)
    }
}

fn slots_of(plan: &GroupPlan, pace: Pace) -> Slots {
    match pace {
        Pace::AsLive => plan.slots,
        Pace::Every(interval_millis) => Slots::new(&plan.group.id, interval_millis),
        Pace::Aligned(interval_millis) => Slots::aligned(interval_millis),
    }
}
