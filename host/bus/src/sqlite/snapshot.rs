//! A copy of the database, taken beside a host that runs, and the check that a database is whole.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{DATABASE_FILE, fault, schema};
use crate::error::BusError;

/// How long to wait for a host that is just starting or recovering.
const MAX_BUSY_MILLIS: u64 = 5_000;

/// Faults of a damaged file that are told; one is enough to know, and the others hardly help.
const MAX_FAULTS_TOLD: i64 = 3;

/// Copies the database of one memory folder into another, which must hold none: everything that is committed as of one
/// moment, without pages that hold nothing. A host that runs is not kept waiting; its journal grows meanwhile.
pub fn copy_database(from_memory_dir: &Path, to_memory_dir: &Path) -> Result<(), BusError> {
    let from = from_memory_dir.join(DATABASE_FILE);
    let to = to_memory_dir.join(DATABASE_FILE);
    let source = open_read_only(&from)?;
    let Some(name) = to.to_str() else {
        let detail = "the name of the folder is no UTF-8 text, which SQLite asks for".to_owned();
        return Err(BusError::Io { action: "write", path: to, detail });
    };
    source.execute("VACUUM INTO ?1", [name]).map_err(fault::of(&to, "write"))?;
    // SQLite leaves the copy to the system's mercy.
    File::open(&to).and_then(|file| file.sync_all()).map_err(|error| BusError::Io {
        action: "sync",
        path: to.clone(),
        detail: error.to_string(),
    })
}

/// A record whose id is not in the table of ids, where it has to be: it could be appended once more.
const UNKNOWN_ID: &str = "SELECT 'the id of record ' || seq || ' is missing in its table' FROM log
    WHERE seq <= (SELECT upto FROM settled) AND NOT EXISTS (SELECT 1 FROM ids WHERE ids.id = log.id) LIMIT ?1";

/// Looks at every page and row of a folder's database, and that all ids are known.
pub fn check_whole(memory_dir: &Path) -> Result<(), BusError> {
    let path = memory_dir.join(DATABASE_FILE);
    let connection = open_read_only(&path)?;
    let sql = format!("PRAGMA integrity_check({MAX_FAULTS_TOLD})");
    let look = || -> rusqlite::Result<Vec<String>> {
        let said: Vec<String> = connection.prepare(&sql)?.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
        if said != ["ok"] {
            return Ok(said);
        }
        connection.prepare(UNKNOWN_ID)?.query_map([MAX_FAULTS_TOLD], |row| row.get(0))?.collect()
    };
    let faults = look().map_err(fault::of(&path, "check"))?;
    if faults.is_empty() { Ok(()) } else { Err(BusError::Corrupt { path, detail: faults.join("; ") }) }
}

/// Unlike a [`super::Reader`] this connection may be told to write another file.
fn open_read_only(path: &Path) -> Result<Connection, BusError> {
    if !path.try_exists().unwrap_or(true) {
        return Err(BusError::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault::of(path, "open"))?;
    let configure = || -> rusqlite::Result<()> {
        connection.busy_timeout(Duration::from_millis(MAX_BUSY_MILLIS))?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "temp_store", "MEMORY")
    };
    configure().map_err(fault::of(path, "open"))?;
    schema::require(&connection, path)?;
    Ok(connection)
}
