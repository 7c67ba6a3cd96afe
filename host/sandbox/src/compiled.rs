//! Plugins that were admitted and compiled before, kept as files. Their code is mapped and not read, so one that is large is ready as soon
//! as one that is small.
//!
//! An entry is two files: `RULES-PLUGIN.code`, native code as wasmtime writes it, and `RULES-PLUGIN.json`, what was proven of the
//! bytes. PLUGIN is a hash of the bytes; RULES is one of everything that decides what becomes of them: this build's door, its limits, its
//! compiler. The second file is written last and says how long the first one is, so what a crash left half done is no entry. What other
//! rules made is deleted.
//!
//! Nothing here fails a plugin: one that cannot be kept is compiled again the next time.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use crate::admission::Certificate;
use crate::fault::SandboxError;
use crate::limits::Limits;

/// Plugins that are kept. A deployment has some dozens and a new one with each version; the largest take 50 MB.
const MOST_ENTRIES: usize = 256;

/// Hexadecimal digits of a hash in a name: enough that nobody finds two plugins with the same.
const NAME_DIGITS: usize = 64;

/// The same of the rules, which nobody chooses.
const RULES_DIGITS: usize = 16;

/// Bytes that are hashed by all cores: below, sharing them out takes longer than hashing them.
const LARGE_BYTES: usize = 1024 * 1024;

const CODE: &str = "code";
const PROVEN: &str = "json";
/// A file that is being written.
const NEW: &str = "new";

/// What is proven of a plugin before it is compiled is what these say. An entry that an older door let in has another name.
const DOOR: [&str; 2] = [include_str!("admission.rs"), include_str!("workload.rs")];

/// The folder.
pub(crate) struct CompiledPlugins {
    dir: PathBuf,
    rules: String,
}

/// What stands in the second file of an entry.
#[derive(Serialize, Deserialize)]
struct Proven {
    code_bytes: u64,
    certificate: Certificate,
}

impl CompiledPlugins {
    /// Opens the folder, which nobody else may write to, and clears away what is of no use any more.
    pub(crate) fn open(dir: &Path, engine: &wasmtime::Engine, limits: &Limits) -> Result<Self, SandboxError> {
        let refused = |why: String| SandboxError::Cache { dir: dir.to_owned(), why };
        make_private(dir).map_err(refused)?;
        let dir = dir.canonicalize().map_err(|error| refused(error.to_string()))?;
        let compiled = Self { dir, rules: rules(engine, limits) };
        compiled.clear(0);
        Ok(compiled)
    }

    /// What an entry for these bytes is called.
    pub(crate) fn name(&self, bytes: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new();
        if bytes.len() < LARGE_BYTES {
            hasher.update(bytes)
        } else {
            hasher.update_rayon(bytes)
        };
        format!("{}-{}", self.rules, hasher.finalize().to_hex())
    }

    /// The plugin, if it is kept.
    pub(crate) fn find(&self, engine: &wasmtime::Engine, name: &str) -> Option<(Certificate, Component)> {
        let proven: Proven = serde_json::from_slice(&fs::read(self.path(name, PROVEN)).ok()?).ok()?;
        let code = self.path(name, CODE);
        if fs::metadata(&code).ok()?.len() != proven.code_bytes {
            return None;
        }
        Some((proven.certificate, component(engine, &code)?))
    }

    /// Keeps a plugin.
    pub(crate) fn keep(&self, name: &str, certificate: &Certificate, code: &[u8]) {
        self.clear(1);
        // It is compiled all the same. Whether a disk has room or can be written is said by those who cannot do without.
        let _ = self.write_entry(name, certificate, code);
    }

    fn write_entry(&self, name: &str, certificate: &Certificate, code: &[u8]) -> Result<(), std::io::Error> {
        self.write(name, CODE, code)?;
        let proven = Proven { code_bytes: code.len() as u64, certificate: certificate.clone() };
        self.write(name, PROVEN, &serde_json::to_vec(&proven)?)
    }

    /// All of a file or nothing. Two processes may write the same one: each writes its own, and the later one takes the place.
    fn write(&self, name: &str, kind: &str, bytes: &[u8]) -> std::io::Result<()> {
        let new = self.dir.join(format!("{name}.{kind}.{}.{NEW}", std::process::id()));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(bytes)?;
            // A power cut must not leave a name with other bytes behind it.
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&new, self.path(name, kind))).inspect_err(|_| drop(fs::remove_file(&new)))
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.dir.join(format!("{name}.{kind}"))
    }

    /// Deletes what other rules made, and the oldest of the others until there is room for so many.
    fn clear(&self, room_for: usize) {
        let Ok(files) = fs::read_dir(&self.dir) else { return };
        let mut entries = Vec::new();
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            match Named::read(&name) {
                Some(Named { rules, .. }) if rules != self.rules => drop(fs::remove_file(file.path())),
                Some(Named { stem, kind: CODE, .. }) => {
                    let made = file.metadata().and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                    entries.push((made, stem.to_owned()));
                }
                _ => {}
            }
        }
        entries.sort_unstable();
        let surplus = (entries.len() + room_for).saturating_sub(MOST_ENTRIES);
        for (_, stem) in entries.iter().take(surplus) {
            [PROVEN, CODE].iter().for_each(|kind| drop(fs::remove_file(self.path(stem, kind))));
        }
    }
}

