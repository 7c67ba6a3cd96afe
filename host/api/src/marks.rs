//! What people think of incidents, recorded. It changes nothing of what Orion does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use orion_model::{Mark, Marked, RecordId, Said, Timestamp};
use serde::Deserialize;

use crate::desk::Desk;
use crate::document::Document;
use crate::incidents::{named, still_reading};
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::sent::{sent, there, who};

/// A mark is a name and a note, of which each byte may be written as six.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What it is sent for.
const PURPOSE: &str = "to mark an incident";

/// How often it is looked whether a mark that was recorded is known here.
const LOOK_MILLIS: u64 = 5;

/// How long it is waited for: it comes within moments, or this host's own file follows a Redis that is away. Recorded it is either way.
const MOST_LOOKS: u32 = 400;

/// What can be thought of an incident.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Useful,
    Noise,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thought {
    verdict: Verdict,
    #[serde(default, deserialize_with = "there")]
    by: Option<String>,
    #[serde(default, deserialize_with = "there")]
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Missed {
    from: Timestamp,
    to: Timestamp,
    #[serde(default, deserialize_with = "there")]
    by: Option<String>,
    #[serde(default, deserialize_with = "there")]
    note: Option<String>,
}

/// `POST /api/v1/incidents/{id}/marks`
pub(crate) async fn mark(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (bearer, thought) = sent::<Thought>(&desk, request, PURPOSE, MAX_BODY_BYTES).await?;
    let incident_id: RecordId = named(&*desk.followed()?, &id)?.id;
    let said = match thought.verdict {
        Verdict::Useful => Said::Useful { incident_id },
        Verdict::Noise => Said::Noise { incident_id },
    };
    record(&desk, said, who(bearer, thought.by)?, thought.note).await
}

/// `POST /api/v1/missed`
pub(crate) async fn missed(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (bearer, missed) = sent::<Missed>(&desk, request, PURPOSE, MAX_BODY_BYTES).await?;
    record(&desk, Said::missed(missed.from, missed.to), who(bearer, missed.by)?, missed.note).await
}

async fn record(desk: &Desk, said: Said, by: String, note: Option<String>) -> Result<Document, Problem> {
    let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    let mark = Mark { said, by, note };
    mark.check().map_err(|error| bad(error.to_string()))?;
    let followed = desk.followed()?;
    let stands = || followed.register().map(|register| register.marked(&mark.said).cloned());
    let before = stands().ok_or_else(still_reading)?;
    if let Some(same) = before.as_ref().filter(|before| before.mark == mark) {
        return Document::of(same);
    }
    let host = desk.host_or_problem()?;
    let recorded = host.record_mark(mark.clone(), before.map(|before| before.event_id)).await;
    let recorded: Marked = recorded
        .map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the mark cannot be recorded: {why}")))?;
    // Whoever marks twice means what he said last: it has to be known here when the next one comes.
    for _ in 0..MOST_LOOKS {
        if stands().flatten().is_some_and(|marked| marked.event_id == recorded.event_id) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Document::of(&recorded)
}
