//! The library: rule files and plugin files as they were accepted, generation by generation.
//!
//! The unit is the file. A file that is refused keeps its own last good version and holds back none of its neighbours;
//! last good versions are kept in the store, so a bad file does not stop a start either. A generation is one accepted
//! state of the whole set: its number grows exactly when something that runs has changed.

mod accept;
mod admitted;
mod folder;
mod presence;
mod scan;
mod shelf;
mod store;
#[cfg(test)]
mod tests;
mod trial;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::{Bus, BusError};
use orion_model::{Digest, IdBuilder, RecordId, Severity, Timestamp};
use orion_sandbox::{Plugin, Sandbox};
use orion_trust::{Fault, Gate};

pub use accept::{Accepted, Checked, CorrelationPlan, Defaults, check, look_together};
pub use folder::{FolderError, digest_of, read_rule_file, rule_files};
pub use shelf::{Shelf, StandardPlugin};
pub use store::{
    Before, GenerationFile, GenerationRecord, KeptPlugin, LAST_GOOD_DIR, OWNER, kept_plugins, last_good_path,
};
pub use watch::{FolderWatch, SETTLE_MILLIS};

use crate::condition::{Condition, kind};
use crate::draft::NotWritable;
use crate::logs::LogPlan;
use crate::observer::{Files, RuleText};
use crate::rule_sets::RuleSets;
use crate::watcher::GroupPlan;
use admitted::{Admitted, PluginEntry};
use presence::Presence;
use store::LibraryStore;

/// Where rules and plugins come from.
#[derive(Clone)]
pub struct LibrarySettings {
    /// Folder of rule files.
    pub rules_dir: PathBuf,
    /// Folder of plugin files; it need not exist.
    pub plugins_dir: Option<PathBuf>,
    /// Folder of the public keys by one of which a plugin file has to be signed.
    pub trusted_keys: Option<PathBuf>,
    /// Where last good plugins are kept.
    pub memory_dir: PathBuf,
    /// Rule files inside the binary; a file of the same name in the folder takes their place.
    pub builtin_rules: &'static [(&'static str, &'static str)],
    /// Plugins inside the binary; a plugin of the same name in the folder takes their place.
    pub standard_plugins: Vec<StandardPlugin>,
    /// What a file that says nothing gets.
    pub defaults: Defaults,
    /// The same for a file of a rule set, which agents run with sources and logs of their own.
    pub of_sets: Defaults,
}

impl LibrarySettings {
    /// Everything that is watched for edits.
    pub fn dirs(&self) -> Vec<PathBuf> {
        let others = self.plugins_dir.iter().chain(&self.trusted_keys);
        std::iter::once(&self.rules_dir).chain(others).cloned().collect()
    }

    /// Who is asked about plugin files, as the folders are now. Those inside the binary are trusted as it is.
    fn gate(&self) -> Gate {
        let dir = self.plugins_dir.as_deref();
        dir.map_or_else(Gate::open, |dir| Gate::read(dir, self.trusted_keys.as_deref()))
    }
}

/// The number of rules that no library keeps.
const UNNUMBERED: u64 = 1;

/// One accepted state of the whole set.
#[derive(Clone, Default)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// What runs, by group id.
    pub groups: BTreeMap<String, GroupPlan>,
    /// What correlates, by correlation id.
    pub correlations: BTreeMap<String, CorrelationPlan>,
    /// Which lines of logs are events, by entry id.
    pub logs: BTreeMap<String, LogPlan>,
    /// Groups that the generation before had and this one has not.
    pub ended_groups: Vec<String>,
}

impl Generation {
    /// The same rules for somebody who goes through the past with them: nothing that their plugins do there counts as what they did live,
    /// and the records say what they say of rules that never ran.
    #[must_use]
    pub fn apart(&self) -> Self {
        let mut apart = Self { number: UNNUMBERED, ended_groups: Vec::new(), ..self.clone() };
        for plan in apart.groups.values_mut() {
            plan.generation = UNNUMBERED;
            plan.plugins = plan.plugins.iter().map(Plugin::apart).collect();
        }
        for plan in apart.correlations.values_mut() {
            plan.plugin = plan.plugin.apart();
        }
        apart
    }
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
    removed_plugins: BTreeMap<String, Admitted>,
    /// What is damaged of the lock and the trusted keys.
    gate_faults: Vec<Fault>,
    store: LibraryStore,
    sets: Arc<RuleSets>,
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

/// A text is judged together with the plugins it may name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    text: Digest,
    shelf: RecordId,
}

