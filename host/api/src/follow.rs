//! Reads the log once, as it grows, for all who listen and for the register of incidents.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use orion_bus::{Entry, RecordKind};
use orion_metrics::{Counter, FamilyType, Text};
use orion_model::{IncidentStatus, Severity, Status};
use serde::Deserialize;
use tokio::sync::{broadcast, watch};

use crate::reading::Reading;
use crate::register::Register;

/// Records read at once: enough to go through a long log at the start, little enough to hold for a moment.
const BATCH: usize = 1_024;

/// Incidents that are known at once: twice what a console has to show, in some ten megabytes.
const MAX_INCIDENTS: usize = 20_000;

/// Records that wait for a listener. One that falls further behind reads from the log on its own.
const WAITING: usize = 1_024;

/// A record that is longer is not held for all who listen: each reads it from the log when its turn comes.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// How long is waited after the log could not be read.
const RETRY_MILLIS: u64 = 1_000;

/// A record for all who listen.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) seq: u64,
    pub(crate) kind: RecordKind,
    /// As it is written to a stream; none for one that is too long to be held.
    pub(crate) text: Option<Arc<str>>,
}

/// The log as it is known so far.
pub(crate) struct Followed {
    register: RwLock<Register>,
    position: AtomicU64,
    /// Where the log ended when it began to be read: behind that, records are news.
    began_at: u64,
    /// Everything that was there was read once: what is behind the last position may have been let go of.
    has_caught_up: AtomicBool,
    heard: broadcast::Sender<Heard>,
    counts: Counts,
}

impl Followed {
    pub(crate) fn from(began_at: u64) -> Self {
        Self {
            register: RwLock::new(Register::keeping(MAX_INCIDENTS)),
            position: AtomicU64::new(0),
            began_at,
            has_caught_up: AtomicBool::new(false),
            heard: broadcast::Sender::new(WAITING),
            counts: Counts::default(),
        }
    }

    /// Incidents; `None` while what was there at the start is still being read.
    pub(crate) fn register(&self) -> Option<RwLockReadGuard<'_, Register>> {
        let is_whole = self.has_caught_up.load(Ordering::Acquire) || self.position() >= self.began_at;
        is_whole.then(|| self.register.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.heard.receiver_count()
    }

    fn take(&self, entries: &[Entry]) {
        let Some(last) = entries.last() else { return };
        let mut register = self.register.write().unwrap_or_else(PoisonError::into_inner);
        entries.iter().for_each(|entry| register.note(entry));
        drop(register);
        for entry in entries.iter().filter(|entry| entry.seq > self.began_at) {
            self.counts.note(entry);
            if self.listeners() > 0 {
                let text = (entry.body.len() <= MAX_HELD_BYTES).then(|| written(entry).into());
                // That nobody listens any more is no error.
                let _ = self.heard.send(Heard { seq: entry.seq, kind: entry.kind, text });
            }
        }
        self.position.store(last.seq, Ordering::Release);
    }

    /// Writes down what was recorded since the start, and what is open.
    pub(crate) fn write(&self, text: &mut Text) {
        self.counts.write(text);
        let open = self.register.read().unwrap_or_else(PoisonError::into_inner).open();
        let mut family = text.family("orion_incidents_open", FamilyType::Gauge, "Incidents that are open.");
        for (severity, count) in open {
            family.count(&[("severity", severity.as_str())], count);
        }
        let help = "Programs that listen to the stream of records.";
        text.family("orion_api_listeners", FamilyType::Gauge, help).count(&[], self.listeners() as u64);
    }
}

/// Reads until `down` turns true.
pub(crate) async fn follow(
    followed: Arc<Followed>,
    reading: Reading,
    mut appended: watch::Receiver<u64>,
    mut down: watch::Receiver<bool>,
) {
    loop {
        let after = followed.position();
        let entries = reading.run(move |reader| reader.read(after, BATCH)).await;
        let pause = match &entries {
            Ok(entries) if !entries.is_empty() => {
                followed.take(entries);
                continue;
            }
            Ok(_) => {
                followed.has_caught_up.store(true, Ordering::Release);
                None
            }
            Err(problem) => {
                tracing::debug!("the log cannot be followed: {problem}");
                Some(Duration::from_millis(RETRY_MILLIS))
            }
        };
        tokio::select! {
            _ = down.wait_for(|down| *down) => return,
            changed = appended.changed(), if pause.is_none() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }
}

/// A record as it is written to a stream of server-sent events.
pub(crate) fn written(entry: &Entry) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", entry.seq, entry.kind, entry.body)
}

/// What was recorded since the start, by what it says.
#[derive(Default)]
struct Counts {
    events: [[Counter; STATUSES.len()]; Severity::ALL.len()],
    incidents: [Counter; CHANGES.len()],
    decisions: Counter,
}

const STATUSES: [Status; 3] = [Status::Occurred, Status::Firing, Status::Resolved];

const CHANGES: [IncidentStatus; 4] =
    [IncidentStatus::Opened, IncidentStatus::Updated, IncidentStatus::Escalated, IncidentStatus::Resolved];

/// As much of an event as is counted.
#[derive(Deserialize)]
struct EventHead {
    severity: Severity,
    status: Status,
}

#[derive(Deserialize)]
struct IncidentHead {
    status: IncidentStatus,
}

fn place<T: PartialEq>(all: &[T], one: &T) -> Option<usize> {
    all.iter().position(|it| it == one)
}

impl Counts {
    fn note(&self, entry: &Entry) {
        match entry.kind {
            RecordKind::Event => {
                let Ok(head) = serde_json::from_str::<EventHead>(&entry.body) else { return };
                let of_severity = place(&Severity::ALL, &head.severity).and_then(|place| self.events.get(place));
                let counter = place(&STATUSES, &head.status).and_then(|place| of_severity?.get(place));
                counter.iter().for_each(|counter| counter.increase());
            }
            RecordKind::Incident => {
                let Ok(head) = serde_json::from_str::<IncidentHead>(&entry.body) else { return };
                let counter = place(&CHANGES, &head.status).and_then(|place| self.incidents.get(place));
                counter.iter().for_each(|counter| counter.increase());
            }
            RecordKind::Decision => self.decisions.increase(),
        }
    }

    fn write(&self, text: &mut Text) {
        let help = "Events that were recorded since this process serves.";
        let mut family = text.family("orion_events_total", FamilyType::Counter, help);
        for (severity, counters) in Severity::ALL.iter().zip(&self.events) {
            for (status, counter) in STATUSES.iter().zip(counters) {
                family.count(&[("severity", severity.as_str()), ("status", status.as_str())], counter.get());
            }
        }
        let help = "Revisions of incidents that were recorded since this process serves, by what they did.";
        let mut family = text.family("orion_incidents_total", FamilyType::Counter, help);
        for (status, counter) in CHANGES.iter().zip(&self.incidents) {
            family.count(&[("status", status.as_str())], counter.get());
        }
        let help = "Decisions that were recorded since this process serves. There is one kind.";
        let mut family = text.family("orion_decisions_total", FamilyType::Counter, help);
        family.count(&[("decision_type", "NO_ACTION")], self.decisions.get());
    }
}
