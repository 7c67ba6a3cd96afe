//! The gate of a plugin folder: asks the lock and the signature of each file, and passes what both vouch for.
//!
//! A lock is asked when there is one, a signature when there is a folder of trusted keys. What is there and cannot be read
//! passes nothing new: a damaged lock is not a missing lock. But it changes nothing either. Bytes that were vouched for
//! before, in the same ways, stay what they are until the lock or the keys can be read again; [`Proof`] remembers that.

use std::path::{Path, PathBuf};

use orion_model::Digest;
use serde::{Deserialize, Serialize};

use crate::keyring::Keyring;
use crate::lock::{LOCK_FILE, Lock, LockedPlugin};
use crate::signature::{SIGNATURE_SUFFIX, SignatureFile};
use crate::text;

/// Something that is asked and cannot answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file or folder, by its name.
    pub file: String,
    /// What is wrong with it, where it lies and what to do.
    pub message: String,
}

/// What vouched for a plugin file when it was accepted. Kept with its last good version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Whether the lock had it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// The text of its signature file, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Who is asked about plugin files.
#[derive(Debug)]
pub struct Gate {
    dir: PathBuf,
    lock: Asked<Lock>,
    keys: Asked<Keyring>,
}

/// Somebody who is asked, or not.
#[derive(Debug)]
enum Asked<T> {
    Not,
    There(T),
    Damaged(Vec<Fault>),
}

impl<T> Asked<T> {
    fn faults(&self) -> &[Fault] {
        match self {
            Self::Damaged(faults) => faults,
            Self::Not | Self::There(_) => &[],
        }
    }

    fn there(&self) -> Option<&T> {
        match self {
            Self::There(it) => Some(it),
            Self::Not | Self::Damaged(_) => None,
        }
    }
}

impl Gate {
    /// Asks nobody.
    pub fn open() -> Self {
        Self { dir: PathBuf::new(), lock: Asked::Not, keys: Asked::Not }
    }

    /// The gate of a plugin folder as it is now.
    pub fn read(plugins_dir: &Path, trusted_keys: Option<&Path>) -> Self {
        let keys = match trusted_keys.map(Keyring::read) {
            None => Asked::Not,
            Some(Ok(keys)) => Asked::There(keys),
            Some(Err(faults)) => Asked::Damaged(faults),
        };
        Self { dir: plugins_dir.to_owned(), lock: read_lock(plugins_dir), keys }
    }

    /// What is damaged. While there is anything, no new plugin file passes.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.lock.faults().iter().chain(self.keys.faults())
    }

    /// The lock, when there is one that can be read.
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.there()
    }

    /// The trusted keys, when there are any that can be read.
    pub fn keys(&self) -> Option<&Keyring> {
        self.keys.there()
    }

    /// Asks about a file of the folder. `before` is what vouched for the same bytes earlier, if anything did.
    pub fn vet(&self, file: &str, digest: Digest, before: Option<&Proof>) -> Result<Proof, String> {
        let path = self.dir.join(format!("{file}{SIGNATURE_SUFFIX}"));
        self.judge(file, digest, before, &|| match path.try_exists() {
            Ok(false) => Ok(None),
            _ => SignatureFile::load_text(&path).map(Some),
        })
    }

    /// Asks about a kept last good version, which has its signature with it.
    pub fn recall(&self, file: &str, digest: Digest, kept: &Proof) -> Result<Proof, String> {
        self.judge(file, digest, Some(kept), &|| Ok(kept.signature.clone()))
    }

    fn judge(
        &self,
        file: &str,
        digest: Digest,
        before: Option<&Proof>,
        signature: &dyn Fn() -> Result<Option<String>, String>,
    ) -> Result<Proof, String> {
        let locked = match &self.lock {
            Asked::Not => false,
            Asked::There(lock) => self.in_lock(lock, file, digest)?,
            Asked::Damaged(_) if before.is_some_and(|before| before.locked) => true,
            Asked::Damaged(faults) => return Err(cannot_tell(file, faults)),
        };
        let signature = match &self.keys {
            Asked::Not => None,
            Asked::There(keys) => Some(vouched(keys, file, digest, signature)?),
            Asked::Damaged(faults) => {
                let kept = before.and_then(|before| before.signature.clone());
                Some(kept.ok_or_else(|| cannot_tell(file, faults))?)
            }
        };
        Ok(Proof { locked, signature })
    }

    fn in_lock(&self, lock: &Lock, file: &str, digest: Digest) -> Result<bool, String> {
        match lock.plugins.get(file) {
            Some(locked) if locked.digest == digest => Ok(true),
            Some(LockedPlugin { name, version, digest: locked, .. }) => Err(format!(
                "`{file}` is {}, and {LOCK_FILE} has {} ({name} {version}): put that version back, or look at this one \
                 and take it in with {}",
                text::shown(digest),
                text::shown(*locked),
                self.lock_command()
            )),
            None => Err(format!(
                "`{file}` is not in {LOCK_FILE}: remove it, or look at it and take it in with {}",
                self.lock_command()
            )),
        }
    }

    fn lock_command(&self) -> String {
        format!("`orion-kit lock {}`", self.dir.display())
    }
}

