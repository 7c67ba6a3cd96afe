//! What became of commits, and how long they took.

use std::time::Duration;

use orion_bus::{BusError, Committed};
use orion_metrics::{Counter, FamilyType, Histogram, Text};

/// From a commit that shares a sync to one that waits for a disk or for Redis.
const COMMIT_SECONDS: &[f64] = &[0.000_5, 0.002, 0.005, 0.01, 0.02, 0.05, 0.25, 1.0, 5.0];

/// What became of commits.
pub struct CommitMeter {
    took: Histogram,
    appended: Counter,
    duplicates: Counter,
    /// In the order of [`CommitMeter::REASONS`].
    failures: [Counter; CommitMeter::REASONS.len()],
}

impl Default for CommitMeter {
    fn default() -> Self {
        Self {
            took: Histogram::new(COMMIT_SECONDS),
            appended: Counter::default(),
            duplicates: Counter::default(),
            failures: Default::default(),
        }
    }
}

impl CommitMeter {
    const REASONS: [&str; 8] = ["conflict", "refused", "full", "busy", "away", "backlog", "fenced", "other"];

    const fn reason(error: &BusError) -> &'static str {
        match error {
            BusError::Conflict { .. } => "conflict",
            BusError::Refused { .. } => "refused",
            BusError::StoreFull { .. } => "full",
            BusError::Busy { .. } => "busy",
            BusError::Away { .. } => "away",
            BusError::OutboxFull { .. } | BusError::BufferFull { .. } => "backlog",
            BusError::Fenced { .. } => "fenced",
            _ => "other",
        }
    }

    /// One that took so long and came to this.
    pub(crate) fn note(&self, took: Duration, outcome: &Result<Committed, BusError>) {
        self.took.observe(took);
        match outcome {
            Ok(committed) => {
                self.appended.add(committed.appended as u64);
                self.duplicates.add(committed.duplicates as u64);
            }
            Err(error) => {
                let place = Self::REASONS.iter().position(|reason| *reason == Self::reason(error));
                if let Some(counter) = place.and_then(|place| self.failures.get(place)) {
                    counter.increase();
                }
            }
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let help = "How long commits took, whatever came of them.";
        text.family("orion_bus_commit_duration_seconds", FamilyType::Histogram, help).histogram(&[], &self.took);
        let help = "Commits that were not taken.";
        let mut family = text.family("orion_bus_commit_failures_total", FamilyType::Counter, help);
        for (reason, counter) in Self::REASONS.iter().zip(&self.failures) {
            family.count(&[("reason", *reason)], counter.get());
        }
        text.counter("orion_bus_records_total", "Records that this host put on the bus.", self.appended.get());
        let help =
            "Records that were on the bus already when this host would have put them there: steps that were repeated.";
        text.counter("orion_bus_duplicate_records_total", help, self.duplicates.get());
    }
}
