//! The loop that keeps Memory's files in step with the bus, and within their limits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orion_bus::{Bus, Entry};
use orion_model::{Clock, Timestamp};
use orion_trust::SecretKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::TRACED;
use crate::brain::BRAIN_OWNER;
use crate::guardian::GUARDIAN_OWNERS;
use crate::memory::retention::{Keep, retain};
use crate::memory::{
    Begins, Checkpoints, DEFAULT_ROTATE_BYTES, MEMORY_OWNER, MemoryError, Projection, TrailError, pack_closed,
};
use crate::meters::StageMeter;
use crate::stage::{LARGE_BATCH, StageError, StageLoop, behind_full};
use crate::store_watch::StoreWatch;

/// How often is looked for what is to go, and whenever a file was closed: retention is counted in days.
const LOOK_MILLIS: i64 = 3_600_000;

/// Who reads the bus by position, and has to have read what is forgotten: here, or on another host whose work may come here.
pub(crate) const READERS: [&str; 2] = [GUARDIAN_OWNERS, BRAIN_OWNER];

/// How the audit trail is kept.
#[derive(Clone, Debug)]
pub struct ArchiveSettings {
    /// A file is closed by the first record that comes when it has grown to this.
    pub rotate_bytes: u64,
    /// What is kept.
    pub keep: Keep,
    /// Signs the daily checkpoints.
    pub checkpoint_key: Option<Arc<SecretKey>>,
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        Self { rotate_bytes: DEFAULT_ROTATE_BYTES, keep: Keep::default(), checkpoint_key: None }
    }
}

/// What Memory works with.
pub struct Archive {
    /// Where records come from.
    pub bus: Arc<dyn Bus>,
    /// Who notes whether files can be written.
    pub store: Arc<StoreWatch>,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// Who looks how far it has come.
    pub meter: Arc<StageMeter>,
    /// Where files go.
    pub memory_dir: PathBuf,
    /// How they are kept.
    pub settings: ArchiveSettings,
    /// What the names begin with of the owners that read the bus by position.
    pub readers: &'static [&'static str],
}

