//! What the library remembers over a restart: last good versions, the generation, and which refusals were said.
//!
//! Texts of rule files lie in the store, plugins as files under `last-good/` named by their digest: a component may
//! have twenty megabytes, and one that is unchanged is not written again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orion_bus::{Bus, BusError};
use orion_model::{Digest, RecordId, Timestamp};
use orion_trust::Proof;
use serde::{Deserialize, Serialize};

use super::LibraryError;
use super::accept::Accepted;
use super::folder::digest_of;
use crate::condition::{Condition, Conditions};
use crate::draft::{Draft, key};

/// The owner under which the library commits.
pub const OWNER: &str = "library";
const RULE_ROOM: &[u8] = b"rules";
const BEFORE_ROOM: &[u8] = b"rules-before";
const PLUGIN_ROOM: &[u8] = b"plugins";
const RECORD: &[u8] = b"generation";
/// Where they lie, in the memory folder.
pub const LAST_GOOD_DIR: &str = "last-good";

/// One generation, as the store keeps it and people list it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Its number.
    pub number: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Identity of everything that runs.
    pub effective: RecordId,
    /// The files behind it.
    pub files: Vec<GenerationFile>,
    /// Ids of the groups that run.
    pub groups: BTreeSet<String>,
    /// Ids of groups that do not run any more, and of which it is not known that their alerts were ended: that is a commit of
    /// theirs, behind this one, and a crash may lie between.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ending: BTreeSet<String>,
}

/// A file of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationFile {
    /// Its name.
    pub name: String,
    /// Digest of the version that runs; `None` when none ever was accepted.
    pub digest: Option<Digest>,
    /// Why the version in the folder does not run, when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl GenerationRecord {
    /// Reads the record out of the library's state; `None` before the first generation.
    pub fn find(state: &[(Vec<u8>, Vec<u8>)]) -> Option<Self> {
        let (_, value) = state.iter().find(|(key, _)| key.as_slice() == RECORD)?;
        serde_json::from_slice(value).ok()
    }

    fn none() -> Self {
        let (files, groups) = (Vec::new(), BTreeSet::new());
        let effective = RecordId::from_bytes([0; 16]);
        Self { number: 0, accepted_at: Timestamp::default(), effective, files, groups, ending: BTreeSet::new() }
    }
}

/// The version of a rule file that ran before the one that runs. One is kept of each file: what the last edit changed is what
/// people ask for, and older ones are in their version control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its text.
    pub text: String,
    /// When the version that runs took over.
    pub until: Timestamp,
    /// The generation with which it did.
    pub generation: u64,
}

/// The text of a rule file that runs, as the store keeps it.
struct KeptRule {
    digest: Digest,
    text: Arc<str>,
}

/// What the store had when it was opened.
pub struct LastGood {
    /// Text of each rule file.
    pub rules: BTreeMap<String, String>,
    /// Each plugin file.
    pub plugins: BTreeMap<String, LastGoodPlugin>,
}

/// The last good version of a plugin file.
pub struct LastGoodPlugin {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// What vouched for them when they were accepted.
    pub proof: Proof,
}

/// What the store has of a plugin file; the bytes lie beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPlugin {
    /// Which version.
    pub digest: Digest,
    /// What vouched for it when it was accepted.
    #[serde(flatten)]
    pub proof: Proof,
    /// The version that runs in its place and is on trial. A start begins with what is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_trial: Option<Box<KeptPlugin>>,
}

impl KeptPlugin {
    /// Every version that may run.
    pub fn versions(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.on_trial.as_deref())
    }
}

/// The library's part of the store.
pub struct LibraryStore {
    bus: Arc<dyn Bus>,
    last_good_dir: PathBuf,
    offset: Option<i64>,
    /// The generation that runs.
    pub record: GenerationRecord,
    conditions: Conditions,
    host: String,
    rules: BTreeMap<String, KeptRule>,
    before: BTreeMap<String, Arc<Before>>,
    plugins: BTreeMap<String, KeptPlugin>,
}

impl LibraryStore {
    /// Reads what is kept.
    pub async fn open(bus: Arc<dyn Bus>, memory_dir: PathBuf, host: &str) -> Result<(Self, LastGood), BusError> {
        let loaded = bus.load(OWNER).await?;
        let mut store = Self {
            bus,
            last_good_dir: memory_dir.join(LAST_GOOD_DIR),
            offset: loaded.offset,
            record: GenerationRecord::find(&loaded.state).unwrap_or_else(GenerationRecord::none),
            conditions: Conditions::in_state(&loaded.state).of_host(host),
            host: host.to_owned(),
            rules: BTreeMap::new(),
            before: BTreeMap::new(),
            plugins: BTreeMap::new(),
        };
        let mut last_good = LastGood { rules: BTreeMap::new(), plugins: BTreeMap::new() };
        for (state_key, value) in loaded.state {
            let parts = key::split(&state_key, 2);
            match parts.as_slice() {
                [RULE_ROOM, name] => store.recall_rule(name, value, &mut last_good),
                [BEFORE_ROOM, name] => store.recall_before(name, &value),
                [PLUGIN_ROOM, name] => store.recall_plugin(name, &value, &mut last_good),
                _ => {}
            }
        }
        Ok((store, last_good))
    }

