//! Numbers that many threads change and one reads. They stand for themselves: nothing is decided by them, so no order among
//! them is kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Something that is counted and never taken back.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increase(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something that goes up and down. Zero until it is set.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is this now.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// How long things took: how many of them took up to each bound, and all of them together.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: what is above them all.
    buckets: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// With bounds in seconds, from low to high.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum_nanos: AtomicU64::new(0) }
    }

    /// One more, which took so long.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.iter().take_while(|bound| seconds > **bound).count();
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Each bound, and how many took up to it; the last bound is infinite, so there stands how many there were.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.buckets).scan(0_u64, |total, (bound, bucket)| {
            *total = total.saturating_add(bucket.load(Ordering::Relaxed));
            Some((bound, *total))
        })
    }

    /// All of them together, in seconds.
    pub(crate) fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_what_is_below_it_and_nothing_is_left_out() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for millis in [50, 100, 101, 1_000, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(0.1, 2), (1.0, 4), (f64::INFINITY, 5)]);
        assert!((histogram.sum_seconds() - 61.251).abs() < 1e-9);
    }

    #[test]
    fn a_gauge_is_what_it_was_set_to_last() {
        let gauge = Gauge::default();
        assert!(gauge.get().abs() < f64::EPSILON);
        gauge.set(-2.5);
        assert!((gauge.get() + 2.5).abs() < f64::EPSILON);
    }
}
