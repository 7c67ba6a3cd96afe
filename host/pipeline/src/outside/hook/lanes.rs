//! Deliveries side by side on the way to the log.
//!
//! Commits of one owner follow each other, each from the offset of the one before. Deliveries have nothing to do with each other, and
//! the store writes what comes together in one go: so each takes a lane, which is an owner of its own, and they arrive together.

use std::sync::{Arc, Mutex, PoisonError};

use orion_bus::{Bus, BusError, Commit, Committed, NewRecord};
use tokio::sync::Semaphore;

/// What the names of the lanes begin with. On a shared log each host has its own of them.
pub const OWNERS: &str = "outside/hook/";

/// Deliveries that are committed side by side: what a disk that syncs in ten milliseconds turns into thousands a second. The others wait
/// for one of these.
const LANES: usize = 64;

/// How often a commit is tried whose lane turns out to be further on: a delivery that was given up may still arrive.
const MOST_TRIES: usize = 3;

/// All lanes.
pub(super) struct Lanes {
    bus: Arc<dyn Bus>,
    turns: Semaphore,
    /// Those that are free; the one that was used last is taken first.
    free: Mutex<Vec<Lane>>,
}

#[derive(Debug)]
struct Lane {
    number: usize,
    /// Where the next commit starts from, unless it has to be looked up.
    at: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    No,
    At(Option<i64>),
}

/// A lane in use. It is free again afterwards, however that ends.
struct Turn<'l> {
    lanes: &'l Lanes,
    lane: Option<Lane>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lanes.free.lock().unwrap_or_else(PoisonError::into_inner).extend(self.lane.take());
    }
}

impl Lanes {
    pub(super) fn new(bus: Arc<dyn Bus>) -> Self {
        let free = (0..LANES).rev().map(|number| Lane { number, at: Known::No }).collect();
        Self { bus, turns: Semaphore::new(LANES), free: Mutex::new(free) }
    }

    /// Commits these records, and nothing else.
    pub(super) async fn commit(&self, records: Vec<NewRecord>) -> Result<Committed, BusError> {
        let _place = self.turns.acquire().await.map_err(|_| BusError::Closed)?;
        let lane = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut turn = Turn { lanes: self, lane };
        // There are as many places as lanes.
        let Some(lane) = &mut turn.lane else { return Err(BusError::Closed) };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.commit_in(lane, records.clone()).await {
                Err(BusError::Conflict { .. }) if tries < MOST_TRIES => {}
                outcome => return outcome,
            }
        }
    }

    async fn commit_in(&self, lane: &mut Lane, records: Vec<NewRecord>) -> Result<Committed, BusError> {
        let owner = format!("{OWNERS}{:02}", lane.number);
        // Until the commit is answered it is not known where the lane is.
        let expected = match std::mem::replace(&mut lane.at, Known::No) {
            Known::At(offset) => offset,
            Known::No => self.bus.offset(&owner).await?,
        };
        let offset = expected.map_or(0, |offset| offset.saturating_add(1));
        let commit = Commit { owner, expected, offset, records, state: Vec::new() };
        let committed = self.bus.commit(commit).await?;
        lane.at = Known::At(Some(offset));
        Ok(committed)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use orion_bus::{Body, RecordKind, SqliteBus};
    use orion_model::{IdBuilder, Timestamp};

    use super::*;

    fn record(n: i64) -> NewRecord {
        let id = IdBuilder::new("test").number(n).finish();
        NewRecord { kind: RecordKind::Event, id, ts: Timestamp::from_millis(n), body: Body::parse("{}").unwrap() }
    }

    #[tokio::test]
    async fn more_than_there_are_lanes_are_all_committed_and_what_comes_twice_is_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
        let lanes = Lanes::new(bus.clone());
        let twice = (0..4 * LANES).map(|n| lanes.commit(vec![record(n as i64 / 2)]));
        let committed: Vec<_> = join_all(twice).await.into_iter().map(Result::unwrap).collect();
        let appended: usize = committed.iter().map(|it| it.appended).sum();
        let duplicates: usize = committed.iter().map(|it| it.duplicates).sum();
        assert_eq!((appended, duplicates), (2 * LANES, 2 * LANES));
        assert_eq!(bus.read(0, 9_999).await.unwrap().len(), 2 * LANES);
    }

    #[tokio::test]
    async fn a_lane_that_is_further_on_than_it_was_known_to_be_is_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
        let (one, other) = (Lanes::new(bus.clone()), Lanes::new(bus.clone()));
        for n in 0..6 {
            let lanes = if n % 2 == 0 { &one } else { &other };
            assert_eq!(lanes.commit(vec![record(n)]).await.unwrap().appended, 1);
        }
        assert_eq!(bus.owners(OWNERS).await.unwrap(), ["outside/hook/00"]);
    }

    #[tokio::test]
    async fn a_delivery_that_is_given_up_leaves_its_lane_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let lanes = Lanes::new(Arc::new(SqliteBus::open(dir.path()).unwrap()));
        for n in 0..i64::try_from(2 * LANES).unwrap() {
            // Polled once, and let go of.
            drop(tokio::time::timeout(std::time::Duration::ZERO, lanes.commit(vec![record(n)])).await);
        }
        assert_eq!(lanes.commit(vec![record(-1)]).await.unwrap().appended, 1);
    }
}
