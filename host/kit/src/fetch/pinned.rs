//! What a lock says that a folder is to hold, and the folder does not.

use orion_trust::LOCK_FILE;

use super::folder::PluginFolder;
use super::{Wanted, source};
use crate::cli::Failure;

/// The plugins of the lock that are missing or hold other bytes.
pub(super) fn missing(folder: &PluginFolder) -> Result<Vec<Wanted>, Failure> {
    let Some(lock) = folder.lock() else {
        return Err(Failure::Configuration(format!(
            "nothing to fetch: no source is named, and {} has no {LOCK_FILE} that names any",
            folder.path().display()
        )));
    };
    let mut wanted = Vec::new();
    for (file, locked) in &lock.plugins {
        if folder.holds(file, locked.digest)? {
            continue;
        }
        let path = folder.path().join(file);
        let Some(written) = &locked.source else {
            return Err(Failure::Configuration(format!(
                "{} is not what {LOCK_FILE} says, which does not say from where to get it: put it there, or fetch it by its source",
                path.display()
            )));
        };
        let unusable = |why| Failure::Configuration(format!("the source of `{file}` in {LOCK_FILE}: {why}"));
        for one in source::read(written).map_err(unusable)? {
            // Both must say the same; the lock is what was looked at.
            wanted.push(Wanted { digest: Some(locked.digest), file: Some(file.clone()), ..one });
        }
    }
    Ok(wanted)
}
