//! Which hosts follow the log, and how far each has taken it over into its file: what the log is kept for.
//!
//! Redis has it, and forgets it with everything else. So each host remembers what it saw last, and whoever fills an empty server brings it:
//! a host that was away at that moment is waited for as before.

use std::sync::PoisonError;

use super::core::Core;

/// A host that follows the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    /// Its name.
    pub(super) node: String,
    /// Up to where its file holds the log.
    pub(super) position: u64,
    /// When that was, as the server had it: `POSITION MILLISECONDS`.
    pub(super) text: String,
}

impl Followed {
    /// A field of the hash and its value.
    pub(super) fn read(stored: &[String]) -> Option<Self> {
        let [node, text] = stored else { return None };
        let position = text.split(' ').next()?.parse().ok()?;
        Some(Self { node: node.clone(), position, text: text.clone() })
    }
}

impl Core {
    pub(super) fn remember_mirrors(&self, all: Vec<Followed>) {
        *self.mirrors.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// The others, as they were seen last.
    pub(super) fn others(&self) -> Vec<Followed> {
        let mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.iter().filter(|followed| followed.node != self.node()).cloned().collect()
    }
}
