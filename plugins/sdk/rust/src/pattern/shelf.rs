//! A saved map that can be walked over, in the order of its keys. For correlators with hundreds of keys that have to do with
//! each other; a million that have not belong in a [`Book`](super::Book).

use std::collections::BTreeMap;

use crate::parameters::Refused;
use crate::state::{Entry, Stateful, check_version, read_entry};
use crate::stored::{Stored, written};

/// Values by text.
pub struct Shelf<V> {
    version: u32,
    values: BTreeMap<Box<str>, V>,
    /// Keys that changed, and whether the host has them: what comes and goes between two checkpoints it never hears of.
    dirty: BTreeMap<Box<str>, bool>,
}

impl<V: Stored> Shelf<V> {
    /// Empty, of the state version that the manifest says.
    pub const fn of_version(version: u32) -> Self {
        Self { version, values: BTreeMap::new(), dirty: BTreeMap::new() }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A value, to look at.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.values.get(key)
    }

    /// A value, to change: it will be saved.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let value = self.values.get_mut(key)?;
        if !self.dirty.contains_key(key) {
            self.dirty.insert(key.into(), true);
        }
        Some(value)
    }

    /// Puts a value.
    pub fn insert(&mut self, key: &str, value: V) {
        let was_there = self.values.insert(key.into(), value).is_some();
        self.dirty.entry(key.into()).or_insert(was_there);
    }

    /// Removes a value, and returns it.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let value = self.values.remove(key)?;
        self.dirty.entry(key.into()).or_insert(true);
        Some(value)
    }

    /// All, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.values.iter().map(|(key, value)| (&**key, value))
    }
}

impl<V: Stored> Stateful for Shelf<V> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        check_version(version, self.version)?;
        for entry in &entries {
            let (key, value) = read_entry::<Box<str>, V>(entry)?;
            self.values.insert(key, value);
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let dirty = std::mem::take(&mut self.dirty);
        let entry = |(key, host_has_it): (Box<str>, bool)| {
            let value = self.values.get(&key).map(written);
            (host_has_it || value.is_some()).then(|| Entry { key: written(&key), value })
        };
        dirty.into_iter().filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::{entries, keep};

    #[test]
    fn a_shelf_is_after_a_restart_what_it_was_at_the_last_checkpoint() {
        let mut kept = BTreeMap::new();
        let mut first = Shelf::<u64>::of_version(1);
        first.insert("b", 1);
        first.insert("a", 2);
        keep(&mut kept, first.checkpoint());
        first.get_mut("a").map(|value| *value = 3).unwrap();
        assert_eq!(first.remove("b"), Some(1));
        first.insert("never saved", 5);
        assert_eq!(first.remove("never saved"), Some(5));
        first.insert("c", 4);
        let entries_of_second = first.checkpoint();
        assert_eq!(entries_of_second.len(), 3);
        keep(&mut kept, entries_of_second);
        assert_eq!(first.checkpoint(), []);
        let mut second = Shelf::<u64>::of_version(1);
        second.restore(1, entries(&kept)).unwrap();
        assert_eq!(second.iter().collect::<Vec<_>>(), [("a", &3), ("c", &4)]);
        assert!(Shelf::<u64>::of_version(2).restore(1, entries(&kept)).is_err());
    }
}
