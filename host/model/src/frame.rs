//! The answer to one query at one instant, as columns, and the table that says which series an id stands for.
//!
//! Labels are told once: a series keeps its id from frame to frame, so that everything after the decoder works with
//! dense numbers. Ids of series that have not been seen for long are given to others; [`SeriesTable::generation_of`]
//! changes then, and [`SeriesTable::revision`] changes whenever anything did.

use std::collections::HashMap;

use crate::id::{IdBuilder, RecordId};
use crate::labels::Labels;
use crate::time::Timestamp;

/// A series within one query: dense, from zero.
pub type SeriesId = u32;

/// One answer. The three columns are of equal length; no id stands twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The instant that was asked for.
    pub instant: Timestamp,
    /// Which series.
    pub ids: Vec<SeriesId>,
    /// When each sample was taken, in milliseconds.
    pub timestamps: Vec<i64>,
    /// What it is.
    pub values: Vec<f64>,
    /// What the source had to say about the answer; a warning means it may be partial.
    pub warnings: Vec<String>,
}

/// How Prometheus begins a warning that is about the query and not about the answer.
const REMARK_ON_THE_QUERY: &str = "PromQL ";

impl Frame {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the answer holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether series may be missing that would be in a whole answer: some part of what is behind the source did not answer.
    /// What Prometheus remarks about the query itself stands among the warnings as well, and says nothing of the kind.
    pub fn is_partial(&self) -> bool {
        self.warnings.iter().any(|warning| !warning.starts_with(REMARK_ON_THE_QUERY))
    }

    /// Samples in answer order: id, timestamp, value.
    pub fn samples(&self) -> impl Iterator<Item = (SeriesId, i64, f64)> {
        self.ids.iter().zip(&self.timestamps).zip(&self.values).map(|((&id, &at), &value)| (id, at, value))
    }

    /// Identity of the input: equal for equal answers, whatever ids their series were given and whatever order they came in.
    pub fn input_id(&self, table: &SeriesTable) -> RecordId {
        let sample = |(series, at, value): (SeriesId, i64, f64)| {
            let (text, _) = table.labels(series).map_or(("", &[][..]), Labels::as_text_and_ends);
            let id = IdBuilder::new("sample").text(text).number(at).number(value.to_bits().cast_signed()).finish();
            u128::from_le_bytes(*id.as_bytes())
        };
        // A sum, because a source may answer a question about one instant and one about many in different orders.
        let sum = self.samples().map(sample).fold(0_u128, u128::wrapping_add);
        IdBuilder::new("frame").number(self.instant.as_millis()).bytes(&sum.to_le_bytes()).finish()
    }
}

/// Which series an id stands for.
#[derive(Debug, Default)]
pub struct SeriesTable {
    rows: Vec<Row>,
    by_labels: HashMap<Labels, SeriesId>,
    free: Vec<SeriesId>,
    revision: u64,
}

#[derive(Debug)]
struct Row {
    labels: Option<Labels>,
    generation: u32,
    last_seen: Timestamp,
}

