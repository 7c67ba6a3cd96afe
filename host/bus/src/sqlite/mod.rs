//! The embedded engine: one SQLite file in the memory folder, one thread that writes, readers beside it.

mod fault;
mod ids;
mod journal;
#[cfg(test)]
mod kept_tests;
mod lock;
#[cfg(test)]
mod model_tests;
mod reader;
mod retention;
mod schema;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use orion_model::RecordId;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use self::ids::Sweeping;
use self::journal::Gate;
pub use self::lock::{FolderLock, LOCK_FILE, Ownership, create_memory_dir, ownership};
pub use self::reader::Reader;
pub use self::snapshot::{check_whole, copy_database};
use self::writer::{Job, Work, Writer};
use crate::error::BusError;
use crate::record::{Commit, Committed, Entry, Loaded, Replicated};
use crate::{Bus, RecordKind};

/// The database's name in the memory folder.
pub const DATABASE_FILE: &str = "orion.db";

/// Reads that run at the same time. Each holds a connection with its page cache and two file handles.
const MAX_READERS: usize = 4;

/// Commits that wait for the writer before the next one has to wait for a place: two full groups, so that the writer never
/// runs dry while memory stays bounded.
const MAX_QUEUED_COMMITS: usize = 2 * writer::MAX_GROUP_COMMITS;

/// The bus in one file. Needs a tokio runtime around its callers: reads run on its blocking threads.
pub struct SqliteBus {
    commits: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<Result<(), BusError>>>,
    readers: Arc<Readers>,
    appended: watch::Receiver<u64>,
}

impl SqliteBus {
    /// Opens the bus of a memory folder, creating both when missing, and owns the folder until closed or dropped.
    pub fn open(memory_dir: &Path) -> Result<Self, BusError> {
        Self::open_with(memory_dir, Sweeping::default())
    }

    fn open_with(memory_dir: &Path, sweeping: Sweeping) -> Result<Self, BusError> {
        let lock = FolderLock::take(memory_dir)?;
        let path = memory_dir.join(DATABASE_FILE);
        let writer = Writer::open(path.clone(), sweeping)?;
        let (tell, appended) = watch::channel(writer.last_seq());
        let readers = Arc::new(Readers::new(path.clone(), writer.gate()));
        let (commits, jobs) = mpsc::channel(MAX_QUEUED_COMMITS);
        let run = move || {
            let closed = writer.run(jobs, &tell);
            // Only here, after the last write: a host that starts meanwhile must still be refused.
            drop(lock);
            closed
        };
        let writer = std::thread::Builder::new().name("orion-bus".to_owned()).spawn(run).map_err(|error| {
            BusError::Io { action: "start the writer thread for", path: path.clone(), detail: error.to_string() }
        })?;
        Ok(Self { commits: Some(commits), writer: Some(writer), readers, appended })
    }

    /// Opens the bus of a memory folder for reading alone, whether a host runs or not. Never creates or migrates.
    pub fn open_read_only(memory_dir: &Path) -> Result<Reader, BusError> {
        Reader::open(memory_dir.join(DATABASE_FILE))
    }

