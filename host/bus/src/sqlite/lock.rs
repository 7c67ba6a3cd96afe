//! One host a folder. The lock is the system's and dies with the process, so a crash leaves none behind.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::BusError;

/// The lock's name in the memory folder. It holds the pid of the host that owns the folder, or owned it last.
pub const LOCK_FILE: &str = "orion.lock";

/// A pid has at most ten digits; whatever else lies in the file is not read.
const MAX_PID_BYTES: u64 = 16;

/// Creates the folder when missing and takes its lock, held until the file is dropped.
pub(super) fn own(memory_dir: &Path) -> Result<File, BusError> {
    let failed = |action| {
        move |error: std::io::Error| BusError::Io { action, path: memory_dir.to_owned(), detail: error.to_string() }
    };
    create_memory_dir(memory_dir)?;
    let path = memory_dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(failed("create the lock file in"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(BusError::InUse { path: memory_dir.to_owned(), pid: pid_in(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
    }
    write_pid(&mut file).map_err(failed("write the lock file in"))?;
    Ok(file)
}

/// Makes the memory folder when it is missing. Also for whoever needs it to exist before the bus is opened.
pub fn create_memory_dir(memory_dir: &Path) -> Result<(), BusError> {
    create(memory_dir).map_err(|error| BusError::Io {
        action: "create",
        path: memory_dir.to_owned(),
        detail: error.to_string(),
    })
}

fn create(memory_dir: &Path) -> std::io::Result<()> {
    if memory_dir.is_dir() {
        return Ok(());
    }
    // What Orion remembers names hosts and people; it is for its owner alone.
    DirBuilder::new().recursive(true).mode(0o700).create(memory_dir)?;
    // Without this a power loss may forget the folder, with everything that was synced inside it.
    match memory_dir.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
