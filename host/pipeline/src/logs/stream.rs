//! Lines that are read from Loki: asked for again and again, each from where the last answer ended.
//!
//! What was said is known by its time, and at the last time by the lines themselves: a page may end in the middle of an instant. Position and
//! events are one commit, as they are for files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_model::{IdBuilder, RecordId, Severity, Status, Timestamp};
use orion_rules::{LogEntry, LogSource};
use orion_source::{Lines, SourceError, StreamLine};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::event::{Origin, event_of};
use super::fields::{matched, with_labels};
use super::limiter::Limiter;
use super::{LogCommand, LogContext, LogPlan, stream_owner_of};
use crate::condition::{self, Condition, Conditions, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::meters::LogMeter;
use crate::stage::{StageError, StageLoop};
use crate::watcher::{HealthError, Report, WatcherContext};

/// What events of such lines have as their source, and who is asked.
pub(crate) const SOURCE: &str = "loki";

/// Lines of one answer. Loki refuses more, unless it is told otherwise.
const PAGE_LINES: usize = 5_000;

/// Time between two questions when the last answer held all there was.
const PAUSE: Duration = Duration::from_millis(2_000);

/// The longest wait after an answer that did not come.
const LONGEST_PAUSE_MILLIS: u64 = 60_000;

/// How long a position is not kept when nothing was found.
const KEEP_NANOS: i64 = 30 * 1_000_000_000;

const NANOS_PER_MILLI: i64 = 1_000_000;

const POSITION_ROOM: &[u8] = b"position";
const LIMITER_ROOM: &[u8] = b"limiter";

/// Up to where the lines of an entry were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The first time that was not read whole.
    from_nanos: i64,
    /// What was read of it.
    seen: BTreeSet<RecordId>,
}

/// Reads the lines of an entry until it is told to end, or is in no rule file any more.
pub(crate) async fn run_stream(
    context: Arc<LogContext>,
    watcher: Arc<WatcherContext>,
    mut commands: watch::Receiver<LogCommand>,
    shutdown: watch::Receiver<bool>,
) {
    let LogCommand::Follow(plan) = commands.borrow_and_update().clone() else { return };
    let meter = context.meters.log(&plan.entry.id);
    let mut stage = StageLoop::new("logs", context.bus.appended(), shutdown.clone());
    let mut task = Task { context, watcher, meter, plan, shutdown };
    while let Err(error) = task.follow(&mut commands, &mut stage).await {
        // Whoever told it to end does not wait for a store that is away; what it knew is ended later.
        if commands.has_changed().is_err() || !stage.retry(&error).await {
            break;
        }
    }
    task.watcher.health.forget(&task.plan.entry.id, &BTreeSet::new()).await;
}

struct Task {
    context: Arc<LogContext>,
    watcher: Arc<WatcherContext>,
    meter: Arc<LogMeter>,
    plan: LogPlan,
    shutdown: watch::Receiver<bool>,
}

/// What the store has of an entry.
struct Known {
    committed: Option<i64>,
    position: Option<Position>,
    kept: Option<Position>,
    limiter: Limiter,
    conditions: Conditions,
}

impl Task {
    async fn load(&self, owner: &str) -> Result<Known, StageError> {
        let loaded = self.context.bus.load(owner).await?;
        let mut known = Known {
            committed: loaded.offset,
            position: None,
            kept: None,
            limiter: Limiter::default(),
            conditions: Conditions::default(),
        };
        for (state_key, value) in loaded.state {
            match key::split(&state_key, 2).as_slice() {
                [POSITION_ROOM] => known.position = serde_json::from_slice(&value).ok(),
                [LIMITER_ROOM] => known.limiter = serde_json::from_slice(&value).unwrap_or_default(),
                [condition::ROOM, ..] => known.conditions.restore(&value),
                _ => {}
            }
        }
        known.kept.clone_from(&known.position);
        Ok(known)
    }