impl Library {
    /// Loads the plugins inside the binary and what the store has as last good. `host` is what this one is called among others.
    pub async fn open(
        settings: LibrarySettings,
        sandbox: Arc<Sandbox>,
        bus: Arc<dyn Bus>,
        sets: Arc<RuleSets>,
        host: &str,
    ) -> Result<Self, LibraryError> {
        let standard = Shelf::of_standard(&sandbox, &settings.standard_plugins)
            .map_err(|(name, why)| LibraryError::Standard { name, why })?;
        let (store, last_good) = LibraryStore::open(bus, settings.memory_dir.clone(), host).await?;
        let mut library = Self {
            settings,
            sandbox,
            standard,
            rules: BTreeMap::new(),
            plugins: BTreeMap::new(),
            rule_files: Presence::default(),
            plugin_files: Presence::default(),
            removed_plugins: BTreeMap::new(),
            gate_faults: Vec::new(),
            store,
            sets,
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
        let files = rules.chain(plugins).filter_map(|(name, refused)| Some((name.as_str(), refused.as_deref()?)));
        files.chain(self.gate_faults.iter().map(|fault| (fault.file.as_str(), fault.message.as_str())))
    }

    /// The files as they were last looked at, for people who look.
    pub fn files(&self) -> Files {
        let refused = self.refused().map(|(file, why)| (file.to_owned(), why.to_owned())).collect();
        let text = |(name, entry): (&String, &RuleEntry)| {
            let text = entry.accepted.as_ref()?.text.clone();
            Some((name.clone(), RuleText { text, before: self.store.before(name) }))
        };
        let shelf = self.shelf();
        Files { refused, rules: self.rules.iter().filter_map(text).collect(), plugins: shelf.compiled(), shelf }
    }

    /// Whether the last scan missed files that were there before. They are left as they were until the next scan, which
    /// is due once the folders have settled.
    pub fn misses_files(&self) -> bool {
        self.rule_files.misses_any() || self.plugin_files.misses_any()
    }

    /// Whether a plugin is new, so that somebody has to see how it fares.
    pub fn tries_plugins(&self) -> bool {
        self.plugins.values().any(PluginEntry::is_on_trial)
    }

    /// Whether a new plugin failed too often: the next scan brings the version before it back.
    pub fn has_failed_trial(&self) -> bool {
        self.plugins.values().any(PluginEntry::fails_on_trial)
    }

    fn remember(&mut self, last_good: store::LastGood) {
        let gate = self.settings.gate();
        for (name, kept) in last_good.plugins {
            self.plugin_files.expect(&name);
            let recalled = gate.recall(&name, kept.digest, &kept.proof).and_then(|proof| {
                let plugin = self.sandbox.load(&kept.bytes).map_err(|error| error.to_string())?;
                Ok(Admitted { plugin, proof })
            });
            match recalled {
                Ok(admitted) => {
                    self.plugins.insert(name, PluginEntry::recalled(admitted));
                }
                Err(why) => tracing::warn!(file = name, "the last good version of the plugin does not run: {why}"),
            }
        }
        let shelf = self.shelf();
        for (name, text) in last_good.rules {
            // One from inside the binary need not be in the folder, and one of a set is in none.
            if !is_of_set(&name) && !self.settings.builtin_rules.contains(&(name.as_str(), text.as_str())) {
                self.rule_files.expect(&name);
            }
            let checked = self.judge(&name, &text, &shelf);
            match checked.accepted {
                Some(accepted) => {
                    let accepted = Some(Arc::new(accepted));
                    self.rules.insert(name, RuleEntry { accepted, ..RuleEntry::default() });
                }
                None => tracing::warn!(file = name, "the last good version is not valid any more:\n{}", checked.report),
            }
        }
    }

    /// Of a set only the correlations run here.
    fn judge(&self, name: &str, text: &str, shelf: &Shelf) -> Checked {
        if !is_of_set(name) {
            return check(name, text, shelf, &self.settings.defaults);
        }
        let checked = check(name, text, shelf, &self.settings.of_sets);
        Checked { accepted: checked.accepted.map(Accepted::only_correlations), ..checked }
    }

    /// The plugins rules may name: those of the folder over those inside the binary.
    pub fn shelf(&self) -> Shelf {
        let mut shelf = self.standard.clone();
        for (file, entry) in &self.plugins {
            if let Some(admitted) = &entry.accepted {
                shelf.put(Some(file), admitted.plugin.clone());
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
        let ended_groups: Vec<String> =
            self.store.record.groups.iter().filter(|id| !groups.contains_key(*id)).cloned().collect();
        let ending = self.store.record.ending.iter().filter(|id| !groups.contains_key(*id)).chain(&ended_groups);
        let record = GenerationRecord {
            number,
            accepted_at: if is_new { now } else { self.store.record.accepted_at },
            effective,
            files: self.file_states(),
            groups: groups.keys().cloned().collect(),
            ending: ending.cloned().collect(),
        };
        let rules = self.rules.iter().filter_map(|(name, entry)| Some((name.as_str(), entry.accepted.as_deref()?)));
        let plugins = self.plugins.iter().filter_map(|(name, entry)| Some((name.as_str(), entry.kept()?)));
        let removed = self.removed_plugins.iter().map(|(name, admitted)| (name.as_str(), admitted.kept()));
        let plugins = plugins.chain(removed);
        self.store.keep(record, rules, plugins, now, self.refusals()).await?;
        let logs = self.log_plans(number);
        Ok(is_new.then_some(Generation { number, groups, correlations, logs, ended_groups }))
    }

    /// The generation that runs, for a start that found nothing new.
    pub fn current(&self) -> Generation {
        let number = self.generation();
        let (groups, correlations) = self.plans(number);
        Generation { number, groups, correlations, logs: self.log_plans(number), ended_groups: Vec::new() }
    }

    /// Groups whose alerts have to be ended at a start: those of this generation, and those that a crash has left.
    pub fn ending(&self) -> Vec<String> {
        self.store.record.ending.iter().cloned().collect()
    }

    /// They are ended. Kept with the next generation; until then a start ends them once more, which changes nothing.
    pub fn have_ended(&mut self) {
        self.store.record.ending.clear();
    }

    fn refusals(&self) -> Vec<(Condition, String)> {
        let rules = self.rules.iter().map(|(name, entry)| (kind::RULE_FILE_REFUSED, name, &entry.refused));
        let plugins = self.plugins.iter().map(|(name, entry)| (kind::PLUGIN_REFUSED, name, &entry.refused));
        let files = rules.chain(plugins).filter_map(|(kind, name, refused)| Some((kind, name, refused.as_ref()?)));
        let faults = self.gate_faults.iter().map(|fault| (kind::PLUGIN_REFUSED, &fault.file, &fault.message));
        files
            .chain(faults)
            .map(|(kind, name, why)| {
                let condition = Condition::new(kind, Severity::Warning, "orion", [("file", name.as_str())]);
                (condition, why.clone())
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

    fn log_plans(&self, generation: u64) -> BTreeMap<String, LogPlan> {
        let accepted = self.rules.values().filter_map(|entry| entry.accepted.as_ref());
        let plans = accepted.flat_map(|accepted| accepted.log_plans(generation));
        plans.map(|plan| (plan.entry.id.clone(), plan)).collect()
    }

    fn file_states(&self) -> Vec<GenerationFile> {
        let rules = self.rules.iter().map(|(name, entry)| GenerationFile {
            name: name.clone(),
            digest: entry.accepted.as_ref().map(|accepted| accepted.file.digest),
            refused: entry.refused.clone(),
        });
        let plugins = self.plugins.iter().map(|(name, entry)| GenerationFile {
            name: name.clone(),
            digest: entry.accepted.as_ref().map(|admitted| admitted.plugin.digest()),
            refused: entry.refused.clone(),
        });
        rules.chain(plugins).collect()
    }
}

/// Whether this is the name of a file of a rule set: `SET/FILE`, which no file of a folder can have. So no id of a set is one of the
/// rules folder either: the first part of its ids is the name of a set, which has no dot, and that of theirs ends in `.yaml` or `.yml`.
fn is_of_set(name: &str) -> bool {
    name.contains('/')
}
