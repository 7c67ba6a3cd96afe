//! Frames as a detector sees them: samples one by one, each with a series whose labels are looked up when asked for.

use std::rc::Rc;

use crate::finding::Finding;
use crate::values::{LANES, Values, Wanted};

/// A series: the same number from frame to frame, as long as the host does not drop it.
pub type SeriesId = u32;

/// Values looked at before anything is decided. Enough that what a loop costs besides does not show.
const RUN: usize = 16;

/// The answer to the rule's query at one instant.
pub struct Frame<'a> {
    now: i64,
    ids: &'a [SeriesId],
    timestamps: &'a [i64],
    values: &'a [f64],
    book: &'a SeriesBook,
}

impl<'a> Frame<'a> {
    pub(crate) const fn new(
        now: i64,
        ids: &'a [SeriesId],
        timestamps: &'a [i64],
        values: &'a [f64],
        book: &'a SeriesBook,
    ) -> Self {
        Self { now, ids, timestamps, values, book }
    }

    /// The instant that was asked for, in milliseconds.
    pub const fn now(&self) -> i64 {
        self.now
    }

    /// Number of samples.
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the answer holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The samples, in the order of the answer.
    pub fn samples(&self) -> impl Iterator<Item = Sample<'a>> + use<'a> {
        Self::zip(self.ids, self.timestamps, self.values, self.book)
    }

    /// The samples whose value is wanted, in the order of the answer. Values are looked at in runs, so that a frame in which
    /// next to nothing is wanted costs next to nothing: use this where most samples are fine.
    pub fn samples_where<W>(&self, wanted: W) -> impl Iterator<Item = Sample<'a>> + use<'a, W>
    where
        W: Fn(Values) -> Wanted + Copy,
    {
        let book = self.book;
        let (ids, last_ids) = self.ids.as_chunks::<RUN>();
        let (timestamps, last_timestamps) = self.timestamps.as_chunks::<RUN>();
        let (values, last_values) = self.values.as_chunks::<RUN>();
        let any = move |run: &[f64; RUN]| {
            let pairs = run.as_chunks::<LANES>().0;
            pairs.iter().fold(Wanted::none(), |any, pair| any | wanted(Values::of(pair))).any()
        };
        let runs = ids.iter().zip(timestamps).zip(values).filter(move |(_, values)| any(values));
        let runs = runs.map(|((ids, timestamps), values)| (&ids[..], &timestamps[..], &values[..]));
        let runs = runs.chain(std::iter::once((last_ids, last_timestamps, last_values)));
        let samples = runs.flat_map(move |(ids, timestamps, values)| Self::zip(ids, timestamps, values, book));
        samples.filter(move |sample| wanted(Values::of(&[sample.value; LANES])).any())
    }

    fn zip(
        ids: &'a [SeriesId],
        timestamps: &'a [i64],
        values: &'a [f64],
        book: &'a SeriesBook,
    ) -> impl Iterator<Item = Sample<'a>> + use<'a> {
        let columns = ids.iter().zip(timestamps).zip(values);
        columns.map(move |((&id, &timestamp), &value)| Sample { id, timestamp, value, book })
    }

    /// A series by its number, whether it is in this frame or not.
    pub const fn series(&self, id: SeriesId) -> Series<'a> {
        Series { id, book: self.book }
    }
}

/// The value of one series.
#[derive(Clone, Copy)]
pub struct Sample<'a> {
    id: SeriesId,
    /// When it was taken, in milliseconds.
    pub timestamp: i64,
    /// What it is.
    pub value: f64,
    book: &'a SeriesBook,
}

impl<'a> Sample<'a> {
    /// Which series it belongs to.
    pub const fn series(&self) -> Series<'a> {
        Series { id: self.id, book: self.book }
    }

    /// A finding about this sample: its series, time and value.
    pub fn finding(&self) -> Finding {
        Finding::new(self.id, self.timestamp, self.value)
    }
}

/// A series and its labels.
#[derive(Clone, Copy)]
pub struct Series<'a> {
    id: SeriesId,
    book: &'a SeriesBook,
}

impl<'a> Series<'a> {
    /// Its number.
    pub const fn id(&self) -> SeriesId {
        self.id
    }

    /// Its labels, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.book.labels(self.id)
    }

    /// The value of one label.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.labels().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// The labels of all series that were defined. What the host tells in one go stays in one piece, so that telling a