    /// Writes what is queued, moves everything into the main file and gives the folder up. Blocks until that is done.
    ///
    /// Dropping the bus does the same, without a word about failures.
    pub fn close(mut self) -> Result<(), BusError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), BusError> {
        self.readers.idle().clear();
        self.commits = None;
        match self.writer.take() {
            Some(writer) => writer.join().unwrap_or(Err(BusError::Closed)),
            None => Ok(()),
        }
    }

    /// Takes over commits that stand on another bus already, in their order, in one transaction: whatever offset is found, and
    /// records at the positions they have there. A record that is here already stays where it is.
    pub async fn replicate(&self, commits: Vec<Replicated>) -> Result<Committed, BusError> {
        self.write(Work::Replicate(commits)).await
    }

    /// How many records there are.
    pub async fn count(&self) -> Result<u64, BusError> {
        self.with_reader(Reader::count).await
    }

    /// Up to `max` positions behind one, in order, and the ids of the records there.
    pub(crate) async fn ids(&self, after: u64, max: usize) -> Result<Vec<(u64, RecordId)>, BusError> {
        self.with_reader(move |reader| reader.ids(after, max)).await
    }

    /// The position behind which lie so many records, the newest; 0 where there are no more.
    pub(crate) async fn before_newest(&self, count: usize) -> Result<u64, BusError> {
        self.with_reader(move |reader| reader.before_newest(count)).await
    }

    /// Forgets owners with all they know, in one transaction.
    pub async fn disown(&self, owners: Vec<String>) -> Result<(), BusError> {
        self.write(Work::Disown(owners)).await.map(drop)
    }

    async fn write(&self, work: Work) -> Result<Committed, BusError> {
        let (answer, answered) = oneshot::channel();
        let commits = self.commits.as_ref().ok_or(BusError::Closed)?;
        commits.send(Job { work, answer }).await.map_err(|_| BusError::Closed)?;
        answered.await.map_err(|_| BusError::Closed)?
    }

    async fn with_reader<T, F>(&self, read: F) -> Result<T, BusError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, BusError> + Send + 'static,
    {
        let _turn = self.readers.turns.acquire().await.map_err(|_| BusError::Closed)?;
        let readers = Arc::clone(&self.readers);
        let run = move || readers.run(read);
        tokio::task::spawn_blocking(run).await.map_err(|_| BusError::Closed)?
    }
}

impl Drop for SqliteBus {
    fn drop(&mut self) {
        // Whoever wants to know whether this went well calls `close`.
        let _ = self.shut_down();
    }
}

#[async_trait]
impl Bus for SqliteBus {
    async fn owners(&self, prefix: &str) -> Result<Vec<String>, BusError> {
        let prefix = prefix.to_owned();
        self.with_reader(move |reader| reader.owners(&prefix)).await
    }

    async fn load(&self, owner: &str) -> Result<Loaded, BusError> {
        let owner = owner.to_owned();
        self.with_reader(move |reader| reader.load(&owner)).await
    }

    async fn offset(&self, owner: &str) -> Result<Option<i64>, BusError> {
        let owner = owner.to_owned();
        self.with_reader(move |reader| reader.offset(&owner)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, BusError> {
        commit.check()?;
        self.write(Work::Commit(commit)).await
    }

    async fn forget(&self, commit: Commit, upto: u64) -> Result<Committed, BusError> {
        commit.check()?;
        self.write(Work::Forget(commit, upto)).await
    }

    async fn used_bytes(&self) -> Result<u64, BusError> {
        self.with_reader(Reader::used_bytes).await
    }

    async fn read(&self, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        self.with_reader(move |reader| reader.read(after, max)).await
    }

    async fn read_at(&self, positions: &[u64]) -> Result<Vec<Entry>, BusError> {
        let positions = positions.to_vec();
        self.with_reader(move |reader| reader.read_at(&positions)).await
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.appended.clone()
    }

    fn history(&self) -> Option<watch::Receiver<Arc<str>>> {
        None
    }
}

/// Connections for reading: opened when first needed, then kept.
struct Readers {
    path: PathBuf,
    gate: Gate,
    turns: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    fn new(path: PathBuf, gate: Gate) -> Self {
        Self { path, gate, turns: Semaphore::new(MAX_READERS), idle: Mutex::new(Vec::new()) }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, BusError>) -> Result<T, BusError> {
        let idle = self.idle().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::open(self.path.clone())?,
        };
        let answer = {
            let _passed = self.gate.pass();
            read(&mut reader)
        };
        self.idle().push(reader);
        answer
    }
}

/// How the file spells a kind. Never renumber: files in the field hold these.
const fn code_of(kind: RecordKind) -> i64 {
    match kind {
        RecordKind::Event => 1,
        RecordKind::Incident => 2,
        RecordKind::Decision => 3,
    }
}

/// The kind a code in the file stands for.
fn kind_of(code: i64) -> Option<RecordKind> {
    RecordKind::ALL.into_iter().find(|kind| code_of(*kind) == code)
}
