//! The keys that are trusted: the public keys of a folder, one a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::gate::Fault;
use crate::key::{KeyId, PublicKey};

/// What the names of public keys end with; other files of the folder are none of Orion's business.
pub const KEY_EXTENSION: &str = "pub";

/// Most keys of a folder: a deployment trusts a handful, and each signature is looked up among them.
const MAX_KEYS: usize = 1_000;

/// A key that is trusted, and the file it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// Name of the file.
    pub file: String,
    /// The key.
    pub key: PublicKey,
}

/// All keys of a folder, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    dir: PathBuf,
    keys: BTreeMap<KeyId, TrustedKey>,
}

impl Keyring {
    /// Reads a folder. One damaged key is a fault of the whole: without it, it would seem that nobody ever trusted it.
    pub fn read(dir: &Path) -> Result<Self, Vec<Fault>> {
        let unreadable = |error: std::io::Error| {
            let message = format!(
                "the folder of trusted keys {} cannot be read: {error}; give another with --trusted-keys, or create it",
                dir.display()
            );
            vec![Fault { file: dir.display().to_string(), message }]
        };
        let mut ring = Self { dir: dir.to_owned(), keys: BTreeMap::new() };
        let mut faults = Vec::new();
        let entries = std::fs::read_dir(dir).map_err(unreadable)?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        // Two files with one key are told apart by nothing but their order.
        paths.sort();
        for path in paths {
            let Some(file) = key_file_name(&path) else { continue };
            if ring.keys.len() == MAX_KEYS {
                let message = format!("{} has more than {MAX_KEYS} keys, the most that are read", dir.display());
                return Err(vec![Fault { file: dir.display().to_string(), message }]);
            }
            match PublicKey::load(&path) {
                Ok(key) => drop(ring.keys.insert(key.id(), TrustedKey { file, key })),
                Err(why) => {
                    let message = format!(
                        "the trusted key {} cannot be used: {why}; put the key back, or remove the file",
                        path.display()
                    );
                    faults.push(Fault { file, message });
                }
            }
        }
        if faults.is_empty() { Ok(ring) } else { Err(faults) }
    }

    /// The key with this id.
    pub fn get(&self, id: &KeyId) -> Option<&TrustedKey> {
        self.keys.get(id)
    }

    /// All keys, in order of their ids.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &TrustedKey)> {
        self.keys.iter()
    }

    /// Where they lie.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Hidden files are those of editors and of Kubernetes.
fn key_file_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_key = path.extension()?.to_str()? == KEY_EXTENSION && !name.starts_with('.');
    is_key.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn public_keys_are_read_and_everything_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let key = SecretKey::from_seed(&[1; 32], "one").public();
        for (name, text) in [("one.pub", key.to_pem()), (".two.pub", "x".to_owned()), ("README.md", "x".to_owned())] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let ring = Keyring::read(dir.path()).unwrap();
        assert_eq!(ring.keys().map(|(id, _)| *id).collect::<Vec<_>>(), [key.id()]);
        assert_eq!(ring.get(&key.id()).unwrap().file, "one.pub");
    }

    #[test]
    fn every_damaged_key_is_said_and_one_is_a_fault_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let pem = SecretKey::from_seed(&[1; 32], "one").public().to_pem();
        std::fs::write(dir.path().join("good.pub"), &pem).unwrap();
        std::fs::write(dir.path().join("cut.pub"), &pem[..40]).unwrap();
        std::fs::create_dir(dir.path().join("folder.pub")).unwrap();
        let faults = Keyring::read(dir.path()).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.file.as_str()).collect::<Vec<_>>(), ["cut.pub", "folder.pub"]);
        let shown = faults[0].message.replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(shown, @"the trusted key DIR/cut.pub cannot be used: it is not a key in PEM form: it ends before `-----END PUBLIC KEY-----`; put the key back, or remove the file");
    }

    #[test]
    fn a_missing_folder_is_a_fault_and_an_empty_one_trusts_nobody() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Keyring::read(dir.path()).unwrap().is_empty());
        let faults = Keyring::read(&dir.path().join("gone")).unwrap_err();
        let shown = faults[0].message.replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(shown, @"the folder of trusted keys DIR/gone cannot be read: No such file or directory (os error 2); give another with --trusted-keys, or create it");
    }
}
