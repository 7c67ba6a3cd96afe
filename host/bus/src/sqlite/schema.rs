//! The tables, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::fault;
use crate::error::BusError;

/// "Orio": tells our file from the database of another program.
const APPLICATION_ID: i64 = 0x4f72_696f;

/// Step *n* turns schema *n* into *n + 1*. A published step never changes; a new one is appended.
const MIGRATIONS: [&str; 3] = [
    "
    -- The bus and the truth of the audit trail. Only ever appended to. `seq` is given by the writer and has no gaps.
    CREATE TABLE log (
        seq  INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        id   BLOB    NOT NULL UNIQUE,
        ts   INTEGER NOT NULL,
        body TEXT    NOT NULL
    ) STRICT;

    -- How far each owner has come.
    CREATE TABLE offset (
        owner     INTEGER PRIMARY KEY,
        name      TEXT    NOT NULL UNIQUE,
        committed INTEGER NOT NULL
    ) STRICT;

    -- What each owner remembers. The owner is a number here: a name in every row would outweigh most values.
    CREATE TABLE state (
        owner INTEGER NOT NULL,
        key   BLOB    NOT NULL,
        value BLOB    NOT NULL,
        PRIMARY KEY (owner, key)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Up to where records were forgotten. Kept even when the log is empty: a position that was given once is not given again.
    CREATE TABLE forgotten (
        one  INTEGER PRIMARY KEY CHECK (one = 1),
        upto INTEGER NOT NULL
    ) STRICT;
    INSERT INTO forgotten (one, upto) VALUES (1, 0);
",
    "
    -- `log.id` is UNIQUE no more. A table made anew would have every record written once more, many gigabytes perhaps on a disk
    -- that has no room for them; but without the constraint each row is what it was, and the index that kept it becomes one
    -- that can be dropped.
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE TABLE log (
        seq  INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        id   BLOB    NOT NULL,
        ts   INTEGER NOT NULL,
        body TEXT    NOT NULL
    ) STRICT' WHERE name = 'log';
    UPDATE sqlite_schema SET name = 'log_id', sql = 'CREATE UNIQUE INDEX log_id ON log (id)'
        WHERE name = 'sqlite_autoindex_log_1';
    PRAGMA writable_schema = RESET;

    -- The ids of the log, but for those that wait to be written.
    CREATE TABLE ids (id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO ids (id) SELECT id FROM log ORDER BY id;
    DROP INDEX log_id;

    -- Up to where in the log no id waits.
    CREATE TABLE settled (
        one  INTEGER PRIMARY KEY CHECK (one = 1),
        upto INTEGER NOT NULL
    ) STRICT;
    INSERT INTO settled (one, upto) SELECT 1, coalesce(max(seq), 0) FROM log;

    -- What each owner remembers, in the order in which its keys came.
    ALTER TABLE state RENAME TO state_by_key;
    CREATE TABLE state (
        owner INTEGER NOT NULL,
        n     INTEGER NOT NULL,
        key   BLOB    NOT NULL,
        value BLOB    NOT NULL,
        PRIMARY KEY (owner, n)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO state (owner, n, key, value)
        SELECT owner, row_number() OVER (ORDER BY owner, key), key, value FROM state_by_key;
    DROP TABLE state_by_key;
",
];

/// The highest position ever given.
pub(super) const LAST_SEQ: &str = "SELECT max(coalesce((SELECT max(seq) FROM log), 0), (SELECT upto FROM forgotten))";

/// The schema this code reads and writes.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// What a file is, as told by its header.
enum Found {
    Nothing,
    Ours(i64),
}

/// Prepares the writer's connection: makes a new file ours, brings an older one up to date, refuses all others.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), BusError> {
    let broken = fault::of(path, "prepare");
    let from = match identify(connection, path)? {
        Found::Ours(schema) => schema,
        Found::Nothing => {
            // Takes effect only before the first table: pages of rows that retention deletes can be given back then.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(&broken)?;
            0
        }
    };
    connection.pragma_update(None, "journal_mode", "WAL").map_err(&broken)?;
    let steps = MIGRATIONS.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&broken)?;
    for step in steps {
        transaction.execute_batch(step).map_err(&broken)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(&broken)?;
    transaction.pragma_update(None, "user_version", NEWEST).map_err(&broken)?;
    transaction.commit().map_err(&broken)
}

/// Makes sure that a file opened for reading alone is one this code can read as it is.
pub(super) fn require(connection: &Connection, path: &Path) -> Result<(), BusError> {
    match identify(connection, path)? {
        Found::Ours(NEWEST) => Ok(()),
        Found::Ours(_) => Err(BusError::Io {
            action: "read",
            path: path.to_owned(),
            detail: "it was written by an older Orion; start this one once to bring it up to date".to_owned(),
        }),
        Found::Nothing => Err(BusError::Missing { path: path.to_owned() }),
    }
}

fn identify(connection: &Connection, path: &Path) -> Result<Found, BusError> {
    let broken = fault::of(path, "read");
    let number = |sql| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(&broken);
    let application = number("PRAGMA application_id")?;
    let schema = number("PRAGMA user_version")?;
    match (application, schema) {
        (APPLICATION_ID, 1..=NEWEST) => Ok(Found::Ours(schema)),
        (APPLICATION_ID, newer) if newer > NEWEST => {
            Err(BusError::Newer { path: path.to_owned(), found: newer, known: NEWEST })
        }
        (0, 0) if number("SELECT count(*) FROM sqlite_schema")? == 0 => Ok(Found::Nothing),
        _ => Err(BusError::Foreign { path: path.to_owned() }),
    }
}
