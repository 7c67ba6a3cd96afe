//! What a plugin remembers. The host keeps it: after each call it asks what changed, and hands all of it back to the next
//! instance. So these maps know which of their keys are dirty, and a quiet call costs nothing.

use crate::frame::SeriesId;
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

/// A saved entry as key and value, or the refusal of what is neither.
pub(crate) fn read_entry<K: Stored, V: Stored>(entry: &Entry) -> Result<(K, V), Refused> {
    let read = || Some((read_whole(&entry.key)?, read_whole(entry.value.as_deref()?)?));
    read().ok_or_else(|| "the saved state is not what this plugin wrote; reset it".into())
}

/// The refusal of state that another version of the plugin wrote.
pub(crate) fn check_version(found: u32, own: u32) -> Result<(), Refused> {
    if found == own {
        return Ok(());
    }
    Err(Refused(format!("the saved state has version {found}, and this plugin reads {own}; reset it")))
}

/// A value for each series, saved. Series are numbered densely, so this is a plain row of values: a detector can look at
/// all of them for every frame.
pub struct SeriesState<V> {
    version: u32,
    slots: Vec<Slot<V>>,
    /// Each once, however often it changes until it is saved: a list of changes would grow with every sample.
    dirty: Vec<SeriesId>,
}

struct Slot<V> {
    value: Option<V>,
    is_dirty: bool,
}

impl<V> Slot<V> {
    const EMPTY: Self = Self { value: None, is_dirty: false };
}

impl<V: Stored> SeriesState<V> {
    /// Empty, of the version that the manifest says.
    pub const fn of_version(version: u32) -> Self {
        Self { version, slots: Vec::new(), dirty: Vec::new() }
    }

    /// A value, to look at.
    pub fn get(&self, series: SeriesId) -> Option<&V> {
        self.slots.get(series as usize)?.value.as_ref()
    }

    /// Puts a value: it will be saved.
    pub fn insert(&mut self, series: SeriesId, value: V) {
        let slot = slot(&mut self.slots, series);
        slot.value = Some(value);
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.dirty.push(series);
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, series: SeriesId) {
        let Some(slot) = self.slots.get_mut(series as usize) else { return };
        if slot.value.take().is_some() && !std::mem::replace(&mut slot.is_dirty, true) {
            self.dirty.push(series);
        }
    }

    /// All values, by number of the series.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, &V)> {
        (0..).zip(&self.slots).filter_map(|(series, slot)| Some((series, slot.value.as_ref()?)))
    }
}

#[expect(clippy::indexing_slicing, reason = "it was made just now if it was not there")]
fn slot<V>(slots: &mut Vec<Slot<V>>, series: SeriesId) -> &mut Slot<V> {
    let index = series as usize;
    if slots.len() <= index {
        slots.resize_with(index + 1, || Slot::EMPTY);
    }
    &mut slots[index]
}

impl<V: Stored> Stateful for SeriesState<V> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        check_version(version, self.version)?;
        for entry in &entries {
            let (series, value) = read_entry::<SeriesId, V>(entry)?;
            slot(&mut self.slots, series).value = Some(value);
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        let entry = |series: SeriesId| {
            let slot = slot(&mut self.slots, series);
            slot.is_dirty = false;
            Entry { key: written(&series), value: slot.value.as_ref().map(written) }
        };
        dirty.into_iter().map(entry).collect()
    }

    fn series_dropped(&mut self, ids: &[SeriesId]) {
        ids.iter().for_each(|series| self.remove(*series));
    }
}

/// What a host does with entries, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::collections::BTreeMap;

    use super::Entry;

    /// What a host keeps of the entries it was told.
    pub(crate) fn keep(kept: &mut BTreeMap<Vec<u8>, Vec<u8>>, entries: Vec<Entry>) {
        for Entry { key, value } in entries {
            match value {
                Some(value) => drop(kept.insert(key, value)),
                None => drop(kept.remove(&key)),
            }
        }
    }

    pub(crate) fn entries(kept: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<Entry> {
        kept.iter().map(|(key, value)| Entry { key: key.clone(), value: Some(value.clone()) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::testing::{entries, keep};
    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32, u64),
        Drop(u32),
        Checkpoint,
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0_u32..6, any::<u64>()).prop_map(|(series, value)| Step::Insert(series, value)),
            (0_u32..6).prop_map(Step::Drop),
            Just(Step::Checkpoint),
            Just(Step::Restart),
        ];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn a_row_of_series_is_after_a_restart_what_it_was_at_the_last_checkpoint(steps in steps()) {
            let mut kept = BTreeMap::new();
            let mut saved: BTreeMap<u32, u64> = BTreeMap::new();
            let mut model = saved.clone();
            let mut state = SeriesState::<u64>::of_version(1);
            for step in steps {
                match step {
                    Step::Insert(series, value) => {
                        state.insert(series, value);
                        model.insert(series, value);
                    }
                    Step::Drop(series) => {
                        state.series_dropped(&[series]);
                        model.remove(&series);
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
    }
}