/// hundred thousand series is a handful of allocations.
#[derive(Default)]
pub struct SeriesBook {
    rows: Vec<Option<Row>>,
}

struct Row {
    told: Rc<Told>,
    /// Index of the first piece.
    first: u32,
    labels: u32,
}

struct Told {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Told {
    fn piece(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(index).map_or(0, |end| *end as usize);
        text(self.text.get(start..end))
    }
}

/// The host sends UTF-8. Checked where it is read and not all at once: most labels are never looked at.
pub(crate) fn text(bytes: Option<&[u8]>) -> &str {
    std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
}

impl SeriesBook {
    pub(crate) const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(crate) fn define(&mut self, ids: &[SeriesId], label_counts: &[u32], text: Vec<u8>, ends: Vec<u32>) {
        let told = Rc::new(Told { text, ends });
        let mut first = 0_u32;
        for (&id, &labels) in ids.iter().zip(label_counts) {
            let index = id as usize;
            if self.rows.len() <= index {
                self.rows.resize_with(index + 1, || None);
            }
            if let Some(row) = self.rows.get_mut(index) {
                *row = Some(Row { told: Rc::clone(&told), first, labels });
            }
            first = first.saturating_add(labels.saturating_mul(2));
        }
    }

    pub(crate) fn drop_series(&mut self, ids: &[SeriesId]) {
        for id in ids {
            if let Some(row) = self.rows.get_mut(*id as usize) {
                *row = None;
            }
        }
    }

    fn labels(&self, id: SeriesId) -> impl Iterator<Item = (&str, &str)> + use<'_> {
        let row = self.rows.get(id as usize).and_then(Option::as_ref);
        let labels = row.map_or(0, |row| row.labels as usize);
        (0..labels).filter_map(move |label| {
            let row = row?;
            let name = row.first as usize + label * 2;
            Some((row.told.piece(name), row.told.piece(name + 1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces<'a>(book: &mut SeriesBook, series: &[(SeriesId, &[(&'a str, &'a str)])]) {
        let mut text = Vec::new();
        let mut ends = Vec::new();
        for piece in series.iter().flat_map(|(_, labels)| labels.iter()).flat_map(|(name, value)| [name, value]) {
            text.extend_from_slice(piece.as_bytes());
            ends.push(u32::try_from(text.len()).unwrap());
        }
        let ids: Vec<_> = series.iter().map(|(id, _)| *id).collect();
        let counts: Vec<_> = series.iter().map(|(_, labels)| u32::try_from(labels.len()).unwrap()).collect();
        book.define(&ids, &counts, text, ends);
    }

    #[test]
    fn a_series_has_the_labels_it_was_last_given_and_none_once_it_is_dropped() {
        let mut book = SeriesBook::new();
        pieces(&mut book, &[(4, &[("host", "ä"), ("job", "b")]), (1, &[]), (2, &[("job", "c")])]);
        pieces(&mut book, &[(2, &[("host", "d"), ("job", "e")])]);
        let frame = Frame::new(0, &[], &[], &[], &book);
        assert_eq!(frame.series(4).labels().collect::<Vec<_>>(), [("host", "ä"), ("job", "b")]);
        assert_eq!(frame.series(1).labels().count(), 0);
        assert_eq!((frame.series(2).label("job"), frame.series(2).label("zone")), (Some("e"), None));
        book.drop_series(&[2, 77]);
        let frame = Frame::new(0, &[], &[], &[], &book);
        assert_eq!((frame.series(2).label("job"), frame.series(77).label("job")), (None, None));
    }

    proptest! {
        #[test]
        fn looking_in_runs_finds_what_looking_one_by_one_finds(values in proptest::collection::vec(0_u8..4, 0..70)) {
            let values: Vec<_> = values.into_iter().map(f64::from).collect();
            let ids: Vec<_> = (0..u32::try_from(values.len()).unwrap()).collect();
            let timestamps: Vec<_> = ids.iter().map(|id| i64::from(*id)).collect();
            let book = SeriesBook::new();
            let frame = Frame::new(0, &ids, &timestamps, &values, &book);
            let seen = |sample: Sample<'_>| (sample.series().id(), sample.timestamp, sample.value.to_bits());
            let runs: Vec<_> = frame.samples_where(|values| values.at_least(3.0) | values.equal_to(1.0)).map(seen).collect();
            prop_assert_eq!(runs, frame.samples().filter(|sample| sample.value == 3.0 || sample.value == 1.0).map(seen).collect::<Vec<_>>());
        }
    }
}
