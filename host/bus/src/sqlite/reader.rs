//! Reading. Every call sees one moment of the file and lets go of it at once: a long look would keep the journal growing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orion_model::{RecordId, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction};

use super::{fault, kind_of, schema};
use crate::error::BusError;
use crate::record::{Entry, Loaded};

/// How long to wait for a host that is just starting or recovering; otherwise readers wait for nobody.
const MAX_BUSY_MILLIS: u64 = 5_000;

/// Page cache of a connection in KiB. Records are read once, one after the other, and what of them is read again the system has in its
/// own cache: with the default of 2 MiB eight connections held 16 MiB of pages that nobody looked at any more.
const CACHE_KIB: i64 = 256;

/// A connection that reads the bus in a file and can do nothing else.
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    pub(super) fn open(path: PathBuf) -> Result<Self, BusError> {
        if !path.try_exists().unwrap_or(true) {
            return Err(BusError::Missing { path });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(fault::of(&path, "open"))?;
        configure(&connection).map_err(fault::of(&path, "open"))?;
        schema::require(&connection, &path)?;
        Ok(Self { connection, path })
    }

    /// The highest position; 0 while the bus is empty.
    pub fn last_seq(&mut self) -> Result<u64, BusError> {
        self.look(|moment| moment.query_row(schema::LAST_SEQ, (), |row| position(row, 0)))
    }

    /// Up to where records were forgotten; 0 while all are there.
    pub fn forgotten(&mut self) -> Result<u64, BusError> {
        self.look(|moment| moment.query_row("SELECT upto FROM forgotten", (), |row| position(row, 0)))
    }

    /// As [`crate::Bus::offset`].
    pub fn offset(&mut self, owner: &str) -> Result<Option<i64>, BusError> {
        self.look(|moment| {
            let mut offset = moment.prepare_cached("SELECT committed FROM offset WHERE name = ?1")?;
            offset.query_row([owner], |row| row.get(0)).optional()
        })
    }

    /// As [`crate::Bus::used_bytes`].
    pub fn used_bytes(&mut self) -> Result<u64, BusError> {
        self.look(|moment| {
            let sql = "SELECT (page_count - freelist_count) * page_size
                       FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
            moment.query_row(sql, (), |row| position(row, 0))
        })
    }

    /// How many records there are.
    pub fn count(&mut self) -> Result<u64, BusError> {
        self.look(|moment| moment.query_row("SELECT count(*) FROM log", (), |row| position(row, 0)))
    }

    /// As [`crate::Bus::load`].
    pub fn load(&mut self, owner: &str) -> Result<Loaded, BusError> {
        self.look(|moment| {
            let mut offset = moment.prepare_cached("SELECT owner, committed FROM offset WHERE name = ?1")?;
            let known = offset.query_row([owner], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional()?;
            let Some((owner, committed)) = known else { return Ok(Loaded::default()) };
            let mut state = moment.prepare_cached("SELECT key, value FROM state WHERE owner = ?1")?;
            let state = state.query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut state: Vec<(Vec<u8>, Vec<u8>)> = state.collect::<rusqlite::Result<_>>()?;
            state.sort_unstable();
            Ok(Loaded { offset: Some(committed), state })
        })
    }

    /// The owners that have committed and whose names begin so, in order.
    pub fn owners(&mut self, prefix: &str) -> Result<Vec<String>, BusError> {
        self.look(|moment| {
            let sql = "SELECT name FROM offset WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
            moment.prepare_cached(sql)?.query_map([prefix], |row| row.get(0))?.collect()
        })
    }

    /// As [`crate::Bus::read`].
    pub fn read(&mut self, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        let (after, max) = (stored(after), i64::try_from(max).unwrap_or(i64::MAX));
        self.look(|moment| {
            let sql = "SELECT seq, kind, id, ts, body FROM log WHERE seq > ?1 ORDER BY seq LIMIT ?2";
            moment.prepare_cached(sql)?.query_map([after, max], entry)?.collect()
        })
    }

    /// As [`crate::Bus::read_at`].
    pub fn read_at(&mut self, positions: &[u64]) -> Result<Vec<Entry>, BusError> {
        self.look(|moment| {
            let mut one = moment.prepare_cached("SELECT seq, kind, id, ts, body FROM log WHERE seq = ?1")?;
            let found = positions.iter().map(|seq| one.query_row([stored(*seq)], entry).optional());
            found.filter_map(Result::transpose).collect()
        })
    }

    /// Up to `max` positions behind one, in order, and the ids of the records there.
    pub fn ids(&mut self, after: u64, max: usize) -> Result<Vec<(u64, RecordId)>, BusError> {
        let (after, max) = (stored(after), i64::try_from(max).unwrap_or(i64::MAX));
        self.look(|moment| {
            let mut ids = moment.prepare_cached("SELECT seq, id FROM log WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
            let ids = ids.query_map([after, max], |row| Ok((position(row, 0)?, RecordId::from_bytes(row.get(1)?))))?;
            ids.collect()
        })
    }

    /// The position behind which lie so many records, the newest; 0 where there are no more.
    pub fn before_newest(&mut self, count: usize) -> Result<u64, BusError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.look(|moment| {
            let mut before = moment.prepare_cached("SELECT seq FROM log ORDER BY seq DESC LIMIT 1 OFFSET ?1")?;
            Ok(before.query_row([count], |row| position(row, 0)).optional()?.unwrap_or(0))
        })
    }

    fn look<T>(&mut self, at: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, BusError> {
        let look = |connection: &mut Connection| at(&connection.transaction()?);
        look(&mut self.connection).map_err(fault::of(&self.path, "read"))
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(MAX_BUSY_MILLIS))?;
    // The plan of a statement does not depend on its values: otherwise each read with another LIMIT is compiled anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // A confined process has no folder for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// No position is higher than the store can count, so a wish beyond it finds nothing.
fn stored(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn position(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let seq: i64 = row.get(column)?;
    u64::try_from(seq).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, seq))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let code: i64 = row.get(1)?;
    let body = row
        .get_ref(4)?
        .as_str()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(Entry {
        seq: position(row, 0)?,
        kind: kind_of(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, code))?,
        id: RecordId::from_bytes(row.get(2)?),
        ts: Timestamp::from_millis(row.get(3)?),
        body: Arc::from(body),
    })
}
