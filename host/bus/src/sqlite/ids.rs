//! The ids of all records, so that none is appended twice.
//!
//! Ids are hashes: an index that is written with every record makes a page dirty anywhere in the file for sixteen bytes. So the
//! ids of late *wait* in memory, in order, and a sweep that goes round and round through them moves some into the table `ids`
//! from time to time: ids that share a page are written together. Nothing is lost with the memory, because the log has
//! them all. After each round it is noted up to where in the log no id waits any more; a start reads those behind.

use std::collections::BTreeSet;
use std::ops::Bound;

use orion_model::RecordId;
use rusqlite::{Connection, Result};

/// How many may wait, and how many a sweep moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweeping {
    /// Ids that wait at most, but for those of one sweep and of the transaction at work. The more, the more of them share a page: at
    /// this many a round takes twice as many, some thirteen for each page of a million ids. Some 25 bytes each in memory; a start after
    /// a kill reads the records of two rounds again.
    pub(super) most_waiting: usize,
    /// Ids of one sweep: many, so that they share pages also where commits are small, and few beside what a commit in a flood writes.
    pub(super) at_once: usize,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self { most_waiting: 64 * 1024, at_once: 1_024 }
    }
}

/// Where a sweep is. A round begins with none.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// The last position when it began: once it is over, no id up to there waits.
    began_at: i64,
    /// The last id it moved.
    after: Option<RecordId>,
}

/// Knows every id of the log. All calls belong to the open transaction, which ends with [`Ids::keep`] or [`Ids::undo`].
#[derive(Debug)]
pub(super) struct Ids {
    sweeping: Sweeping,
    /// Perhaps not in the table.
    waiting: BTreeSet<RecordId>,
    round: Round,
    /// What the transaction took into `waiting` (`true`) and out of it.
    changed: Vec<(RecordId, bool)>,
    round_before: Round,
}

impl Ids {
    /// Reads those that are not known to be in the table from a log that ends at `last_seq`.
    pub(super) fn open(connection: &Connection, sweeping: Sweeping, last_seq: i64) -> Result<Self> {
        let mut behind = connection.prepare("SELECT id FROM log WHERE seq > (SELECT upto FROM settled)")?;
        let waiting = behind.query_map((), |row| row.get(0).map(RecordId::from_bytes))?.collect::<Result<_>>()?;
        let round = Round { began_at: last_seq, after: None };
        Ok(Self { sweeping, waiting, round, changed: Vec::new(), round_before: round })
    }

    /// Takes in an id; `false` when it was known.
    pub(super) fn admit(&mut self, connection: &Connection, id: RecordId) -> Result<bool> {
        if !self.waiting.insert(id) {
            return Ok(false);
        }
        self.changed.push((id, true));
        let is_known = connection.prepare_cached("SELECT 1 FROM ids WHERE id = ?1")?.exists([id.as_bytes()])?;
        if is_known {
            self.take_out(id);
        }
        Ok(!is_known)
    }

    /// Forgets the ids of records up to this position, which are in the log still.
    pub(super) fn forget(&mut self, connection: &Connection, upto: i64) -> Result<()> {
        let mut going = connection.prepare_cached("SELECT id FROM log WHERE seq <= ?1")?;
        let going: BTreeSet<RecordId> =
            going.query_map([upto], |row| row.get(0).map(RecordId::from_bytes))?.collect::<Result<_>>()?;
        let mut delete = connection.prepare_cached("DELETE FROM ids WHERE id = ?1")?;
        for id in going {
            self.take_out(id);
            // After a start an id may wait and be in the table, too.
            delete.execute([id.as_bytes()])?;
        }
        Ok(())
    }

    /// Moves ids into the table when too many wait. The log ends at `last_seq`, this transaction included.
    pub(super) fn sweep(&mut self, connection: &Connection, last_seq: i64) -> Result<()> {
        while self.waiting.len() >= self.sweeping.most_waiting + self.sweeping.at_once {
            self.sweep_once(connection, last_seq)?;
        }
        Ok(())
    }

    /// Moves all of them.
    pub(super) fn settle(&mut self, connection: &Connection, last_seq: i64) -> Result<()> {
        while !self.waiting.is_empty() {
            self.sweep_once(connection, last_seq)?;
        }
        self.round.began_at = last_seq;
        self.end_round(connection, last_seq)
    }

    fn sweep_once(&mut self, connection: &Connection, last_seq: i64) -> Result<()> {
        let from = self.round.after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.waiting.range((from, Bound::Unbounded));
        let next: Vec<RecordId> = behind.take(self.sweeping.at_once).copied().collect();
        let mut insert = connection.prepare_cached("INSERT INTO ids (id) VALUES (?1) ON CONFLICT DO NOTHING")?;
        for id in &next {
            insert.execute([id.as_bytes()])?;
            self.take_out(*id);
        }
        self.round.after = next.last().copied();
        if next.len() < self.sweeping.at_once { self.end_round(connection, last_seq) } else { Ok(()) }
    }

    fn end_round(&mut self, connection: &Connection, last_seq: i64) -> Result<()> {
        connection.prepare_cached("UPDATE settled SET upto = ?1")?.execute([self.round.began_at])?;
        self.round = Round { began_at: last_seq, after: None };
        Ok(())
    }

    fn take_out(&mut self, id: RecordId) {
        if self.waiting.remove(&id) {
            self.changed.push((id, false));
        }
    }

    /// The transaction was committed.
    pub(super) fn keep(&mut self) {
        self.changed.clear();
        self.round_before = self.round;
    }

    /// The transaction was rolled back.
    pub(super) fn undo(&mut self) {
        for (id, was_added) in self.changed.drain(..).rev() {
            if was_added {
                self.waiting.remove(&id);
            } else {
                self.waiting.insert(id);
            }
        }
        self.round = self.round_before;
    }
}

#[cfg(test)]
impl Ids {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