/// The name of a file that belongs here. Others are nobody's business.
struct Named<'a> {
    rules: &'a str,
    /// Without what kind it is.
    stem: &'a str,
    kind: &'a str,
}

impl<'a> Named<'a> {
    fn read(name: &'a str) -> Option<Self> {
        let (stem, kind) = name.split_once('.')?;
        let (rules, plugin) = stem.split_once('-')?;
        let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|it| it.is_ascii_hexdigit());
        let is_ours = is_hex(rules, RULES_DIGITS) && is_hex(plugin, NAME_DIGITS);
        (is_ours && (kind == CODE || kind == PROVEN || kind.ends_with(NEW))).then_some(Self { rules, stem, kind })
    }
}

/// Code as it was written here, ready to run. `None` where it cannot be used: then it is compiled again.
#[expect(unsafe_code, reason = "the one place where code is run that was not compiled by this process; see below")]
fn component(engine: &wasmtime::Engine, code: &Path) -> Option<Component> {
    // SAFETY: wasmtime runs what is in the file, so it has to be what an engine like this one compiled (`Engine::compile_apart`), and has to
    // stay so while it is mapped. Nobody but this user may write to the folder, which was made or checked when it was opened; this user's
    // processes could change each other's code by other means, too. Files get their names here alone, by a rename, after all of their bytes are on the
    // disk; none is ever written to under its name or cut, only replaced or deleted, which leaves what is mapped as it is. The name has the
    // compatibility hash of the engine, and wasmtime compares what the file itself says of version and settings.
    let mapped = unsafe { Component::deserialize_file(engine, code) };
    mapped.ok()
}

/// A hash of everything that decides what becomes of a plugin's bytes.
fn rules(engine: &wasmtime::Engine, limits: &Limits) -> String {
    let mut hasher = Stable(blake3::Hasher::new());
    (env!("CARGO_PKG_VERSION"), DOOR, format!("{limits:?}")).hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex().chars().take(RULES_DIGITS).collect()
}

/// The same in every process, which the standard library does not promise of its own.
struct Stable(blake3::Hasher);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        self.0.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }
}

/// Compiled plugins are native code that is run as it is found: whoever may write here may do anything.
#[cfg(unix)]
fn make_private(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| error.to_string())?;
    let mode = fs::metadata(dir).map_err(|error| error.to_string())?.permissions().mode();
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("others may write there (mode {:03o}), and it holds native code; chmod 700", mode & 0o777));
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, limits: &Limits) -> CompiledPlugins {
        CompiledPlugins::open(dir, &wasmtime::Engine::default(), limits).unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn other_limits_are_other_rules_and_what_was_made_under_them_goes_with_what_was_left_half_done() {
        let dir = tempfile::tempdir().unwrap();
        let before = open(dir.path(), &Limits::default());
        let name = before.name(b"plugin");
        for file in
            [format!("{name}.code"), format!("{name}.json"), format!("{name}.code.7.new"), "notes.txt".to_owned()]
        {
            fs::write(dir.path().join(file), "x").unwrap();
        }
        assert_eq!(open(dir.path(), &Limits::default()).name(b"plugin"), name);
        assert_eq!(names(dir.path()).len(), 4);
        let others = Limits { component_bytes: 1, ..Limits::default() };
        assert_ne!(open(dir.path(), &others).name(b"plugin"), name);
        assert_eq!(names(dir.path()), ["notes.txt"]);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let compiled = open(dir.path(), &Limits::default());
        for n in 0..MOST_ENTRIES + 2 {
            let code = compiled.path(&compiled.name(&n.to_le_bytes()), CODE);
            let file = File::create(code).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64)).unwrap();
        }
        compiled.clear(0);
        assert_eq!(names(dir.path()).len(), MOST_ENTRIES);
        compiled.clear(1);
        let is_there = |n: usize| compiled.path(&compiled.name(&n.to_le_bytes()), CODE).exists();
        assert_eq!([is_there(2), is_there(3)], [false, true]);
    }
}