fn read_lock(dir: &Path) -> Asked<Lock> {
    let path = dir.join(LOCK_FILE);
    match Lock::load(&path) {
        Ok(None) => Asked::Not,
        Ok(Some(lock)) => Asked::There(lock),
        Err(why) => {
            let message = format!(
                "{} cannot be used: {why}; put the right one back, or look at the plugins and make it anew with \
                 `orion-kit lock {}`",
                path.display(),
                dir.display()
            );
            Asked::Damaged(vec![Fault { file: LOCK_FILE.to_owned(), message }])
        }
    }
}

/// The text of the signature file when a trusted key stands behind the plugin.
fn vouched(
    keys: &Keyring,
    file: &str,
    digest: Digest,
    signature: &dyn Fn() -> Result<Option<String>, String>,
) -> Result<String, String> {
    let name = format!("{file}{SIGNATURE_SUFFIX}");
    let unsigned = || {
        format!(
            "`{file}` is not signed: there is no {name} beside it; whoever stands behind it makes that with \
             `orion-kit sign {file} --key KEY`"
        )
    };
    let refused = |why: String| {
        format!(
            "`{file}` is not vouched for by {name}: {why}; have the file signed by a key of {}",
            keys.dir().display()
        )
    };
    let text = signature().map_err(refused)?.ok_or_else(unsigned)?;
    let signed = SignatureFile::read(&text).and_then(|signatures| signatures.vouches(digest, keys).map(drop));
    signed.map_err(|error| refused(error.to_string()))?;
    Ok(text)
}

