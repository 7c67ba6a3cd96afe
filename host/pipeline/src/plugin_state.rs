//! What a plugin instance has asked to be kept: a copy of what the store has, so that an instance that faulted or was
//! edited is replaced and given its state back without a look into the store.
//!
//! State belongs to a plugin and its state version. Under another plugin, or another version, it starts afresh, which an
//! event says: bytes that mean something else are worse than none.

use std::collections::BTreeMap;

use orion_model::{Manifest, Severity, StateEntry, Status, Timestamp};

use crate::condition::{Condition, kind};
use crate::draft::{Draft, NotWritable, key};
use crate::kept::Kept;

/// First part of the state keys of what plugins keep.
pub const PLUGIN_ROOM: &[u8] = b"plugin";
/// First part of the state keys that say whose state it is.
pub const OWNER_ROOM: &[u8] = b"plugin-owner";

/// The kept state of one rule's or correlation's plugin.
#[derive(Clone, Debug)]
pub struct PluginState {
    /// The rule or correlation.
    id: String,
    /// `name/state-version` of the plugin that wrote it.
    owner: Option<String>,
    kept: Kept,
}

impl PluginState {
    /// Of the rule or correlation with this id.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), owner: None, kept: Kept::default() }
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Puts an entry back as the store has it.
    pub fn restore_entry(&mut self, name: &[u8], value: &[u8]) {
        self.kept.put(name, value);
    }

    /// Puts back whose state it is.
    pub fn restore_owner(&mut self, owner: &[u8]) {
        self.owner = Some(String::from_utf8_lossy(owner).into_owned());
    }

    /// Starts afresh when what is kept is not this plugin's, and says so with an event. Called once the store was read, and on
    /// every edit.
    pub fn adapt(
        &mut self,
        manifest: &Manifest,
        now: Timestamp,
        generation: u64,
        draft: &mut Draft,
    ) -> Result<(), NotWritable> {
        let owner = owner_of(manifest);
        if self.owner == owner || (self.owner.is_none() && self.kept.is_empty()) {
            return Ok(());
        }
        if !self.kept.is_empty() {
            let was = self.owner.as_deref().unwrap_or("nobody");
            let is = owner.as_deref().unwrap_or("which keeps none");
            let message = format!("what {was} remembered means nothing to {is}: it starts afresh");
            tracing::warn!(rule = self.id, "{message}");
            let labels = [("rule", self.id.as_str()), ("plugin", &manifest.name)];
            let reset = Condition::new(kind::STATE_RESET, Severity::Warning, "orion", labels);
            draft.event(&reset.event(Status::Occurred, now, generation, &message))?;
        }
        self.forget(draft);
        Ok(())
    }

    /// What of it means something to a plugin; nothing when it is not that plugin's.
    pub fn for_plugin(&self, manifest: &Manifest) -> Self {
        if self.owner == owner_of(manifest) { self.clone() } else { Self::new(&self.id) }
    }

    /// Puts all of it down, as if it had been taken just now.
    pub fn put_down(&self, draft: &mut Draft) {
        if let Some(owner) = &self.owner {
            draft.put_bytes(self.owner_key(), owner.clone().into_bytes());
        }
        for (name, value) in self.kept.iter() {
            draft.put_bytes(self.entry_key(name), value.to_vec());
        }
    }

    /// The entries, for `restore`, with what changed since laid over them.
    pub fn entries_with<'a>(&'a self, since: &'a [StateEntry]) -> Vec<StateEntry<&'a [u8]>> {
        let kept = self.kept.iter();
        let entry = |(key, value)| StateEntry { key, value: Some(value) };
        if since.is_empty() {
            return kept.map(entry).collect();
        }
        let mut kept: BTreeMap<&[u8], &[u8]> = kept.collect();
        for entry in since {
            match &entry.value {
                Some(value) => drop(kept.insert(&entry.key, value)),
                None => drop(kept.remove(&*entry.key)),
            }
        }
        kept.into_iter().map(entry).collect()
    }

    /// Takes what a checkpoint returned.
    pub fn take(&mut self, manifest: &Manifest, entries: Vec<StateEntry>, draft: &mut Draft) {
        if entries.is_empty() {
            return;
        }
        if self.owner.is_none()
            && let Some(owner) = owner_of(manifest)
        {
            draft.put_bytes(self.owner_key(), owner.clone().into_bytes());
            self.owner = Some(owner);
        }
        for StateEntry { key: name, value } in entries {
            match &value {
                Some(value) => self.kept.put(&name, value),
                None => self.kept.remove(&name),
            }
            if draft.keeps_state() {
                let state_key = self.entry_key(&name);
                match value {
                    Some(value) => draft.put_bytes(state_key, value),
                    None => draft.delete(state_key),
                }
            }
        }
    }

    /// Forgets everything.
    pub fn forget(&mut self, draft: &mut Draft) {
        for (name, _) in std::mem::take(&mut self.kept).iter() {
            draft.delete(self.entry_key(name));
        }
        if self.owner.take().is_some() {
            draft.delete(self.owner_key());
        }
    }

    fn entry_key(&self, name: &[u8]) -> Vec<u8> {
        key::of(&[PLUGIN_ROOM, self.id.as_bytes(), name])
    }

    fn owner_key(&self) -> Vec<u8> {
        key::of(&[OWNER_ROOM, self.id.as_bytes()])
    }
}

/// `None` for a plugin that keeps no state.
fn owner_of(manifest: &Manifest) -> Option<String> {
    Some(format!("{}/{}", manifest.name, manifest.state_version?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, state_version: u32) -> Manifest {
        let text = format!(
            "name = \"{name}\"\nkind = \"detector\"\nversion = \"1\"\ncontract = \"v1\"\nsummary = \"\"\nstate-version = {state_version}"
        );
        Manifest::from_toml(text.as_bytes()).unwrap()
    }

    fn kept_by(name: &str, state_version: u32) -> PluginState {
        let mut state = PluginState::new("f/g/r");
        let entry = StateEntry { key: vec![0, 1], value: Some(vec![2]) };
        state.take(&manifest(name, state_version), vec![entry], &mut Draft::default());
        state
    }

    #[test]
    fn state_is_given_back_to_the_same_plugin_and_version_and_to_no_other() {
        let cases = [("a", 1, false), ("a", 2, true), ("b", 1, true)];
        for (name, state_version, afresh) in cases {
            let mut state = kept_by("a", 1);
            let mut draft = Draft::default();
            state.adapt(&manifest(name, state_version), Timestamp::default(), 1, &mut draft).unwrap();
            assert_eq!(state.is_empty(), afresh, "{name} {state_version}");
            let said: Vec<orion_bus::Body> = draft.into_records().into_iter().map(|record| record.body).collect();
            assert_eq!(said.len(), usize::from(afresh));
            assert!(said.iter().all(|body| body.contains("what a/1 remembered means nothing to")), "{said:?}");
        }
    }

    #[test]
    fn a_forgotten_entry_is_forgotten_by_the_store_too() {
        let mut state = kept_by("a", 1);
        let mut draft = Draft::default();
        state.take(&manifest("a", 1), vec![StateEntry { key: vec![0, 1], value: None }], &mut draft);
        assert!(state.is_empty() && !draft.is_empty());
        assert_eq!(state.entries_with(&[]), []);
    }
}
