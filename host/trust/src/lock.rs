//! `plugins.lock`, in the plugin folder: which files it is meant to hold, and of which bytes.
//!
//! Whoever may write the plugins may write the lock as well, so it holds against mistakes (an update that nobody looked at, half a
//! copy) and shows in review what a change of plugins is; against people there are signatures.

use std::collections::BTreeMap;
use std::path::Path;

use orion_model::Digest;
use serde::Deserialize;

use crate::text;

/// Its name.
pub const LOCK_FILE: &str = "plugins.lock";

/// Most that is read of a lock: a plugin takes two hundred bytes, and a folder has at most ten thousand files.
const MAX_LOCK_BYTES: u64 = 4 << 20;

/// The form of the file.
const FORM: u32 = 1;

/// A lock that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is not as `orion-kit lock` writes it: {0}")]
pub struct LockError(String);

/// What a lock says of a plugin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPlugin {
    /// Name of the plugin, for people.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// What counts.
    pub digest: Digest,
    /// From where it can be had, as `orion-kit fetch` takes it. Nothing but that reads it.
    pub source: Option<String>,
}

/// A lock: plugins by the names of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The files.
    pub plugins: BTreeMap<String, LockedPlugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    #[serde(default)]
    plugin: Vec<WrittenPlugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPlugin {
    file: String,
    name: String,
    version: String,
    digest: String,
    source: Option<String>,
}

impl Lock {
    /// Reads a lock's file; `None` when there is none. The error is a reason, without the file's name.
    pub fn load(path: &Path) -> Result<Option<Self>, String> {
        // A link that leads nowhere is a lock that cannot be read, not one that is not there.
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        Self::read(&text::read_text(path, MAX_LOCK_BYTES)?).map(Some).map_err(|error| error.to_string())
    }

    /// Reads a lock.
    pub fn read(written: &str) -> Result<Self, LockError> {
        let written: Written = toml::from_str(written).map_err(|error| LockError(error.message().to_owned()))?;
        if written.version != FORM {
            return Err(LockError(format!("it says version {}, and this Orion reads version {FORM}", written.version)));
        }
        let mut plugins = BTreeMap::new();
        for WrittenPlugin { file, name, version, digest, source } in written.plugin {
            let digest = text::digest(&digest).map_err(|why| LockError(format!("`{file}`: {why}")))?;
            if plugins.insert(file.clone(), LockedPlugin { name, version, digest, source }).is_some() {
                return Err(LockError(format!("`{file}` stands in it twice")));
            }
        }
        Ok(Self { plugins })
    }

    /// The lock as text: files in order, so that a change of one plugin is a change of its lines alone.
    pub fn write(&self) -> String {
        let mut lines = format!("# The plugin files of this folder. Made by orion-kit lock.\nversion = {FORM}\n");
        for (file, LockedPlugin { name, version, digest, source }) in &self.plugins {
            let digest = text::shown(*digest);
            lines.push_str("\n[[plugin]]\n");
            let always = [("file", file), ("name", name), ("version", version), ("digest", &digest)];
            for (key, value) in always.into_iter().chain(source.as_ref().map(|source| ("source", source))) {
                lines.push_str(&format!("{key} = {}\n", text::quoted(value)));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn locked(name: &str, digest: u8) -> LockedPlugin {
        LockedPlugin {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            digest: Digest::from_bytes([digest; 32]),
            source: None,
        }
    }

    #[test]
    fn a_lock_is_a_few_lines_a_plugin_in_order() {
        let plugins = [("b.wasm", 2), ("a.wasm", 1)].map(|(file, digest)| (file.to_owned(), locked("some", digest)));
        insta::assert_snapshot!(Lock { plugins: plugins.into() }.write(), @r#"
        # The plugin files of this folder. Made by orion-kit lock.
        version = 1

        [[plugin]]
        file = "a.wasm"
        name = "some"
        version = "1.0.0"
        digest = "sha256:0101010101010101010101010101010101010101010101010101010101010101"

        [[plugin]]
        file = "b.wasm"
        name = "some"
        version = "1.0.0"
        digest = "sha256:0202020202020202020202020202020202020202020202020202020202020202"
        "#);
    }

    #[test]
    fn what_is_no_lock_is_refused_with_the_reason() {
        let refused = |text: &str| Lock::read(text).unwrap_err().to_string();
        insta::assert_snapshot!(refused("version = 2"), @"it is not as `orion-kit lock` writes it: it says version 2, and this Orion reads version 1");
        insta::assert_snapshot!(refused("version = 1\nplugins = []"), @"it is not as `orion-kit lock` writes it: unknown field `plugins`, expected `version` or `plugin`");
        insta::assert_snapshot!(refused("version = 1\n[[plugin]]\nfile = \"a.wasm\"\n"), @"it is not as `orion-kit lock` writes it: missing field `name`");
        let one = Lock { plugins: BTreeMap::from([("a.wasm".to_owned(), locked("some", 1))]) }.write();
        let entry = one.split_once("\n\n").unwrap().1;
        insta::assert_snapshot!(refused(&format!("{one}\n{entry}")), @"it is not as `orion-kit lock` writes it: `a.wasm` stands in it twice");
        insta::assert_snapshot!(refused(&one.replace("sha256:", "")), @"it is not as `orion-kit lock` writes it: `a.wasm`: `0101010101010101010101010101010101010101010101010101010101010101` is not `sha256:` and 64 digits");
        assert!(refused("").contains("version"), "{}", refused(""));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(plugins in proptest::collection::btree_map(any::<String>(), (any::<String>(), any::<u8>(), any::<Option<String>>()), 0..5)) {
            let plugins = plugins.into_iter().map(|(file, (name, digest, source))| (file, LockedPlugin { source, ..locked(&name, digest) })).collect();
            let lock = Lock { plugins };
            prop_assert_eq!(Lock::read(&lock.write()), Ok(lock));
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = Lock::read(&text);
        }
    }
}
