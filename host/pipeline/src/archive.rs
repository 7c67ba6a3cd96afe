//! The loop that keeps Memory's files in step with the bus.

use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::Bus;
use tokio::sync::watch;

use crate::memory::{MemoryError, Projection};
use crate::stage::{LARGE_BATCH, StageError, StageLoop};

/// Runs until `shutdown` turns true and every record is written.
pub async fn run_archive(bus: Arc<dyn Bus>, memory_dir: PathBuf, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new("memory", bus.appended(), shutdown);
    while let Err(error) = work(&*bus, &memory_dir, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(bus: &dyn Bus, memory_dir: &std::path::Path, stage: &mut StageLoop) -> Result<(), StageError> {
    let last_seq = *bus.appended().borrow();
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
        let entries = bus.read(projection.resume_after(), LARGE_BATCH).await?;
        if entries.is_empty() {
            if stage.is_shut_down() {
                return Ok(());
            }
            stage.wait().await;
            continue;
        }
        projection = blocking(move || projection.project(&entries).map(|()| projection)).await?;
        stage.succeeded();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, StageError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
