//! What one query knows from answer to answer.

use orion_model::SeriesTable;

/// How long a series may be absent before its id is given to another: a day of instants, so that a job that runs once
/// a night keeps its id and its detector state, and the churn of containers does not grow without end.
pub const SERIES_KEPT_UNSEEN_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What one query of one rule group knows from answer to answer: which series have which id, and the bytes they came as.
#[derive(Debug)]
pub struct QuerySession {
    /// Which series have which id. A table read from the store is put here before the first query.
    pub table: SeriesTable,
    expr: String,
}

impl QuerySession {
    /// A session that knows no series yet.
    pub fn new(expr: impl Into<String>) -> Self {
        Self { table: SeriesTable::new(), expr: expr.into() }
    }

    /// The query.
    pub fn expr(&self) -> &str {
        &self.expr
    }
}
