//! Incidents, the newest first, and each with its whole story.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use orion_bus::{Entry, Reader};
use orion_model::{Marked, RecordId, Severity, Timestamp};
use serde::Deserialize;

use crate::desk::Desk;
use crate::document::Document;
use crate::follow::Followed;
use crate::page::{Page, bad_cursor, limit};
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::records::item;
use crate::register::{Age, Found, Known};
use crate::story::Story;

/// Records that are looked through for the events of one incident.
pub(crate) const MAX_RECORDS: u64 = 200_000;

/// Whether an incident is over.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Open,
    Resolved,
}

/// What can be asked about incidents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentFilter {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<Standing>,
    severity: Option<Severity>,
    incident_type: Option<String>,
    /// What is looked for in type, summary and group.
    q: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// Each with the last decision about it.
    #[serde(default)]
    decisions: bool,
}

impl IncidentFilter {
    fn passes(&self, known: &Known) -> bool {
        self.state.is_none_or(|state| (state == Standing::Open) == known.is_open())
            && self.severity.is_none_or(|severity| severity == known.severity)
            && self.incident_type.as_ref().is_none_or(|wanted| *wanted == known.incident_type)
            && self.from.is_none_or(|from| known.opened_at >= from)
            && self.to.is_none_or(|to| known.opened_at <= to)
            && self.q.as_ref().is_none_or(|text| known.mentions(text))
    }
}

/// An incident of a page: its age, and where its last revision lies and the last decision about it, if that is asked for, and what was
/// thought of it.
struct Line {
    age: Age,
    position: u64,
    decision: Option<u64>,
    mark: Option<Marked>,
}

/// `GET /api/v1/incidents`
pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    Asked(mut filter): Asked<IncidentFilter>,
) -> Result<Document, Problem> {
    let limit = limit(filter.limit)?;
    let before = filter.cursor.as_deref().map(age_of).transpose()?;
    filter.q = filter.q.map(|text| text.to_lowercase());
    let followed = desk.followed()?;
    let lines: Vec<Line> = {
        let register = followed.register().ok_or_else(still_reading)?;
        let found = register.newest(before).filter(|known| filter.passes(known));
        let decided = |known: &Known| known.decisions.last().copied().filter(|_| filter.decisions);
        let line = |known: &Known| {
            let age = (known.opened_at, known.id);
            Some(Line { age, position: known.last_position()?, decision: decided(known), mark: known.mark().cloned() })
        };
        // One more tells whether there is a next page.
        found.filter_map(line).take(limit + 1).collect()
    };
    desk.reading()?.run(move |reader| page(reader, &lines, limit)).await
}

fn page(reader: &mut Reader, lines: &[Line], limit: usize) -> Result<Document, orion_bus::BusError> {
    let mut page = Page::of(limit);
    let mut last = None;
    for line in lines {
        // A record that is kept no more is left out.
        let entries: Vec<Entry> = reader.read_at(&[line.position])?;
        let decision = line.decision.map(|position| reader.read_at(&[position])).transpose()?.unwrap_or_default();
        let whole = |entry| with_mark(with_decision(item(entry), decision.first()), line.mark.as_ref());
        if entries.iter().any(|entry| !page.add(&whole(entry))) {
            return Ok(page.end(last.map(cursor_of)));
        }
        last = Some(line.age);
    }
    Ok(page.end(None))
}

/// An item with the decision about it, where there is one.
fn with_decision(item: String, decision: Option<&Entry>) -> String {
    match (decision, item.strip_suffix('}')) {
        (Some(decision), Some(open)) => format!("{open},\"decision\":{}}}", decision.body),
        _ => item,
    }
}

/// And with what was thought of it last.
fn with_mark(item: String, mark: Option<&Marked>) -> String {
    match (mark.map(serde_json::to_string), item.strip_suffix('}')) {
        (Some(Ok(mark)), Some(open)) => format!("{open},\"mark\":{mark}}}"),
        _ => item,
    }
}

/// `GET /api/v1/incidents/{id}`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let known = named(&*desk.followed()?, &id)?;
    let story = desk.reading()?.run(move |reader| Story::read(reader, &known, MAX_RECORDS)).await?;
    let gone = || Problem::new(StatusCode::NOT_FOUND, "the records of this incident are kept no more");
    Document::of(&story.ok_or_else(gone)?)
}

/// The incident whose id begins so.
pub(crate) fn named(followed: &Followed, id: &str) -> Result<Known, Problem> {
    let register = followed.register().ok_or_else(still_reading)?;
    match register.find(id) {
        Found::One(known) => Ok(known.clone()),
        Found::None => Err(Problem::new(StatusCode::NOT_FOUND, "no incident's id begins so")),
        Found::Several(count) => {
            let what = format!("the ids of {count} incidents begin so: give more of it");
            Err(Problem::new(StatusCode::NOT_FOUND, what))
        }
    }
}

pub(crate) fn still_reading() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the log is still being read: ask again in a moment")
}

/// A cursor is the age of the last incident of the page before.
fn cursor_of((opened_at, id): Age) -> String {
    format!("{}-{id}", opened_at.as_millis())
}

fn age_of(cursor: &str) -> Result<Age, Problem> {
    let read = || {
        let (millis, id) = cursor.rsplit_once('-')?;
        Some((Timestamp::from_millis(millis.parse().ok()?), id.parse::<RecordId>().ok()?))
    };
    read().ok_or_else(bad_cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::IdBuilder;

    #[test]
    fn a_cursor_leads_back_to_where_it_was_given() {
        for millis in [0, -5, 1_732_174_269_123] {
            let age = (Timestamp::from_millis(millis), IdBuilder::new("test").finish());
            assert_eq!(age_of(&cursor_of(age)).unwrap(), age);
        }
        for wrong in ["", "-", "x", "1-", "1-zz", "-00000000000000000000000000000000"] {
            assert!(age_of(wrong).is_err(), "{wrong}");
        }
    }
}
