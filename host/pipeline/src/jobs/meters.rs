//! What jobs came to, in numbers.

use std::time::Duration;

use orion_metrics::{Counter, FamilyType, Gauge, Histogram, Text};
use orion_model::{Job, JobKind, JobState};

/// From a test of a moment to a replay of a year.
const SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// How jobs end.
const ENDS: [JobState; 4] = [JobState::Done, JobState::Failed, JobState::Cancelled, JobState::TimedOut];

pub(super) struct Meters {
    ended: [[Counter; ENDS.len()]; JobKind::ALL.len()],
    took: [Histogram; JobKind::ALL.len()],
    queued: Gauge,
    running: Gauge,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            ended: Default::default(),
            took: std::array::from_fn(|_| Histogram::new(SECONDS)),
            queued: Gauge::default(),
            running: Gauge::default(),
        }
    }
}

impl Meters {
    /// One is over. What never began took no time.
    pub(super) fn note(&self, job: &Job) {
        let Some(kind) = JobKind::ALL.iter().position(|kind| *kind == job.kind) else { return };
        let end = ENDS.iter().position(|end| *end == job.state);
        let counter = self.ended.get(kind).zip(end).and_then(|(counters, end)| counters.get(end));
        counter.iter().for_each(|counter| counter.increase());
        if let Some((began, ended)) = job.began_at.zip(job.ended_at) {
            let millis = u64::try_from(ended.millis_since(began)).unwrap_or(0);
            self.took.get(kind).iter().for_each(|took| took.observe(Duration::from_millis(millis)));
        }
    }

    /// So many wait and run now.
    pub(super) fn stand(&self, queued: usize, running: usize) {
        self.queued.set(queued as f64);
        self.running.set(running as f64);
    }

    pub(super) fn write(&self, text: &mut Text) {
        let help = "Jobs that are over, by what they were and how they ended.";
        let mut family = text.family("orion_jobs_total", FamilyType::Counter, help);
        for (kind, counters) in JobKind::ALL.iter().zip(&self.ended) {
            for (state, counter) in ENDS.iter().zip(counters) {
                family.count(&[("kind", kind.as_str()), ("state", state.as_str())], counter.get());
            }
        }
        text.gauge("orion_jobs_queued", "Jobs that wait for their turn.", self.queued.get());
        text.gauge("orion_jobs_running", "Jobs that are worked on.", self.running.get());
        let help = "How long jobs took from when they began.";
        let mut family = text.family("orion_job_duration_seconds", FamilyType::Histogram, help);
        for (kind, took) in JobKind::ALL.iter().zip(&self.took) {
            family.histogram(&[("kind", kind.as_str())], took);
        }
    }
}