impl SeriesTable {
    /// A table without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a label set, given now if it has none.
    pub fn define(&mut self, labels: &Labels, now: Timestamp) -> SeriesId {
        if let Some(&id) = self.by_labels.get(labels) {
            self.touch(id, now);
            return id;
        }
        self.revision += 1;
        // A table never comes near 2^32 rows: the doors cap the series of an answer at a few hundred thousand.
        let id = self.free.pop().unwrap_or_else(|| u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
        self.place(id, labels.clone(), now);
        id
    }

    /// Puts a series back under the id it had, when a table is read from the store. The caller gives each id once.
    pub fn restore(&mut self, id: SeriesId, labels: Labels, now: Timestamp) {
        self.revision += 1;
        while self.rows.len() < id as usize {
            self.free.push(u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
            self.rows.push(Row { labels: None, generation: 0, last_seen: now });
        }
        self.free.retain(|&free| free != id);
        self.place(id, labels, now);
    }

    fn place(&mut self, id: SeriesId, labels: Labels, now: Timestamp) {
        self.by_labels.insert(labels.clone(), id);
        match self.rows.get_mut(id as usize) {
            Some(row) => {
                row.labels = Some(labels);
                row.generation = row.generation.wrapping_add(1);
                row.last_seen = now;
            }
            None => self.rows.push(Row { labels: Some(labels), generation: 0, last_seen: now }),
        }
    }

    /// Says that a series stood in the answer for `now`.
    pub fn touch(&mut self, id: SeriesId, now: Timestamp) {
        if let Some(row) = self.rows.get_mut(id as usize) {
            row.last_seen = now;
        }
    }

    /// Frees the ids of all series last seen before `before`, and returns them.
    pub fn retire(&mut self, before: Timestamp) -> Vec<SeriesId> {
        let mut retired = Vec::new();
        for (id, row) in (0..).zip(&mut self.rows) {
            if row.last_seen < before
                && let Some(labels) = row.labels.take()
            {
                self.by_labels.remove(&labels);
                row.generation = row.generation.wrapping_add(1);
                retired.push(id);
            }
        }
        if !retired.is_empty() {
            self.revision += 1;
            self.free.extend(retired.iter().rev());
        }
        retired
    }

    /// The labels of a series; `None` for an id that stands for nothing now.
    pub fn labels(&self, id: SeriesId) -> Option<&Labels> {
        self.rows.get(id as usize)?.labels.as_ref()
    }

    /// Changes whenever the id gets or loses its series.
    pub fn generation_of(&self, id: SeriesId) -> Option<u32> {
        self.rows.get(id as usize).map(|row| row.generation)
    }

    /// Changes whenever any series was defined or retired.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// One more than the highest id ever given.
    pub fn capacity(&self) -> usize {
        self.rows.len()
    }

    /// All series there are, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, &Labels)> {
        (0..).zip(&self.rows).filter_map(|(id, row)| Some((id, row.labels.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(job: &str) -> Labels {
        [("job", job)].into_iter().collect()
    }

    const T0: Timestamp = Timestamp::from_millis(0);
    const T1: Timestamp = Timestamp::from_millis(1);

    #[test]
    fn a_series_keeps_its_id_and_a_retired_id_changes_its_generation() {
        let mut table = SeriesTable::new();
        let a = table.define(&labels("a"), T0);
        let b = table.define(&labels("b"), T0);
        let revision = table.revision();
        assert_eq!(table.define(&labels("a"), T1), a);
        assert_eq!(table.revision(), revision);

        let generation = table.generation_of(b);
        assert_eq!(table.retire(T1), [b]);
        assert_eq!(table.labels(b), None);
        let c = table.define(&labels("c"), T1);
        assert_eq!(c, b);
        assert_ne!(table.generation_of(c), generation);
    }

    #[test]
    fn a_restored_table_gives_the_same_ids() {
        let mut table = SeriesTable::new();
        table.restore(2, labels("c"), T0);
        assert_eq!(table.define(&labels("c"), T0), 2);
        let mut others = [table.define(&labels("a"), T0), table.define(&labels("b"), T0)];
        others.sort_unstable();
        assert_eq!(others, [0, 1]);
        assert_eq!(table.define(&labels("d"), T0), 3);
    }

    #[test]
    fn an_answer_is_partial_when_the_source_warns_of_more_than_the_query() {
        let warned = |warning: &str| Frame { warnings: vec![warning.to_owned()], ..Frame::default() };
        assert!(warned("receive series from store: deadline exceeded").is_partial());
        assert!(!warned("PromQL warning: quantile value should be between 0 and 1").is_partial());
        assert!(!Frame::default().is_partial());
    }

    #[test]
    fn the_identity_of_an_input_does_not_depend_on_ids_or_order() {
        let frame = |ids| Frame { instant: T0, ids, timestamps: vec![1, 2], values: vec![1.0, 2.0], warnings: vec![] };
        let mut one = SeriesTable::new();
        let ids = vec![one.define(&labels("a"), T0), one.define(&labels("b"), T0)];
        let mut two = SeriesTable::new();
        two.define(&labels("x"), T0);
        let other_ids = vec![two.define(&labels("a"), T0), two.define(&labels("b"), T0)];
        let of_other = |ids: Vec<SeriesId>, values| Frame { values, timestamps: vec![1, 1], ..frame(ids) };
        assert_eq!(frame(ids.clone()).input_id(&one), frame(other_ids.clone()).input_id(&two));
        let turned = other_ids.iter().rev().copied().collect();
        let one_order = of_other(ids.clone(), vec![1.0, 2.0]).input_id(&one);
        assert_eq!(one_order, of_other(turned, vec![2.0, 1.0]).input_id(&two));
        assert_ne!(one_order, of_other(other_ids, vec![2.0, 1.0]).input_id(&two));
    }
}
