//! What a plugin remembers. The host keeps it: after each call it asks what changed, and hands all of it back to the next
//! instance. So these maps know which of their keys are dirty, and a quiet call costs nothing.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use crate::frame::SeriesId;
use crate::hash::FixedState;
use crate::parameters::Refused;
use crate::stored::{Stored, read_whole, written};

/// A piece of saved state; no value means the key is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The plugin's own key.
    pub key: Vec<u8>,
    /// The plugin's own bytes.
    pub value: Option<Vec<u8>>,
}

/// Something that survives a restart.
pub trait Stateful {
    /// Takes back what earlier checkpoints handed out.
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused>;

    /// What changed since the last call, in an order that does not depend on hashes.
    fn checkpoint(&mut self) -> Vec<Entry>;

    /// These series will not come again under their numbers.
    fn series_dropped(&mut self, _ids: &[SeriesId]) {}
}

fn read_entry<K: Stored, V: Stored>(entry: &Entry) -> Result<(K, V), Refused> {
    let read = || Some((read_whole(&entry.key)?, read_whole(entry.value.as_deref()?)?));
    read().ok_or_else(|| "the saved state is not what this plugin wrote; reset it".into())
}

pub(crate) fn check_version(found: u32, own: u32) -> Result<(), Refused> {
    if found == own {
        return Ok(());
    }
    Err(Refused(format!("the saved state has version {found}, and this plugin reads {own}; reset it")))
}

/// A map that is saved. There is no way to walk over it, because that would be in the order of hashes.
pub struct State<K, V> {
    version: u32,
    slots: HashMap<K, Slot<K, V>, FixedState>,
    dirty: Vec<K>,
}

struct Slot<K, V> {
    key: K,
    /// `None` once it was removed, until the host was told.
    value: Option<V>,
    dirty: bool,
}

impl<K: Stored + Clone + Eq + Hash + Ord, V: Stored> State<K, V> {
    /// Empty, of the version that the manifest says.
    pub fn of_version(version: u32) -> Self {
        Self { version, slots: HashMap::default(), dirty: Vec::new() }
    }

    /// A value, to look at.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.slots.get(key)?.value.as_ref()
    }

    /// A value with its key as it is kept here.
    pub fn get_key_value<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let slot = self.slots.get(key)?;
        Some((&slot.key, slot.value.as_ref()?))
    }

    /// A value, to change: it will be saved.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let slot = self.slots.get_mut(key)?;
        slot.value.as_ref()?;
        slot.soil(&mut self.dirty);
        slot.value.as_mut()
    }

    /// Puts a value, and returns the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let slot = self.slots.entry(key.clone()).or_insert(Slot { key, value: None, dirty: false });
        slot.soil(&mut self.dirty);
        slot.value.replace(value)
    }

    /// Removes a value, and returns it.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let slot = self.slots.get_mut(key)?;
        slot.value.as_ref()?;
        slot.soil(&mut self.dirty);
        slot.value.take()
    }
}

impl<K: Clone, V> Slot<K, V> {
    fn soil(&mut self, dirty: &mut Vec<K>) {
        if !self.dirty {
            self.dirty = true;
            dirty.push(self.key.clone());
        }
    }
}

impl<K: Stored + Clone + Eq + Hash + Ord, V: Stored> Stateful for State<K, V> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        check_version(version, self.version)?;
        for entry in &entries {
            let (key, value) = read_entry::<K, V>(entry)?;
            self.slots.insert(key.clone(), Slot { key, value: Some(value), dirty: false });
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        let mut entries = Vec::with_capacity(dirty.len());
        for key in dirty {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            slot.dirty = false;
            let value = slot.value.as_ref().map(written);
            if value.is_none() {
                self.slots.remove(&key);
            }
            entries.push(Entry { key: written(&key), value });
        }
        entries
    }
}

/// A value for each series, saved. Series are numbered densely, so this is a plain row of values: a detector can look at
/// all of them for every frame.
pub struct SeriesState<V> {
    version: u32,
    values: Vec<Option<V>>,
    dirty: Vec<SeriesId>,
}

impl<V: Stored> SeriesState<V> {
    /// Empty, of the version that the manifest says.
    pub const fn of_version(version: u32) -> Self {
        Self { version, values: Vec::new(), dirty: Vec::new() }
    }

    /// A value, to look at.
    pub fn get(&self, series: SeriesId) -> Option<&V> {
        self.values.get(series as usize)?.as_ref()
    }

    /// Puts a value: it will be saved.
    pub fn insert(&mut self, series: SeriesId, value: V) {
        self.place(series, value);
        self.dirty.push(series);
    }

    fn place(&mut self, series: SeriesId, value: V) {
        let index = series as usize;
        if self.values.len() <= index {
            self.values.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.values.get_mut(index) {
            *slot = Some(value);
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, series: SeriesId) {
        if self.values.get_mut(series as usize).and_then(Option::take).is_some() {
            self.dirty.push(series);
        }
    }

    /// All values, by number of the series.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, &V)> {
        (0..).zip(&self.values).filter_map(|(series, value)| Some((series, value.as_ref()?)))
    }
}

impl<V: Stored> Stateful for SeriesState<V> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        check_version(version, self.version)?;
        for entry in &entries {
            let (series, value) = read_entry::<SeriesId, V>(entry)?;
            self.place(series, value);
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        dirty.iter().map(|series| Entry { key: written(series), value: self.get(*series).map(written) }).collect()
    }