fn cannot_tell(file: &str, faults: &[Fault]) -> String {
    let why: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    format!("whether `{file}` may run cannot be told: {}", why.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    const FILE: &str = "above.wasm";
    const ONE: Digest = Digest::from_bytes([1; 32]);
    const TWO: Digest = Digest::from_bytes([2; 32]);

    /// A plugin folder and one of keys.
    struct Folders(tempfile::TempDir);

    impl Folders {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["plugins", "keys"] {
                std::fs::create_dir(dir.path().join(name)).unwrap();
            }
            Self(dir)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).unwrap();
        }

        fn lock(&self, digest: Digest) {
            let plugin = LockedPlugin { name: "above".to_owned(), version: "1.0.0".to_owned(), digest, source: None };
            self.write("plugins/plugins.lock", &Lock { plugins: [(FILE.to_owned(), plugin)].into() }.write());
        }

        fn trust(&self, number: u8) {
            self.write("keys/one.pub", &key(number).public().to_pem());
        }

        fn sign(&self, digest: Digest, number: u8) {
            let mut signatures = SignatureFile::of(digest);
            signatures.sign(&key(number));
            self.write("plugins/above.wasm.sig", &signatures.write());
        }

        fn gate(&self, with_keys: bool) -> Gate {
            let keys = self.0.path().join("keys");
            Gate::read(&self.0.path().join("plugins"), with_keys.then_some(&keys))
        }

        fn refusal(&self, gate: &Gate, digest: Digest) -> String {
            gate.vet(FILE, digest, None).unwrap_err().replace(&self.0.path().display().to_string(), "DIR")
        }
    }

    fn key(number: u8) -> SecretKey {
        SecretKey::from_seed(&[number; 32], "")
    }

    #[test]
    fn without_lock_and_keys_everything_passes_and_nothing_vouches_for_it() {
        let folders = Folders::new();
        assert_eq!(folders.gate(false).vet(FILE, ONE, None), Ok(Proof::default()));
        assert_eq!(Gate::open().vet(FILE, ONE, None), Ok(Proof::default()));
    }

    #[test]
    fn what_is_locked_passes_and_what_differs_or_is_not_in_the_lock_does_not() {
        let folders = Folders::new();
        folders.lock(ONE);
        let gate = folders.gate(false);
        assert_eq!(gate.vet(FILE, ONE, None), Ok(Proof { locked: true, signature: None }));
        insta::assert_snapshot!(folders.refusal(&gate, TWO), @"`above.wasm` is sha256:0202020202020202020202020202020202020202020202020202020202020202, and plugins.lock has sha256:0101010101010101010101010101010101010101010101010101010101010101 (above 1.0.0): put that version back, or look at this one and take it in with `orion-kit lock DIR/plugins`");
        let other =
            gate.vet("other.wasm", ONE, None).unwrap_err().replace(&folders.0.path().display().to_string(), "DIR");
        insta::assert_snapshot!(other, @"`other.wasm` is not in plugins.lock: remove it, or look at it and take it in with `orion-kit lock DIR/plugins`");
    }

    #[test]
    fn what_a_trusted_key_signed_passes_and_everything_else_does_not() {
        let folders = Folders::new();
        folders.trust(1);
        insta::assert_snapshot!(folders.refusal(&folders.gate(true), ONE), @"`above.wasm` is not signed: there is no above.wasm.sig beside it; whoever stands behind it makes that with `orion-kit sign above.wasm --key KEY`");
        folders.sign(ONE, 1);
        assert!(folders.gate(true).vet(FILE, ONE, None).unwrap().signature.is_some());
        insta::assert_snapshot!(folders.refusal(&folders.gate(true), TWO), @"`above.wasm` is not vouched for by above.wasm.sig: it was made for sha256:0101010101010101010101010101010101010101010101010101010101010101, and the file is sha256:0202020202020202020202020202020202020202020202020202020202020202: one of the two was changed or exchanged; have the file signed by a key of DIR/keys");
        folders.trust(2);
        insta::assert_snapshot!(folders.refusal(&folders.gate(true), ONE), @"`above.wasm` is not vouched for by above.wasm.sig: it is signed by key fd110d301d2f077d, and no key in DIR/keys is that; have the file signed by a key of DIR/keys");
        folders.write("plugins/above.wasm.sig", "signed: yes");
        insta::assert_snapshot!(folders.refusal(&folders.gate(true), ONE), @"`above.wasm` is not vouched for by above.wasm.sig: it is not as `orion-kit sign` writes it: key with no value, expected `=`; have the file signed by a key of DIR/keys");
        std::fs::remove_file(folders.0.path().join("keys/one.pub")).unwrap();
        folders.sign(ONE, 1);
        insta::assert_snapshot!(folders.refusal(&folders.gate(true), ONE), @"`above.wasm` is not vouched for by above.wasm.sig: it is signed by key fd110d301d2f077d, and there is no key (*.pub) in DIR/keys; have the file signed by a key of DIR/keys");
    }

    #[test]
    fn both_are_asked_when_both_are_there() {
        let folders = Folders::new();
        folders.trust(1);
        folders.sign(ONE, 1);
        folders.lock(TWO);
        assert!(folders.gate(true).vet(FILE, ONE, None).is_err());
        folders.lock(ONE);
        assert!(folders.gate(true).vet(FILE, ONE, None).unwrap().locked);
        folders.trust(2);
        assert!(folders.gate(true).vet(FILE, ONE, None).is_err());
    }

    #[test]
    fn a_damaged_lock_passes_nothing_new_and_changes_nothing() {
        let folders = Folders::new();
        folders.lock(ONE);
        let before = folders.gate(false).vet(FILE, ONE, None).unwrap();
        folders.write("plugins/plugins.lock", "version = 1\n[[plug");
        let gate = folders.gate(false);
        insta::assert_snapshot!(folders.refusal(&gate, ONE), @"whether `above.wasm` may run cannot be told: DIR/plugins/plugins.lock cannot be used: it is not as `orion-kit lock` writes it: unclosed array table, expected `]]`; put the right one back, or look at the plugins and make it anew with `orion-kit lock DIR/plugins`");
        assert_eq!(gate.vet(FILE, ONE, Some(&before)), Ok(before.clone()));
        assert_eq!(gate.recall(FILE, ONE, &before), Ok(before));
        // What nobody vouched for before the lock was there is not let in by its damage.
        assert!(gate.recall(FILE, ONE, &Proof::default()).is_err());
        assert_eq!(gate.faults().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_is_a_link_to_nowhere_is_a_damaged_one() {
        let folders = Folders::new();
        std::os::unix::fs::symlink("nowhere", folders.0.path().join("plugins/plugins.lock")).unwrap();
        let gate = folders.gate(false);
        assert!(gate.vet(FILE, ONE, None).is_err() && gate.faults().count() == 1);
    }

    #[test]
    fn damaged_or_missing_keys_pass_nothing_new_and_change_nothing() {
        let folders = Folders::new();
        folders.trust(1);
        folders.sign(ONE, 1);
        let before = folders.gate(true).vet(FILE, ONE, None).unwrap();
        folders.write("keys/two.pub", "not a key");
        insta::assert_snapshot!(folders.refusal(&folders.gate(true), ONE), @"whether `above.wasm` may run cannot be told: the trusted key DIR/keys/two.pub cannot be used: it is not a key in PEM form: there is no line `-----BEGIN …-----` in it; put the key back, or remove the file");
        std::fs::remove_dir_all(folders.0.path().join("keys")).unwrap();
        let gate = folders.gate(true);
        insta::assert_snapshot!(folders.refusal(&gate, ONE), @"whether `above.wasm` may run cannot be told: the folder of trusted keys DIR/keys cannot be read: No such file or directory (os error 2); give another with --trusted-keys, or create it");
        assert_eq!(gate.recall(FILE, ONE, &before), Ok(before));
        assert!(gate.recall(FILE, ONE, &Proof { locked: true, signature: None }).is_err());
    }

    #[test]
    fn a_kept_version_passes_with_the_signature_it_was_accepted_with_as_long_as_its_key_is_trusted() {
        let folders = Folders::new();
        folders.trust(1);
        folders.sign(ONE, 1);
        let kept = folders.gate(true).vet(FILE, ONE, None).unwrap();
        folders.sign(TWO, 1);
        assert_eq!(folders.gate(true).recall(FILE, ONE, &kept), Ok(kept.clone()));
        assert!(folders.gate(true).recall(FILE, TWO, &kept).is_err());
        folders.trust(2);
        assert!(folders.gate(true).recall(FILE, ONE, &kept).is_err());
    }
}
