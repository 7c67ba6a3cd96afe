//! Retention: what is old, or too much, goes. First from the store, then from the files, each by the same limits.
//!
//! Never goes what the files do not hold, synced; what a stage has yet to read; what is younger than [`MIN_KEEP_MILLIS`],
//! however little room there is; the file that is written on. What the chains were where the trail begins now is kept before
//! anything goes (`memory/begins.rs`), so that a trail that retention cut is told from one that somebody cut.

use std::path::Path;

use orion_bus::{Bus, Commit, Entry, RecordKind};
use orion_model::Timestamp;

use super::begins::{Begin, Begins, MEMORY_OWNER};
use super::closed::{ClosedFile, closed_files};
use super::head::{Chain, Head};
use super::lines::Lines;
use super::{MemoryError, TrailError, file_name, line};

/// The youngest that may go: a day. Within it a plugin may still name an event for an incident, and a repeated evaluation is
/// recognised by its ids.
pub const MIN_KEEP_MILLIS: i64 = 86_400_000;

/// Records forgotten in one commit: others wait for no longer than that takes, some milliseconds.
const BATCH: usize = 1_024;

/// Commits of one call: whoever calls has something else to do now and then.
const MAX_COMMITS: usize = 32;

/// What is kept. Without a limit everything is: an audit trail that deletes itself unasked is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// For how long; at least [`MIN_KEEP_MILLIS`].
    pub millis: Option<i64>,
    /// How many bytes of the store, and how many of closed files.
    pub bytes: Option<u64>,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Records of the store.
    pub records: u64,
    /// Closed files.
    pub files: u64,
    /// Whether there is more to go, and the next call goes on with it.
    pub is_more: bool,
}

impl Keep {
    /// Whether anything is ever to go.
    pub fn is_limited(&self) -> bool {
        self.millis.is_some() || self.bytes.is_some()
    }

    /// Whether something that happened then is to go, when there is that much of its kind.
    fn lets_go(&self, at: Timestamp, now: Timestamp, bytes: u64) -> bool {
        let age_millis = now.millis_since(at);
        let is_old = self.millis.is_some_and(|millis| age_millis > millis.max(MIN_KEEP_MILLIS));
        is_old || (age_millis > MIN_KEEP_MILLIS && self.bytes.is_some_and(|most| bytes > most))
    }
}

/// A time far ahead of the clock is that of a clock that was wrong, and says nothing: what comes after decides.
fn says_nothing(at: Timestamp, now: Timestamp) -> bool {
    at.millis_since(now) > MIN_KEEP_MILLIS
}

/// Lets go what the limits say. `readers` are what names of owners begin with whose offsets are positions on the bus, `written` is the position up to
/// which the files hold everything. Nobody else may write, pack or delete files of the folder meanwhile.
pub async fn retain(
    bus: &dyn Bus,
    memory_dir: &Path,
    keep: Keep,
    now: Timestamp,
    readers: &[&str],
    written: u64,
) -> Result<Gone, TrailError> {
    let mut may_go = written;
    for reader in readers {
        may_go = may_go.min(read_up_to(bus, reader).await?);
    }
    let mut gone = Gone::default();
    for _ in 0..MAX_COMMITS {
        let records = forget_some(bus, keep, now, may_go).await?;
        gone.records += records;
        gone.is_more = records > 0;
        if records == 0 {
            break;
        }
    }
    gone.files = delete_files(bus, memory_dir, keep, now).await?;
    Ok(gone)
}

/// Up to where all owners have read whose names begin so; a stage that never committed has read nothing.
async fn read_up_to(bus: &dyn Bus, reader: &str) -> Result<u64, TrailError> {
    let mut read: Option<u64> = None;
    for owner in bus.owners(reader).await? {
        let offset = u64::try_from(bus.offset(&owner).await?.unwrap_or(0)).unwrap_or(0);
        read = Some(read.map_or(offset, |read| read.min(offset)));
    }
    Ok(read.unwrap_or(0))
}

