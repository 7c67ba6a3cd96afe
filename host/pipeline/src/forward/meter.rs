//! How it goes with forwarding, for whoever looks.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use orion_metrics::{FamilyType, Text};
use orion_model::Timestamp;

/// The numbers.
#[derive(Debug, Default)]
pub struct ForwardMeter {
    /// What is passed on may be counted before what was committed is: for that moment there is less than nothing.
    events: AtomicI64,
    bytes: AtomicI64,
    limit: u64,
    position: AtomicU64,
    forwarded: AtomicU64,
    failures: AtomicU64,
    /// In milliseconds; 0 for never.
    last: AtomicI64,
    has_failed: AtomicBool,
    trouble: Mutex<Option<String>>,
}

impl ForwardMeter {
    pub(super) fn with_limit(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Records that wait.
    pub fn backlog_events(&self) -> u64 {
        u64::try_from(self.events.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Their bytes.
    pub fn backlog_bytes(&self) -> u64 {
        u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Bytes that may wait.
    pub fn limit_bytes(&self) -> u64 {
        self.limit
    }

    /// Up to where in the log everything is forwarded.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    pub(super) fn reached(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// So much more waits, or less.
    pub(super) fn wait(&self, records: i64, bytes: i64) {
        self.events.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much waits.
    pub(super) fn waits(&self, records: i64, bytes: i64) {
        self.events.store(records, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Why the control host did not take what it was given last, if it did not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The control host answers.
    pub fn answered(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.has_failed.swap(false, Ordering::Relaxed) {
            tracing::info!("the control host answers again");
        }
    }

    /// It does not, or not as it should. Said once until it does.
    pub fn failed(&self, why: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!("the control host cannot be reached, what is observed waits: {why}");
        }
    }

    pub(super) fn forwarded(&self, events: u64, now: Timestamp) {
        self.forwarded.fetch_add(events, Ordering::Relaxed);
        self.last.store(now.as_millis(), Ordering::Relaxed);
        self.answered();
    }

    /// Writes them down.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    pub fn write(&self, text: &mut Text) {
        let up = f64::from(u8::from(self.trouble().is_none()));
        text.gauge("orion_agent_control_up", "Whether the control host took what it was given last.", up);
        let numbers = [
            (
                "orion_agent_forwarded_events_total",
                FamilyType::Counter,
                "Events that the control host took.",
                self.forwarded.load(Ordering::Relaxed),
            ),
            (
                "orion_agent_forwarded_position",
                FamilyType::Gauge,
                "Up to where in the log everything is forwarded.",
                self.position(),
            ),
            (
                "orion_agent_forward_failures_total",
                FamilyType::Counter,
                "Times at which the control host did not take what it was given.",
                self.failures.load(Ordering::Relaxed),
            ),
            (
                "orion_agent_backlog_events",
                FamilyType::Gauge,
                "Events that wait to be forwarded.",
                self.backlog_events(),
            ),
            ("orion_agent_backlog_bytes", FamilyType::Gauge, "Their bytes.", self.backlog_bytes()),
            (
                "orion_agent_backlog_limit_bytes",
                FamilyType::Gauge,
                "Bytes that may wait before nothing more is evaluated.",
                self.limit_bytes(),
            ),
        ];
        for (name, kind, help, number) in numbers {
            text.family(name, kind, help).count(&[], number);
        }
        let last = self.last.load(Ordering::Relaxed) as f64 / 1_000.0;
        text.gauge("orion_agent_last_forward_timestamp_seconds", "When the control host took something last.", last);
    }
}
