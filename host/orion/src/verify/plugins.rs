//! Each plugin that may run: what it is, what it can do by proof, and who vouches for it.

use std::path::Path;

use orion_bus::Reader;
use orion_pipeline::library::{KeptPlugin, digest_of, kept_plugins, last_good_path};
use orion_sandbox::{Certificate, Sandbox};
use orion_trust::{Gate, LOCK_FILE, Proof, SignatureFile};
use serde::Serialize;
use serde_json::json;

use super::Subject;
use crate::cli::Failure;
use crate::finding::{Check, Fault};
use crate::shipped;

/// A plugin.
#[derive(Serialize)]
pub struct Row {
    /// Its file in the plugin folder; none for one of the binary.
    pub file: Option<String>,
    /// What was proven of its bytes.
    #[serde(flatten)]
    pub certificate: Certificate,
    /// Who vouches for it.
    pub trust: Trust,
}

/// Who vouches for a plugin.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It is part of the binary and trusted as it is.
    Binary,
    /// A file of the folder: whether the lock has it, and which trusted keys stand behind it.
    Folder {
        /// Whether there is a lock and it has these bytes.
        locked: bool,
        /// Ids of the keys that signed it, when a signature was asked for.
        signed_by: Vec<String>,
    },
    /// Somebody is asked, and does not.
    Nobody,
}

/// Looks at all plugins of the binary and of the folder.
pub fn check(subject: &Subject, store: &mut Reader) -> Result<(Vec<Row>, Check), Failure> {
    let Subject { sandbox, plugins, memory, .. } = subject;
    let gate = Gate::read(&plugins.plugins, plugins.trusted_keys.as_deref());
    let mut rows = Vec::new();
    let mut failures: Vec<Fault> = gate
        .faults()
        .map(|fault| Fault::new(fault.message.clone(), "until then no new plugin file is taken"))
        .collect();
    for standard in shipped::standard_plugins() {
        match sandbox.inspect(standard.component) {
            Ok(certificate) => rows.push(Row { file: None, certificate, trust: Trust::Binary }),
            Err(error) => failures.push(Fault::new(
                format!("the standard plugin `{}` is refused: {error}", standard.name),
                "this binary is damaged: install it anew",
            )),
        }
    }
    let state = store.load(orion_pipeline::library::OWNER).map_err(Failure::configuration)?.state;
    let kept = kept_plugins(&state);
    // Of a plugin on trial two versions may run.
    let kept: Vec<_> =
        kept.iter().flat_map(|(file, kept)| kept.versions().map(move |version| (file, version))).collect();
    let of_folder = kept.len();
    for (file, kept) in kept {
        match look_at(file, kept, memory, sandbox, &gate) {
            Ok((row, faults)) => {
                rows.push(row);
                failures.extend(faults);
            }
            Err(fault) => failures.push(fault),
        }
    }
    let asked = match (gate.lock().is_some(), plugins.trusted_keys.is_some()) {
        (true, true) => "by the lock and a trusted key",
        (true, false) => "by the lock",
        (false, true) => "by a trusted key",
        (false, false) => "by nobody: nobody was asked",
    };
    let said = if of_folder == 0 {
        format!("{} of the binary and none of the folder; each can emit and nothing else", rows.len())
    } else {
        let of_binary = rows.len() - of_folder.min(rows.len());
        format!(
            "{of_binary} of the binary, {of_folder} of the folder, vouched for {asked}; each can emit and nothing else"
        )
    };
    let facts = json!({
        "of_binary": rows.iter().filter(|row| row.file.is_none()).count(),
        "of_folder": of_folder,
        "lock": gate.lock().is_some(),
        "trusted_keys": gate.keys().map(|keys| keys.keys().map(|(id, _)| id.to_string()).collect::<Vec<_>>()),
    });
    Ok((rows, Check::of("plugins", said, failures, facts)))
}

/// One file of the folder, as it was accepted.
fn look_at(
    file: &str,
    kept: &KeptPlugin,
    memory: &Path,
    sandbox: &Sandbox,
    gate: &Gate,
) -> Result<(Row, Vec<Fault>), Fault> {
    let path = last_good_path(memory, kept.digest);
    let changed = |why: String| {
        Fault::new(
            format!("the accepted version of `{file}` cannot be shown: {why}"),
            "save the plugin file once more, so that it is accepted and kept again",
        )
    };
    let bytes = std::fs::read(&path).map_err(|error| changed(format!("{} cannot be read: {error}", path.display())))?;
    if digest_of(&bytes) != kept.digest {
        return Err(changed(format!("{} was changed", path.display())));
    }
    let certificate = sandbox.inspect(&bytes).map_err(|error| {
        Fault::new(
            format!("`{file}` is refused by this Orion: {error}"),
            "verify with the Orion that runs, or replace the plugin",
        )
    })?;
    let mut faults = Vec::new();
    let trust = match gate.recall(file, kept.digest, &kept.proof) {
        Ok(proof) => of_folder(&proof),
        Err(why) => {
            faults.push(Fault::new(
                format!("`{file}` was accepted and is not vouched for: {why}"),
                "until then a process that has it runs on with it, and the next start is without it",
            ));
            Trust::Nobody
        }
    };
    faults.extend(wrong_words(file, &certificate, gate));
    Ok((Row { file: Some(file.to_owned()), certificate, trust }, faults))
}

fn of_folder(proof: &Proof) -> Trust {
    let signatures = proof.signature.as_deref().and_then(|text| SignatureFile::read(text).ok());
    let signed_by = signatures.iter().flat_map(SignatureFile::signers).map(|id| id.to_string()).collect();
    Trust::Folder { locked: proof.locked, signed_by }
}

/// Name and version in a lock are for people, who should be able to believe them.
fn wrong_words(file: &str, certificate: &Certificate, gate: &Gate) -> Option<Fault> {
    let locked = gate.lock()?.plugins.get(file).filter(|locked| locked.digest == certificate.digest)?;
    let manifest = &certificate.manifest;
    ((&locked.name, &locked.version) != (&manifest.name, &manifest.version)).then(|| {
        Fault::new(
            format!(
                "{LOCK_FILE} calls `{file}` {} {}, and it is {} {}",
                locked.name, locked.version, manifest.name, manifest.version
            ),
            "make the lock anew with `orion-kit lock`",
        )
    })
}
