//! What SQLite's errors mean for whoever has to do something about them.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::error::BusError;

/// Translates an error met while doing `action` to the database at `path`.
pub(super) fn of(path: &Path, action: &'static str) -> impl Fn(rusqlite::Error) -> BusError {
    move |error| {
        let path = path.to_owned();
        let detail = error.to_string();
        if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) {
            // The index of the journal grows by allocating; SQLite calls a disk without room for it an I/O error.
            return BusError::StoreFull { path };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => BusError::StoreFull { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BusError::Busy { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => BusError::Corrupt { path, detail },
            Some(_) => BusError::Io { action, path, detail },
            // Not from the store but from reading a value: a column holds what this code never wrote.
            None => BusError::Corrupt { path, detail },
        }
    }
}
