//! The plugins that rules may name: those inside the binary, and those of the plugin folder over them.

use std::collections::BTreeMap;
use std::path::Path;

use orion_model::{IdBuilder, Manifest, RecordId};
use orion_rules::PluginCatalog;
use orion_sandbox::{Plugin, Sandbox};

use super::folder;

/// A plugin inside the binary.
#[derive(Clone, Copy)]
pub struct StandardPlugin {
    /// What rules call it.
    pub name: &'static str,
    /// Its component.
    pub component: &'static [u8],
}

/// Plugins by the words rules use for them.
#[derive(Clone, Default)]
pub struct Shelf {
    by_name: BTreeMap<String, Plugin>,
    by_file: BTreeMap<String, Plugin>,
}

impl Shelf {
    /// The plugins inside the binary, loaded. On failure, which one and why.
    pub fn of_standard(sandbox: &Sandbox, plugins: &[StandardPlugin]) -> Result<Self, (String, String)> {
        let mut shelf = Self::default();
        for standard in plugins {
            let plugin =
                sandbox.load(standard.component).map_err(|error| (standard.name.to_owned(), error.to_string()))?;
            shelf.put(None, plugin);
        }
        Ok(shelf)
    }

    /// Adds a plugin; one of the same name gives way.
    pub fn put(&mut self, file: Option<&str>, plugin: Plugin) {
        if let Some(file) = file {
            self.by_file.insert(file.to_owned(), plugin.clone());
        }
        self.by_name.insert(plugin.manifest().name.clone(), plugin);
    }

    /// Adds the plugins of a folder. The first that is refused, and why, is the error.
    pub fn add_folder(&mut self, sandbox: &Sandbox, dir: &Path) -> Result<(), String> {
        for (file, content) in folder::read(dir, folder::PLUGINS).map_err(|error| error.to_string())? {
            let loaded = content.and_then(|bytes| sandbox.load(&bytes).map_err(|error| error.to_string()));
            self.put(Some(&file), loaded.map_err(|why| format!("plugin file {file}: {why}"))?);
        }
        Ok(())
    }

    /// All plugins, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.by_name.values()
    }

    /// The plugin a rule names: `name`, `name@version`, or the name of a file in the plugin folder.
    pub fn get(&self, reference: &str) -> Result<&Plugin, String> {
        if reference.ends_with(".wasm") {
            let file = reference.trim_start_matches("./");
            return self
                .by_file
                .get(file)
                .ok_or_else(|| format!("the plugin folder has no file `{file}` that is accepted"));
        }
        let (name, version) = match reference.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (reference, None),
        };
        let plugin = self.by_name.get(name).ok_or_else(|| format!("there is no plugin `{name}`"))?;
        match version {
            Some(version) if version != plugin.manifest().version => {
                let is = &plugin.manifest().version;
                Err(format!("plugin `{name}` is here in version {is}, and the rule wants {version}"))
            }
            _ => Ok(plugin),
        }
    }

    /// Identity of all plugins together.
    pub fn fingerprint(&self) -> RecordId {
        let mut id = IdBuilder::new("shelf");
        for (name, plugin) in self.by_name.iter().chain(&self.by_file) {
            id = id.text(name).bytes(plugin.digest().as_bytes());
        }
        id.finish()
    }
}

impl PluginCatalog for Shelf {
    fn manifest(&self, reference: &str) -> Result<&Manifest, String> {
        self.get(reference).map(Plugin::manifest)
    }

    fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }
}
