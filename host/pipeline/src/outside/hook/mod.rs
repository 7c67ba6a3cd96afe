//! What programs deliver over HTTP: read, made into events, and recorded before they are told so.
//!
//! The id of an event follows from what is told, never from when it came: who delivers again because no answer came through, or
//! because two of it deliver the same, adds nothing. That is the log's to know, so nothing has to be remembered here.

mod alerts;
mod cloud;
mod lanes;
mod signed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, BusError, Committed};
use orion_model::{Clock, Delivery, Event, HookKind, Labels, Taken, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use self::lanes::Lanes;
use super::fields::NoEvent;
use crate::draft::Draft;

pub use self::lanes::OWNERS;

/// Events of one delivery: far more than a group of alerts has that a person is to read.
pub const MAX_EVENTS: usize = 1_000;

/// How long a delivery waits until it is recorded. Who delivers waits no longer than ten seconds mostly, and reading the delivery
/// takes its part of them.
const RECORD_MILLIS: u64 = 4_000;

/// Bytes that are read where they came; more are read on a thread that may take its time.
const QUICK_BYTES: usize = 64 * 1024;

/// A hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The last part of its path.
    pub name: String,
    /// How what comes there is read.
    pub kind: HookKind,
    /// The type of all its events; otherwise each says it.
    pub event_type: Option<String>,
    /// Laid over the labels of each of its events.
    pub labels: Labels,
}

impl Hook {
    /// Who is named as the rule of its events.
    fn rule(&self) -> String {
        format!("hook/{}", self.name)
    }
}

/// Why a delivery was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There is no such hook.
    #[error("there is no hook of this name")]
    NoHook,
    /// It is not what the hook reads.
    #[error("{0}")]
    Malformed(String),
    /// It has more events than a delivery may have.
    #[error("it has {0} events; at most {MAX_EVENTS} are taken at once")]
    TooMany(usize),
    /// It can be read, and is no event.
    #[error("{0}")]
    NoEvent(String),
    /// It was taken before.
    #[error("this delivery was taken before, and all of it is recorded: nothing was recorded again")]
    Replayed,
    /// It cannot be recorded now.
    #[error("it is not known to be recorded ({0}): delivered again it is recorded once, whether this one was or not")]
    NotNow(&'static str),
}

/// What a delivery says.
#[derive(Debug, Default)]
struct Read {
    events: Vec<Event>,
    /// Whether the ids of all of them are those of this very delivery.
    is_once: bool,
    put_aside: usize,
    reason: Option<String>,
}

/// The hooks of a host.
pub struct Hooks {
    hooks: BTreeMap<String, Hook>,
    lanes: Lanes,
    clock: Arc<dyn Clock>,
    /// The last position in this host's own file.
    kept: watch::Receiver<u64>,
}

impl Hooks {
    /// What comes to these is committed to `bus`, and waited for until `own`, the bus in this host's own folder, has it, too.
    pub fn new(hooks: Vec<Hook>, bus: Arc<dyn Bus>, own: &dyn Bus, clock: Arc<dyn Clock>) -> Self {
        let hooks = hooks.into_iter().map(|hook| (hook.name.clone(), hook)).collect();
        Self { hooks, lanes: Lanes::new(bus), clock, kept: own.appended() }
    }

    /// Takes a delivery: returns when it is on the disk. Dropping the future does not take it back.
    pub async fn take(&self, delivery: Delivery) -> Result<Taken, NotTaken> {
        let hook = self.hooks.get(&delivery.hook).ok_or(NotTaken::NoHook)?;
        let now = self.clock.now();
        let read = match delivery.body.len() <= QUICK_BYTES {
            true => read(hook, &delivery, now)?,
            false => {
                let hook = hook.clone();
                let read = tokio::task::spawn_blocking(move || read(&hook, &delivery, now)).await;
                read.map_err(|_| NotTaken::Malformed("it cannot be read".to_owned()))??
            }
        };
        let Read { events, is_once, put_aside, reason } = read;
        let taken = Taken { recorded: 0, known: 0, put_aside, reason };
        if events.is_empty() {
            return Ok(taken);
        }
        let recorded = tokio::time::timeout(Duration::from_millis(RECORD_MILLIS), self.record(&events)).await;
        let committed = recorded.map_err(|_| NotTaken::NotNow("it takes too long"))??;
        match (committed.appended, committed.duplicates) {
            (0, known) if known > 0 && is_once => Err(NotTaken::Replayed),
            (recorded, known) => Ok(Taken { recorded, known, ..taken }),
        }
    }

