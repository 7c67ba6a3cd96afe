//! When the journal goes into the main file.
//!
//! To move it is to write its pages once more and to sync twice, and a commit that waits for that is the slowest of all. So a thread of its
//! own moves it, while the writer goes on behind. A journal whose every page is moved begins anew with the next commit, and where commits
//! are seldom that is all. In a flood there is always something behind what was moved, and somebody who reads it, and the journal would
//! grow for as long as the flood lasts: so now and then the writer moves that little rest itself, in a moment in which nobody here reads.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags, Result};

use crate::error::BusError;

/// Pages of 4 KiB from which the thread moves them, and below which a rest is short: 2 MiB, more than a transaction, or in a flood no rest
/// would ever be short. Moving fewer at once costs syncs and keeps each short: a commit waits for the disk behind them.
const SHORT_PAGES: i64 = 500;

/// Length from which the writer moves a short rest, when nobody reads: 32 MiB. With less commits would wait for that more often, with more
/// the disk would hold more that nobody needs.
const LONG_PAGES: i64 = 8_000;

/// Length from which it moves whatever is left, and waits for those who read, and they for it. Readers take milliseconds; without an end to
/// its patience, always another one of them could be at it, and the disk fills up.
const LONGEST_PAGES: i64 = 2 * LONG_PAGES;

/// What stays of the journal once its content is in the main file; readers of another process may make it longer for a while. As much
/// as a flood needs: a file that is cut and grows again has the file system write down each time how long it is, and commits wait for it.
const MAX_JOURNAL_BYTES: i64 = LONGEST_PAGES * 4_096;

/// Where readers of this process pass, so that there is a moment in which nobody reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<RwLock<()>>);