    fn series_dropped(&mut self, ids: &[SeriesId]) {
        ids.iter().for_each(|series| self.remove(*series));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    /// What a host keeps of the entries it was told.
    fn keep(kept: &mut BTreeMap<Vec<u8>, Vec<u8>>, entries: Vec<Entry>) {
        for Entry { key, value } in entries {
            match value {
                Some(value) => drop(kept.insert(key, value)),
                None => drop(kept.remove(&key)),
            }
        }
    }

    fn entries(kept: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<Entry> {
        kept.iter().map(|(key, value)| Entry { key: key.clone(), value: Some(value.clone()) }).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u64),
        Change(u8, u64),
        Remove(u8),
        Checkpoint,
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0_u8..6, any::<u64>()).prop_map(|(key, value)| Step::Insert(key, value)),
            (0_u8..6, any::<u64>()).prop_map(|(key, value)| Step::Change(key, value)),
            (0_u8..6).prop_map(Step::Remove),
            Just(Step::Checkpoint),
            Just(Step::Restart),
        ];
        proptest::collection::vec(step, 0..40)
    }

    fn name(key: u8) -> Rc<str> {
        format!("key {key}").into()
    }

    proptest! {
        #[test]
        fn a_map_is_after_a_restart_what_it_was_at_the_last_checkpoint(steps in steps()) {
            let mut kept = BTreeMap::new();
            let mut saved: BTreeMap<u8, u64> = BTreeMap::new();
            let mut model = saved.clone();
            let mut state = State::<Rc<str>, u64>::of_version(1);
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(state.insert(name(key), value), model.insert(key, value));
                    }
                    Step::Change(key, value) => {
                        let found = state.get_mut(&*name(key)).map(|slot| *slot = value);
                        prop_assert_eq!(found, model.get_mut(&key).map(|slot| *slot = value));
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(state.remove(&*name(key)), model.remove(&key));
                    }
                    Step::Checkpoint => {
                        keep(&mut kept, state.checkpoint());
                        prop_assert_eq!(state.checkpoint(), vec![]);
                        saved = model.clone();
                    }
                    Step::Restart => {
                        state = State::of_version(1);
                        state.restore(1, entries(&kept)).unwrap();
                        model = saved.clone();
                    }
                }
                for key in 0..6 {
                    prop_assert_eq!(state.get(&*name(key)), model.get(&key));
                }
            }
        }

        #[test]
        fn a_row_of_series_is_after_a_restart_what_it_was_at_the_last_checkpoint(steps in steps()) {
            let mut kept = BTreeMap::new();
            let mut saved: BTreeMap<u32, u64> = BTreeMap::new();
            let mut model = saved.clone();
            let mut state = SeriesState::<u64>::of_version(1);
            for step in steps {
                match step {
                    Step::Insert(key, value) | Step::Change(key, value) => {
                        state.insert(u32::from(key), value);
                        model.insert(u32::from(key), value);
                    }
                    Step::Remove(key) => {
                        state.series_dropped(&[u32::from(key)]);
                        model.remove(&u32::from(key));
                    }
                    Step::Checkpoint => {
                        keep(&mut kept, state.checkpoint());
                        prop_assert_eq!(state.checkpoint(), vec![]);
                        saved = model.clone();
                    }
                    Step::Restart => {
                        state = SeriesState::of_version(1);
                        state.restore(1, entries(&kept)).unwrap();
                        model = saved.clone();
                    }
                }
                let all: Vec<_> = state.iter().map(|(series, value)| (series, *value)).collect();
                prop_assert_eq!(all, model.iter().map(|(series, value)| (*series, *value)).collect::<Vec<_>>());
            }
        }

        #[test]
        fn bytes_that_nobody_wrote_are_refused_and_never_a_panic(
            key in proptest::collection::vec(any::<u8>(), 0..12),
            value in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let entry = Entry { key, value: Some(value) };
            let mut state = State::<Rc<str>, Vec<(u64, Option<bool>)>>::of_version(1);
            if state.restore(1, vec![entry.clone()]).is_ok() {
                // What reads must be what would be written: one form only.
                let (key, value) = read_entry::<Rc<str>, Vec<(u64, Option<bool>)>>(&entry).unwrap();
                prop_assert_eq!(written(&key), entry.key);
                prop_assert_eq!(Some(written(&value)), entry.value);
            }
        }
    }

    #[test]
    fn state_of_another_version_is_refused_in_words() {
        let refused = State::<u32, u8>::of_version(2).restore(1, vec![]).unwrap_err();
        assert_eq!(refused.0, "the saved state has version 1, and this plugin reads 2; reset it");
    }

    #[test]
    fn a_checkpoint_is_in_the_order_of_keys() {
        let mut state = State::<u32, u8>::of_version(1);
        for key in [7, 3, 500, 1] {
            state.insert(key, 0);
        }
        let keys: Vec<_> = state.checkpoint().into_iter().map(|entry| entry.key[0]).collect();
        assert_eq!(keys, [1, 3, 7, 500_u32.to_le_bytes()[0]]);
    }
}
