//! The log as this host's file has it, at the positions that the records have in Redis.
//!
//! What Redis lost and was given again has a new position there, while the file keeps it where it was first: people have read it
//! under that number. Whoever gives Redis something back has to go by the positions of Redis: a stage that stands between the two
//! has not read the record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orion_model::RecordId;

use crate::error::BusError;
use crate::record::Entry;
use crate::{Bus as _, MOVED_OWNER, SqliteBus};

/// The log as of one moment.
pub(super) struct History {
    mirror: Arc<SqliteBus>,
    /// Every position of Redis at which a record stood that has another one in the file, and that one.
    places: BTreeMap<u64, u64>,
    /// Of these the last position of each record.
    moved: BTreeMap<u64, u64>,
    /// The positions in the file of records that stand elsewhere in Redis.
    left: BTreeSet<u64>,
    /// Nothing behind this position.
    until: u64,
}

impl History {
    /// As the file has it.
    pub(super) async fn of(mirror: &Arc<SqliteBus>) -> Result<Self, BusError> {
        Self::until(mirror, u64::MAX).await
    }

    /// As the file had it when it had followed the log up to a position.
    pub(super) async fn until(mirror: &Arc<SqliteBus>, until: u64) -> Result<Self, BusError> {
        let state = mirror.load(MOVED_OWNER).await?.state;
        let places = state.iter().filter_map(|(key, value)| Some((position(key)?, position(value)?)));
        let places: BTreeMap<u64, u64> = places.filter(|(there, _)| *there <= until).collect();
        // In order of positions: the last one stays.
        let last: BTreeMap<u64, u64> = places.iter().map(|(there, here)| (*here, *there)).collect();
        let left = last.keys().copied().collect();
        let moved = last.into_iter().map(|(here, there)| (there, here)).collect();
        Ok(Self { mirror: mirror.clone(), places, moved, left, until })
    }

    /// Up to `max` records behind a position, in order.
    pub(super) async fn read(&self, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        let mut found = Vec::new();
        let mut from = after;
        while found.len() < max {
            let entries = self.mirror.read(from, max).await?;
            let Some(last) = entries.last() else { break };
            from = last.seq;
            let is_here = |entry: &Entry| entry.seq <= self.until && !self.left.contains(&entry.seq);
            found.extend(entries.into_iter().filter(is_here));
            if from >= self.until {
                break;
            }
        }
        let (there, here): (Vec<u64>, Vec<u64>) =
            self.moved.range(after.saturating_add(1)..).take(max).map(|(there, here)| (*there, *here)).unzip();
        let moved = self.mirror.read_at(&here).await?.into_iter();
        let there: BTreeMap<u64, u64> = here.into_iter().zip(there).collect();
        found.extend(moved.filter_map(|entry| Some(Entry { seq: *there.get(&entry.seq)?, ..entry })));
        found.sort_unstable_by_key(|entry| entry.seq);
        found.truncate(max);
        Ok(found)
    }

    /// The records at these positions, in their order, wherever the file has them.
    pub(super) async fn read_at(&self, positions: &[u64]) -> Result<Vec<Entry>, BusError> {
        let place = |there: &u64| self.places.get(there).copied().unwrap_or(*there);
        let found = self.mirror.read_at(&positions.iter().map(place).collect::<Vec<_>>()).await?;
        let found: BTreeMap<u64, Entry> = found.into_iter().map(|entry| (entry.seq, entry)).collect();
        let at = |there: &u64| Some(Entry { seq: *there, ..found.get(&place(there))?.clone() });
        Ok(positions.iter().filter_map(at).collect())
    }

    /// Up to `max` ids of records behind a position of the file: where the last of them is there, and each with its position in
    /// Redis.
    pub(super) async fn ids(&self, after: u64, max: usize) -> Result<Option<(u64, Vec<(u64, RecordId)>)>, BusError> {
        let there: BTreeMap<u64, u64> = self.moved.iter().map(|(there, here)| (*here, *there)).collect();
        let ids = self.mirror.ids(after, max).await?;
        let Some((last, _)) = ids.last().copied() else { return Ok(None) };
        let placed = ids.into_iter().map(|(here, id)| (there.get(&here).copied().unwrap_or(here), id));
        Ok(Some((last, placed.filter(|(there, _)| *there <= self.until).collect())))
    }
}

fn position(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::conformance::{event, id};
    use crate::record::Replicated;
    use crate::redis::pack::Unplaced;

    async fn file_of(batches: &[&[(u32, u64)]]) -> (Arc<SqliteBus>, TempDir) {
        let folder = TempDir::new().unwrap();
        let file = Arc::new(SqliteBus::open(folder.path()).unwrap());
        for batch in batches {
            let records = batch.iter().map(|(n, seq)| Unplaced::from(&event(*n)).at(*seq)).collect();
            file.replicate(vec![Replicated { records, ..Replicated::default() }]).await.unwrap();
        }
        (file, folder)
    }

    #[tokio::test]
    async fn what_came_again_stands_where_it_came_last() {
        let (file, _folder) = file_of(&[&[(1, 1), (2, 2), (3, 3)], &[(9, 101), (2, 102)], &[(3, 201), (2, 202)]]).await;
        let history = History::of(&file).await.unwrap();
        let told = |entries: Vec<Entry>| entries.iter().map(|entry| (entry.id, entry.seq)).collect::<Vec<_>>();
        let all = [(id(1), 1), (id(9), 101), (id(3), 201), (id(2), 202)];
        assert_eq!(told(history.read(0, 9).await.unwrap()), all);
        for at in 0..all.len() {
            assert_eq!(told(history.read(0, at).await.unwrap()), all[..at]);
            assert_eq!(told(history.read(all[at].1, 9).await.unwrap()), all[at + 1..]);
        }
        let at = history.read_at(&[202, 102, 1, 2, 203]).await.unwrap();
        assert_eq!(told(at), [(id(2), 202), (id(2), 102), (id(1), 1), (id(2), 2)]);
        let ids = history.ids(1, 2).await.unwrap();
        assert_eq!(ids, Some((3, vec![(202, id(2)), (201, id(3))])));
        assert_eq!(history.ids(101, 2).await.unwrap(), None);
        assert_eq!((file.before_newest(1).await.unwrap(), file.before_newest(9).await.unwrap()), (3, 0));
    }
}
