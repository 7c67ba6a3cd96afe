//! What owners remember, as it lies in the file.
//!
//! Keys end in hashes, so rows in order of their keys would make a page dirty anywhere in the file for each. Rows lie in the
//! order in which their keys came instead: what comes together lies together, and mostly goes together. Where the row of a key is,
//! only the writer has to know, and it keeps that in memory: its owner holds key and value there in any case.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use orion_model::{IdBuilder, RecordId};
use rusqlite::{Connection, Result, params};

use crate::record::StateChange;

/// Knows where the rows of owners are. All calls belong to the open transaction.
#[derive(Debug, Default)]
pub(super) struct States(HashMap<i64, Rows>);

/// The rows of one owner.
#[derive(Debug, Default)]
struct Rows {
    /// The number of a key's row. Keys by their hash: they may be long, and there are as many as alerts.
    numbers: HashMap<RecordId, i64>,
    /// The highest number.
    last: i64,
}

impl States {
    /// Changes what an owner remembers.
    pub(super) fn change(&mut self, connection: &Connection, owner: i64, change: &StateChange) -> Result<()> {
        match change {
            StateChange::Put { key, value } => self.rows_of(connection, owner)?.put(connection, owner, key, value),
            StateChange::Delete { key } => self.rows_of(connection, owner)?.delete(connection, owner, key),
            StateChange::Clear => {
                self.0.insert(owner, Rows::default());
                connection.prepare_cached("DELETE FROM state WHERE owner = ?1")?.execute([owner]).map(drop)
            }
        }
    }

    fn rows_of(&mut self, connection: &Connection, owner: i64) -> Result<&mut Rows> {
        Ok(match self.0.entry(owner) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Rows::read(connection, owner)?),
        })
    }

    /// The transaction was rolled back: what is known may be wrong, and is read again when it is needed.
    pub(super) fn undo(&mut self) {
        self.0.clear();
    }
}

impl Rows {
    fn read(connection: &Connection, owner: i64) -> Result<Self> {
        let mut rows = Self::default();
        let mut statement = connection.prepare_cached("SELECT n, key FROM state WHERE owner = ?1 ORDER BY n")?;
        let mut found = statement.query([owner])?;
        while let Some(row) = found.next()? {
            rows.last = row.get(0)?;
            rows.numbers.insert(hash(row.get_ref(1)?.as_blob()?), rows.last);
        }
        Ok(rows)
    }

    fn put(&mut self, connection: &Connection, owner: i64, key: &[u8], value: &[u8]) -> Result<()> {
        let key_hash = hash(key);
        if let Some(n) = self.numbers.get(&key_hash) {
            let sql = "UPDATE state SET value = ?3 WHERE owner = ?1 AND n = ?2";
            return connection.prepare_cached(sql)?.execute(params![owner, n, value]).map(drop);
        }
        self.last += 1;
        self.numbers.insert(key_hash, self.last);
        let sql = "INSERT INTO state (owner, n, key, value) VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(sql)?.execute(params![owner, self.last, key, value]).map(drop)
    }

    fn delete(&mut self, connection: &Connection, owner: i64, key: &[u8]) -> Result<()> {
        let Some(n) = self.numbers.remove(&hash(key)) else { return Ok(()) };
        let sql = "DELETE FROM state WHERE owner = ?1 AND n = ?2";
        connection.prepare_cached(sql)?.execute([owner, n]).map(drop)
    }
}

fn hash(key: &[u8]) -> RecordId {
    IdBuilder::new("state").bytes(key).finish()
}
