//! What is known of each key, and when somebody has to look at it next. A look may come too early, never too late: so an
//! event that moves an end further away, as nearly every one does, costs nothing here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::finding::{Field, Scalar};
use crate::map::{Id, State};
use crate::parameters::Refused;
use crate::state::{Entry, Stateful as _};
use crate::stored::{Stored, read_whole, written};

/// Keys with values that end by time. Saved whole; the looks follow from the values.
pub struct Book<V> {
    rows: State<Box<str>, Row<V>>,
    looks: BinaryHeap<Reverse<(i64, Id)>>,
    most: usize,
    evicted: u64,
    evicted_is_saved: bool,
}

/// A value and the one look that is planned for it.
struct Row<V> {
    value: V,
    /// [`NEVER`] when there is none.
    planned: i64,
}

const NEVER: i64 = i64::MAX;

/// Key of the number of keys that were pushed out. A text is saved with its length before it, and no text is as long as
/// these bytes would say.
const EVICTED_KEY: &[u8] = b"\xff\xff\xff\xffevicted";

impl<V: Stored> Stored for Row<V> {
    fn write(&self, out: &mut Vec<u8>) {
        self.value.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self { value: V::read(from)?, planned: NEVER })
    }
}

impl<V: Stored> Book<V> {
    /// Empty, of the state version that the manifest says, with room for so many keys.
    pub fn new(version: u32, most: usize) -> Self {
        let (rows, looks) = (State::of_version(version), BinaryHeap::new());
        Self { rows, looks, most, evicted: 0, evicted_is_saved: true }
    }

    /// The number of a key.
    pub fn find(&self, key: &str) -> Option<Id> {
        self.rows.find(key)
    }

    /// Puts a value under a key that is not there. Somebody must plan a look at it.
    pub fn enter(&mut self, key: &str, value: V) -> Id {
        self.rows.enter(key.into(), Row { value, planned: NEVER })
    }

    /// Whether another key would be one too many.
    pub const fn is_full(&self) -> bool {
        self.rows.len() >= self.most
    }

    /// The key that ends first; of several the first by its text. Who takes it out to make room says so with [`Book::evict`].
    pub fn soonest(&mut self, end: impl Fn(&V) -> Option<i64>) -> Option<Id> {
        let (at, ids) = self.next_due(NEVER, end)?;
        ids.iter().for_each(|id| self.look_by(*id, at));
        ids.first().copied()
    }

    /// The key is forgotten to make room, and counted.
    pub fn evict(&mut self, id: Id) {
        self.remove(id);
        self.turn_away();
    }

    /// A key finds no room, and is counted with those that were pushed out.
    pub const fn turn_away(&mut self) {
        self.evicted += 1;
        self.evicted_is_saved = false;
    }

    /// How many keys were pushed out so far, as a fact to tell; nothing when none was.
    pub fn pushed_out(&self) -> Vec<Field> {
        let count = Scalar::Integer(i64::try_from(self.evicted).unwrap_or(i64::MAX));
        let fact = Field { name: "keys_pushed_out".to_owned(), value: count };
        if self.evicted > 0 { vec![fact] } else { Vec::new() }
    }

    /// The text of a key.
    pub fn key(&self, id: Id) -> &str {
        self.rows.key(id).map_or("", |key| key)
    }

    /// A value, to look at.
    pub fn get(&self, id: Id) -> Option<&V> {
        self.rows.at(id).map(|row| &row.value)
    }

    /// A value, to change: it will be saved.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut V> {
        self.rows.at_mut(id).map(|row| &mut row.value)
    }

    /// The host is told that the key is gone.
    pub fn remove(&mut self, id: Id) -> Option<V> {
        self.rows.remove_at(id).map(|row| row.value)
    }

    /// Sees to it that somebody looks at a key no later than then.
    pub fn look_by(&mut self, id: Id, at: i64) {
        let Some(row) = self.rows.at_mut_unsaved(id) else { return };
        if row.planned > at {
            row.planned = at;
            self.looks.push(Reverse((at, id)));
        }
    }

    /// The keys to look at first among those due by `until`, in the order of their texts, with when that is. `end` says
    /// when a value really ends; who looks plans the next look, or removes the key.
    pub fn next_due(&mut self, until: i64, end: impl Fn(&V) -> Option<i64>) -> Option<(i64, Vec<Id>)> {
        loop {
            let due = self.looks.peek().map(|Reverse((at, _))| *at).filter(|at| *at <= until)?;
            let mut ids = Vec::new();
            while let Some(Reverse((at, id))) = self.looks.peek().copied()
                && at == due
            {
                self.looks.pop();
                ids.extend(self.is_due(id, at, &end).then_some(id));
            }
            if !ids.is_empty() {
                // Numbers of keys depend on what came before; the order of what is said must not.
                ids.sort_unstable_by(|a, b| self.key(*a).cmp(self.key(*b)));
                return Some((due, ids));
            }
        }
    }

    /// Takes the planned look; `false` when it came too early, and the next one is planned.
    fn is_due(&mut self, id: Id, at: i64, end: &impl Fn(&V) -> Option<i64>) -> bool {
        let Some(row) = self.rows.at_mut_unsaved(id).filter(|row| row.planned == at) else { return false };
        row.planned = NEVER;
        let Some(end) = end(&row.value) else { return false };
        if end > at {
            self.look_by(id, end);
        }
        end <= at
    }
}

