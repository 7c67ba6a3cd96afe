//! Looks at a set as `orion check` does, and at what is other than in the version before.

use std::collections::BTreeSet;

use orion_model::{Digest, FileSaid, SetDiff, SetFile};
use sha2::{Digest as _, Sha256};

use super::diff::{Things, diff};
use super::state::Kept;
use crate::library::{Checked, Defaults, Shelf, check, look_together};

/// What all that is said of a set may have in bytes. Whoever has more to mend begins with the first files.
const MAX_SAID_BYTES: usize = 2 << 20;

/// What there is to know of a set before it is applied.
pub(super) struct Judged {
    /// Files of which there is something to say.
    pub(super) said: Vec<FileSaid>,
    /// Empty while a file cannot run.
    pub(super) diff: SetDiff,
    pub(super) digest: Digest,
    pub(super) correlating: BTreeSet<String>,
}

impl Judged {
    /// Blocking: parses, and sets plugins up.
    pub(super) fn of(files: &[SetFile], before: Option<&Kept>, shelf: &Shelf, defaults: &Defaults) -> Self {
        let mut checked: Vec<(String, Checked)> =
            files.iter().map(|file| (file.name.clone(), check(&file.name, &file.text, shelf, defaults))).collect();
        look_together(&mut checked, None);
        let accepted = || checked.iter().filter_map(|(_, checked)| checked.accepted.as_ref());
        let correlates = |(name, checked): &(String, Checked)| {
            let correlations = &checked.accepted.as_ref()?.file.correlations;
            (!correlations.is_empty()).then(|| name.clone())
        };
        let is_whole = checked.iter().all(|(_, checked)| checked.accepted.is_some());
        let new = Things::of(accepted().map(|accepted| &accepted.file));
        Self {
            diff: if is_whole { diff(&old(before, shelf), &new) } else { SetDiff::default() },
            digest: digest_of(files),
            correlating: checked.iter().filter_map(correlates).collect(),
            said: said(&checked),
        }
    }
}

/// What was there before, as far as it can be read with the plugins that are here now.
fn old(before: Option<&Kept>, shelf: &Shelf) -> Things {
    let files = before.map(|kept| kept.version.files.as_slice()).unwrap_or_default();
    let read: Vec<_> =
        files.iter().filter_map(|file| orion_rules::parse_file(&file.name, &file.text, shelf).file).collect();
    Things::of(read.iter())
}

/// Of all names and texts, each with its length, so that no two sets run together.
fn digest_of(files: &[SetFile]) -> Digest {
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|file| [&file.name, &file.text]) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    Digest::from_bytes(hash.finalize().into())
}

/// All there is to say, files that cannot run first: of many it is cut.
fn said(checked: &[(String, Checked)]) -> Vec<FileSaid> {
    let mut said: Vec<FileSaid> = checked
        .iter()
        .filter(|(_, checked)| !checked.diagnostics.is_empty())
        .map(|(name, checked)| checked.said(name))
        .collect();
    said.sort_by_key(|said| said.ok);
    let mut bytes = 0_usize;
    for file in &mut said {
        bytes = bytes.saturating_add(file.report.len());
        if bytes > MAX_SAID_BYTES {
            file.diagnostics.clear();
            file.report = format!(
                "{}: what there is to say is left out, there is more than {MAX_SAID_BYTES} bytes of it\n",
                file.file
            );
        }
    }
    said
}
