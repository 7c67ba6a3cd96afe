//! The library: rule files and plugin files as they were accepted, generation by generation.
//!
//! The unit is the file. A file that is refused keeps its own last good version and holds back none of its neighbours;
//! last good versions are kept in the store, so a bad file does not stop a start either. A generation is one accepted
//! state of the whole set: its number grows exactly when something that runs has changed.

mod accept;
mod folder;
mod presence;
mod shelf;
mod store;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::{Bus, BusError};
use orion_model::{Digest, IdBuilder, RecordId, Severity, Timestamp};
use orion_sandbox::{Plugin, Sandbox};

pub use accept::{Accepted, Checked, CorrelationPlan, Defaults, check};
pub use folder::{FolderError, digest_of, read_rule_file, rule_files};
pub use shelf::{Shelf, StandardPlugin};
pub use store::{GenerationFile, GenerationRecord};
pub use watch::{FolderWatch, SETTLE_MILLIS};

use crate::condition::{Condition, kind};
use crate::draft::NotWritable;
use crate::watcher::GroupPlan;
use presence::Presence;
use store::LibraryStore;

/// Where rules and plugins come from.
#[derive(Clone)]
pub struct LibrarySettings {
    /// Folder of rule files.
    pub rules_dir: PathBuf,
    /// Folder of plugin files; it need not exist.
    pub plugins_dir: Option<PathBuf>,
    /// Where last good plugins are kept.
    pub memory_dir: PathBuf,
    /// Rule files inside the binary; a file of the same name in the folder takes their place.
    pub builtin_rules: &'static [(&'static str, &'static str)],
    /// Plugins inside the binary; a plugin of the same name in the folder takes their place.
    pub standard_plugins: Vec<StandardPlugin>,
    /// What a file that says nothing gets.
    pub defaults: Defaults,
}

/// One accepted state of the whole set.
#[derive(Clone)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// What runs, by group id.
    pub groups: BTreeMap<String, GroupPlan>,
    /// What correlates, by correlation id.
    pub correlations: BTreeMap<String, CorrelationPlan>,
    /// Groups that the generation before had and this one has not.
    pub ended_groups: Vec<String>,
}

/// What could not be done about the library as a whole. Problems of single files are conditions, not errors.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A plugin inside the binary does not load on this machine.
    #[error("the standard plugin `{name}` does not load: {why}")]
    Standard {
        /// The plugin.
        name: String,
        /// Why not.
        why: String,
    },
}

/// Rule and plugin files as they were last seen and last accepted.
pub struct Library {
    settings: LibrarySettings,
    sandbox: Arc<Sandbox>,
    standard: Shelf,
    rules: BTreeMap<String, RuleEntry>,
    plugins: BTreeMap<String, PluginEntry>,
    rule_files: Presence,
    plugin_files: Presence,
    /// Plugins whose files are gone, and which the last good version of some rule file still runs with.
    removed_plugins: BTreeMap<String, Plugin>,
    store: LibraryStore,
}

/// What is known of one rule file.
#[derive(Default)]
struct RuleEntry {
    seen: Option<Seen>,
    accepted: Option<Arc<Accepted>>,
    refused: Option<String>,
}

impl RuleEntry {
    fn runs_last_good_with(&self, plugin: &Plugin) -> bool {
        self.refused.is_some() && self.accepted.as_ref().is_some_and(|accepted| accepted.uses(plugin))
    }
}

/// What is known of one plugin file.
#[derive(Default)]
struct PluginEntry {
    seen: Option<Digest>,
    accepted: Option<Plugin>,
    refused: Option<String>,
}

/// A text is judged together with the plugins it may name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    text: Digest,
    shelf: RecordId,
}

impl Library {
    /// Loads the plugins inside the binary and what the store has as last good.
    pub async fn open(
        settings: LibrarySettings,
        sandbox: Arc<Sandbox>,
        bus: Arc<dyn Bus>,
    ) -> Result<Self, LibraryError> {
        let standard = Shelf::of_standard(&sandbox, &settings.standard_plugins)
            .map_err(|(name, why)| LibraryError::Standard { name, why })?;
        let (store, last_good) = LibraryStore::open(bus, settings.memory_dir.clone()).await?;
        let mut library = Self {
            settings,
            sandbox,
            standard,
            rules: BTreeMap::new(),
            plugins: BTreeMap::new(),
            rule_files: Presence::default(),
            plugin_files: Presence::default(),
            removed_plugins: BTreeMap::new(),
            store,
        };
        library.remember(last_good);
        Ok(library)
    }

