//! One host a folder. The lock is the system's and dies with the process, so a crash leaves none behind.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use crate::error::BusError;

/// The lock's name in the memory folder. It holds the pid of the host that owns the folder, or owned it last.
pub const LOCK_FILE: &str = "orion.lock";

/// A pid has at most ten digits; whatever else lies in the file is not read.
const MAX_PID_BYTES: u64 = 16;

/// Who owns a memory folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody: no host runs on it.
    Nobody,
    /// The host with this pid.
    Process(u32),
    /// Perhaps a host that cannot be seen from here: it runs in another container, or this one hides what the kernel knows.
    Elsewhere,
}

/// Where the kernel lists all locks.
const KERNEL_LOCKS: &str = "/proc/locks";

/// Who owns a memory folder now, by the kernel's list of locks. Nothing is touched: to try the lock, even for a moment, would
/// refuse a host that starts in that moment.
pub fn ownership(memory_dir: &Path) -> Result<Ownership, BusError> {
    let path = memory_dir.join(LOCK_FILE);
    let failed = |error: std::io::Error| BusError::Io { action: "read", path: path.clone(), detail: error.to_string() };
    let inode = match path.metadata() {
        Ok(metadata) => metadata.ino(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Ownership::Nobody),
        Err(error) => return Err(failed(error)),
    };
    // A container may hide the list; then whoever owns the folder cannot be seen from here.
    let Ok(locks) = std::fs::read_to_string(KERNEL_LOCKS) else { return Ok(Ownership::Elsewhere) };
    let mut file = File::open(&path).map_err(failed)?;
    Ok(owner_in(&locks, inode, pid_in(&mut file)))
}

/// Looks for the lock of the file with this inode. Files of other file systems may have the same inode, so the pid that its
/// host wrote decides between two; the kernel's own is 0 for a process that has none here.
fn owner_in(locks: &str, inode: u64, written: Option<u32>) -> Ownership {
    let holder = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = columns.as_slice() else { return None };
        let is_it = file.rsplit(':').next()?.parse() == Ok(inode);
        is_it.then(|| pid.parse().unwrap_or(0))
    };
    let holders: Vec<u32> = locks.lines().filter_map(holder).collect();
    match written.filter(|pid| holders.contains(pid)).or(holders.first().copied()) {
        None => Ownership::Nobody,
        Some(0) => Ownership::Elsewhere,
        Some(pid) => Ownership::Process(pid),
    }
}

/// A memory folder that is owned by whoever holds this, as a host owns it: for work on a folder in which no host may run.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Creates the folder when missing and takes its lock, held until this is dropped.
    pub fn take(memory_dir: &Path) -> Result<Self, BusError> {
        own(memory_dir).map(|file| Self { _file: file })
    }
}

fn own(memory_dir: &Path) -> Result<File, BusError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_found_in_the_kernels_list_while_it_owns_and_not_after() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ownership(dir.path()).unwrap(), Ownership::Nobody);
        let lock = FolderLock::take(dir.path()).unwrap();
        assert_eq!(ownership(dir.path()).unwrap(), Ownership::Process(std::process::id()));
        drop(lock);
        assert_eq!(ownership(dir.path()).unwrap(), Ownership::Nobody);
    }

    #[test]
    fn the_list_is_read_line_by_line() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:7 0 EOF\n2: FLOCK  ADVISORY  READ 12 fe:00:7 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 fe:01:7 0 EOF\n4: FLOCK  ADVISORY  WRITE 14 fe:00:7 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 0 fe:00:8 0 EOF\n5: -> FLOCK  ADVISORY  WRITE 15 fe:00:9 0 EOF\n";
        assert_eq!(owner_in(locks, 7, Some(14)), Ownership::Process(14));
        assert_eq!(owner_in(locks, 7, None), Ownership::Process(13));
        assert_eq!(owner_in(locks, 8, Some(1)), Ownership::Elsewhere);
        assert_eq!(owner_in(locks, 9, None), Ownership::Nobody, "who waits for a lock does not have it");
        assert_eq!(owner_in("nonsense", 7, None), Ownership::Nobody);
    }
}
