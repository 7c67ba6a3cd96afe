//! A map that is saved, made for a million keys: values lie in blocks that never move, and what finds them is a table of
//! four-byte numbers. A plain hash map would hold everything twice while it grows, and a guest gives no memory back.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use crate::blocks::Blocks;
use crate::hash::FixedState;
use crate::parameters::Refused;
use crate::state::{Entry, Stateful, check_version, read_entry};
use crate::stored::{Stored, Writer};

/// A key's number in a [`State`], as long as the key is there. It depends on what came before, so it must reach no output
/// and no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

/// A map that is saved. There is no way to walk over its keys, because that would be in the order of hashes.
pub struct State<K, V> {
    version: u32,
    blocks: Blocks<Slot<K, V>>,
    index: HashTable<u32>,
    dirty: Vec<u32>,
    /// Keys that are there; the index also finds those that the host must still be told are gone.
    live: usize,
}

struct Slot<K, V> {
    key: K,
    /// `None` once it was removed, until the host was told.
    value: Option<V>,
    dirty: bool,
    /// Whether the host has it: of a key that comes and goes between two checkpoints it never hears.
    saved: bool,
}

impl<K: Stored + Clone + Eq + Hash + Ord, V: Stored> State<K, V> {
    /// Empty, of the version that the manifest says.
    pub const fn of_version(version: u32) -> Self {
        Self { version, blocks: Blocks::new(), index: HashTable::new(), dirty: Vec::new(), live: 0 }
    }

    /// Number of keys.
    pub const fn len(&self) -> usize {
        self.live
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The number of a key.
    pub fn find<Q>(&self, key: &Q) -> Option<Id>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let id = self.slot_of(hash_of(key), key)?;
        self.blocks.get(id)?.value.is_some().then_some(Id(id))
    }

    fn slot_of<Q>(&self, hash: u64, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let same = |id: &u32| self.blocks.get(*id).is_some_and(|slot| slot.key.borrow() == key);
        self.index.find(hash, same).copied()
    }

    /// A key by its number.
    pub fn key(&self, id: Id) -> Option<&K> {
        self.blocks.get(id.0).map(|slot| &slot.key)
    }

    /// The numbers of all keys, to be put into an order that does not depend on them.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<K, V> {
        self.blocks.numbers().map(Id)
    }

    /// A value by the number of its key, to look at.
    pub fn at(&self, id: Id) -> Option<&V> {
        self.blocks.get(id.0)?.value.as_ref()
    }

    /// A value by the number of its key, to change: it will be saved.
    pub fn at_mut(&mut self, id: Id) -> Option<&mut V> {
        let slot = self.blocks.get_mut(id.0)?;
        slot.value.as_ref()?;
        slot.soil(id.0, &mut self.dirty);
        slot.value.as_mut()
    }

    /// A value by the number of its key, to change in what is not saved.
    pub fn at_mut_unsaved(&mut self, id: Id) -> Option<&mut V> {
        self.blocks.get_mut(id.0)?.value.as_mut()
    }

    /// A value, to look at.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.at(self.find(key)?)
    }

    /// A value, to change: it will be saved.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.at_mut(self.find(key)?)
    }

    /// Puts a value, and returns the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let id = self.place(key);
        let slot = self.blocks.get_mut(id)?;
        slot.soil(id, &mut self.dirty);
        let before = slot.value.replace(value);
        self.live += usize::from(before.is_none());
        before
    }

    /// Puts a value under a key that is not there, and returns its number.
    pub fn enter(&mut self, key: K, value: V) -> Id {
        let id = self.place(key);
        if let Some(slot) = self.blocks.get_mut(id) {
            slot.soil(id, &mut self.dirty);
            self.live += usize::from(slot.value.replace(value).is_none());
        }
        Id(id)
    }

    /// The slot of a key, a new one if there is none.
    fn place(&mut self, key: K) -> u32 {
        let hash = hash_of(&key);
        if let Some(id) = self.slot_of(hash, &key) {
            return id;
        }
        let id = self.blocks.add(Slot { key, value: None, dirty: false, saved: false });
        let blocks = &self.blocks;
        self.index.insert_unique(hash, id, |id| blocks.get(*id).map_or(0, |slot| hash_of(&slot.key)));
        id
    }

    /// Removes a value, and returns it.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.remove_at(self.find(key)?)
    }

    /// Removes a value by the number of its key, and returns it.
    pub fn remove_at(&mut self, id: Id) -> Option<V> {
        let slot = self.blocks.get_mut(id.0)?;
        slot.value.as_ref()?;
        slot.soil(id.0, &mut self.dirty);
        self.live -= 1;
        slot.value.take()
    }

    fn forget(&mut self, id: u32) {
        let Some(slot) = self.blocks.remove(id) else { return };
        if let Ok(entry) = self.index.find_entry(hash_of(&slot.key), |found| *found == id) {
            entry.remove();
        }
    }
}