    async fn follow(
        &mut self,
        commands: &mut watch::Receiver<LogCommand>,
        stage: &mut StageLoop,
    ) -> Result<(), StageError> {
        let owner = stream_owner_of(&self.plan.entry.id);
        let mut known = self.load(&owner).await?;
        let mut pause = PAUSE;
        loop {
            let command = commands.borrow_and_update().clone();
            match command {
                LogCommand::Follow(plan) => self.plan = plan,
                LogCommand::Forget => {
                    let draft = ended(known.conditions, self.context.clock.now(), self.plan.generation)?;
                    let offset = known.committed.map_or(0, |offset| offset + 1);
                    self.context.bus.commit(draft.into_commit(&owner, known.committed, offset)).await?;
                    return Ok(());
                }
            }
            if stage.is_shut_down() || commands.has_changed().is_err() {
                return Ok(());
            }
            let (draft, more) = self.step(&mut known, &mut pause).await?;
            if !draft.is_empty() {
                let offset = known.committed.map_or(0, |offset| offset + 1);
                orion_bus::crash_point!("streams::before_commit");
                self.context.bus.commit(draft.into_commit(&owner, known.committed, offset)).await?;
                orion_bus::crash_point!("streams::after_commit");
                known.committed = Some(offset);
            }
            stage.succeeded();
            if !more {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = commands.changed() => {}
                    _ = self.shutdown.wait_for(|down| *down) => {}
                }
            }
        }
    }

    /// Asks once. What is to be committed, and whether there is more to be asked for at once.
    async fn step(&self, known: &mut Known, pause: &mut Duration) -> Result<(Draft, bool), StageError> {
        let entry = &*self.plan.entry;
        let LogSource::Loki { query, delay_millis } = &entry.from else { return Ok((Draft::default(), false)) };
        let (now, mut draft) = (self.context.clock.now(), Draft::default());
        self.say_left_out(known, now, &mut draft)?;
        let until = nanos(now.plus_millis(-delay_millis));
        let position = self.begin(known, until, now, &mut draft)?;
        if until <= position.from_nanos {
            return Ok((self.keep(known, position, draft)?, false));
        }
        let asked = Instant::now();
        let lines = Lines { query, from_nanos: position.from_nanos, until_nanos: until, limit: PAGE_LINES };
        let answer = match self.watcher.sources.get(SOURCE) {
            Some(source) => source.lines(lines).await,
            None => return Ok((draft, false)),
        };
        self.context.meters.asked(SOURCE, asked.elapsed(), answer.is_ok().then_some(now));
        self.report(query, now, answer.as_ref().err()).await?;
        let lines = match answer {
            Ok(lines) => lines,
            Err(why) => {
                let longer = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).saturating_mul(2);
                *pause = Duration::from_millis(longer.min(LONGEST_PAUSE_MILLIS));
                if why.is_query_fault() {
                    let generation = self.plan.generation;
                    known.conditions.raise(&mut draft, refused(entry), now, generation, &why.to_string())?;
                }
                return Ok((self.keep(known, position, draft)?, false));
            }
        };
        *pause = PAUSE;
        known.conditions.clear(&mut draft, &refused(entry), now, self.plan.generation, "Loki takes the query")?;
        let is_full = lines.len() >= PAGE_LINES;
        let next = self.read(lines, position, until, is_full, known, now, &mut draft)?;
        Ok((self.keep(known, next, draft)?, is_full))
    }

    /// Where to go on: at first from now, and later not further back than is caught up.
    fn begin(&self, known: &Known, until: i64, now: Timestamp, draft: &mut Draft) -> Result<Position, NotWritable> {
        let at = |from_nanos| Position { from_nanos, seen: BTreeSet::new() };
        let Some(position) = known.position.clone() else { return Ok(at(until)) };
        let oldest = nanos(now.plus_millis(-self.watcher.settings.catch_up_millis)).min(until);
        if position.from_nanos >= oldest {
            return Ok(position);
        }
        let millis = |nanos: i64| Timestamp::from_millis(nanos.div_euclid(NANOS_PER_MILLI));
        let message =
            format!("lines from {} to {} are too far back to be read", millis(position.from_nanos), millis(oldest));
        draft.event(&left_out(&self.plan.entry).event(Status::Occurred, now, self.plan.generation, &message))?;
        Ok(at(oldest))
    }

    #[expect(clippy::too_many_arguments, reason = "one page, and all that it is read with")]
    fn read(
        &self,
        lines: Vec<StreamLine>,
        position: Position,
        until: i64,
        is_full: bool,
        known: &mut Known,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Position, NotWritable> {
        let (entry, generation) = (&*self.plan.entry, self.plan.generation);
        let last = lines.last().map(|line| line.at_nanos);
        let mut seen_last = BTreeSet::new();
        let mut is_any_new = false;
        for line in &lines {
            let id = id_of(entry, line);
            if Some(line.at_nanos) == last {
                seen_last.insert(id);
            }
            if line.at_nanos == position.from_nanos && position.seen.contains(&id) {
                continue;
            }
            is_any_new = true;
            self.meter.lines.increase();
            let Some(mut fields) = matched(entry, &line.text) else { continue };
            if !known.limiter.admits(entry.limit) {
                self.meter.left_out.increase();
                continue;
            }
            with_labels(&mut fields, &line.labels);
            let written = Timestamp::from_millis(line.at_nanos.div_euclid(NANOS_PER_MILLI));
            let stream: Map<String, Value> =
                line.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            let place = Map::from_iter([("stream".to_owned(), Value::Object(stream))]);
            let origin = Origin { id, source: SOURCE, place, read_at: now, written: Some(written), generation };
            draft.event(&event_of(entry, &line.text, &fields, origin))?;
            self.meter.events.increase();
        }
        let at = |from_nanos| Position { from_nanos, seen: BTreeSet::new() };
        Ok(match last {
            // More lines of one instant than a page has: what is behind them is read, the rest of them cannot be asked for.
            Some(last) if is_full && !is_any_new => at(last + 1),
            Some(last) if is_full => {
                let before = if last == position.from_nanos { position.seen } else { BTreeSet::new() };
                Position { from_nanos: last, seen: before.into_iter().chain(seen_last).collect() }
            }
            _ => at(until),
        })
    }

    fn say_left_out(&self, known: &mut Known, now: Timestamp, draft: &mut Draft) -> Result<(), NotWritable> {
        let Some(over) = known.limiter.turn(now) else { return Ok(()) };
        let message = format!(
            "{} more lines matched within the minute from {} than the limit of {}; they made no events",
            over.count, over.minute, self.plan.entry.limit
        );
        let mut event = left_out(&self.plan.entry).event(Status::Occurred, now, self.plan.generation, &message);
        event.data.insert("count".to_owned(), over.count.into());
        draft.event(&event)
    }

    /// Keeps the position beside what there is to commit, or when it is time.
    fn keep(&self, known: &mut Known, position: Position, mut draft: Draft) -> Result<Draft, NotWritable> {
        let since = known.kept.as_ref().map(|kept| position.from_nanos.saturating_sub(kept.from_nanos));
        if !draft.is_empty() || since.is_none_or(|since| since >= KEEP_NANOS) {
            draft.put(POSITION_ROOM.to_vec(), &position)?;
            draft.put(LIMITER_ROOM.to_vec(), &known.limiter)?;
            known.kept = Some(position.clone());
        }
        known.position = Some(position);
        Ok(draft)
    }

    async fn report(&self, query: &str, now: Timestamp, error: Option<&SourceError>) -> Result<(), StageError> {
        let group = self.plan.entry.id.as_str();
        let report = Report { source: SOURCE, group, expr: query, instant: now, generation: self.plan.generation };
        self.watcher.health.report(report, error).await.map_err(|error| match error {
            HealthError::Bus(error) => error.into(),
            HealthError::NotWritable(error) => error.into(),
        })
    }
}

