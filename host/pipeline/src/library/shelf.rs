//! The plugins that rules may name: those inside the binary, and those of the plugin folder over them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use orion_model::{Digest, IdBuilder, Kind, Manifest, Parameter, RecordId};
use orion_rules::PluginCatalog;
use orion_sandbox::{Certificate, Plugin, Sandbox};
use orion_trust::Gate;

use super::folder;
use crate::observer::ShelvedPlugin;

/// A plugin inside the binary.
#[derive(Clone, Copy)]
pub struct StandardPlugin {
    /// What rules call it.
    pub name: &'static str,
    /// Its component.
    pub component: &'static [u8],
}

/// Plugins by the words rules use for them.
///
/// Those inside the binary are proven when the shelf is filled and compiled when a rule first names them: compiling all of
/// them takes longer than reading ten thousand rules.
#[derive(Clone, Default)]
pub struct Shelf {
    /// All versions of a name; the last one is meant where a rule asks for none.
    by_name: BTreeMap<String, Vec<Entry>>,
    by_file: BTreeMap<String, Entry>,
    /// Whether a plugin takes these parameters, as far as it was tried: most rules say what others say as well.
    set_ups: Arc<Mutex<SetUps>>,
}

/// By plugin and parameters: nothing, or why not.
type SetUps = HashMap<(Digest, String), Result<(), String>>;

#[derive(Clone)]
enum Entry {
    Loaded(Plugin),
    Standard(Arc<Standard>),
}

/// A plugin inside the binary, compiled or not yet.
struct Standard {
    certificate: Certificate,
    component: &'static [u8],
    sandbox: Arc<Sandbox>,
    loaded: OnceLock<Result<Plugin, String>>,
}

impl Entry {
    fn manifest(&self) -> &Manifest {
        match self {
            Self::Loaded(plugin) => plugin.manifest(),
            Self::Standard(standard) => &standard.certificate.manifest,
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Loaded(plugin) => plugin.digest(),
            Self::Standard(standard) => standard.certificate.digest,
        }
    }

    /// The plugin, where it was needed already.
    fn compiled(&self) -> Option<&Plugin> {
        match self {
            Self::Loaded(plugin) => Some(plugin),
            Self::Standard(standard) => standard.loaded.get()?.as_ref().ok(),
        }
    }

    fn plugin(&self) -> Result<&Plugin, String> {
        match self {
            Self::Loaded(plugin) => Ok(plugin),
            Self::Standard(standard) => {
                let load = || standard.sandbox.load(standard.component).map_err(|error| error.to_string());
                let name = &standard.certificate.manifest.name;
                standard
                    .loaded
                    .get_or_init(load)
                    .as_ref()
                    .map_err(|why| format!("plugin `{name}` does not load: {why}"))
            }
        }
    }
}

impl Shelf {
    /// The plugins inside the binary. On failure, which one is refused and why.
    pub fn of_standard(sandbox: &Arc<Sandbox>, plugins: &[StandardPlugin]) -> Result<Self, (String, String)> {
        let mut shelf = Self::default();
        for StandardPlugin { name, component } in plugins.iter().copied() {
            let certificate = sandbox.inspect(component).map_err(|error| (name.to_owned(), error.to_string()))?;
            let (sandbox, loaded) = (sandbox.clone(), OnceLock::new());
            let standard = Standard { certificate, component, sandbox, loaded };
            let versions = shelf.by_name.entry(standard.certificate.manifest.name.clone()).or_default();
            versions.push(Entry::Standard(Arc::new(standard)));
        }
        Ok(shelf)
    }

    /// Adds a plugin; of the same name it is the one that is meant where a rule asks for no version.
    pub fn put(&mut self, file: Option<&str>, plugin: Plugin) {
        let name = plugin.manifest().name.clone();
        let entry = Entry::Loaded(plugin);
        if let Some(file) = file {
            self.by_file.insert(file.to_owned(), entry.clone());
        }
        self.by_name.entry(name).or_default().push(entry);
    }

    /// Adds the plugins of a folder that its gate passes. The first that is refused, and why, is the error.
    pub fn add_folder(&mut self, sandbox: &Sandbox, dir: &Path, gate: &Gate) -> Result<(), String> {
        for (file, content) in folder::read(dir, folder::PLUGINS).map_err(|error| error.to_string())? {
            let loaded = content.and_then(|bytes| {
                gate.vet(&file, folder::digest_of(&bytes), None)?;
                sandbox.load(&bytes).map_err(|error| error.to_string())
            });
            self.put(Some(&file), loaded.map_err(|why| format!("plugin file {file}: {why}"))?);
        }
        Ok(())
    }