/// Forgets the oldest records, in one commit; how many.
async fn forget_some(bus: &dyn Bus, keep: Keep, now: Timestamp, may_go: u64) -> Result<u64, TrailError> {
    let (begins, expected) = begins(bus).await?;
    let bytes = bus.used_bytes().await?;
    let entries = bus.read(begins.store.position, BATCH).await?;
    let goes = |entry: &Entry| keep.lets_go(entry.ts, now, bytes);
    let may = entries.iter().take_while(|it| it.seq <= may_go && (goes(it) || says_nothing(it.ts, now))).count();
    let count = entries.iter().take(may).rposition(goes).map_or(0, |last| last + 1);
    let going = entries.get(..count).unwrap_or_default();
    let Some(last) = going.last().map(|entry| entry.seq) else { return Ok(0) };
    let mut chain = Chain::from(begins.store.heads);
    if let Some(odd) = going.iter().find(|entry| !chain.push(entry)) {
        return Err(MemoryError::Malformed { seq: odd.seq }.into());
    }
    let store = Begin { position: last, heads: chain.heads() };
    let commit = commit(&Begins { store, ..begins }, expected)?;
    orion_bus::crash_point!("memory::before_forget");
    bus.forget(commit, last).await?;
    orion_bus::crash_point!("memory::after_forget");
    Ok(count as u64)
}

async fn begins(bus: &dyn Bus) -> Result<(Begins, Option<i64>), TrailError> {
    let loaded = bus.load(MEMORY_OWNER).await?;
    Ok((Begins::of(&loaded)?, loaded.offset))
}

fn commit(begins: &Begins, expected: Option<i64>) -> Result<Commit, MemoryError> {
    let offset = i64::try_from(begins.store.position).unwrap_or(i64::MAX);
    Ok(Commit { owner: MEMORY_OWNER.to_owned(), expected, offset, records: Vec::new(), state: begins.changes()? })
}

async fn delete_files(bus: &dyn Bus, memory_dir: &Path, keep: Keep, now: Timestamp) -> Result<u64, TrailError> {
    let mut deleted = 0;
    loop {
        let dir = memory_dir.to_owned();
        let oldest = tokio::task::spawn_blocking(move || oldest_to_go(&dir, keep, now)).await??;
        let Some((kind, file, end)) = oldest else { return Ok(deleted) };
        let (mut begins, expected) = begins(bus).await?;
        begins.files.set(kind, end);
        bus.commit(commit(&begins, expected)?).await?;
        orion_bus::crash_point!("memory::before_delete");
        file.remove()?;
        deleted += 1;
    }
}

/// The oldest closed file that is to go, and where its chain ends.
fn oldest_to_go(
    memory_dir: &Path,
    keep: Keep,
    now: Timestamp,
) -> Result<Option<(RecordKind, ClosedFile, Head)>, MemoryError> {
    let mut bytes = 0;
    let mut oldest = Vec::new();
    for kind in RecordKind::ALL {
        let files = closed_files(memory_dir, kind)?;
        bytes += files.iter().map(ClosedFile::bytes).sum::<u64>();
        // The trail of a kind has to end somewhere.
        let current = memory_dir.join(file_name(kind)).metadata().map_or(0, |metadata| metadata.len());
        let may_go = if current == 0 { files.len().saturating_sub(1) } else { files.len() };
        // No record of a file is of a later day than its first.
        let mut ends = files.iter().take(may_go).map(|file| file.day.end());
        let end = ends.find(|end| !says_nothing(*end, now));
        let first = files.first().filter(|_| may_go > 0).cloned();
        oldest.extend(first.zip(end).map(|(file, end)| (kind, file, end)));
    }
    oldest.sort_by_key(|(_, file, _)| file.first_seq);
    let going = oldest.into_iter().find(|(_, _, end)| keep.lets_go(*end, now, bytes));
    going.map(|(kind, file, _)| end_of(&file).map(|end| (kind, file, end))).transpose()
}

/// Where a file's chain ends. One that cannot be read whole does not go: somebody has to look at it.
fn end_of(file: &ClosedFile) -> Result<Head, MemoryError> {
    let mut lines = Lines::of_closed(file)?;
    let mut head: Option<Head> = None;
    while lines.advance()? {
        let sealed = line::read(lines.text()).ok_or_else(|| lines.is_broken("is not as Orion wrote it"))?;
        head = Some(match head {
            Some(head) => head.follow(&sealed).map_err(|what| lines.is_broken(what))?,
            None => Head { last_seq: sealed.seq, hash: sealed.hash },
        });
    }
    head.ok_or_else(|| MemoryError::Damaged { path: file.path.clone() })
}
