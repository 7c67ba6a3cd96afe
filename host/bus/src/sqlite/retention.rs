//! Forgetting: the oldest records go, their positions are remembered, and the file gets shorter.

use rusqlite::{Connection, Result};

use super::ids::Ids;

/// Pages given back after each step of forgetting, 4 KiB each. A step forgets some thousand records; a step that gave back
/// everything at once would keep commits waiting for as long as that takes.
const MAX_PAGES_GIVEN_BACK: u32 = 4_096;

/// Deletes the records up to `upto`, which is within what was ever given, inside the transaction that is open.
pub(super) fn forget(connection: &Connection, ids: &mut Ids, upto: u64, last_seq: i64) -> Result<()> {
    let upto = i64::try_from(upto).unwrap_or(i64::MAX).min(last_seq);
    ids.forget(connection, upto)?;
    connection.prepare_cached("DELETE FROM log WHERE seq <= ?1")?.execute([upto])?;
    connection.prepare_cached("UPDATE forgotten SET upto = max(upto, ?1)")?.execute([upto]).map(drop)
}

/// Makes the file shorter by pages that hold nothing any more. Only room is at stake: what fails here is done after the next
/// step, and until then new records use these pages.
pub(super) fn give_back(connection: &Connection) {
    let sql = format!("PRAGMA incremental_vacuum({MAX_PAGES_GIVEN_BACK})");
    let run = || -> Result<()> {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(())?;
        // It gives back a page each time it is asked to go on.
        while rows.next()?.is_some() {}
        Ok(())
    };
    let _ = run();
}
