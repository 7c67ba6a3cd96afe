//! The log as this host's file has it, at the positions that the records have in Redis.
//!
//! What Redis lost and was given again has a new position there, while the file keeps it where it was first: people have read it
//! under that number. Whoever gives Redis something back has to go by the positions of Redis: a stage that stands between the two
//! has not read the record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orion_model::RecordId;

use super::restoring::Break;
use crate::error::BusError;
use crate::record::Entry;
use crate::{Bus as _, MOVED_OWNER, SqliteBus};

/// The log as of one moment.
pub(super) struct History {
    mirror: Arc<SqliteBus>,
    /// Every position of Redis at which a record stood that has another one in the file, and that one.
    places: BTreeMap<u64, u64>,
    /// Of these the one at which each record stands.
    moved: BTreeMap<u64, u64>,
    /// The positions in the file of records that stand elsewhere in Redis.
    left: BTreeSet<u64>,
    /// Nothing behind this position.
    until: u64,
}

impl History {
    /// As the file has it, of a server with these losses.
    pub(super) async fn of(mirror: &Arc<SqliteBus>, breaks: &[Break]) -> Result<Self, BusError> {
        Self::until(mirror, u64::MAX, breaks).await
    }

    /// As the file had it when it had followed the log up to a position.
    pub(super) async fn until(mirror: &Arc<SqliteBus>, until: u64, breaks: &[Break]) -> Result<Self, BusError> {
        let state = mirror.load(MOVED_OWNER).await?.state;
        let places = state.iter().filter_map(|(key, value)| Some((position(key)?, position(value)?)));
        let places: BTreeMap<u64, u64> = places.filter(|(there, _)| *there <= until).collect();
        let mut of_record: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        places.iter().for_each(|(there, here)| of_record.entry(*here).or_default().push(*there));
        let stands = of_record.into_iter().map(|(here, theres)| (here, place_of(here, theres, breaks)));
        let moved: BTreeMap<u64, u64> = stands.filter(|(here, there)| here != there).map(|(h, t)| (t, h)).collect();
        let left = moved.values().copied().collect();
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

/// Where a record stands that has stood at several positions: at the last of them that was not lost. A server that came back as of long ago has
/// it where it was then, and the losses because of which it had come elsewhere are none of that server's. Where all are lost, the last one
/// tells that it has yet to be given back.
fn place_of(here: u64, theres: Vec<u64>, breaks: &[Break]) -> u64 {
    // Its position in the file was one in Redis, unless it was taken there by another record.
    let was_there = theres.first().is_none_or(|first| *first > here);
    let places: Vec<u64> = was_there.then_some(here).into_iter().chain(theres).collect();
    let is_lost = |place: &u64| breaks.iter().any(|lost| lost.took(*place));
    places.iter().rev().find(|place| !is_lost(place)).or(places.last()).copied().unwrap_or(here)
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
        let history = History::of(&file, &[]).await.unwrap();
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

    #[test]
    fn a_record_stands_where_the_server_still_has_it() {
        let lost = |survived, resumed| Break { run: "r".to_owned(), survived, resumed, is_filled: true };
        for (here, theres, breaks, stands) in [
            (1, vec![101], vec![], 101),
            (1, vec![101], vec![lost(0, 100)], 101),
            (1, vec![101, 201], vec![lost(0, 100), lost(100, 200)], 201),
            // The server came back as of before the first loss.
            (1, vec![101], vec![lost(50, 200)], 1),
            // Nobody has given it back yet.
            (1, vec![101], vec![lost(0, 100), lost(100, 200)], 101),
            // The file has another record at that position.
            (3, vec![2], vec![], 2),
            (3, vec![2], vec![lost(1, 100)], 2),
        ] {
            assert_eq!(place_of(here, theres.clone(), &breaks), stands, "{here} {theres:?} {breaks:?}");
        }
    }
}