fn nanos(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(NANOS_PER_MILLI)
}

fn left_out(entry: &LogEntry) -> Condition {
    Condition::new(kind::LOG_EVENTS_LEFT_OUT, Severity::Warning, SOURCE, [("log", entry.id.as_str())])
}

fn refused(entry: &LogEntry) -> Condition {
    let labels = [("rule", entry.id.as_str()), ("alertname", entry.id.as_str()), ("source", SOURCE)];
    Condition::new(kind::QUERY_FAILURE, Severity::Warning, SOURCE, labels)
}

/// A line of a stream at one time is there once: so Loki has it, too.
fn id_of(entry: &LogEntry, line: &StreamLine) -> RecordId {
    let id = IdBuilder::new("stream-event").text(&entry.id).number(line.at_nanos).text(&line.text);
    line.labels.iter().fold(id, |id, (name, value)| id.text(name).text(value)).finish()
}

fn ended(mut conditions: Conditions, now: Timestamp, generation: u64) -> Result<Draft, NotWritable> {
    let mut draft = Draft::default();
    let all: Vec<Condition> = conditions.iter().cloned().collect();
    for condition in all {
        conditions.clear(&mut draft, &condition, now, generation, "the entry was removed")?;
    }
    draft.clear();
    Ok(draft)
}
