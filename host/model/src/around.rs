//! The series that an event is about, before and after the moment it was seen at.

use serde::{Serialize, Serializer};

use crate::finding::number_to_json;
use crate::labels::Labels;
use crate::time::Timestamp;

/// On whose behalf a series is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looker {
    /// Somebody waits for it.
    Person,
    /// A list is filled; whoever waits goes first.
    List,
}

/// What a source remembers of the series of an event around its moment. It is asked again for that, so it is what the source says now,
/// and no record: a source may have forgotten, or know more than it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SeriesAround {
    /// The source.
    pub source: String,
    /// What was asked: the query of the event, or what that compares with a number.
    pub expr: String,
    /// The first instant that was asked for.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// Between two of them.
    pub step_millis: i64,
    /// The series among those of the answer that the event is of.
    pub labels: Labels,
    /// Its samples.
    #[serde(serialize_with = "pairs")]
    pub samples: Vec<(Timestamp, f64)>,
    /// Other series in the answer.
    pub others: usize,
    /// Where it begins to matter.
    pub bounds: Vec<Bound>,
    /// Why there are no samples, when there are none.
    pub missing: Option<String>,
    /// Where a person sees the query of the event in the source's own pages.
    pub page: Option<String>,
    /// Whether all of the span is in the past: it will not be longer.
    pub whole: bool,
}

/// A number that a series is compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// `>`, `>=`, `<`, `<=`, `==` or `!=`.
    pub operator: &'static str,
    /// The number.
    #[serde(serialize_with = "number")]
    pub value: f64,
}

/// `[["2026-01-31T12:00:00.000Z", 1.5], …]`; a number that JSON has no form for is a text.
fn pairs<S: Serializer>(samples: &[(Timestamp, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(samples.iter().map(|(at, value)| (at, number_to_json(*value))))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    number_to_json(*value).serialize(serializer)
}