fn hash_of<Q: Hash + ?Sized>(key: &Q) -> u64 {
    FixedState::default().hash_one(key)
}

impl<K, V> Slot<K, V> {
    fn soil(&mut self, id: u32, dirty: &mut Vec<u32>) {
        if !self.dirty {
            self.dirty = true;
            dirty.push(id);
        }
    }
}

impl<K: Stored + Clone + Eq + Hash + Ord, V: Stored> Stateful for State<K, V> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        check_version(version, self.version)?;
        let blocks = &self.blocks;
        // Growing step by step would hash every key again at each step.
        self.index.reserve(entries.len(), |id| blocks.get(*id).map_or(0, |slot| hash_of(&slot.key)));
        // Each is freed when it is read, and its room serves what comes next.
        for entry in entries {
            let (key, value) = read_entry::<K, V>(&entry)?;
            let id = self.place(key);
            if let Some(slot) = self.blocks.get_mut(id) {
                slot.saved = true;
                self.live += usize::from(slot.value.replace(value).is_none());
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable_by(|a, b| self.key(Id(*a)).cmp(&self.key(Id(*b))));
        let mut entries = Vec::with_capacity(dirty.len());
        let mut writer = Writer::default();
        for id in &dirty {
            let Some(slot) = self.blocks.get_mut(*id) else { continue };
            slot.dirty = false;
            let value = slot.value.as_ref().map(|value| writer.written(value));
            let is_gone = value.is_none();
            if slot.saved || !is_gone {
                slot.saved = true;
                entries.push(Entry { key: writer.written(&slot.key), value });
            }
            if is_gone {
                self.forget(*id);
            }
        }
        dirty.clear();
        self.dirty = dirty;
        // A call that changed a million keys is rare; the next ones need not carry its buffer.
        self.dirty.shrink_to(DIRTY_KEPT);
        entries
    }
}

/// Dirty keys whose buffer is kept from call to call: more than the events of a batch.
const DIRTY_KEPT: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::state::testing::{entries, keep};
    use crate::stored::written;

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
                prop_assert_eq!(state.len(), model.len());
                for key in 0..6 {
                    prop_assert_eq!(state.get(&*name(key)), model.get(&key));
                    let found = state.find(&*name(key));
                    prop_assert_eq!(found.and_then(|id| state.at(id)), model.get(&key));
                    prop_assert_eq!(found.and_then(|id| state.key(id)).cloned(), found.map(|_| name(key)));
                }
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
    fn many_keys_come_and_go_and_their_room_is_used_again() {
        let mut state = State::<u32, u64>::of_version(1);
        for round in 0..3_u64 {
            for key in 0..5_000 {
                state.insert(key, u64::from(key) + round);
            }
            assert!((0..5_000).all(|key| state.get(&key) == Some(&(u64::from(key) + round))));
            assert_eq!(state.checkpoint().len(), 5_000);
            assert!((0..5_000).all(|key| state.remove(&key).is_some()));
            assert_eq!((state.checkpoint().len(), state.len()), (5_000, 0));
        }
        assert_eq!(state.blocks.numbers().end, 5_000);
    }

    #[test]
    fn of_a_key_that_comes_and_goes_between_two_checkpoints_the_host_never_hears() {
        let mut state = State::<u32, u64>::of_version(1);
        state.insert(1, 1);
        state.remove(&1);
        assert_eq!((state.checkpoint(), state.get(&1)), (vec![], None));
        state.insert(1, 2);
        assert_eq!(state.checkpoint().len(), 1);
        state.remove(&1);
        assert!(matches!(&state.checkpoint()[..], [gone] if gone.value.is_none()));
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