impl Gate {
    /// Held while one reads.
    pub(super) fn pass(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody reads while this is held. None when somebody does.
    fn shut_at_once(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.0.try_write() {
            Ok(shut) => Some(shut),
            Err(TryLockError::Poisoned(shut)) => Some(shut.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn shut(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the journal short.
pub(super) struct Journal {
    gate: Gate,
    /// Takes a word only when the thread waits for one.
    due: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Journal {
    /// Takes this over from the writer's connection, and starts the thread.
    pub(super) fn open(writer: &Connection, path: &Path) -> std::result::Result<Self, BusError> {
        configure(writer).map_err(super::fault::of(path, "prepare"))?;
        let (due, told) = sync_channel(0);
        let file = path.to_owned();
        let thread = std::thread::Builder::new().name("orion-journal".to_owned()).spawn(move || move_it(&file, &told));
        let thread = thread.map_err(|error| BusError::Io {
            action: "start the thread that moves the journal of",
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        Ok(Self { gate: Gate::default(), due, thread })
    }

    /// Where readers pass.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Looks at the length after a transaction. What fails is tried again after the next one, and nothing of it is lost meanwhile.
    pub(super) fn keep_short(&self, writer: &Connection) {
        let Ok(Some(length)) = Length::after(writer, "NOOP") else { return };
        if length.is_for_the_writer() && self.move_the_rest(writer, length) {
            return;
        }
        if !length.is_short() {
            // Is at work already, or ended: then it cannot open the file, and only the writer moves.
            let _ = self.due.try_send(());
        }
    }

    /// Whether the journal begins anew with the next transaction.
    fn move_the_rest(&self, writer: &Connection, length: Length) -> bool {
        let shut = match length.pages >= LONGEST_PAGES {
            true => Some(self.gate.shut()),
            false => self.gate.shut_at_once(),
        };
        let moved = shut.map(|_shut| Length::after(writer, "PASSIVE"));
        matches!(moved, Some(Ok(Some(length))) if length.rest() == 0)
    }

    /// Ends the thread.
    pub(super) fn close(self) {
        drop(self.due);
        // It has nothing to say.
        let _ = self.thread.join();
    }
}

fn configure(writer: &Connection) -> Result<()> {
    // By itself it would be moved before the commit is answered that made it long.
    writer.pragma_update(None, "wal_autocheckpoint", 0)?;
    writer.pragma_update(None, "journal_size_limit", MAX_JOURNAL_BYTES)
}

/// The thread: moves whenever it is told. It opens the file when it is told first, which in most deployments is never.
fn move_it(path: &Path, told: &Receiver<()>) {
    let mut connection = None;
    while told.recv().is_ok() {
        if connection.is_none() {
            connection = open(path).ok();
        }
        if let Some(connection) = &connection {
            let _ = Length::after(connection, "PASSIVE");
        }
    }
}

fn open(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// How long the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Length {
    /// Pages since it began anew.
    pages: i64,
    /// How many of them are in the main file.
    moved: i64,
}

impl Length {
    /// After a checkpoint of this kind. None when it did nothing, because another connection is at one.
    fn after(connection: &Connection, checkpoint: &str) -> Result<Option<Self>> {
        let sql = format!("PRAGMA wal_checkpoint({checkpoint})");
        connection.prepare_cached(&sql)?.query_row((), |row| {
            let is_busy: bool = row.get(0)?;
            let length = Self { pages: row.get(1)?, moved: row.get(2)? };
            Ok((!is_busy).then_some(length))
        })
    }

    /// Pages that are not in the main file yet.
    fn rest(self) -> i64 {
        self.pages - self.moved
    }

    fn is_short(self) -> bool {
        self.rest() < SHORT_PAGES
    }

    /// Whether the writer moves what is left, so that the journal begins anew.
    fn is_for_the_writer(self) -> bool {
        self.pages >= LONGEST_PAGES || self.pages >= LONG_PAGES && self.is_short()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::super::{DATABASE_FILE, schema};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn database(folder: &Path) -> (Connection, Journal) {
        let path = folder.join(DATABASE_FILE);
        let mut writer = Connection::open(&path).unwrap();
        schema::migrate(&mut writer, &path).unwrap();
        writer.pragma_update(None, "synchronous", "OFF").unwrap();
        let journal = Journal::open(&writer, &path).unwrap();
        (writer, journal)
    }

    /// A transaction of some fifty pages.
    fn write(writer: &Connection, seq: i64) {
        let sql = "INSERT INTO log (seq, kind, id, ts, body) VALUES (?1, 1, x'00', 0, ?2)";
        writer.execute(sql, (seq, "x".repeat(200_000))).unwrap();
    }

    fn length(connection: &Connection) -> Length {
        Length::after(connection, "NOOP").unwrap().unwrap()
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM log", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_journal_that_is_not_long_is_left_alone_and_one_that_is_is_moved_by_the_thread_and_begins_anew() {
        let folder = TempDir::new().unwrap();
        let (writer, journal) = database(folder.path());
        let mut seq = 0;
        while length(&writer).rest() < SHORT_PAGES {
            assert_eq!(length(&writer).moved, 0);
            seq += 1;
            write(&writer, seq);
            // It would not be told in vain either.
            if length(&writer).rest() < SHORT_PAGES {
                journal.keep_short(&writer);
            }
        }
        let began = Instant::now();
        while length(&writer).rest() > 0 {
            assert!(began.elapsed() < PATIENCE, "{:?}", length(&writer));
            // The thread may not have come so far that it waits for a word.
            journal.keep_short(&writer);
        }
        write(&writer, seq + 1);
        assert!(length(&writer).pages < SHORT_PAGES);
        journal.close();
        assert_eq!(count(&writer), seq + 1);
    }

    #[test]
    fn in_a_flood_the_writer_moves_the_rest_of_a_long_journal_when_nobody_reads() {
        let folder = TempDir::new().unwrap();
        let (writer, journal) = database(folder.path());
        let mut seq = 0;
        let flood_until = |pages: i64, seq: &mut i64| {
            while length(&writer).pages < pages {
                *seq += 1;
                write(&writer, *seq);
            }
        };
        flood_until(LONG_PAGES, &mut seq);
        let passed = journal.gate().pass();
        assert!(!journal.move_the_rest(&writer, length(&writer)), "somebody reads");
        assert_eq!(length(&writer).moved, 0);
        drop(passed);
        assert!(journal.move_the_rest(&writer, length(&writer)));
        assert_eq!(length(&writer).rest(), 0);
        write(&writer, seq + 1);
        assert!(length(&writer).pages < SHORT_PAGES, "it begins anew");
    }

    #[test]
    fn a_rest_that_is_not_short_is_left_to_the_thread() {
        for (pages, rest, is_for_the_writer) in [
            (LONG_PAGES - 1, 0, false),
            (LONG_PAGES, SHORT_PAGES - 1, true),
            (LONG_PAGES, SHORT_PAGES, false),
            (LONGEST_PAGES - 1, SHORT_PAGES, false),
            (LONGEST_PAGES, LONGEST_PAGES, true),
        ] {
            let length = Length { pages, moved: pages - rest };
            assert_eq!(length.is_for_the_writer(), is_for_the_writer, "{length:?}");
        }
    }

    #[test]
    fn the_writer_waits_for_those_who_read_when_the_journal_gets_longer_all_the_same() {
        let folder = TempDir::new().unwrap();
        let (writer, journal) = database(folder.path());
        let mut seq = 0;
        while length(&writer).pages < LONGEST_PAGES {
            seq += 1;
            write(&writer, seq);
        }
        let gate = journal.gate().clone();
        let (began, has_begun) = sync_channel(0);
        let reader = std::thread::spawn(move || {
            let _passed = gate.pass();
            began.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        });
        has_begun.recv().unwrap();
        assert!(journal.move_the_rest(&writer, length(&writer)));
        reader.join().unwrap();
    }

    #[test]
    fn a_reader_of_another_process_keeps_nobody_waiting_and_is_caught_up_with() {
        let folder = TempDir::new().unwrap();
        let (writer, journal) = database(folder.path());
        write(&writer, 1);
        let mut reader = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
        let look = reader.transaction().unwrap();
        assert_eq!(count(&look), 1);
        let mut seq = 1;
        while length(&writer).pages < LONGEST_PAGES {
            seq += 1;
            write(&writer, seq);
            journal.keep_short(&writer);
        }
        assert!(!journal.move_the_rest(&writer, length(&writer)), "what it sees is kept for it");
        assert_eq!(count(&look), 1);
        drop(look);
        journal.close();
        assert_eq!(Length::after(&writer, "PASSIVE").unwrap().map(Length::rest), Some(0));
        write(&writer, seq + 1);
        assert!(length(&writer).pages < SHORT_PAGES);
        let bytes = folder.path().join("orion.db-wal").metadata().unwrap().len();
        assert!(bytes <= MAX_JOURNAL_BYTES.unsigned_abs(), "{bytes}");
    }
}
