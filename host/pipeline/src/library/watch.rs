//! Tells when a folder may have changed: file events, settled, a slow poll because watches get lost, and whoever asks for a look.
//!
//! An event only says "look again"; what changed is found by content. So a missed, doubled or misleading event costs
//! nothing but time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

/// How long a folder must be quiet after a change: an editor's save is a burst of renames and writes, and reading in
/// the middle of it would refuse a half-written file.
pub const SETTLE_MILLIS: u64 = 250;

/// The longest that settling may take under constant change: something else is writing there all the time, and edits
/// must go live all the same.
const SETTLE_AT_MOST_MILLIS: u64 = 2_000;

/// Watches break silently on network and overlay file systems, and when a folder is replaced.
const POLL_MILLIS: u64 = 30_000;

/// A watch on some folders.
pub struct FolderWatch {
    dirs: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<()>,
    asked: Arc<Notify>,
}

impl FolderWatch {
    /// Begins to watch. Where the system cannot, the poll remains, and whoever asks.
    pub fn start(dirs: &[PathBuf], asked: Arc<Notify>) -> Self {
        // One place: that something changed is all there is to say, however often.
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(event.kind)) {
                // Full means it is said already.
                let _ = sender.try_send(());
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!("no file watch here, looking every {POLL_MILLIS} ms instead: {error}");
                None
            }
        };
        let mut watch = Self { dirs: dirs.to_vec(), watcher, changes, asked };
        watch.renew();
        watch
    }

    /// Watches folders that appeared or were replaced since the last time.
    fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for dir in self.dirs.iter().filter(|dir| dir.is_dir()) {
            if let Err(error) = watch_one(watcher, dir) {
                tracing::warn!("{} is not watched, only looked at every {POLL_MILLIS} ms: {error}", dir.display());
            }
        }
    }

    /// Waits until it is time to look again.
    pub async fn changed(&mut self) {
        let poll = Duration::from_millis(POLL_MILLIS);
        tokio::select! {
            () = next(&mut self.changes, self.watcher.is_some()) => self.settled().await,
            // Who asks has saved already.
            () = self.asked.notified() => self.renew(),
            () = tokio::time::sleep(poll) => self.renew(),
        }
    }

    /// Waits until the folders have been quiet for a while, or for as long as settling may take.
    pub async fn settled(&mut self) {
        let settle = Duration::from_millis(SETTLE_MILLIS);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(SETTLE_AT_MOST_MILLIS);
        while tokio::time::Instant::now() < deadline
            && tokio::time::timeout(settle, next(&mut self.changes, self.watcher.is_some())).await.is_ok()
        {}
        self.renew();
    }
}

async fn next(changes: &mut mpsc::Receiver<()>, watched: bool) {
    if !watched || changes.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

fn watch_one(watcher: &mut RecommendedWatcher, dir: &Path) -> notify::Result<()> {
    watcher.watch(dir, RecursiveMode::NonRecursive)
}

/// Reading a file is not a change of it; without this, looking at the folder would be a reason to look again.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_of_saves_is_one_change_and_reading_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::start(&[dir.path().to_owned()], Arc::default());
        for save in 0..50 {
            std::fs::write(dir.path().join("a.yaml"), save.to_string()).unwrap();
        }
        watch.changed().await;
        assert_eq!(std::fs::read(dir.path().join("a.yaml")).unwrap(), b"49");
        let quiet = tokio::time::timeout(Duration::from_millis(SETTLE_MILLIS * 2), watch.changed()).await;
        assert!(quiet.is_err(), "the burst was told twice, or reading counted as a change");
    }

    #[tokio::test]
    async fn who_asks_for_a_look_does_not_wait_for_the_poll_and_is_given_one() {
        let asked = Arc::new(Notify::new());
        let mut watch = FolderWatch::start(&[], asked.clone());
        asked.notify_one();
        let soon = Duration::from_millis(POLL_MILLIS / 2);
        assert!(tokio::time::timeout(soon, watch.changed()).await.is_ok(), "nobody looked");
        let quiet = tokio::time::timeout(Duration::from_millis(SETTLE_MILLIS), watch.changed()).await;
        assert!(quiet.is_err(), "asked once is looked once");
    }
}
