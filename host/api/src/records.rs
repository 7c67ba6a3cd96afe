//! Events and decisions, the newest first, as they were recorded.

use std::sync::Arc;

use axum::extract::State;
use orion_bus::{BusError, Entry, Reader, RecordKind};
use orion_model::{Decision, Event, RecordId, Severity, Status, Timestamp};
use serde::Deserialize;

use crate::desk::Desk;
use crate::document::Document;
use crate::page::{Page, bad_cursor, limit};
use crate::problem::Problem;
use crate::query::Asked;

/// Records that are read at once.
const BATCH: u64 = 512;

/// Records that one request looks through. A filter that little passes gives short pages, each with where to go on, and not an
/// answer that nobody waits for.
const MAX_RECORDS: u64 = 20_000;

/// What can be asked about events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventFilter {
    limit: Option<usize>,
    cursor: Option<String>,
    event_type: Option<String>,
    severity: Option<Severity>,
    status: Option<Status>,
    rule: Option<String>,
    source: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// What can be asked about decisions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionFilter {
    limit: Option<usize>,
    cursor: Option<String>,
    incident_id: Option<RecordId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// Which records of a kind are asked for.
trait Filter: Send + 'static {
    const KIND: RecordKind;

    fn passes(&self, entry: &Entry) -> bool;
}

/// Whether a time lies in a span with both its ends.
fn lies(at: Timestamp, from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
    from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to)
}

impl EventFilter {
    fn looks_inside(&self) -> bool {
        let Self { event_type, severity, status, rule, source, .. } = self;
        event_type.is_some() || severity.is_some() || status.is_some() || rule.is_some() || source.is_some()
    }
}

impl Filter for EventFilter {
    const KIND: RecordKind = RecordKind::Event;

    fn passes(&self, entry: &Entry) -> bool {
        if !lies(entry.ts, self.from, self.to) {
            return false;
        }
        if !self.looks_inside() {
            return true;
        }
        let Ok(event) = serde_json::from_str::<Event>(&entry.body) else { return false };
        let is = |asked: &Option<String>, found: &str| asked.as_ref().is_none_or(|asked| asked == found);
        is(&self.event_type, &event.event_type)
            && is(&self.rule, &event.rule)
            && is(&self.source, &event.source)
            && self.severity.is_none_or(|severity| severity == event.severity)
            && self.status.is_none_or(|status| status == event.status)
    }
}

impl Filter for DecisionFilter {
    const KIND: RecordKind = RecordKind::Decision;

    fn passes(&self, entry: &Entry) -> bool {
        if !lies(entry.ts, self.from, self.to) {
            return false;
        }
        let Some(incident) = self.incident_id else { return true };
        serde_json::from_str::<Decision>(&entry.body).is_ok_and(|decision| decision.incident_id == incident)
    }
}

/// `GET /api/v1/events`
pub(crate) async fn events(
    State(desk): State<Arc<Desk>>,
    Asked(filter): Asked<EventFilter>,
) -> Result<Document, Problem> {
    let (limit, before) = (limit(filter.limit)?, before(filter.cursor.as_deref())?);
    desk.reading()?.run(move |reader| page(reader, &filter, limit, before)).await
}

/// `GET /api/v1/decisions`
pub(crate) async fn decisions(
    State(desk): State<Arc<Desk>>,
    Asked(filter): Asked<DecisionFilter>,
) -> Result<Document, Problem> {
    let (limit, before) = (limit(filter.limit)?, before(filter.cursor.as_deref())?);
    desk.reading()?.run(move |reader| page(reader, &filter, limit, before)).await
}

/// A cursor is the position before which the page ends.
fn before(cursor: Option<&str>) -> Result<Option<u64>, Problem> {
    cursor.map(|cursor| cursor.parse().map_err(|_| bad_cursor())).transpose()
}

fn page<F: Filter>(reader: &mut Reader, filter: &F, limit: usize, before: Option<u64>) -> Result<Document, BusError> {
    let last = reader.last_seq()?;
    let forgotten = reader.forgotten()?;
    let mut upto = before.unwrap_or(u64::MAX).min(last.saturating_add(1)).max(1);
    let (mut page, mut left) = (Page::of(limit), MAX_RECORDS);
    while upto > forgotten + 1 && left > 0 {
        let batch = BATCH.min(left).min(upto - 1);
        let after = upto - 1 - batch;
        let entries = reader.read(after, usize::try_from(batch).unwrap_or(usize::MAX))?;
        for entry in entries.iter().rev().filter(|entry| entry.seq < upto) {
            if entry.kind == F::KIND && filter.passes(entry) && !page.add(&item(entry)) {
                return Ok(page.end(Some((entry.seq + 1).to_string())));
            }
        }
        upto = after + 1;
        left -= batch;
    }
    let next = (upto > forgotten + 1).then(|| upto.to_string());
    Ok(page.end(next))
}

/// A record with its position before all else, as in the files.
pub(crate) fn item(entry: &Entry) -> String {
    // Every body is an object that is not empty: the bus takes no other.
    format!("{{\"seq\":{},{}", entry.seq, entry.body.strip_prefix('{').unwrap_or_default())
}