    async fn record(&self, events: &[Event]) -> Result<Committed, NotTaken> {
        let mut draft = Draft::of_records();
        for event in events {
            draft.event(event).map_err(|error| NotTaken::NoEvent(error.to_string()))?;
        }
        let committed = self.lanes.commit(draft.into_records()).await.map_err(|error| not_taken(&error))?;
        // Where hosts share a Redis it has the records in its memory, and this host's own disk has them a moment later.
        let last = committed.positions.end.saturating_sub(1);
        let kept = self.kept.clone().wait_for(|kept| *kept >= last).await.map(drop);
        kept.map_err(|_| NotTaken::NotNow("Orion is ending"))?;
        Ok(committed)
    }
}

/// What is said of an error of the bus: to a stranger, so without paths and addresses.
fn not_taken(error: &BusError) -> NotTaken {
    match error {
        BusError::Refused { what, .. } => NotTaken::NoEvent(what.clone()),
        BusError::StoreFull { .. } => NotTaken::NotNow("the disk is full"),
        BusError::OutboxFull { .. } => NotTaken::NotNow("as much waits for Redis as may"),
        error if error.is_away() => NotTaken::NotNow("Redis does not answer"),
        _ => NotTaken::NotNow("the store cannot be written"),
    }
}

/// The events of a delivery.
fn read(hook: &Hook, delivery: &Delivery, now: Timestamp) -> Result<Read, NotTaken> {
    match hook.kind {
        HookKind::Alertmanager | HookKind::Grafana => alerts::read(hook, &json(&delivery.body)?, now),
        HookKind::CloudEvents => cloud::read(hook, delivery, now),
        HookKind::Generic => signed::read(hook, delivery, now),
    }
}

/// Reads what anybody sends to a hook of this kind, and panics when what comes of it is more than it may be: for the fuzzer.
#[doc(hidden)]
pub fn probe(kind: HookKind, delivery: &Delivery, now: Timestamp) {
    let hook = Hook { name: "probe".to_owned(), kind, event_type: None, labels: Labels::empty() };
    let Ok(Read { events, .. }) = read(&hook, delivery, now) else { return };
    assert!(events.len() <= MAX_EVENTS, "{} events", events.len());
    for event in events {
        assert!(event.labels.len() <= super::fields::MAX_LABELS, "{} labels", event.labels.len());
        assert!(event.event_type.len() <= super::fields::MAX_TYPE_BYTES, "{}", event.event_type);
        assert!(super::fields::is_in_time(event.ts, now), "{} at {now}", event.ts);
    }
}

fn json(body: &[u8]) -> Result<Value, NotTaken> {
    serde_json::from_slice(body).map_err(|error| NotTaken::Malformed(format!("the body is no JSON: {error}")))
}

/// The items of a list, or the one thing there is.
fn items(value: Value) -> Result<Vec<Value>, NotTaken> {
    match value {
        Value::Array(items) if items.len() > MAX_EVENTS => Err(NotTaken::TooMany(items.len())),
        Value::Array(items) => Ok(items),
        one => Ok(vec![one]),
    }
}

/// Says which of them is no event, and why.
fn no_event(place: usize, of: usize, why: &NoEvent) -> NotTaken {
    match of {
        1 => NotTaken::NoEvent(why.to_string()),
        _ => NotTaken::NoEvent(format!("number {} of {of}: {why}", place + 1)),
    }
}

#[cfg(test)]
mod tests;