    /// Plugins that are compiled, each with its file where it is of the folder.
    pub fn compiled(&self) -> Vec<ShelvedPlugin> {
        let of_folder = self.by_file.iter().filter_map(|(file, entry)| Some((Some(file.clone()), entry.compiled()?)));
        let of_binary = self.by_name.values().flatten().filter_map(|entry| match entry {
            Entry::Standard(_) => Some((None, entry.compiled()?)),
            Entry::Loaded(_) => None,
        });
        of_folder.chain(of_binary).map(|(file, plugin)| ShelvedPlugin { plugin: plugin.clone(), file }).collect()
    }

    /// What all plugins say of themselves, by name.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.by_name.values().filter_map(|versions| versions.last()).map(Entry::manifest)
    }

    /// The plugin a rule names: `name`, `name@version`, or the name of a file in the plugin folder.
    pub fn get(&self, reference: &str) -> Result<&Plugin, String> {
        self.entry(reference)?.plugin()
    }

    /// Whether a plugin can be set up with these parameters.
    pub fn set_up(&self, plugin: &Plugin, parameters: &[Parameter]) -> Result<(), String> {
        let key = (plugin.digest(), format!("{parameters:?}"));
        let known = self.with_set_ups(|set_ups| set_ups.get(&key).cloned());
        known.unwrap_or_else(|| {
            let outcome = try_set_up(plugin, parameters);
            self.with_set_ups(|set_ups| set_ups.insert(key, outcome.clone()));
            outcome
        })
    }

    fn with_set_ups<T>(&self, act: impl FnOnce(&mut SetUps) -> T) -> T {
        // A panic elsewhere leaves the map whole: every change of it is one call.
        act(&mut self.set_ups.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn entry(&self, reference: &str) -> Result<&Entry, String> {
        if reference.ends_with(".wasm") {
            let file = reference.trim_start_matches("./");
            return self
                .by_file
                .get(file)
                .ok_or_else(|| format!("the plugin folder has no file `{file}` that is accepted"));
        }
        let (name, wanted) = match reference.split_once('@') {
            Some((name, wanted)) => (name, Some(wanted)),
            None => (reference, None),
        };
        let versions = self.by_name.get(name).ok_or_else(|| format!("there is no plugin `{name}`"))?;
        let found = match wanted {
            // Whatever was added last wins among those that are what the rule asks for, as it does where it asks for nothing.
            Some(wanted) => versions.iter().rev().find(|entry| is_version(wanted, &entry.manifest().version)),
            None => versions.last(),
        };
        found.ok_or_else(|| {
            let here: Vec<&str> = versions.iter().map(|entry| entry.manifest().version.as_str()).collect();
            let here = here.join(" and ");
            format!("plugin `{name}` is here in version {here}, and the rule wants {}", wanted.unwrap_or_default())
        })
    }

    /// Identity of all plugins together.
    pub fn fingerprint(&self) -> RecordId {
        let mut id = IdBuilder::new("shelf");
        let versions = self.by_name.iter().flat_map(|(name, versions)| versions.iter().map(move |entry| (name, entry)));
        for (name, entry) in versions.chain(&self.by_file) {
            id = id.text(name).bytes(entry.digest().as_bytes());
        }
        id.finish()
    }
}

/// Whether a plugin's version is what a rule asks for: that one, or one that begins with the numbers the rule gives, so
/// that `1` takes any `1.x.y`.
fn is_version(wanted: &str, version: &str) -> bool {
    let mut parts = version.split('.');
    wanted.split('.').all(|part| parts.next() == Some(part))
}

fn try_set_up(plugin: &Plugin, parameters: &[Parameter]) -> Result<(), String> {
    let configured = match plugin.manifest().kind {
        Kind::Detector => plugin.detector().map_err(|fault| fault.to_string())?.configure(parameters),
        Kind::Correlator => plugin.correlator().map_err(|fault| fault.to_string())?.configure(parameters),
    };
    configured.map_err(|error| error.to_string())
}

impl PluginCatalog for Shelf {
    fn manifest(&self, reference: &str) -> Result<&Manifest, String> {
        self.entry(reference).map(Entry::manifest)
    }

    fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_whole_or_by_its_first_numbers() {
        for (wanted, version) in [("1.2.0", "1.2.0"), ("1.2", "1.2.0"), ("1", "1.2.0"), ("1.2.0-rc.1", "1.2.0-rc.1")] {
            assert!(is_version(wanted, version), "{wanted} {version}");
        }
        for (wanted, version) in
            [("1.2", "1.20.0"), ("2", "1.2.0"), ("1.2.0.0", "1.2.0"), ("", "1.2.0"), ("1.", "1.2.0")]
        {
            assert!(!is_version(wanted, version), "{wanted} {version}");
        }
    }
}
