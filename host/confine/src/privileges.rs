//! What root is more than a user: capabilities.
//!
//! A user has none, and loses none. Root keeps two, so that rules and records of another owner can be read and written as
//! they can without the confinement; which files those are is landlock's matter.

use caps::{CapSet, Capability, CapsHashSet};

/// For files of any owner.
const KEPT: [Capability; 2] = [Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH];

/// Gives the others up, for this thread and all that it starts; why not, when the kernel does not take them.
pub(crate) fn give_up() -> Result<(), String> {
    let failed = |error: caps::errors::CapsError| error.to_string();
    // The effective ones first: they are a part of the permitted ones at any time.
    for set in [CapSet::Effective, CapSet::Permitted] {
        let held = caps::read(None, set).map_err(failed)?;
        let kept: CapsHashSet = KEPT.into_iter().filter(|capability| held.contains(capability)).collect();
        caps::set(None, set, &kept).map_err(failed)?;
    }
    // What a program that is started would get. The ambient ones go with them.
    caps::clear(None, CapSet::Inheritable).map_err(failed)
}