    /// Number of the generation that runs; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.store.record.number
    }

    /// Files that are refused now, each with the reason.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        let rules = self.rules.iter().map(|(name, entry)| (name, &entry.refused));
        let plugins = self.plugins.iter().map(|(name, entry)| (name, &entry.refused));
        rules.chain(plugins).filter_map(|(name, refused)| Some((name.as_str(), refused.as_deref()?)))
    }

    /// Whether the last scan missed files that were there before. They are left as they were until the next scan, which
    /// is due once the folders have settled.
    pub fn misses_files(&self) -> bool {
        self.rule_files.misses_any() || self.plugin_files.misses_any()
    }

    fn remember(&mut self, last_good: store::LastGood) {
        for (name, bytes) in last_good.plugins {
            self.plugin_files.expect(&name);
            match self.sandbox.load(&bytes) {
                Ok(plugin) => {
                    self.plugins.insert(name, PluginEntry { accepted: Some(plugin), ..PluginEntry::default() });
                }
                Err(error) => tracing::warn!(file = name, "the last good version of the plugin does not load: {error}"),
            }
        }
        let shelf = self.shelf();
        for (name, text) in last_good.rules {
            // One from inside the binary need not be in the folder.
            if !self.settings.builtin_rules.contains(&(name.as_str(), text.as_str())) {
                self.rule_files.expect(&name);
            }
            let checked = check(&name, &text, &shelf, &self.settings.defaults);
            match checked.accepted {
                Some(accepted) => {
                    let accepted = Some(Arc::new(accepted));
                    self.rules.insert(name, RuleEntry { accepted, ..RuleEntry::default() });
                }
                None => tracing::warn!(file = name, "the last good version is not valid any more:\n{}", checked.report),
            }
        }
    }

    /// Looks at the folders. Blocking: reads, parses and compiles what has changed. Takes effect with [`Self::accept`].
    pub fn scan(&mut self) -> Result<(), LibraryError> {
        self.scan_plugins()?;
        self.scan_rules()?;
        let rules = &self.rules;
        let runs_with = |plugin: &Plugin| rules.values().any(|entry| entry.runs_last_good_with(plugin));
        self.removed_plugins.retain(|_, plugin| runs_with(plugin));
        Ok(())
    }

    fn scan_plugins(&mut self) -> Result<(), LibraryError> {
        let mut files = match &self.settings.plugins_dir {
            Some(dir) => folder::read(dir, folder::PLUGINS)?,
            None => BTreeMap::new(),
        };
        self.plugin_files.look(&mut files);
        let is_gone = |name: &String| !files.contains_key(name) && !self.plugin_files.is_missed(name);
        let gone: Vec<String> = self.plugins.keys().filter(|name| is_gone(name)).cloned().collect();
        for name in gone {
            if let Some(plugin) = self.plugins.remove(&name).and_then(|entry| entry.accepted) {
                self.removed_plugins.insert(name, plugin);
            }
        }
        self.removed_plugins.retain(|name, _| !files.contains_key(name));
        for (name, content) in files {
            let entry = self.plugins.entry(name.clone()).or_default();
            let digest = content.as_ref().ok().map(|bytes| digest_of(bytes));
            if digest.is_some() && digest == entry.seen {
                continue;
            }
            entry.seen = digest;
            let loaded = content.and_then(|bytes| {
                let plugin = self.sandbox.load(&bytes).map_err(|error| error.to_string())?;
                self.store.keep_plugin(plugin.digest(), &bytes)?;
                Ok(plugin)
            });
            match loaded {
                Ok(plugin) => {
                    entry.accepted = Some(plugin);
                    entry.refused = None;
                }
                Err(why) => {
                    tracing::error!(file = name, last_good = entry.accepted.is_some(), "plugin refused: {why}");
                    entry.refused = Some(why);
                }
            }
        }
        Ok(())
    }

    fn scan_rules(&mut self) -> Result<(), LibraryError> {
        let mut files = folder::read(&self.settings.rules_dir, folder::RULES)?;
        self.rule_files.look(&mut files);
        for (name, text) in self.settings.builtin_rules.iter().filter(|(name, _)| !self.rule_files.is_missed(name)) {
            files.entry((*name).to_owned()).or_insert_with(|| Ok(text.as_bytes().to_vec()));
        }
        self.rules.retain(|name, _| files.contains_key(name) || self.rule_files.is_missed(name));
        let shelf = self.shelf();
        for (name, content) in files {
            let entry = self.rules.entry(name.clone()).or_default();
            let text = content.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
            let seen =
                text.as_ref().ok().map(|text| Seen { text: digest_of(text.as_bytes()), shelf: shelf.fingerprint() });
            if seen.is_some() && seen == entry.seen {
                continue;
            }
            entry.seen = seen;
            let checked = match text {
                Ok(text) => check(&name, &text, &shelf, &self.settings.defaults),
                Err(why) => Checked::unreadable(&name, &why),
            };
            match checked.accepted {
                Some(accepted) => {
                    entry.accepted = Some(Arc::new(accepted));
                    entry.refused = None;
                }
                None => {
                    let last_good = if entry.accepted.is_some() {
                        "its last good version runs"
                    } else {
                        "it has no last good version"
                    };
                    tracing::error!(file = name, "rule file refused, {last_good}:\n{}", checked.report);
                    entry.refused = Some(checked.report);
                }
            }
        }
        Ok(())
    }

    /// The plugins rules may name: those of the folder over those inside the binary.
    pub fn shelf(&self) -> Shelf {
        let mut shelf = self.standard.clone();
        for (file, entry) in &self.plugins {
            if let Some(plugin) = &entry.accepted {
                shelf.put(Some(file), plugin.clone());
            }
        }
        shelf
    }

    /// Commits what the last scan found: refusals and their ends as events, and the next generation if anything that
    /// runs has changed. `None` when nothing has.
    pub async fn accept(&mut self, now: Timestamp) -> Result<Option<Generation>, LibraryError> {
        let effective = self.effective();
        let is_new = effective != self.store.record.effective;
        let number = self.store.record.number + u64::from(is_new);
        let (groups, correlations) = self.plans(number);
        let ended_groups = self.store.record.groups.iter().filter(|id| !groups.contains_key(*id)).cloned().collect();
        let record = GenerationRecord {
            number,
            accepted_at: if is_new { now } else { self.store.record.accepted_at },
            effective,
            files: self.file_states(),
            groups: groups.keys().cloned().collect(),
        };
        let rules = self.rules.iter().filter_map(|(name, entry)| Some((name.as_str(), entry.accepted.as_deref()?)));
        let plugins = self.plugins.iter().filter_map(|(name, entry)| Some((name.as_str(), entry.accepted.as_ref()?)));
        let plugins = plugins.chain(self.removed_plugins.iter().map(|(name, plugin)| (name.as_str(), plugin)));
        self.store.keep(record, rules, plugins, now, self.refusals()).await?;
        Ok(is_new.then_some(Generation { number, groups, correlations, ended_groups }))
    }

    /// The generation that runs, for a start that found nothing new.
    pub fn current(&self) -> Generation {
        let number = self.generation();
        let (groups, correlations) = self.plans(number);
        Generation { number, groups, correlations, ended_groups: Vec::new() }
    }

    fn refusals(&self) -> Vec<(Condition, String)> {
        let rules = self.rules.iter().map(|(name, entry)| (kind::RULE_FILE_REFUSED, name, &entry.refused));
        let plugins = self.plugins.iter().map(|(name, entry)| (kind::PLUGIN_REFUSED, name, &entry.refused));
        rules
            .chain(plugins)
            .filter_map(|(kind, name, refused)| {
                let condition = Condition::new(kind, Severity::Warning, "orion", [("file", name.as_str())]);
                Some((condition, refused.clone()?))
            })
            .collect()
    }

    /// Identity of everything that runs.
    fn effective(&self) -> RecordId {
        let mut id = IdBuilder::new("generation").bytes(self.shelf().fingerprint().as_bytes());
        for (name, entry) in &self.rules {
            if let Some(accepted) = &entry.accepted {
                id = id.text(name).bytes(accepted.file.digest.as_bytes());
            }
        }
        id.finish()
    }

    fn plans(&self, generation: u64) -> (BTreeMap<String, GroupPlan>, BTreeMap<String, CorrelationPlan>) {
        let accepted = || self.rules.values().filter_map(|entry| entry.accepted.as_ref());
        let groups = accepted().flat_map(|accepted| accepted.group_plans(generation));
        let correlations = accepted().flat_map(|accepted| accepted.correlation_plans());
        (
            groups.map(|plan| (plan.group.id.clone(), plan)).collect(),
            correlations.map(|plan| (plan.correlation.id.clone(), plan)).collect(),
        )
    }

    fn file_states(&self) -> Vec<GenerationFile> {
        let rules = self.rules.iter().map(|(name, entry)| GenerationFile {
            name: name.clone(),
            digest: entry.accepted.as_ref().map(|accepted| accepted.file.digest),
            refused: entry.refused.clone(),
        });
        let plugins = self.plugins.iter().map(|(name, entry)| GenerationFile {
            name: name.clone(),
            digest: entry.accepted.as_ref().map(Plugin::digest),
            refused: entry.refused.clone(),
        });
        rules.chain(plugins).collect()
    }
}
