//! A new version of a plugin is on trial for a while: when it keeps failing soon after it took over, the one before it comes back.
//!
//! For as long as a trial lasts the store has the version before as last good, beside the new one. So a start with the new file
//! begins it anew.

use orion_model::{Digest, Timestamp};

use super::admitted::Admitted;
use crate::supervision::STRIKES;

/// How long a version is on trial. One that fails later fails because of what it is given.
const TRIAL_MILLIS: i64 = 10 * 60_000;

/// A trial.
pub struct Trial {
    before: Admitted,
    began: Timestamp,
}

/// How a trial stands.
pub enum Verdict {
    /// It goes on.
    Open(Trial),
    /// The new version stays.
    Passed,
    /// The version before it comes back, for this reason.
    Failed(Admitted, String),
}

impl Trial {
    /// Of the version that takes the place of another now.
    pub fn of(before: Admitted, began: Timestamp) -> Self {
        Self { before, began }
    }

    /// The version before it.
    pub fn before(&self) -> &Admitted {
        &self.before
    }

    /// Another version came before the last one was proven: it is on trial against what is. `None` when it is that.
    pub fn of_another(self, new: Digest, now: Timestamp) -> Option<Self> {
        (self.before.plugin.digest() != new).then(|| Self::of(self.before, now))
    }

    /// Judges the new version.
    pub fn judge(self, new: &Admitted, now: Timestamp) -> Verdict {
        if has_failed(new) && !has_failed(&self.before) {
            let (before, version) = (&self.before.plugin, &new.plugin.manifest().version);
            let reason = format!(
                "version {version} ({}) failed {} times soon after it took over: version {} ({}) runs again. Mend the plugin, see \
                 the `plugin_fault` events; the file is looked at again when it changes",
                new.plugin.digest(),
                new.plugin.failures(),
                before.manifest().version,
                before.digest(),
            );
            return Verdict::Failed(self.before, reason);
        }
        if now.millis_since(self.began) >= TRIAL_MILLIS { Verdict::Passed } else { Verdict::Open(self) }
    }
}

/// Whether a version failed too often. One that failed before it was replaced is no better than what replaced it.
pub fn has_failed(admitted: &Admitted) -> bool {
    admitted.plugin.failures() >= u64::from(STRIKES)
}
