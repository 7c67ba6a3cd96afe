//! What people think of incidents, recorded. It changes nothing of what Orion does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use orion_model::{Mark, Marked, RecordId, Said, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::access::Asker;
use crate::body;
use crate::desk::Desk;
use crate::document::Document;
use crate::incidents::{named, still_reading};
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::token::Role;

/// A mark is a name and a note, of which each byte may be written as six.
const MAX_BODY_BYTES: usize = 16 * 1024;

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

/// What is not there is left out: `null` is no text.
fn there<'de, D: Deserializer<'de>>(text: D) -> Result<Option<String>, D::Error> {
    String::deserialize(text).map(Some)
}

/// `POST /api/v1/incidents/{id}/marks`
pub(crate) async fn mark(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (who, thought) = said::<Thought>(&desk, request).await?;
    let incident_id: RecordId = named(&*desk.followed()?, &id)?.id;
    let said = match thought.verdict {
        Verdict::Useful => Said::Useful { incident_id },
        Verdict::Noise => Said::Noise { incident_id },
    };
    record(&desk, said, who.or(thought.by), thought.note).await
}

/// `POST /api/v1/missed`
pub(crate) async fn missed(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (who, missed) = said::<Missed>(&desk, request).await?;
    record(&desk, Said::missed(missed.from, missed.to), who.or(missed.by), missed.note).await
}

/// Who writes, where a token says so, and what.
async fn said<T: DeserializeOwned>(desk: &Desk, request: Request) -> Result<(Option<String>, T), Problem> {
    let (head, body) = request.into_parts();
    let bearer = head.extensions.get::<Asker>().and_then(|asker| asker.0.clone());
    if bearer.as_ref().is_some_and(|bearer| bearer.role < Role::Operator) {
        let what = "a token of the role `operator` or `admin` is needed to mark an incident: this one may read";
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    is_meant(&head.headers)?;
    let body = body::read(&head.headers, body, MAX_BODY_BYTES, &desk.room).await?;
    let said = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")))?;
    Ok((bearer.map(|bearer| bearer.subject), said))
}

/// A page of others can have a browser of this machine send something here. It cannot send JSON without being allowed to, which nobody
/// here does; and what a browser sends says whose page it was.
pub(crate) fn is_meant(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind).trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let what = "what is sent here is JSON: `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    match origin.is_none_or(|origin| Some(origin) == text(header::HOST)) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "this was sent by a web page of others")),
    }
}

async fn record(desk: &Desk, said: Said, by: Option<String>, note: Option<String>) -> Result<Document, Problem> {
    let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    let by = by.ok_or_else(|| bad("`by` is missing: who marks, where no token says so".to_owned()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&'static str, &'static str)]) -> Result<(), u16> {
        use axum::response::IntoResponse;
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        is_meant(&headers).map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn what_a_page_of_others_sends_is_refused() {
        let json = ("content-type", "application/json");
        let host = ("host", "127.0.0.1:9600");
        assert_eq!(with(&[json, host]), Ok(()));
        assert_eq!(with(&[("content-type", "Application/JSON; charset=utf-8"), host]), Ok(()));
        assert_eq!(with(&[json, host, ("origin", "http://127.0.0.1:9600")]), Ok(()));
        for origin in ["https://evil.example", "http://127.0.0.1:9601", "null", ""] {
            assert_eq!(with(&[json, host, ("origin", origin)]), Err(403), "{origin}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
            assert_eq!(with(&[("content-type", kind), host]), Err(415), "{kind}");
        }
        assert_eq!(with(&[host]), Err(415));
    }
}
