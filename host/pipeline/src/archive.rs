//! The loop that keeps Memory's files in step with the bus.

use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::Bus;
use tokio::sync::watch;

use crate::memory::{MemoryError, Projection};
use crate::stage::{BATCH, StageError, StageLoop};
use crate::store_watch::StoreWatch;

/// Runs until `shutdown` turns true and every record is written.
pub async fn run_archive(store: Arc<StoreWatch>, memory_dir: PathBuf, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new("memory", store.appended(), shutdown);
    while let Err(error) = work(&store, &memory_dir, &mut stage).await {
        if let StageError::Memory(error) = &error {
            store.note_files(Err(error)).await;
        }
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(store: &StoreWatch, memory_dir: &std::path::Path, stage: &mut StageLoop) -> Result<(), StageError> {
    let last_seq = *store.appended().borrow();
    let dir = memory_dir.to_owned();
    let mut projection = blocking(move || Projection::open(&dir, last_seq)).await?;
    for repair in projection.repairs() {
        tracing::warn!(
            "{} ended in half a line, as after a crash: {} bytes cut",
            repair.path.display(),
            repair.cut_bytes
        );
    }
    loop {
        let entries = store.read(projection.resume_after(), BATCH).await?;
        if entries.is_empty() {
            if stage.is_shut_down() {
                return Ok(());
            }
            stage.wait().await;
            continue;
        }
        projection = blocking(move || projection.project(&entries).map(|()| projection)).await?;
        store.note_files(Ok(())).await;
        stage.succeeded();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, StageError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
