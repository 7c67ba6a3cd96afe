//! What was written is there for those who come later: older files are brought up to date, copies are whole, and what is
//! forgotten leaves its positions behind.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{DATABASE_FILE, SqliteBus, check_whole, copy_database};
use crate::conformance::{commit, id};
use crate::{Bus, BusError, RecordKind, StateChange};

/// A file of every schema that there was.
const GOLDEN: [&str; 1] = [include_str!("golden/v1.sql")];

fn file_of(schema: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    connection.execute_batch(GOLDEN[schema - 1]).unwrap();
    folder
}

fn schema_of(folder: &Path) -> i64 {
    let connection = Connection::open(folder.join(DATABASE_FILE)).unwrap();
    connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_of_every_older_schema_is_brought_up_to_date_and_loses_nothing() {
    for schema in 1..=GOLDEN.len() {
        let folder = file_of(schema);
        let before = SqliteBus::open_read_only(folder.path()).err();
        assert!(matches!(before, Some(BusError::Io { .. })), "reading alone changes no file: {before:?}");
        let bus = SqliteBus::open(folder.path()).unwrap();
        let entries = bus.read(0, 10).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), RecordKind::ALL);
        assert_eq!(
            entries.iter().map(|entry| &*entry.body).collect::<Vec<_>>(),
            [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]
        );
        let loaded = bus.load("guardian").await.unwrap();
        assert_eq!((loaded.offset, loaded.state), (Some(3), vec![(b"key".to_vec(), b"value".to_vec())]));
        let more = bus.commit(commit("guardian", Some(3), 4, [9])).await.unwrap();
        assert_eq!(more.positions, 4..5);
        bus.close().unwrap();
        assert_eq!(schema_of(folder.path()), GOLDEN.len() as i64 + 1);
        check_whole(folder.path()).unwrap();
    }
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let folder = file_of(1);
    let path = folder.path().join(DATABASE_FILE);
    // The name that the next schema needs is taken.
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE forgotten (x)").unwrap();
    assert!(SqliteBus::open(folder.path()).is_err());
    assert_eq!(schema_of(folder.path()), 1);
    Connection::open(&path).unwrap().execute_batch("DROP TABLE forgotten").unwrap();
    assert!(SqliteBus::open(folder.path()).is_ok());
}

#[tokio::test]
async fn forgetting_goes_with_its_commit_and_leaves_positions_behind() {
    let folder = TempDir::new().unwrap();
    let bus = SqliteBus::open(folder.path()).unwrap();
    bus.commit(commit("a", None, 1, [1, 2, 3])).await.unwrap();
    let mut keep = commit("memory", None, 2, []);
    keep.state = vec![StateChange::Put { key: b"k".to_vec(), value: b"v".to_vec() }];
    bus.forget(keep, 2).await.unwrap();
    assert_eq!(bus.read(0, 9).await.unwrap().iter().map(|entry| entry.seq).collect::<Vec<_>>(), [3]);
    assert_eq!(bus.load("memory").await.unwrap().state.len(), 1);
    // A commit that is refused forgets nothing.
    let refused = bus.forget(commit("memory", None, 3, []), 3).await;
    assert!(matches!(refused, Err(BusError::Conflict { .. })), "{refused:?}");
    assert_eq!(bus.read(0, 9).await.unwrap().len(), 1);
    // More than there is, and all of it.
    bus.forget(commit("memory", Some(2), 3, []), 99).await.unwrap();
    assert_eq!(bus.read(0, 9).await.unwrap(), []);
    bus.close().unwrap();
    let bus = SqliteBus::open(folder.path()).unwrap();
    assert_eq!(*bus.appended().borrow(), 3);
    assert_eq!(SqliteBus::open_read_only(folder.path()).unwrap().last_seq().unwrap(), 3);
    assert_eq!(SqliteBus::open_read_only(folder.path()).unwrap().forgotten().unwrap(), 3);
    let next = bus.commit(commit("a", Some(1), 2, [4])).await.unwrap();
    assert_eq!(next.positions, 4..5);
    assert_eq!(bus.offset("memory").await.unwrap(), Some(3));
    assert_eq!(bus.offset("nobody").await.unwrap(), None);
}

#[tokio::test]
async fn a_copy_beside_a_host_that_runs_is_whole_and_of_one_moment() {
    let (folder, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bus = SqliteBus::open(folder.path()).unwrap();
    bus.commit(commit("a", None, 1, 0..500)).await.unwrap();
    copy_database(folder.path(), copy.path()).unwrap();
    bus.commit(commit("a", Some(1), 2, [900])).await.unwrap();
    check_whole(copy.path()).unwrap();
    let copied = SqliteBus::open(copy.path()).unwrap();
    assert_eq!(copied.read(0, 999).await.unwrap().len(), 500);
    assert_eq!(copied.load("a").await.unwrap().offset, Some(1));
    assert_eq!(copied.read_at(&[7]).await.unwrap()[0].id, id(6));
    // What it gives back of its room it gives back here too.
    let keeps: i64 = Connection::open(copy.path().join(DATABASE_FILE))
        .unwrap()
        .query_row("PRAGMA auto_vacuum", (), |row| row.get(0))
        .unwrap();
    assert_eq!(keeps, 2);
    let again = copy_database(folder.path(), copy.path());
    assert!(again.is_err(), "it wrote over a database");
}

#[tokio::test]
async fn a_database_that_is_not_whole_is_told() {
    let folder = TempDir::new().unwrap();
    let bus = SqliteBus::open(folder.path()).unwrap();
    bus.commit(commit("a", None, 1, 0..2_000)).await.unwrap();
    bus.close().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().skip(8 * 4096).take(4096).for_each(|byte| *byte = 0xa5);
    fs::write(&path, bytes).unwrap();
    let told = check_whole(folder.path());
    assert!(matches!(told, Err(BusError::Corrupt { .. })), "{told:?}");
}
