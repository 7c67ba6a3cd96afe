//! The one thread that writes. Commits that arrive while the disk is busy, or while a transaction is open, go into one transaction
//! together, so many of them share one sync; a lone one is never kept waiting for company.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use orion_model::{RecordId, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::ids::{Ids, Sweeping};
use super::journal::{Gate, Journal};
use super::state::States;
use super::{code_of, fault, retention, schema};
use crate::error::{BusError, WRITE};
use crate::record::{Commit, Committed, NewRecord, RecordKind, Replicated, StateChange};
use crate::{HOLES_OWNER, MOVED_OWNER, crash_point};

/// Commits in one transaction: by then the sync is shared by so many that more gain nothing.
pub(super) const MAX_GROUP_COMMITS: usize = 256;

/// How long a transaction takes in commits: the first one of a group waits no longer than this for the last one. Twice as long as a
/// sync takes on an ordinary disk: with less, a flood would spend most of its time waiting for the disk, and who is left out of a
/// transaction waits for two.
const MAX_GROUP_MILLIS: u64 = 10;

/// How long to wait for another program (a backup, a `sqlite3` shell) that holds the write lock.
const MAX_BUSY_MILLIS: u64 = 5_000;

/// Page cache in KiB. Whether an id is known is looked up on a random page of their table: with the default of 2 MiB nearly each time
/// in the file, from some 100,000 records on. What is here is missing elsewhere: 32 MiB were a tenth of all that a deployment with
/// 50,000 alerts held.
const CACHE_KIB: i64 = 12 * 1024;

/// What is written in one piece.
#[derive(Debug)]
pub(super) enum Work {
    /// A commit of this host.
    Commit(Commit),
    /// The same, and the records up to there go with it.
    Forget(Commit, u64),
    /// Commits that stand elsewhere already, in their order.
    Replicate(Vec<Replicated>),
    /// Owners that are no more.
    Disown(Vec<String>),
}

/// A piece of work and who waits for what becomes of it.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Committed, BusError>>,
}

type Outcome = Result<Committed, BusError>;

/// Writes commits to the file.
pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    last_seq: i64,
    ids: Ids,
    states: States,
    journal: Journal,
}

