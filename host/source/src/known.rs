//! The bytes that series came as: a series met before is recognised by comparing them, without reading them.
//!
//! Answers to one query keep their order from instant to instant. So each entry says which one followed it last time,
//! and the next series is first compared with that; where the order changed, a hash of the bytes finds the series and
//! mends the order. A known object is a complete JSON object, and no complete object begins another one: comparing the
//! front of what is left of the answer is enough to know where the object ends.

use hashbrown::{DefaultHashBuilder, HashTable};
use orion_model::SeriesId;
use std::hash::BuildHasher;

/// One `metric` object, as it was written.
#[derive(Debug)]
struct Entry {
    start: usize,
    len: usize,
    id: SeriesId,
    /// Index of the entry that followed it last time. Only a guess: it is always compared.
    next: usize,
}

/// All bytes that series of one query came as.
#[derive(Debug, Default)]
pub(crate) struct KnownSeries {
    /// The bytes of all entries, one after the other, so that comparing in order walks through memory in order.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Indices of `entries`, by hash of their bytes. The order of the hashes reaches nothing outside.
    by_bytes: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// The entry recognised last in this answer.
    previous: Option<usize>,
    /// The entry that began the last answer.
    first: usize,
    /// Number of the answer being read.
    answer: u64,
    /// For each id, the last answer it was in.
    noted_in: Vec<u64>,
}

impl KnownSeries {
    pub(crate) fn begin_answer(&mut self) {
        self.answer += 1;
        self.previous = None;
    }

    /// The series whose object begins `rest`, and how long the object is.
    #[inline]
    pub(crate) fn recognise(&mut self, rest: &[u8]) -> Option<(SeriesId, usize)> {
        let expected = match self.previous {
            Some(previous) => self.entries.get(previous).map_or(usize::MAX, |entry| entry.next),
            None => self.first,
        };
        if let Some(entry) = self.entries.get(expected)
            && let Some(known) = self.bytes.get(entry.start..entry.start + entry.len)
            && rest.starts_with(known)
        {
            self.previous = Some(expected);
            return Some((entry.id, entry.len));
        }
        // Nearly every object ends with its first closing brace. For one with a brace in a label value, what is cut
        // off here is no object and therefore not known; the careful way finds it.
        let len = memchr::memchr(b'}', rest)? + 1;
        self.find(rest.get(..len)?).map(|id| (id, len))
    }

    /// The series that came as `raw`.
    pub(crate) fn find(&mut self, raw: &[u8]) -> Option<SeriesId> {
        let Self { bytes, entries, by_bytes, hasher, .. } = self;
        let same = |index: &usize| {
            let entry = entries.get(*index);
            entry.and_then(|entry| bytes.get(entry.start..entry.start + entry.len)) == Some(raw)
        };
        let index = *by_bytes.find(hasher.hash_one(raw), same)?;
        let id = entries.get(index)?.id;
        self.follow(index);
        Some(id)
    }

    /// From now on `raw` is recognised as `id`.
    pub(crate) fn remember(&mut self, raw: &[u8], id: SeriesId) {
        let index = self.place(raw, id);
        self.follow(index);
    }

    fn place(&mut self, raw: &[u8], id: SeriesId) -> usize {
        let Self { bytes, entries, by_bytes, hasher, .. } = self;
        let index = entries.len();
        entries.push(Entry { start: bytes.len(), len: raw.len(), id, next: index + 1 });
        bytes.extend_from_slice(raw);
        by_bytes.insert_unique(hasher.hash_one(raw), index, |&index| {
            let entry = entries.get(index);
            hasher.hash_one(entry.and_then(|entry| bytes.get(entry.start..entry.start + entry.len)).unwrap_or_default())
        });
        index
    }

    /// The entry stands after the previous one in this answer, and is expected there in the next.
    fn follow(&mut self, index: usize) {
        match self.previous.and_then(|previous| self.entries.get_mut(previous)) {
            Some(previous) => previous.next = index,
            None => self.first = index,
        }
        self.previous = Some(index);
    }

    /// Notes that a series is in the answer; false when it was already.
    #[inline]
    pub(crate) fn note(&mut self, id: SeriesId) -> bool {
        let id = id as usize;
        if id >= self.noted_in.len() {
            self.noted_in.resize(id + 1, 0);
        }
        self.noted_in.get_mut(id).is_some_and(|noted_in| std::mem::replace(noted_in, self.answer) != self.answer)
    }

    /// Whether more is kept than that.
    pub(crate) fn exceeds(&self, max_entries: usize, max_bytes: usize) -> bool {
        self.entries.len() > max_entries || self.bytes.len() > max_bytes
    }

    /// Forgets the bytes of series whose ids, in ascending order, are free now.
    pub(crate) fn forget(&mut self, retired: &[SeriesId]) {
        if retired.is_empty() {
            return;
        }
        let old = std::mem::take(self);
        (self.answer, self.noted_in) = (old.answer, old.noted_in);
        for entry in old.entries.iter().filter(|entry| retired.binary_search(&entry.id).is_err()) {
            let raw = old.bytes.get(entry.start..entry.start + entry.len).unwrap_or_default();
            self.place(raw, entry.id);
        }
    }

    pub(crate) fn forget_all(&mut self) {
        *self = Self { answer: self.answer, noted_in: std::mem::take(&mut self.noted_in), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_recognised_in_order_out_of_order_and_after_others_were_forgotten() {
        let mut known = KnownSeries::default();
        known.begin_answer();
        for (raw, id) in [(r#"{"a":"1"}"#, 0), (r#"{"a":"2"}"#, 1), (r#"{"a":"3"}"#, 2)] {
            assert_eq!(known.recognise(raw.as_bytes()), None);
            known.remember(raw.as_bytes(), id);
        }
        for order in [["1", "2", "3"], ["3", "1", "2"], ["3", "1", "2"]] {
            known.begin_answer();
            for name in order {
                let rest = format!(r#"{{"a":"{name}"}},"value""#);
                assert_eq!(known.recognise(rest.as_bytes()), Some((name.parse::<u32>().unwrap() - 1, 9)));
            }
        }
        known.forget(&[1]);
        known.begin_answer();
        assert_eq!(known.recognise(br#"{"a":"2"}"#), None);
        assert_eq!(known.recognise(br#"{"a":"3"}"#), Some((2, 9)));
    }

    #[test]
    fn the_order_of_the_last_answer_is_the_guess_for_the_next() {
        let mut known = KnownSeries::default();
        known.begin_answer();
        for id in 0..4 {
            known.remember(format!("{{{id}}}").as_bytes(), id);
        }
        for order in [[2, 0, 3, 1], [3, 2, 1, 0], [0, 1, 2, 3]] {
            known.begin_answer();
            for id in order {
                assert_eq!(known.find(format!("{{{id}}}").as_bytes()), Some(id));
            }
            let guessed = std::iter::successors(Some(known.first), |&at| Some(known.entries[at].next));
            let guessed: Vec<SeriesId> = guessed.take(4).map(|at| known.entries[at].id).collect();
            assert_eq!(guessed, order);
        }
    }

    #[test]
    fn a_series_is_noted_once_an_answer() {
        let mut known = KnownSeries::default();
        known.begin_answer();
        assert!(known.note(3));
        assert!(!known.note(3));
        known.forget_all();
        assert!(!known.note(3));
        known.begin_answer();
        assert!(known.note(3));
    }
}
