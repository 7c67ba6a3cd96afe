//! What is particular to the engine in one file: the folder's owner, crashes, full disks, files that are not ours.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::ids::Sweeping;
use super::writer::{Job, MAX_GROUP_COMMITS, Work, Writer};
use super::{DATABASE_FILE, SqliteBus};
use crate::conformance::{self, any_steps, commit, id};
use crate::{Body, Bus, BusError, Commit, Committed};

/// So few that ids are moved all the time.
pub(super) const TINY: Sweeping = Sweeping { most_waiting: 3, at_once: 2 };

fn fresh() -> (SqliteBus, TempDir) {
    let folder = TempDir::new().unwrap();
    (SqliteBus::open_with(&folder.path().join("memory"), TINY).unwrap(), folder)
}

conformance::conformance!(fresh());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_of_commits_conflicts_and_restarts_agrees_with_the_model(steps in any_steps()) {
        let folder = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(conformance::behaves_like_the_model(steps, || SqliteBus::open_with(folder.path(), TINY).unwrap()));
    }
}

pub(super) fn writer(folder: &Path) -> Writer {
    Writer::open(folder.join(DATABASE_FILE), TINY).unwrap()
}

/// Does the works, and gives them back with what became of each.
pub(super) fn group_of(writer: &mut Writer, works: Vec<Work>) -> (Vec<Work>, Vec<Result<Committed, BusError>>) {
    let mut jobs: Vec<_> = works.into_iter().map(job).collect();
    let (mut done, mut outcomes) = (Vec::new(), Vec::new());
    // As many in one transaction as there may be, however slow the disk.
    let until = Instant::now() + Duration::from_secs(3_600);
    while !jobs.is_empty() {
        let some = writer.commit_group(&mut jobs, || None, until);
        done.extend(jobs.drain(..some.len()).map(|job| job.work));
        outcomes.extend(some);
    }
    (done, outcomes)
}

fn job(work: Work) -> Job {
    Job { work, answer: oneshot::channel().0 }
}

fn group(writer: &mut Writer, commits: Vec<Commit>) -> Vec<Result<Committed, BusError>> {
    group_of(writer, commits.into_iter().map(Work::Commit).collect()).1
}

#[test]
fn what_comes_while_a_transaction_is_open_goes_with_it_as_far_as_time_and_number_allow() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    let in_an_hour = Instant::now() + Duration::from_secs(3_600);
    let mut works = (0..).map(|owner| job(Work::Commit(commit(&format!("owner-{owner}"), None, 1, []))));
    let mut five = works.by_ref().take(5).collect::<Vec<_>>().into_iter();
    let mut jobs = vec![five.next().unwrap()];
    let (outcomes, _) = writer.transact(&mut jobs, || five.next(), in_an_hour).unwrap();
    assert_eq!((outcomes.len(), jobs.len()), (5, 5));
    let mut come = || works.next();
    let mut jobs = vec![come().unwrap()];
    let (outcomes, _) = writer.transact(&mut jobs, &mut come, in_an_hour).unwrap();
    assert_eq!((outcomes.len(), jobs.len()), (MAX_GROUP_COMMITS, MAX_GROUP_COMMITS));
    let mut jobs = vec![come().unwrap()];
    let (outcomes, _) = writer.transact(&mut jobs, &mut come, Instant::now()).unwrap();
    assert_eq!((outcomes.len(), jobs.len()), (1, 1));
    assert!(outcomes.iter().all(Result::is_ok));
}

