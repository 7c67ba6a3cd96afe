//! A cause that fires, and what it explains: an incident.

use orion_plugin::pattern::{Few, Gains, Life, Live, Rest};
use orion_plugin::{Severity, Stored};

use crate::happening::Happening;

/// Alerts of a cause whose end is waited for. With more, nobody waits for the further ones.
const MOST_LIVE: usize = 1_000;

/// Labels of causes that are equal to those of their symptoms, while one of the causes fires.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) opened: i64,
    pub(crate) severity: Severity,
    live: Few<Live>,
    /// The latest cause of one moment.
    occurred: Option<i64>,
    /// When the last cause was resolved.
    resolved: i64,
    /// Causes and symptoms.
    pub(crate) events: u64,
    pub(crate) suppressed: u64,
    /// What nobody has been told yet.
    pub(crate) gains: Gains,
}

impl Scope {
    pub(crate) fn new(cause: &Happening) -> Self {
        let (live, gains) = (Few::None, Gains::default());
        let (opened, severity) = (cause.time, cause.severity);
        let mut scope =
            Self { opened, severity, live, occurred: None, resolved: i64::MIN, events: 0, suppressed: 0, gains };
        scope.take(cause);
        scope
    }

    /// Takes a cause. Whether it is one that it did not have.
    pub(crate) fn take(&mut self, cause: &Happening) -> bool {
        let Happening { fingerprint, position, severity, .. } = *cause;
        self.severity = self.severity.max(severity);
        if !cause.fires() {
            self.occurred = self.occurred.max(Some(cause.time));
        } else if self.fires(fingerprint) {
            return false;
        } else if self.live.len() < MOST_LIVE {
            self.live.push(Live { fingerprint, position, severity });
        }
        self.events += 1;
        true
    }

    /// Takes a symptom. Whether that makes it worse.
    pub(crate) fn record(&mut self, severity: Severity) -> bool {
        let rose = severity > self.severity;
        self.severity = self.severity.max(severity);
        self.events += 1;
        self.suppressed += 1;
        rose
    }

    pub(crate) fn fires(&self, fingerprint: u64) -> bool {
        self.live.iter().any(|live| live.fingerprint == fingerprint)
    }

    pub(crate) fn resolve(&mut self, fingerprint: u64, time: i64) {
        self.live.retain(|live| live.fingerprint != fingerprint);
        self.resolved = self.resolved.max(time);
    }

    /// When something happens to it if nothing more comes: what it gained is to be said, or it ends.
    pub(crate) fn next_at(&self, life: &Life) -> i64 {
        let end = self.rest(life).0;
        self.gains.due().map_or(end, |due| due.min(end))
    }

    pub(crate) fn rest(&self, life: &Life) -> (i64, Rest) {
        Rest::of(self.opened, !self.live.is_empty(), self.occurred, self.resolved, life)
    }

    /// The incident that follows on one that was closed for its age. `None` when no cause fires.
    pub(crate) fn continued(&self, time: i64) -> Option<(Self, Vec<u64>)> {
        let severity = self.live.iter().map(|live| live.severity).max()?;
        let mut positions: Vec<_> = self.live.iter().map(|live| live.position).collect();
        positions.sort_unstable();
        let (live, gains, events) = (self.live.clone(), Gains::default(), positions.len() as u64);
        let next =
            Self { opened: time, severity, live, occurred: None, resolved: i64::MIN, events, suppressed: 0, gains };
        Some((next, positions))
    }
}

impl Stored for Scope {
    fn write(&self, out: &mut Vec<u8>) {
        self.opened.write(out);
        self.severity.write(out);
        self.live.write(out);
        self.occurred.write(out);
        self.resolved.write(out);
        self.events.write(out);
        self.suppressed.write(out);
        self.gains.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            opened: i64::read(from)?,
            severity: Severity::read(from)?,
            live: Few::read(from)?,
            occurred: Option::read(from)?,
            resolved: i64::read(from)?,
            events: u64::read(from)?,
            suppressed: u64::read(from)?,
            gains: Gains::read(from)?,
        })
    }
}
