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
const GOLDEN: [&str; 2] = [include_str!("golden/v1.sql"), include_str!("golden/v2.sql")];

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

/// All tables and indexes, as SQLite was told to make them; how the text is spaced does not matter.
fn tables_of(folder: &Path) -> Vec<(String, Option<String>)> {
    let connection = Connection::open(folder.join(DATABASE_FILE)).unwrap();
    let mut tables = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
    let table = |row: &rusqlite::Row<'_>| {
        let sql: Option<String> = row.get(1)?;
        Ok((row.get(0)?, sql.map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "))))
    };
    tables.query_map((), table).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_file_of_every_older_schema_is_brought_up_to_date_and_loses_nothing() {
    let new = TempDir::new().unwrap();
    drop(SqliteBus::open(new.path()).unwrap());
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
        // What is known already is known still, and what is new is not.
        let mut more = commit("guardian", Some(3), 4, [9, 8]);
        more.records[0].id = entries[1].id;
        more.state = vec![StateChange::Put { key: b"key".to_vec(), value: b"new".to_vec() }];
        let more = bus.commit(more).await.unwrap();
        assert_eq!((more.positions, more.duplicates), (4..5, 1));
        assert_eq!(bus.load("guardian").await.unwrap().state, [(b"key".to_vec(), b"new".to_vec())]);
        bus.close().unwrap();
        assert_eq!(schema_of(folder.path()), GOLDEN.len() as i64 + 1);
        check_whole(folder.path()).unwrap();
        assert_eq!(tables_of(folder.path()), tables_of(new.path()), "an old file is in the end as a new one is");
    }
}

#[tokio::test]
async fn an_id_that_is_missing_in_its_table_is_told() {
    let folder = TempDir::new().unwrap();
    let bus = SqliteBus::open(folder.path()).unwrap();
    bus.commit(commit("a", None, 1, 0..5)).await.unwrap();
    bus.close().unwrap();
    check_whole(folder.path()).unwrap();
    let connection = Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    connection.execute("DELETE FROM ids WHERE id = (SELECT id FROM log WHERE seq = 3)", ()).unwrap();
    drop(connection);
    let told = check_whole(folder.path());
    assert!(matches!(&told, Err(BusError::Corrupt { detail, .. }) if detail.contains("record 3")), "{told:?}");
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    // A name that the next schema needs is taken.
    for (schema, taken) in [(1, "forgotten"), (2, "settled"), (2, "state_by_key")] {
        let folder = file_of(schema);
        let path = folder.path().join(DATABASE_FILE);
        Connection::open(&path).unwrap().execute_batch(&format!("CREATE TABLE {taken} (x)")).unwrap();
        let before = tables_of(folder.path());
        assert!(SqliteBus::open(folder.path()).is_err());
        assert_eq!((schema_of(folder.path()), tables_of(folder.path())), (schema as i64, before));
        Connection::open(&path).unwrap().execute_batch(&format!("DROP TABLE {taken}")).unwrap();
        assert!(SqliteBus::open(folder.path()).is_ok());
    }
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