/// The folder as a crash at this moment would leave it.
pub(super) fn crashed(folder: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in [DATABASE_FILE, "orion.db-wal"] {
        fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let (bus, folder) = fresh();
    for step in 0..20 {
        bus.commit(commit("a", (step > 0).then_some(step), step + 1, [u32::try_from(step).unwrap()])).await.unwrap();
        let left = crashed(&folder.path().join("memory"));
        let again = SqliteBus::open(left.path()).unwrap();
        assert_eq!(again.load("a").await.unwrap().offset, Some(step + 1));
        assert_eq!(again.read(0, 99).await.unwrap().len() as i64, step + 1);
    }
}

#[test]
fn a_journal_torn_anywhere_holds_whole_commits_only() {
    let folder = TempDir::new().unwrap();
    let mut alive = writer(folder.path());
    for step in 0..4 {
        let events = (0..3).map(|n| u32::try_from(step * 3 + n).unwrap());
        assert!(group(&mut alive, vec![commit("a", (step > 0).then_some(step), step + 1, events)])[0].is_ok());
    }
    let journal = fs::read(folder.path().join("orion.db-wal")).unwrap();
    let mut seen = 0;
    for length in (0..journal.len()).step_by(509).chain([journal.len()]) {
        let left = crashed(folder.path());
        fs::write(left.path().join("orion.db-wal"), &journal[..length]).unwrap();
        let Ok(mut reader) = SqliteBus::open(left.path()).map(|_| SqliteBus::open_read_only(left.path()).unwrap())
        else {
            panic!("a journal of {length} bytes keeps the bus from opening");
        };
        let steps = reader.load("a").unwrap().offset.unwrap_or(0);
        assert_eq!(reader.read(0, 99).unwrap().len() as i64, steps * 3, "{length} bytes");
        assert!(steps >= seen, "more journal, fewer commits");
        seen = steps;
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_conflict_in_a_group_concerns_nobody_else() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    let outcomes = group(
        &mut writer,
        vec![
            commit("a", None, 1, [1]),
            commit("b", Some(9), 10, [2]),
            commit("a", Some(1), 2, [3]),
            commit("a", Some(1), 3, [4]),
            commit("c", None, 1, [5]),
        ],
    );
    let fine: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, false, true, false, true]);
    let ids: Vec<_> = reader_ids(folder.path());
    assert_eq!(ids, [id(1), id(3), id(5)]);
}

fn reader_ids(folder: &Path) -> Vec<orion_model::RecordId> {
    SqliteBus::open_read_only(folder).unwrap().read(0, 999).unwrap().iter().map(|entry| entry.id).collect()
}

#[test]
fn a_full_disk_fails_the_whole_group_and_commits_work_again_when_there_is_space() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    let large = |owner: &str, n| {
        let mut commit = commit(owner, None, 1, [n]);
        commit.records[0].body = Body::parse(format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000))).unwrap();
        commit
    };
    writer.limit_pages(20);
    let outcomes = group(&mut writer, vec![commit("small", None, 1, [1]), large("large", 2)]);
    for outcome in outcomes {
        assert_eq!(outcome, Err(BusError::StoreFull { path: folder.path().join(DATABASE_FILE) }));
    }
    assert_eq!(writer.last_seq(), 0);
    assert_eq!(reader_ids(folder.path()), []);
    assert!(group(&mut writer, vec![commit("small", None, 1, [1])])[0].is_ok(), "what fits still goes in");
    writer.limit_pages(1_000);
    assert!(group(&mut writer, vec![large("large", 2)])[0].is_ok());
    assert_eq!(reader_ids(folder.path()), [id(1), id(2)]);
}