/// What survives a restart.
impl<V: Stored> Book<V> {
    /// Takes back what checkpoints handed out. `end` says when a value ends, and the looks are planned for that: if they were
    /// all due at once, a million of them would take more than the fuel of the first call, and of every one after it.
    pub fn restore(
        &mut self,
        version: u32,
        mut entries: Vec<Entry>,
        end: impl Fn(&V) -> Option<i64>,
    ) -> Result<(), Refused> {
        if let Some(place) = entries.iter().position(|entry| entry.key == EVICTED_KEY) {
            let counted = entries.remove(place).value.and_then(|count| read_whole(&count));
            self.evicted = counted.unwrap_or(self.evicted);
        }
        self.rows.restore(version, entries)?;
        let planned = self.rows.ids().filter_map(|id| {
            let row = self.rows.at_mut_unsaved(id)?;
            row.planned = end(&row.value)?;
            Some(Reverse((row.planned, id)))
        });
        // All at once: one after the other each would be moved to its place among those before it.
        self.looks = planned.collect();
        Ok(())
    }

    /// What changed since the last call.
    pub fn checkpoint(&mut self) -> Vec<Entry> {
        let mut entries = self.rows.checkpoint();
        if !self.evicted_is_saved {
            self.evicted_is_saved = true;
            entries.push(Entry { key: EVICTED_KEY.to_vec(), value: Some(written(&self.evicted)) });
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::{entries, keep};

    fn due(book: &mut Book<i64>, until: i64) -> Vec<(i64, Vec<String>)> {
        let mut said = Vec::new();
        while let Some((at, ids)) = book.next_due(until, |end| Some(*end)) {
            said.push((at, ids.iter().map(|id| book.key(*id).to_owned()).collect()));
            assert!(ids.into_iter().all(|id| book.remove(id).is_some()));
        }
        said
    }

    fn book(ends: &[(&str, i64)]) -> Book<i64> {
        let mut book = Book::new(1, 10);
        for (key, end) in ends {
            let id = book.enter(key, *end);
            book.look_by(id, *end);
        }
        book
    }

    #[test]
    fn keys_come_due_in_order_of_time_and_then_of_their_texts() {
        let mut book = book(&[("c", 5), ("b", 7), ("a", 5), ("d", 9)]);
        let texts = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(due(&mut book, 4), []);
        assert_eq!(due(&mut book, 8), [(5, texts(&["a", "c"])), (7, texts(&["b"]))]);
        assert_eq!(due(&mut book, 9), [(9, texts(&["d"]))]);
    }

    #[test]
    fn an_end_that_moved_away_is_looked_at_again_and_one_that_came_closer_in_time() {
        let mut book = book(&[("later", 5), ("sooner", 9)]);
        let (later, sooner) = (book.find("later").unwrap(), book.find("sooner").unwrap());
        *book.get_mut(later).unwrap() = 20;
        *book.get_mut(sooner).unwrap() = 3;
        book.look_by(sooner, 3);
        assert_eq!(due(&mut book, 10), [(3, vec!["sooner".to_owned()])]);
        assert_eq!(due(&mut book, 20), [(20, vec!["later".to_owned()])]);
    }

    #[test]
    fn what_was_saved_ends_when_it_would_have_and_is_looked_at_no_sooner() {
        let mut first = book(&[("a", 5), ("b", 7)]);
        let saved = first.checkpoint();
        let mut second = Book::new(1, 10);
        second.restore(1, saved, |end| Some(*end)).unwrap();
        assert_eq!(second.soonest(|end| Some(*end)).map(|id| second.key(id).to_owned()), Some("a".to_owned()));
        let looked_at = std::cell::Cell::new(0);
        let count = |end: &i64| {
            looked_at.set(looked_at.get() + 1);
            Some(*end)
        };
        assert_eq!((second.next_due(4, count), looked_at.get()), (None, 0));
        assert_eq!(due(&mut second, 5), due(&mut first, 5));
        assert_eq!(due(&mut second, 9), due(&mut first, 9));
    }

    #[test]
    fn a_key_that_is_pushed_out_is_counted_and_the_count_is_saved() {
        let mut first = book(&[("a", 5), ("b", 3)]);
        let soonest = first.soonest(|end| Some(*end)).unwrap();
        assert_eq!(first.key(soonest), "b");
        first.evict(soonest);
        let mut kept = std::collections::BTreeMap::new();
        keep(&mut kept, first.checkpoint());
        let mut second: Book<i64> = Book::new(1, 10);
        second.restore(1, entries(&kept), |end| Some(*end)).unwrap();
        assert_eq!((second.evicted, second.find("a").is_some(), second.find("b")), (1, true, None));
        assert_eq!(first.checkpoint(), []);
    }
}
