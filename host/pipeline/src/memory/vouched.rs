//! Who vouches for history: the signatures of checkpoints.

use orion_model::Timestamp;
use orion_trust::Keyring;
use serde::Serialize;

use super::audit::Finding;
use super::checkpoint::{PAYLOAD_TYPE, Sealed};

pub(super) const REWRITTEN: &str = "history was written anew or cut: keep a copy of the memory folder as evidence, find out who changed it, and restore \
                         a snapshot from before";

/// What there is of checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// Checkpoints.
    pub count: usize,
    /// When the last one was made.
    pub last: Option<Timestamp>,
    /// Up to which position a trusted key vouches for history; none when no key was given.
    pub vouched_for_up_to: Option<u64>,
    /// The files of the keys that do.
    pub keys: Vec<String>,
}

/// Whether checkpoints are signed by keys that are trusted. What was made before the first signature is covered by it, and so
/// is what a key signed that is not trusted any more.
pub(super) fn audit_checkpoints(checkpoints: &[Sealed], trusted: &Keyring, signed: &mut SignedBy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_last_vouched_for = true;
    for sealed in checkpoints {
        let at = sealed.checkpoint.at;
        let key = sealed.signature.as_ref().and_then(|signature| trusted.get(&signature.keyid));
        is_last_vouched_for = false;
        let (Some(key), Some(signature)) = (key, &sealed.signature) else { continue };
        if !signature.is_by(&key.key, PAYLOAD_TYPE, sealed.payload.as_bytes()) {
            let what = format!("the signature of the checkpoint of {at} is not one of the key {}", key.file);
            findings.push(Finding { what, mend: REWRITTEN.to_owned() });
            continue;
        }
        is_last_vouched_for = true;
        signed.vouched_for_up_to = Some(sealed.checkpoint.position);
        if !signed.keys.contains(&key.file) {
            signed.keys.push(key.file.clone());
        }
    }
    if let Some(last) = checkpoints.last()
        && !is_last_vouched_for
        && findings.is_empty()
    {
        let what = format!("the checkpoint of {} is not signed by a key that is trusted", last.checkpoint.at);
        let mend = "it was made by somebody else, or Orion ran without --checkpoint-key: find out which; trust its key if it is \
                    yours"
            .to_owned();
        findings.push(Finding { what, mend });
    }
    findings
}
