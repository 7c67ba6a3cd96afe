//! Moving the journal into the main file, beside the writer: the pages of a long journal take a disk a tenth of a second and
//! more, for which every commit would wait.
//!
//! What the thread that does it cannot do is let the journal begin anew while commits go on: there is always one more behind
//! what it has moved. So when the journal is long, the writer moves the few pages that are left itself, and its next commit
//! begins the journal anew.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::{fault, schema};
use crate::error::BusError;

/// Journal length, in pages of 4 KiB, from which it is moved and is to begin anew. A page that many commits touched is moved once,
/// and ids and alerts are hashes that touch pages all over the file; at 64 MiB recovery still reads it in no time.
const LONG_PAGES: u32 = 16_000;

/// What the writer moves itself: no more than a sync or two take.
const FEW_PAGES: u32 = 1_000;

/// Journal length, 192 MiB, from which the writer waits until all is moved: the disk is slower than the commits are.
const LONGEST_PAGES: u32 = 48_000;

/// How much the journal holds.
struct Pages {
    written: u32,
    moved: u32,
}

/// The thread that moves; it ends with this.
pub(super) struct Journal {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Of a database that the writer has opened.
    pub(super) fn start(path: &Path) -> Result<Self, BusError> {
        let connection = open(path)?;
        // One that is waiting is enough: it moves all there is then.
        let (wake, woken) = sync_channel(1);
        let run = move || {
            for () in woken {
                // What is not moved now is moved later; nothing of it is lost meanwhile.
                let _ = checkpoint(&connection, Mode::Passive);
            }
        };
        let started = std::thread::Builder::new().name("orion-journal".to_owned()).spawn(run);
        let thread = started.map_err(|error| {
            let (path, detail) = (path.to_owned(), error.to_string());
            BusError::Io { action: "start the journal's thread for", path, detail }
        })?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Called by the writer between two transactions.
    pub(super) fn look(&self, writer: &Connection) {
        let Ok(Pages { written, moved }) = checkpoint(writer, Mode::Noop) else { return };
        if written < LONG_PAGES {
            return;
        }
        if written >= LONGEST_PAGES {
            let _ = checkpoint(writer, Mode::Full);
        } else if written.saturating_sub(moved) < FEW_PAGES {
            // Does nothing while the thread is at it; then it is the turn of one of the next commits.
            let _ = checkpoint(writer, Mode::Passive);
        } else if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // It runs nothing that panics, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    /// Only looks.
    Noop,
    /// Moves what can be moved without waiting for anybody.
    Passive,
    /// Waits for whoever is moving, and moves everything.
    Full,
}

fn checkpoint(connection: &Connection, mode: Mode) -> rusqlite::Result<Pages> {
    let sql = match mode {
        Mode::Noop => "PRAGMA wal_checkpoint(NOOP)",
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Mode::Full => "PRAGMA wal_checkpoint(FULL)",
    };
    connection.prepare_cached(sql)?.query_row((), |row| Ok(Pages { written: row.get(1)?, moved: row.get(2)? }))
}

fn open(path: &Path) -> Result<Connection, BusError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault::of(path, "open"))?;
    configure(&connection).map_err(fault::of(path, "prepare"))?;
    // Reads, and with that finds the journal.
    schema::require(&connection, path)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: the journal is on the disk before the main file is written, and that before the journal begins anew.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // A confined process has no folder for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")
}

#[cfg(test)]
mod tests {
    use rusqlite::params;
    use tempfile::TempDir;

    use super::*;
    use crate::sqlite::DATABASE_FILE;

    fn database() -> (Connection, TempDir) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(DATABASE_FILE);
        let mut connection = Connection::open(&path).unwrap();
        schema::migrate(&mut connection, &path).unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        (connection, folder)
    }

    /// As many pages as that many commits of a page and what leads to it.
    fn commit(connection: &Connection, seqs: std::ops::Range<i64>) {
        for seq in seqs {
            let sql = "INSERT INTO log (seq, kind, id, ts, body) VALUES (?1, 1, ?2, 0, ?3)";
            connection
                .prepare_cached(sql)
                .unwrap()
                .execute(params![seq, seq.to_be_bytes(), "x".repeat(3_000)])
                .unwrap();
        }
    }

    #[test]
    fn a_journal_that_is_long_begins_anew_and_one_that_is_not_is_left_alone() {
        let (writer, folder) = database();
        let journal = Journal::start(&folder.path().join(DATABASE_FILE)).unwrap();
        let pages = || checkpoint(&writer, Mode::Noop).unwrap();
        commit(&writer, 0..10);
        journal.look(&writer);
        assert_eq!(pages().moved, 0);
        let mut longest = 0;
        for seq in 10..20_000 {
            commit(&writer, seq..seq + 1);
            journal.look(&writer);
            longest = pages().written.max(longest);
        }
        assert!((LONG_PAGES..LONGEST_PAGES + FEW_PAGES).contains(&longest), "{longest}");
        drop(journal);
        let rows: i64 = writer.query_row("SELECT count(*) FROM log", (), |row| row.get(0)).unwrap();
        assert_eq!(rows, 20_000);
    }
}