impl Writer {
    /// Opens the file for writing, creating or migrating it when needed.
    pub(super) fn open(path: PathBuf, sweeping: Sweeping) -> Result<Self, BusError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(fault::of(&path, "open"))?;
        configure(&connection).map_err(fault::of(&path, "prepare"))?;
        schema::migrate(&mut connection, &path)?;
        let last_seq =
            connection.query_row(schema::LAST_SEQ, (), |row| row.get(0)).map_err(fault::of(&path, "read"))?;
        let ids = Ids::open(&connection, sweeping, last_seq).map_err(fault::of(&path, "read"))?;
        let journal = Journal::open(&connection, &path)?;
        Ok(Self { connection, path, last_seq, ids, states: States::default(), journal })
    }

    /// Where readers of this process have to pass.
    pub(super) fn gate(&self) -> Gate {
        self.journal.gate().clone()
    }

    /// The highest committed position.
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq.unsigned_abs()
    }

    /// Serves commits until nobody is left who could send one, then moves the journal into the main file.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>, appended: &watch::Sender<u64>) -> Result<(), BusError> {
        let mut queue = Vec::new();
        while !queue.is_empty() || jobs.blocking_recv_many(&mut queue, MAX_GROUP_COMMITS) > 0 {
            let until = Instant::now() + Duration::from_millis(MAX_GROUP_MILLIS);
            let outcomes = self.commit_group(&mut queue, || jobs.try_recv().ok(), until);
            appended.send_if_modified(|seq| std::mem::replace(seq, self.last_seq()) != self.last_seq());
            let mut has_forgotten = false;
            for (job, outcome) in queue.drain(..outcomes.len()).zip(outcomes) {
                has_forgotten |= matches!(job.work, Work::Forget(..));
                // Whoever dropped the future does not want to know; the commit stands all the same.
                let _ = job.answer.send(outcome);
            }
            if has_forgotten {
                retention::give_back(&self.connection);
            }
            self.journal.keep_short(&self.connection);
        }
        self.close()
    }

    /// Commits the first jobs in one transaction, as many as the time allows, and tells what became of each. Those that come meanwhile are
    /// taken behind them: who was answered a moment ago comes again while the first of them is at work. A conflict concerns its own commit
    /// alone. A failure of the store concerns all jobs and leaves nothing of any.
    pub(super) fn commit_group(
        &mut self,
        jobs: &mut Vec<Job>,
        come: impl FnMut() -> Option<Job>,
        until: Instant,
    ) -> Vec<Outcome> {
        match self.transact(jobs, come, until) {
            Ok((outcomes, last_seq)) => {
                self.last_seq = last_seq;
                self.ids.keep();
                outcomes
            }
            Err(error) => {
                self.roll_back();
                vec![Err(fault::of(&self.path, WRITE)(error)); jobs.len()]
            }
        }
    }

    pub(super) fn transact(
        &mut self,
        jobs: &mut Vec<Job>,
        mut come: impl FnMut() -> Option<Job>,
        until: Instant,
    ) -> rusqlite::Result<(Vec<Outcome>, i64)> {
        let mut last_seq = self.last_seq;
        let mut outcomes = Vec::with_capacity(jobs.len());
        self.run_statement("BEGIN IMMEDIATE")?;
        while outcomes.len() < MAX_GROUP_COMMITS {
            if outcomes.len() == jobs.len() {
                jobs.extend(come());
            }
            let Some(job) = jobs.get(outcomes.len()) else { break };
            outcomes.push(self.carry_out(&job.work, &mut last_seq)?);
            if Instant::now() >= until {
                break;
            }
        }
        self.ids.sweep(&self.connection, last_seq)?;
        crash_point!("bus::before_commit");
        self.run_statement("COMMIT")?;
        crash_point!("bus::after_commit");
        Ok((outcomes, last_seq))
    }

    fn carry_out(&mut self, work: &Work, last_seq: &mut i64) -> rusqlite::Result<Outcome> {
        match work {
            Work::Commit(commit) => self.apply(commit, last_seq),
            Work::Forget(commit, upto) => {
                let outcome = self.apply(commit, last_seq)?;
                if outcome.is_ok() {
                    retention::forget(&self.connection, &mut self.ids, *upto, *last_seq)?;
                }
                Ok(outcome)
            }
            Work::Replicate(commits) => Ok(Ok(self.replicate(commits, last_seq)?)),
            Work::Disown(owners) => Ok(Ok(self.disown(owners, *last_seq)?)),
        }
    }

    fn run_statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute(()).map(drop)
    }

    /// Nothing half written may stay in the transaction, or the next group would carry it along.
    fn roll_back(&mut self) {
        self.ids.undo();
        self.states.undo();
        if !self.connection.is_autocommit() {
            // When even this fails, so does the BEGIN of the next group, and whoever waits for it learns why.
            let _ = self.run_statement("ROLLBACK");
        }
    }

    /// The inner result is about this commit, the outer one about the store. Checks before it writes: so a commit that is
    /// turned away has nothing to undo, and its neighbours need no savepoints.
    fn apply(&mut self, commit: &Commit, last_seq: &mut i64) -> rusqlite::Result<Outcome> {
        let (owner, found) = self.owner(&commit.owner)?;
        if found != commit.expected {
            let (owner, expected) = (commit.owner.clone(), commit.expected);
            return Ok(Err(BusError::Conflict { owner, expected, found }));
        }
        let first = *last_seq;
        for record in &commit.records {
            *last_seq += i64::from(self.append(record, *last_seq + 1)?);
        }
        let owner = self.put_offset(owner, &commit.owner, commit.offset)?;
        for change in &commit.state {
            self.states.change(&self.connection, owner, change)?;
        }
        let positions = first.unsigned_abs() + 1..last_seq.unsigned_abs() + 1;
        let appended = last_seq.abs_diff(first) as usize;
        Ok(Ok(Committed { positions, appended, duplicates: commit.records.len() - appended }))
    }

    /// Takes over what stands elsewhere. A position that is taken here by another record, which can only be one that was lost
    /// there, does not keep the new one out: it gets the next position of this file.
    fn replicate(&mut self, commits: &[Replicated], last_seq: &mut i64) -> rusqlite::Result<Committed> {
        let (first, mut appended, mut duplicates) = (*last_seq, 0, 0);
        let mut elsewhere = Vec::new();
        for commit in commits {
            for entry in &commit.records {
                let (next, there) = (*last_seq + 1, i64::try_from(entry.seq).unwrap_or(i64::MAX));
                let seq = there.max(next);
                match self.append_fields(entry.kind, entry.id, entry.ts, &entry.body, seq)? {
                    true => (*last_seq, appended) = (seq, appended + 1),
                    false => {
                        duplicates += 1;
                        elsewhere.push((there, entry.id));
                        continue;
                    }
                }
                if seq != there {
                    elsewhere.push((there, entry.id));
                }
                if seq > next {
                    self.note_hole(next, seq - 1)?;
                }
            }
            let Some(name) = &commit.owner else { continue };
            let (mut owner, _) = self.owner(name)?;
            if let Some(offset) = commit.offset {
                owner = Some(self.put_offset(owner, name, offset)?);
            }
            if let Some(owner) = owner {
                commit.state.iter().try_for_each(|change| self.states.change(&self.connection, owner, change))?;
            }
        }
        self.note_moved(elsewhere)?;
        Ok(Committed { positions: first.unsigned_abs() + 1..last_seq.unsigned_abs() + 1, appended, duplicates })
    }

    /// Positions that hold nothing because nothing was given there. What is deleted later is missing all the same.
    fn note_hole(&mut self, from: i64, to: i64) -> rusqlite::Result<()> {
        self.note(HOLES_OWNER, from, to)
    }

    /// These records stand there on the other bus; those that stand elsewhere here are noted. Ids do not tell where a record is, so it is
    /// looked for from the end: what comes again was lost a moment ago.
    fn note_moved(&mut self, elsewhere: Vec<(i64, RecordId)>) -> rusqlite::Result<()> {
        let mut sought: BTreeMap<RecordId, i64> = elsewhere.into_iter().map(|(there, id)| (id, there)).collect();
        let mut moved = Vec::new();
        if !sought.is_empty() {
            let mut newest_first = self.connection.prepare_cached("SELECT seq, id FROM log ORDER BY seq DESC")?;
            let mut rows = newest_first.query(())?;
            while !sought.is_empty()
                && let Some(row) = rows.next()?
            {
                let there = sought.remove(&RecordId::from_bytes(row.get(1)?));
                moved.extend(there.map(|there| row.get(0).map(|here: i64| (there, here))));
            }
        }
        for place in moved {
            let (there, here) = place?;
            if there != here {
                self.note(MOVED_OWNER, there, here)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, owner: &str, key: i64, value: i64) -> rusqlite::Result<()> {
        let number = match self.owner(owner)? {
            (Some(number), _) => number,
            (None, _) => self.put_offset(None, owner, value)?,
        };
        let [key, value] = [key, value].map(|position| position.to_be_bytes().to_vec());
        self.states.change(&self.connection, number, &StateChange::Put { key, value })
    }

    fn disown(&mut self, owners: &[String], last_seq: i64) -> rusqlite::Result<Committed> {
        for name in owners {
            if let (Some(owner), _) = self.owner(name)? {
                self.states.change(&self.connection, owner, &StateChange::Clear)?;
                self.connection.prepare_cached("DELETE FROM offset WHERE owner = ?1")?.execute([owner])?;
            }
        }
        let next = last_seq.unsigned_abs() + 1;
        Ok(Committed { positions: next..next, appended: 0, duplicates: 0 })
    }

    fn owner(&self, name: &str) -> rusqlite::Result<(Option<i64>, Option<i64>)> {
        let mut statement = self.connection.prepare_cached("SELECT owner, committed FROM offset WHERE name = ?1")?;
        let known = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(known.unzip())
    }

    /// Whether the record was appended; a known id is not.
    fn append(&mut self, record: &NewRecord, seq: i64) -> rusqlite::Result<bool> {
        self.append_fields(record.kind, record.id, record.ts, &record.body, seq)
    }

    fn append_fields(
        &mut self,
        kind: RecordKind,
        id: RecordId,
        ts: Timestamp,
        body: &str,
        seq: i64,
    ) -> rusqlite::Result<bool> {
        if !self.ids.admit(&self.connection, id)? {
            return Ok(false);
        }
        let sql = "INSERT INTO log (seq, kind, id, ts, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (kind, id, ts) = (code_of(kind), id.as_bytes(), ts.as_millis());
        self.connection.prepare_cached(sql)?.execute(params![seq, kind, id, ts, body]).map(|_| true)
    }

    fn put_offset(&self, owner: Option<i64>, name: &str, offset: i64) -> rusqlite::Result<i64> {
        if let Some(owner) = owner {
            let sql = "UPDATE offset SET committed = ?2 WHERE owner = ?1";
            self.connection.prepare_cached(sql)?.execute([owner, offset])?;
            return Ok(owner);
        }
        let sql = "INSERT INTO offset (name, committed) VALUES (?1, ?2)";
        self.connection.prepare_cached(sql)?.insert(params![name, offset])
    }

    /// Ids that wait go into their table, or the next start would have to read them in the log. Which it does when this fails.
    fn settle(&mut self) {
        let settle = |writer: &mut Self| -> rusqlite::Result<()> {
            writer.run_statement("BEGIN IMMEDIATE")?;
            writer.ids.settle(&writer.connection, writer.last_seq)?;
            writer.run_statement("COMMIT")
        };
        match settle(self) {
            Ok(()) => self.ids.keep(),
            Err(_) => self.roll_back(),
        }
    }

    /// Settles and moves everything into the main file.
    pub(super) fn close(mut self) -> Result<(), BusError> {
        self.settle();
        self.journal.close();
        let failed = fault::of(&self.path, "close");
        // A reader of another process may keep the journal in use; then it stays, and the next start takes it over.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).map_err(&failed)?;
        self.connection.close().map_err(|(_, error)| failed(error))
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(MAX_BUSY_MILLIS))?;
    // FULL: what was accepted survives power loss. NORMAL would lose the last commits.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // The file may come from anywhere; it gets no say in what functions run.
    connection.pragma_update(None, "trusted_schema", false)?;
    // A confined process has no folder for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")
}

#[cfg(test)]
impl Writer {
    /// What it knows of ids.
    pub(super) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// A disk of so many pages.
    pub(super) fn limit_pages(&self, pages: i64) {
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(())).unwrap();
    }

    /// Gives up at once when another program holds the write lock.
    pub(super) fn wait_for_nobody(&self) {
        self.connection.busy_timeout(Duration::ZERO).unwrap();
    }
}