    fn recall_rule(&mut self, name: &[u8], text: Vec<u8>, last_good: &mut LastGood) {
        let name = String::from_utf8_lossy(name).into_owned();
        let digest = digest_of(&text);
        let text = String::from_utf8_lossy(&text).into_owned();
        self.rules.insert(name.clone(), KeptRule { digest, text: text.as_str().into() });
        last_good.rules.insert(name, text);
    }

    /// Bytes that are none are ignored: nothing runs on them.
    fn recall_before(&mut self, name: &[u8], kept: &[u8]) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.before.extend(serde_json::from_slice(kept).ok().map(|before| (name, Arc::new(before))));
    }

    /// The version of a rule file that ran before.
    pub fn before(&self, name: &str) -> Option<Arc<Before>> {
        self.before.get(name).cloned()
    }

    fn recall_plugin(&mut self, name: &[u8], kept: &[u8], last_good: &mut LastGood) {
        let name = String::from_utf8_lossy(name).into_owned();
        let Ok(kept) = serde_json::from_slice::<KeptPlugin>(kept) else { return };
        match std::fs::read(self.plugin_path(kept.digest)) {
            // A file that someone changed is not what was accepted.
            Ok(bytes) if digest_of(&bytes) == kept.digest => {
                self.plugins.insert(name.clone(), kept.clone());
                last_good.plugins.insert(name, LastGoodPlugin { bytes, digest: kept.digest, proof: kept.proof });
            }
            Ok(_) => tracing::warn!(file = name, "the kept last good version of the plugin was changed: not used"),
            Err(error) => tracing::warn!(file = name, "the last good version of the plugin is gone: {error}"),
        }
    }

    fn plugin_path(&self, digest: Digest) -> PathBuf {
        plugin_path(&self.last_good_dir, digest)
    }

    /// Keeps an accepted plugin's bytes. Blocking.
    pub fn keep_plugin(&self, digest: Digest, bytes: &[u8]) -> Result<(), String> {
        let path = self.plugin_path(digest);
        if path.exists() {
            return Ok(());
        }
        let partial = path.with_extension("partial");
        let write = || {
            std::fs::create_dir_all(&self.last_good_dir)?;
            let mut file = std::fs::File::create(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            orion_bus::crash_point!("library::before_rename");
            std::fs::rename(&partial, &path)?;
            // The store is about to name this file: neither it nor its folder may be forgotten by a power loss.
            std::fs::File::open(&self.last_good_dir)?.sync_all()?;
            match self.last_good_dir.parent() {
                Some(memory_dir) => std::fs::File::open(memory_dir)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|error: std::io::Error| {
            format!("its last good version cannot be kept in {}: {error}", path.display())
        })?;
        orion_bus::crash_point!("library::after_rename");
        Ok(())
    }

    /// Commits the state of the library: what is new, what is gone, what is refused and what no longer is.
    pub async fn keep<'a>(
        &mut self,
        record: GenerationRecord,
        rules: impl Iterator<Item = (&'a str, &'a Accepted)> + Send,
        plugins: impl Iterator<Item = (&'a str, KeptPlugin)> + Send,
        now: Timestamp,
        refusals: Vec<(Condition, String)>,
    ) -> Result<(), LibraryError> {
        let mut draft = Draft::default();
        let texts: BTreeMap<&str, &Accepted> = rules.collect();
        let before = self.put_rules(&mut draft, &texts, now, record.number)?;
        let kept_plugins: BTreeMap<String, KeptPlugin> =
            plugins.map(|(name, plugin)| (name.to_owned(), plugin)).collect();
        for (name, plugin) in differing(&self.plugins, &kept_plugins) {
            let state_key = key::of(&[PLUGIN_ROOM, name.as_bytes()]);
            match plugin {
                Some(plugin) => draft.put(state_key, &plugin)?,
                None => draft.delete(state_key),
            }
        }
        let mut conditions = self.conditions.clone();
        say_refusals(&mut conditions, &mut draft, refusals, now, record.number)?;
        if record != self.record {
            draft.put(RECORD.to_vec(), &record)?;
        }
        if !draft.is_empty() {
            let offset = self.offset.map_or(0, |offset| offset + 1);
            orion_bus::crash_point!("library::before_commit");
            let commit = draft.into_commit(OWNER, self.offset, offset);
            if let Err(error) = self.bus.commit(commit).await {
                if let Err(unread) = self.stand_where_the_store_does().await {
                    // The next step is refused where it does not follow, and this is tried again.
                    tracing::debug!("where the library stands is not known: {unread}");
                }
                return Err(error.into());
            }
            orion_bus::crash_point!("library::after_commit");
            (self.offset, self.conditions) = (Some(offset), conditions);
        }
        self.record = record;
        let kept = |accepted: &Accepted| KeptRule { digest: accepted.file.digest, text: accepted.text.clone() };
        self.rules = texts.into_iter().map(|(name, accepted)| (name.to_owned(), kept(accepted))).collect();
        self.before = before;
        self.plugins = kept_plugins;
        self.discard_unused();
        Ok(())
    }

    /// Whether a step was kept is not known, or another process of this host did one: the next one follows from what is there, and says
    /// what is not said there.
    async fn stand_where_the_store_does(&mut self) -> Result<(), BusError> {
        let loaded = self.bus.load(OWNER).await?;
        (self.offset, self.conditions) = (loaded.offset, Conditions::in_state(&loaded.state).of_host(&self.host));
        Ok(())
    }

    /// Puts down the texts that are new, and in their place those that ran so far; what is gone is forgotten. The versions before
    /// are given back, for when it is committed.
    fn put_rules(
        &self,
        draft: &mut Draft,
        texts: &BTreeMap<&str, &Accepted>,
        now: Timestamp,
        generation: u64,
    ) -> Result<BTreeMap<String, Arc<Before>>, LibraryError> {
        let digests = |(name, kept): (&String, &KeptRule)| (name.clone(), kept.digest);
        let old: BTreeMap<String, Digest> = self.rules.iter().map(digests).collect();
        let new = texts.iter().map(|(name, accepted)| ((*name).to_owned(), accepted.file.digest)).collect();
        let mut before = self.before.clone();
        for (name, digest) in differing(&old, &new) {
            let state_key = key::of(&[RULE_ROOM, name.as_bytes()]);
            let before_key = key::of(&[BEFORE_ROOM, name.as_bytes()]);
            let Some(accepted) = digest.and_then(|_| texts.get(name.as_str())) else {
                draft.delete(state_key);
                draft.delete(before_key);
                before.remove(&name);
                continue;
            };
            draft.put_bytes(state_key, accepted.text.as_bytes().to_vec());
            if let Some(ran) = self.rules.get(&name) {
                let ran = Before { text: ran.text.to_string(), until: now, generation };
                draft.put(before_key, &ran)?;
                before.insert(name, Arc::new(ran));
            }
        }
        Ok(before)
    }

    /// Plugins that no file's last good version is any more take only space.
    fn discard_unused(&self) {
        let used: BTreeSet<PathBuf> = self
            .plugins
            .values()
            .flat_map(KeptPlugin::versions)
            .map(|plugin| self.plugin_path(plugin.digest))
            .collect();
        for entry in std::fs::read_dir(&self.last_good_dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if !used.contains(&path)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!("{} is not needed any more and cannot be removed: {error}", path.display());
            }
        }
    }
}

