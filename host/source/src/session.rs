//! What one query knows from answer to answer.

use orion_model::{Labels, SeriesId, SeriesTable, Timestamp};

use crate::decode::AnswerLimits;
use crate::known::KnownSeries;

/// How long a series may be absent before its id is given to another: a day of instants, so that a job that runs once
/// a night keeps its id and its detector state, and the churn of containers does not grow without end.
pub const SERIES_KEPT_UNSEEN_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// How often absent series are looked for: it walks the whole table, and being a few minutes late harms nobody.
const RETIRE_EVERY_MILLIS: i64 = 10 * 60 * 1000;

/// A session keeps as much as this many of the largest answers: room for a complete turnover of series. A source that
/// sends other series each time would otherwise fill the memory long before the day is over.
const ANSWERS_KEPT: usize = 2;

/// What one query of one rule group knows from answer to answer: which series have which id, and the bytes they came as.
#[derive(Debug)]
pub struct QuerySession {
    /// Which series have which id. A table read from the store is put here before the first query.
    pub table: SeriesTable,
    expr: String,
    known: KnownSeries,
    /// The table's revision when `known` last agreed with it.
    known_revision: u64,
    retired_at: Timestamp,
}

impl QuerySession {
    /// A session that knows no series yet.
    pub fn new(expr: impl Into<String>) -> Self {
        Self {
            table: SeriesTable::new(),
            expr: expr.into(),
            known: KnownSeries::default(),
            known_revision: 0,
            retired_at: Timestamp::from_millis(i64::MIN),
        }
    }

    /// The query.
    pub fn expr(&self) -> &str {
        &self.expr
    }

    /// An answer begins.
    pub(crate) fn begin(&mut self) {
        // Someone else defined or retired series: an id may stand for another series than its bytes say.
        if self.table.revision() != self.known_revision {
            self.known.forget_all();
            self.known_revision = self.table.revision();
        }
        self.known.begin_answer();
    }

    /// The series whose `metric` object begins `rest`, and the length of that object, if it is known.
    #[inline]
    pub(crate) fn recognise(&mut self, rest: &[u8]) -> Option<(SeriesId, usize)> {
        self.known.recognise(rest)
    }

    /// The series whose whole `metric` object is `raw`; `labels` reads it when it is new.
    pub(crate) fn series<E>(
        &mut self,
        raw: &[u8],
        instant: Timestamp,
        labels: impl FnOnce() -> Result<Labels, E>,
    ) -> Result<SeriesId, E> {
        if let Some(id) = self.known.find(raw) {
            return Ok(id);
        }
        let id = self.table.define(&labels()?, instant);
        self.known_revision = self.table.revision();
        self.known.remember(raw, id);
        Ok(id)
    }

    /// Notes that the series is in the answer; false when it was already.
    #[inline]
    pub(crate) fn note(&mut self, id: SeriesId, instant: Timestamp) -> bool {
        self.table.touch(id, instant);
        self.known.note(id)
    }

    /// An answer is complete: series that have not been in one for long are forgotten.
    pub(crate) fn finish(&mut self, instant: Timestamp, limits: AnswerLimits) {
        let since = instant.millis_since(self.retired_at);
        if !(0..RETIRE_EVERY_MILLIS).contains(&since) {
            self.retired_at = instant;
            self.retire(instant.plus_millis(-SERIES_KEPT_UNSEEN_MILLIS));
        }
        let max_series = limits.max_series_per_answer.saturating_mul(ANSWERS_KEPT);
        let max_bytes = limits.max_answer_bytes.saturating_mul(ANSWERS_KEPT);
        if self.known.exceeds(max_series, max_bytes) {
            self.retire(instant);
        }
        // Still too much: one series comes in ever new words. Its id is kept, its words are not.
        if self.known.exceeds(max_series, max_bytes) {
            self.known.forget_all();
        }
    }

    fn retire(&mut self, before: Timestamp) {
        let retired = self.table.retire(before);
        self.known_revision = self.table.revision();
        self.known.forget(&retired);
    }

    #[cfg(test)]
    pub(crate) fn known_exceeds(&self, entries: usize) -> bool {
        self.known.exceeds(entries, usize::MAX)
    }
}
