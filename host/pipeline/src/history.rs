//! Which history of the log something in memory follows from.
//!
//! A Redis may lose commits. What a group has in memory then follows from some that are gone, perhaps from those of another host that
//! nobody is left to give back. It would find that out with its next commit, which may be hours away; until then it would say that
//! everything is reported up to now, correlators would take that time for passed, and what is evaluated again would come too late for
//! them.

use std::sync::Arc;

use orion_bus::Bus;
use tokio::sync::watch;

/// The history as it was when something was loaded.
pub(crate) struct History {
    changes: Option<watch::Receiver<Arc<str>>>,
    known: Arc<str>,
}

impl History {
    /// The one that is going on. To be asked before what follows from it is loaded.
    pub(crate) fn of(bus: &dyn Bus) -> Self {
        let mut changes = bus.history();
        let known = changes.as_mut().map_or_else(Arc::default, |changes| changes.borrow_and_update().clone());
        Self { changes, known }
    }

    /// What it is called; empty where there is only one, and before the first is known.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.known
    }

    /// Whether another one goes on by now.
    pub(crate) fn is_over(&self) -> bool {
        self.changes.as_ref().is_some_and(|changes| changes.has_changed().unwrap_or(false))
    }

    /// Waits until another one goes on.
    pub(crate) async fn over(&mut self) {
        if let Some(changes) = &mut self.changes
            && changes.changed().await.is_ok()
        {
            return;
        }
        // There is only one, or nobody is left who could begin another.
        std::future::pending().await
    }
}