/// Says what is refused and was not, and what was and is not.
fn say_refusals(
    conditions: &mut Conditions,
    draft: &mut Draft,
    refusals: Vec<(Condition, String)>,
    now: Timestamp,
    generation: u64,
) -> Result<(), LibraryError> {
    let over = |condition: &&Condition| !refusals.iter().any(|(refused, _)| refused == *condition);
    for condition in conditions.iter().filter(over).cloned().collect::<Vec<_>>() {
        conditions.clear(draft, &condition, now, generation, "the file is accepted again, or gone")?;
    }
    for (condition, why) in refusals {
        conditions.raise(draft, condition, now, generation, &why)?;
    }
    Ok(())
}

/// The plugin files of the folder that were accepted and may run, by their names, out of the library's state.
pub fn kept_plugins(state: &[(Vec<u8>, Vec<u8>)]) -> BTreeMap<String, KeptPlugin> {
    let kept = |(state_key, value): &(Vec<u8>, Vec<u8>)| match key::split(state_key, 2).as_slice() {
        [PLUGIN_ROOM, name] => Some((String::from_utf8_lossy(name).into_owned(), serde_json::from_slice(value).ok()?)),
        _ => None,
    };
    state.iter().filter_map(kept).collect()
}

/// Where the bytes of an accepted plugin file lie.
pub fn last_good_path(memory_dir: &Path, digest: Digest) -> PathBuf {
    plugin_path(&memory_dir.join(LAST_GOOD_DIR), digest)
}

fn plugin_path(last_good_dir: &Path, digest: Digest) -> PathBuf {
    last_good_dir.join(format!("{digest}.wasm"))
}

/// Names of what differs, each with what it is now.
fn differing<T: Clone + PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<(String, Option<T>)> {
    let changed =
        new.iter().filter(|(name, it)| old.get(*name) != Some(it)).map(|(name, it)| (name.clone(), Some(it.clone())));
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), None));
    changed.chain(gone).collect()
}
