//! Places for plugins at work, as many as there are cores, and how much of the time the work of each partition takes.
//!
//! What is measured is shown to people who look at a deployment (`orion get partitions`). Nothing that is recorded depends on it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orion_bus::{Partition, Role};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The time over which it is said how busy a partition is: long enough for rules that are evaluated every few seconds, short
/// enough to see what is going on.
const WINDOW: Duration = Duration::from_secs(60);

/// How often a point of that time is remembered.
const POINT: Duration = Duration::from_secs(1);

/// Where plugins work.
pub struct Workers {
    places: Arc<Semaphore>,
    worked_nanos: BTreeMap<Partition, AtomicU64>,
}

impl Workers {
    /// So many places, at least one.
    pub fn new(places: usize) -> Arc<Self> {
        let all = Role::ALL.into_iter().flat_map(Partition::all);
        let worked_nanos = all.map(|partition| (partition, AtomicU64::new(0))).collect();
        Arc::new(Self { places: Arc::new(Semaphore::new(places.max(1))), worked_nanos })
    }

    /// Waits for a place. Work that is nobody's part of a deployment is not counted.
    pub(crate) async fn place(self: &Arc<Self>, partition: Option<Partition>) -> AtWork {
        // It is never closed.
        let place = self.places.clone().acquire_owned().await.ok();
        self.at_work(partition, place)
    }

    /// Work of a moment on the thread that serves the groups, which needs no place.
    pub(crate) fn briefly(self: &Arc<Self>, partition: Option<Partition>) -> AtWork {
        self.at_work(partition, None)
    }

    fn at_work(self: &Arc<Self>, partition: Option<Partition>, place: Option<OwnedSemaphorePermit>) -> AtWork {
        AtWork { workers: self.clone(), partition, began: Instant::now(), _place: place }
    }

    /// How long each partition's work took, from the start on.
    fn worked(&self) -> BTreeMap<Partition, Duration> {
        let worked = |(partition, nanos): (&Partition, &AtomicU64)| {
            (*partition, Duration::from_nanos(nanos.load(Ordering::Relaxed)))
        };
        self.worked_nanos.iter().map(worked).collect()
    }
}

/// Somebody at work, until dropped.
pub(crate) struct AtWork {
    workers: Arc<Workers>,
    partition: Option<Partition>,
    began: Instant,
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let counter = self.partition.and_then(|partition| self.workers.worked_nanos.get(&partition));
        if let Some(counter) = counter {
            let nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            counter.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}

/// Tells how busy partitions were lately.
pub(crate) struct BusyMeter {
    workers: Arc<Workers>,
    points: VecDeque<(Instant, BTreeMap<Partition, Duration>)>,
}

impl BusyMeter {
    pub(crate) fn new(workers: Arc<Workers>) -> Self {
        Self { workers, points: VecDeque::new() }
    }

    /// Of each partition that had work lately, which part of the time it took: 0.25 is a quarter of one processor.
    pub(crate) fn busy(&mut self, now: Instant) -> BTreeMap<Partition, f64> {
        let worked = self.workers.worked();
        let busy = self.points.front().map(|(since, before)| ratios(before, &worked, now.duration_since(*since)));
        if self.points.back().is_none_or(|(last, _)| now.duration_since(*last) >= POINT) {
            self.points.push_back((now, worked));
        }
        while self.points.len() > 1 && self.points.front().is_some_and(|(first, _)| now.duration_since(*first) > WINDOW)
        {
            self.points.pop_front();
        }
        busy.unwrap_or_default()
    }
}

fn ratios(
    before: &BTreeMap<Partition, Duration>,
    now: &BTreeMap<Partition, Duration>,
    elapsed: Duration,
) -> BTreeMap<Partition, f64> {
    let ratio = |(partition, worked): (&Partition, &Duration)| {
        let lately = worked.saturating_sub(before.get(partition).copied().unwrap_or_default());
        let ratio = lately.as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        (!lately.is_zero()).then_some((*partition, ratio))
    };
    now.iter().filter_map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(name: &str) -> Partition {
        Partition::of(Role::Watcher, name)
    }

    #[test]
    fn a_partition_is_as_busy_as_the_part_of_the_last_minute_in_which_it_worked() {
        let workers = Workers::new(1);
        let (one, start) = (partition("media"), Instant::now());
        let work = |millis: u64| {
            let counter = workers.worked_nanos.get(&one).unwrap();
            counter.fetch_add(millis * 1_000_000, Ordering::Relaxed);
        };
        let mut meter = BusyMeter::new(workers.clone());
        assert!(meter.busy(start).is_empty());
        work(500);
        assert_eq!(meter.busy(start + Duration::from_secs(1)), BTreeMap::from([(one, 0.5)]));
        // What is further back than the window counts no more.
        for second in 2..=70 {
            meter.busy(start + Duration::from_secs(second));
        }
        assert!(meter.busy(start + Duration::from_secs(71)).is_empty());
        work(600);
        let busy = meter.busy(start + Duration::from_secs(72));
        assert!((busy[&one] - 0.01).abs() < 0.001, "{busy:?}");
        assert!(meter.points.len() <= 62, "{} points", meter.points.len());
    }

    #[tokio::test]
    async fn who_works_holds_a_place_and_is_counted_and_who_works_briefly_needs_none() {
        let workers = Workers::new(1);
        let one = partition("media");
        let at_work = workers.place(Some(one)).await;
        assert_eq!(workers.places.available_permits(), 0);
        drop(workers.briefly(Some(one)));
        std::thread::sleep(Duration::from_millis(2));
        drop(at_work);
        assert_eq!(workers.places.available_permits(), 1);
        assert!(workers.worked()[&one] >= Duration::from_millis(2));
        let before = workers.worked();
        drop(workers.place(None).await);
        assert_eq!(workers.worked(), before);
    }
}
