//! The series behind an incident, as its source remembers it now.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use orion_model::{Event, Looker, RecordId};
use serde::Deserialize;
use serde_json::json;

use crate::desk::Desk;
use crate::document::Document;
use crate::incidents::{MAX_RECORDS, named};
use crate::problem::Problem;
use crate::query::Asked;
use crate::story::Story;

/// Which event is asked about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// One of the incident's events; otherwise the first of them that a query made.
    event: Option<RecordId>,
}

/// `GET /api/v1/incidents/{id}/series`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Document, Problem> {
    let known = named(&*desk.followed()?, &id)?;
    let story = desk.reading()?.run(move |reader| Story::read(reader, &known, MAX_RECORDS)).await?;
    let events = story.map(|story| story.events).unwrap_or_default();
    let none = || Problem::new(StatusCode::NOT_FOUND, "no such event is among those of the incident that are kept");
    let event = event(&events, wanted.event).ok_or_else(none)?;
    let around = desk.host_or_problem()?.series_around(event, Looker::Person).await;
    let around = around.map_err(|wait| {
        let what = "sources are asked for series as often as they may be: see Retry-After";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, what).retry_after(wait)
    })?;
    Document::of(&json!({ "event_id": event.event_id, "series": &*around }))
}

fn event(events: &[Event], wanted: Option<RecordId>) -> Option<&Event> {
    match wanted {
        Some(id) => events.iter().find(|event| event.event_id == id),
        None => events.iter().find(|event| event.evidence.is_some()).or_else(|| events.first()),
    }
}
