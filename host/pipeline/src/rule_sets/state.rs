//! What the store has of sets: of each the versions that are kept, how far the newest is rolled out, and what nodes say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orion_bus::Loaded;
use orion_model::{SetVersion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rollout::{NodeRun, Rollout};
use crate::draft::{Draft, NotWritable, key};

/// Versions of a set that can be gone back to. What was pushed is in its author's repository; this is for the first hours after an
/// edit that was a mistake.
const VERSIONS_KEPT: usize = 10;

const SET_ROOM: &[u8] = b"set";
const VERSION_ROOM: &[u8] = b"version";
const NODE_ROOM: &[u8] = b"node";

/// A version as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) version: SetVersion,
    /// The files that have correlations.
    pub(super) correlating: BTreeSet<String>,
}

/// A set as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version that was applied last.
    pub(super) newest: u64,
    /// All that are kept.
    pub(super) kept: BTreeSet<u64>,
    /// While the newest is given to some nodes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rollout: Option<Rollout>,
}

/// All sets, with the texts of the versions that nodes run.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) offset: Option<i64>,
    pub(super) sets: BTreeMap<String, Head>,
    versions: BTreeMap<(String, u64), Arc<Kept>>,
    nodes: BTreeMap<String, BTreeMap<String, NodeRun>>,
}

impl Head {
    fn runs(&self, version: u64) -> bool {
        version == self.newest || self.rollout.as_ref().is_some_and(|rollout| rollout.from == version)
    }
}

impl State {
    /// What was kept. What cannot be read is not there: whoever pushes again makes it anew.
    pub(super) fn of(loaded: Loaded) -> Self {
        let mut state = Self { offset: loaded.offset, ..Self::default() };
        for (state_key, value) in loaded.state {
            let parts: Vec<String> = key::split(&state_key, 3).into_iter().map(text).collect();
            match parts.as_slice() {
                [room, set] if room.as_bytes() == SET_ROOM => {
                    state.sets.extend(serde_json::from_slice(&value).ok().map(|head| (set.clone(), head)));
                }
                [room, set, number] if room.as_bytes() == VERSION_ROOM => {
                    let kept = number.parse().ok().zip(serde_json::from_slice(&value).ok());
                    state.versions.extend(kept.map(|(number, kept)| ((set.clone(), number), Arc::new(kept))));
                }
                [room, set, node] if room.as_bytes() == NODE_ROOM => {
                    let nodes = state.nodes.entry(set.clone()).or_default();
                    nodes.extend(serde_json::from_slice(&value).ok().map(|run| (node.clone(), run)));
                }
                _ => {}
            }
        }
        let sets = &state.sets;
        state.versions.retain(|(set, number), _| sets.get(set).is_some_and(|head| head.runs(*number)));
        state
    }

    /// The version that a node is to run; the newest, where none is named.
    pub(super) fn version_for(&self, set: &str, node: Option<&str>) -> Option<Arc<Kept>> {
        let head = self.sets.get(set)?;
        let number = match (&head.rollout, node) {
            (Some(rollout), Some(node)) if !rollout.given.contains(node) => rollout.from,
            _ => head.newest,
        };
        self.versions.get(&(set.to_owned(), number)).cloned()
    }

    /// What nodes say of a set.
    pub(super) fn nodes_of(&self, set: &str) -> BTreeMap<String, NodeRun> {
        self.nodes.get(set).cloned().unwrap_or_default()
    }

    /// The set with another version, and versions that are kept no longer.
    pub(super) fn with(&self, kept: &Kept, at_a_time: Option<u32>, now: Timestamp) -> (Head, Vec<u64>) {
        let (set, newest) = (&kept.version.set, kept.version.version);
        let before = self.sets.get(set);
        let rollout = before.zip(at_a_time).and_then(|(before, at_a_time)| {
            // Where the version before never reached everybody, everybody ran the one before that.
            let from = before.rollout.as_ref().map_or(before.newest, |rollout| rollout.from);
            Rollout::begin(from, at_a_time, &self.nodes_of(set), now)
        });
        let mut head = Head { newest, kept: before.map(|head| head.kept.clone()).unwrap_or_default(), rollout };
        head.kept.insert(newest);
        let surplus = head.kept.len().saturating_sub(VERSIONS_KEPT);
        let old = head.kept.iter().copied().filter(|version| !head.runs(*version));
        let dropped: Vec<u64> = old.take(surplus).collect();
        head.kept.retain(|version| !dropped.contains(version));
        (head, dropped)
    }

    /// The files of which the correlations run here.
    pub(super) fn correlating(&self) -> Vec<(String, String)> {
        let newest = self.sets.keys().filter_map(|set| self.version_for(set, None));
        let files = newest.flat_map(|kept| {
            let Kept { version, correlating } = (*kept).clone();
            let of_set = move |name: &str| format!("{}/{name}", version.set);
            let files = version.files.into_iter().filter(move |file| correlating.contains(&file.name));
            files.map(move |file| (of_set(&file.name), file.text)).collect::<Vec<_>>()
        });
        files.collect()
    }

    /// For people who look.
    pub(super) fn list(&self) -> Vec<Value> {
        let value = |(set, head): (&String, &Head)| {
            let kept = self.version_for(set, None)?;
            let SetVersion { version, digest, applied_at, applied_by, files, .. } = &kept.version;
            let nodes = self.nodes_of(set);
            let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
            let told: Vec<Value> = nodes
                .iter()
                .map(|(node, run)| json!({ "node": node, "version": run.version, "refused": run.refused, "heard_at": run.heard_at }))
                .collect();
            Some(json!({
                "set": set, "version": version, "digest": digest, "applied_at": applied_at, "applied_by": applied_by,
                "files": names, "kept": head.kept, "nodes": told, "rollout": head.rollout,
            }))
        };
        self.sets.iter().filter_map(value).collect()
    }
}

/// A version out of what was loaded.
pub(super) fn find(state: &[(Vec<u8>, Vec<u8>)], set: &str, version: u64) -> Option<Kept> {
    let wanted = version_key(set, version);
    let (_, value) = state.iter().find(|(state_key, _)| *state_key == wanted)?;
    serde_json::from_slice(value).ok()
}

pub(super) fn put_head(draft: &mut Draft, set: &str, head: &Head) -> Result<(), NotWritable> {
    draft.put(key::of(&[SET_ROOM, set.as_bytes()]), head)
}

pub(super) fn put_version(draft: &mut Draft, kept: &Kept) -> Result<(), NotWritable> {
    draft.put(version_key(&kept.version.set, kept.version.version), kept)
}

pub(super) fn drop_version(draft: &mut Draft, set: &str, version: u64) {
    draft.delete(version_key(set, version));
}

pub(super) fn put_node(draft: &mut Draft, set: &str, node: &str, run: &NodeRun) -> Result<(), NotWritable> {
    draft.put(node_key(set, node), run)
}

pub(super) fn drop_node(draft: &mut Draft, set: &str, node: &str) {
    draft.delete(node_key(set, node));
}

fn node_key(set: &str, node: &str) -> Vec<u8> {
    key::of(&[NODE_ROOM, set.as_bytes(), node.as_bytes()])
}

fn version_key(set: &str, version: u64) -> Vec<u8> {
    key::of(&[VERSION_ROOM, set.as_bytes(), version.to_string().as_bytes()])
}

fn text(part: &[u8]) -> String {
    String::from_utf8_lossy(part).into_owned()
}
