//! A plugin folder and its lock, and how fetched files come into both.

use std::path::{Path, PathBuf};

use orion_model::Digest;
use orion_sandbox::{Certificate, Sandbox};
use orion_trust::{LOCK_FILE, Lock, LockedPlugin, SIGNATURE_SUFFIX, SignatureFile};

use super::{Fetched, Wanted};
use crate::cli::Failure;
use crate::trust;

/// A folder that fetched plugins go into.
pub(super) struct PluginFolder {
    path: PathBuf,
    lock: Option<Lock>,
    sandbox: Sandbox,
}

/// What became of a fetched file.
pub(super) struct Installed {
    pub(super) file: String,
    pub(super) locked: LockedPlugin,
    /// The bytes that the lock had for the file before, if others.
    pub(super) before: Option<Digest>,
    /// Whether the file was there, as it is now.
    pub(super) was_there: bool,
    pub(super) is_signed: bool,
}

impl Installed {
    /// What is different now, in a word.
    pub(super) fn change(&self) -> &'static str {
        match (self.was_there, self.before) {
            (true, None) => "unchanged",
            (_, Some(_)) => "changed",
            (false, None) => "fetched",
        }
    }
}

/// A fetched file that is known to be a plugin.
struct Proven {
    installed: Installed,
    fetched: Fetched,
}

impl PluginFolder {
    /// Opens a folder, which need not be there yet.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let lock_path = path.join(LOCK_FILE);
        let lock = Lock::load(&lock_path).map_err(|why| {
            Failure::Configuration(format!("{} cannot be added to: {why}; mend or remove it", lock_path.display()))
        })?;
        Ok(Self { path: path.to_owned(), lock, sandbox: trust::sandbox()? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Whether a file is there and holds these bytes.
    pub(super) fn holds(&self, file: &str, digest: Digest) -> Result<bool, Failure> {
        let path = self.path.join(file);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(orion_pipeline::library::digest_of(&bytes) == digest),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::Configuration(format!("{} cannot be read: {error}", path.display()))),
        }
    }

    /// Proves everything, then writes everything. A host that looks meanwhile may find a plugin that its lock does not hold yet: it
    /// goes on with the last good version until the next look.
    pub(super) fn install(self, fetched: Vec<(Wanted, Fetched)>) -> Result<Vec<Installed>, Failure> {
        let proven = fetched.into_iter().map(|(wanted, fetched)| self.prove(wanted, fetched));
        let proven = proven.collect::<Result<Vec<_>, _>>()?;
        if proven.is_empty() {
            return Ok(Vec::new());
        }
        std::fs::create_dir_all(&self.path)
            .map_err(|error| Failure::Configuration(format!("{} cannot be created: {error}", self.path.display())))?;
        let mut lock = match self.lock {
            Some(lock) => lock,
            None => Lock { plugins: trust::look_at(&self.path)? },
        };
        let mut all = Vec::with_capacity(proven.len());
        for Proven { installed, fetched } in proven {
            if let Some(signature) = &fetched.signature {
                trust::replace(&self.path.join(format!("{}{SIGNATURE_SUFFIX}", installed.file)), signature)?;
            }
            if !installed.was_there {
                trust::replace(&self.path.join(&installed.file), &fetched.bytes)?;
            }
            lock.plugins.insert(installed.file.clone(), installed.locked.clone());
            all.push(installed);
        }
        trust::replace(&self.path.join(LOCK_FILE), lock.write().as_bytes())?;
        Ok(all)
    }

    fn prove(&self, wanted: Wanted, fetched: Fetched) -> Result<Proven, Failure> {
        let no_plugin = |why: String| Failure::BadFile(format!("{} {why}; nothing was changed", wanted.source));
        let certificate =
            self.sandbox.inspect(&fetched.bytes).map_err(|error| no_plugin(format!("is no plugin: {error}")))?;
        let Certificate { manifest, digest, .. } = certificate;
        if let Some(signature) = &fetched.signature {
            let text =
                std::str::from_utf8(signature).map_err(|_| no_plugin("has signatures that are no text".to_owned()))?;
            let signed = SignatureFile::read(text)
                .map_err(|why| no_plugin(format!("has signatures that cannot be read: {why}")))?;
            if signed.digest() != digest {
                return Err(no_plugin(format!("has signatures of other bytes: sha256:{}", signed.digest())));
            }
        }
        let file = wanted.file.clone().unwrap_or_else(|| format!("{}.wasm", manifest.name));
        let earlier = self.lock.as_ref().and_then(|lock| lock.plugins.get(&file));
        let before = earlier.map(|earlier| earlier.digest).filter(|before| *before != digest);
        let source = wanted.source.pin(digest).or_else(|| earlier.filter(|_| before.is_none())?.source.clone());
        let locked = LockedPlugin { name: manifest.name, version: manifest.version, digest, source };
        let (was_there, is_signed) = (self.holds(&file, digest)?, fetched.signature.is_some());
        Ok(Proven { installed: Installed { file, locked, before, was_there, is_signed }, fetched })
    }
}