/// Runs until `shutdown` turns true and every record is written.
pub async fn run_archive(archive: Archive, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new("memory", archive.bus.appended(), shutdown);
    let mut housekeeping = Housekeeping::default();
    while let Err(error) = work(&archive, &mut stage, &mut housekeeping).await {
        if let StageError::Memory(error) = &error {
            archive.store.note_files(Err(error)).await;
        }
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(archive: &Archive, stage: &mut StageLoop, housekeeping: &mut Housekeeping) -> Result<(), StageError> {
    // Opening tidies up after packing, and must not do so under one that is at work.
    housekeeping.packing_ended().await?;
    let mut files = archive.open().await?;
    let mut ahead = Vec::new();
    loop {
        housekeeping.step(archive, &files.projection).await?;
        archive.meter.reached(files.projection.resume_after());
        let entries = match ahead.is_empty() {
            true => archive.bus.read(files.projection.resume_after(), LARGE_BATCH).await?,
            false => std::mem::take(&mut ahead),
        };
        if !entries.is_empty() {
            let now = archive.clock.now();
            let behind = behind_full(&entries, LARGE_BATCH);
            let span = tracing::debug_span!(target: TRACED, "memory", records = entries.len());
            let write = blocking(move || files.write(now, &entries)).instrument(span);
            let (written, read) = tokio::join!(write, archive.read_behind(behind));
            (files, ahead) = (written?, read?);
            archive.store.note_files(Ok(())).await;
            stage.succeeded();
        } else if stage.is_shut_down() {
            return housekeeping.finish(archive, &files.projection).await;
        } else if !housekeeping.is_more {
            let look = Duration::from_millis(archive.clock.real_millis(LOOK_MILLIS));
            tokio::select! {
                () = stage.wait() => {}
                () = tokio::time::sleep(look) => {}
            }
        }
    }
}

/// Everything that is written to.
struct Files {
    projection: Projection,
    checkpoints: Checkpoints,
}

impl Archive {
    /// What comes behind a batch that was full, read while that one is written: waiting for each batch takes as long as writing one.
    async fn read_behind(&self, behind: Option<u64>) -> Result<Vec<Entry>, StageError> {
        match behind {
            Some(position) => Ok(self.bus.read(position, LARGE_BATCH).await?),
            None => Ok(Vec::new()),
        }
    }

    async fn open(&self) -> Result<Files, StageError> {
        let begins = Begins::of(&self.bus.load(MEMORY_OWNER).await?)?;
        let last_seq = *self.bus.appended().borrow();
        let (dir, settings) = (self.memory_dir.clone(), self.settings.clone());
        let files = blocking(move || {
            let projection = Projection::open(&dir, last_seq, &begins, settings.rotate_bytes)?;
            Ok(Files { projection, checkpoints: Checkpoints::open(&dir, settings.checkpoint_key)? })
        });
        let files = files.await?;
        for repair in files.projection.repairs() {
            tracing::warn!(
                "{} ended in half a line, as after a crash: {} bytes cut",
                repair.path.display(),
                repair.cut_bytes
            );
        }
        Ok(files)
    }
}

impl Files {
    fn write(mut self, now: Timestamp, entries: &[Entry]) -> Result<Self, MemoryError> {
        let made = self.checkpoints.note(now, self.projection.resume_after(), self.projection.heads())?;
        if let Some(checkpoint) = made {
            tracing::info!(position = checkpoint.position, "the audit trail has a checkpoint");
        }
        self.projection.project(entries)?;
        Ok(self)
    }
}

/// What is done beside writing: closed files are packed, and what is old goes. Neither keeps records from being written down, so
/// what fails here is said and tried again later.
#[derive(Default)]
struct Housekeeping {
    packing: Option<JoinHandle<Result<(), MemoryError>>>,
    /// How many closed files were there when packing began; none before the first look, which finds what a crash left.
    packed: Option<u64>,
    /// When was looked for what is to go, and how many closed files there were then.
    looked_at: Option<(Timestamp, u64)>,
    is_more: bool,
}

impl Housekeeping {
    async fn step(&mut self, archive: &Archive, projection: &Projection) -> Result<(), StageError> {
        if self.packing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.packing_ended().await?;
        }
        if self.packing.is_none() && self.packed != Some(projection.closed()) {
            self.pack(archive, projection);
        }
        let now = archive.clock.now();
        let closed = projection.closed();
        let has_changed = |(at, then)| closed != then || now.millis_since(at) >= LOOK_MILLIS;
        let is_due = self.is_more || self.looked_at.is_none_or(has_changed);
        if archive.settings.keep.is_limited() && is_due {
            // Two that rename and delete in one folder would be in each other's way.
            self.packing_ended().await?;
            self.looked_at = Some((now, closed));
            self.is_more = false;
            self.let_go(archive, projection, now).await;
        }
        Ok(())
    }

    fn pack(&mut self, archive: &Archive, projection: &Projection) {
        let dir = archive.memory_dir.clone();
        self.packed = Some(projection.closed());
        self.packing = Some(tokio::task::spawn_blocking(move || pack_closed(&dir)));
    }

    async fn packing_ended(&mut self) -> Result<(), StageError> {
        if let Some(packing) = self.packing.take()
            && let Err(error) = packing.await?
        {
            tracing::warn!("a closed file is not packed yet: {error}");
        }
        Ok(())
    }

    async fn let_go(&mut self, archive: &Archive, projection: &Projection, now: Timestamp) {
        let keep = archive.settings.keep;
        let gone =
            retain(&*archive.bus, &archive.memory_dir, keep, now, archive.readers, projection.resume_after()).await;
        match gone {
            Ok(gone) => {
                self.is_more = gone.is_more;
                if gone.records > 0 || gone.files > 0 {
                    tracing::info!(records = gone.records, files = gone.files, "what was kept for its time is gone");
                }
            }
            Err(TrailError::Panicked(error)) => tracing::error!("retention panicked: {error}"),
            Err(error) => tracing::error!("nothing goes although it is time: {error}"),
        }
    }

    /// What was closed last is packed before the end.
    async fn finish(&mut self, archive: &Archive, projection: &Projection) -> Result<(), StageError> {
        self.packing_ended().await?;
        if self.packed != Some(projection.closed()) {
            self.pack(archive, projection);
            self.packing_ended().await?;
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, StageError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