#[test]
fn a_journal_index_that_finds_no_room_is_a_full_disk() {
    let path = Path::new("orion.db");
    let failed =
        |code| super::fault::of(path, "write")(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
    let full = BusError::StoreFull { path: path.to_owned() };
    assert_eq!(failed(rusqlite::ffi::SQLITE_IOERR_SHMSIZE), full);
    assert_eq!(failed(rusqlite::ffi::SQLITE_FULL), full);
    let other = failed(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    assert!(matches!(other, BusError::Io { .. }) && other.is_unwritable(), "{other}");
}

#[test]
fn a_write_lock_held_by_another_program_is_named() {
    let folder = TempDir::new().unwrap();
    let mut writer = writer(folder.path());
    writer.wait_for_nobody();
    let shell = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = group(&mut writer, vec![commit("a", None, 1, [1])]);
    assert_eq!(busy, [Err(BusError::Busy { path: folder.path().join(DATABASE_FILE) })]);
    shell.execute_batch("ROLLBACK").unwrap();
    assert!(group(&mut writer, vec![commit("a", None, 1, [1])])[0].is_ok());
}

#[tokio::test]
async fn a_second_host_on_the_folder_is_refused_with_the_owners_pid() {
    let folder = TempDir::new().unwrap();
    let bus = SqliteBus::open(folder.path()).unwrap();
    let refused = SqliteBus::open(folder.path()).err().unwrap();
    assert_eq!(refused, BusError::InUse { path: folder.path().to_owned(), pid: Some(std::process::id()) });
    bus.commit(commit("a", None, 1, [1])).await.unwrap();
    bus.close().unwrap();
    let next = SqliteBus::open(folder.path()).unwrap();
    assert_eq!(*next.appended().borrow(), 1);
}

#[test]
fn the_folder_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_bus, folder) = fresh();
    let mode = fs::metadata(folder.path().join("memory")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn the_command_line_reads_while_a_host_runs_and_after_it() {
    let (bus, folder) = fresh();
    let memory = folder.path().join("memory");
    let mut during = SqliteBus::open_read_only(&memory).unwrap();
    assert_eq!(during.last_seq().unwrap(), 0);
    bus.commit(commit("a", None, 1, [1, 2])).await.unwrap();
    assert_eq!(during.last_seq().unwrap(), 2);
    assert_eq!(during.read_at(&[2]).unwrap()[0].id, id(2));
    bus.close().unwrap();
    assert_eq!(during.load("a").unwrap().offset, Some(1));
    drop(during);
    let mut after = SqliteBus::open_read_only(&memory).unwrap();
    assert_eq!(after.last_seq().unwrap(), 2);
    let again = SqliteBus::open(&memory).unwrap();
    again.commit(commit("a", Some(1), 2, [3])).await.unwrap();
    assert_eq!(after.last_seq().unwrap(), 3);
}

#[test]
fn reading_alone_creates_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    assert_eq!(SqliteBus::open_read_only(folder.path()).err(), Some(BusError::Missing { path: path.clone() }));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    fs::write(&path, "").unwrap();
    assert_eq!(SqliteBus::open_read_only(folder.path()).err(), Some(BusError::Missing { path }));
}

#[test]
fn what_is_not_ours_to_write_is_refused_with_the_reason_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let refusal = || SqliteBus::open(folder.path()).err().unwrap();

    fs::write(&path, "this is no database, however long it may be; ".repeat(50)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(refusal(), BusError::Corrupt { .. }), "{}", refusal());
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(refusal(), BusError::Foreign { path: path.clone() });
    assert_eq!(SqliteBus::open_read_only(folder.path()).err(), Some(BusError::Foreign { path: path.clone() }));
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    drop(SqliteBus::open(folder.path()).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert_eq!(refusal(), BusError::Newer { path: path.clone(), found: 99, known: 3 });
}

#[tokio::test]
async fn damage_inside_the_file_is_an_error_that_names_it_and_not_a_wrong_answer() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let bus = SqliteBus::open(folder.path()).unwrap();
    bus.commit(commit("a", None, 1, 0..2_000)).await.unwrap();
    bus.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(8 * 4096) {
        *byte = 0xa5;
    }
    fs::write(&path, bytes).unwrap();
    let read = SqliteBus::open_read_only(folder.path()).and_then(|mut reader| reader.read(0, 5_000));
    assert!(matches!(read, Err(BusError::Corrupt { .. })), "{read:?}");
}

#[tokio::test]
async fn readers_see_whole_commits_while_others_write() {
    let (bus, _folder) = fresh();
    let write = async {
        for step in 0..200 {
            let events = (0..3).map(|n| u32::try_from(step * 3 + n).unwrap());
            bus.commit(commit("a", (step > 0).then_some(step), step + 1, events)).await.unwrap();
        }
    };
    let read = async {
        let mut seen = 0;
        while seen < 600 {
            seen = bus.read(0, 999).await.unwrap().len();
            assert_eq!(seen % 3, 0);
            let state = bus.load("a").await.unwrap().offset.unwrap_or(0);
            assert!(state * 3 >= seen as i64);
        }
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn a_dropped_future_does_not_take_its_commit_back() {
    let (bus, folder) = fresh();
    let mut sent = Box::pin(bus.commit(commit("a", None, 1, [1])));
    // One poll puts it into the queue.
    std::future::poll_fn(|context| std::task::Poll::Ready(sent.as_mut().poll(context).is_ready())).await;
    drop(sent);
    bus.close().unwrap();
    assert_eq!(reader_ids(&folder.path().join("memory")), [id(1)]);
}
