//! Jobs: asked for, looked at and cancelled. What one does is the host's; here is who may ask, how much, and how it is told.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orion_model::{
    DEFAULT_JOB_TIMEOUT_MILLIS, Job, JobRequest, JobSpec, JobState, MAX_JOB_TEXT_BYTES, Priority, RecordId,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::desk::Desk;
use crate::document::Document;
use crate::host::JobRefused;
use crate::page::{Page, bad_cursor, limit};
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::sent::{sent, there, who};

/// The texts of a job, of which a line break is two bytes here, and what stands around them.
const MAX_BODY_BYTES: usize = 2 * MAX_JOB_TEXT_BYTES;

/// Who cancels.
const MAX_CANCEL_BYTES: usize = 4 * 1024;

/// When whoever asked too much may come again: jobs take minutes.
const RETRY_SECONDS: u64 = 30;

/// What it is sent for.
const PURPOSE: &str = "to ask for a job, or to cancel one";

/// What can be asked about jobs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobFilter {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<JobState>,
}

/// Who cancels, where no token says so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    #[serde(default, deserialize_with = "there")]
    by: Option<String>,
}

/// `POST /api/v1/jobs`
pub(crate) async fn ask(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Response, Problem> {
    let (bearer, asked) = sent::<Map<String, Value>>(&desk, request, PURPOSE, MAX_BODY_BYTES).await?;
    let request = read(bearer, asked)?;
    request.check().map_err(|why| Problem::new(StatusCode::BAD_REQUEST, why.to_string()))?;
    let job = desk.jobs()?.ask(request).await.map_err(refused)?;
    let place = format!("/api/v1/jobs/{}", job.id);
    let place = HeaderValue::try_from(place).map_err(|why| internal(&why))?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], plain(&job)?).into_response())
}

/// What is the same of all jobs, and what of one kind.
fn read(bearer: Option<String>, mut asked: Map<String, Value>) -> Result<JobRequest, Problem> {
    let wrong = |name: &str, why: &dyn std::fmt::Display| {
        Problem::new(StatusCode::BAD_REQUEST, format!("`{name}` cannot be read: {why}"))
    };
    let priority = match asked.remove("priority") {
        Some(priority) => serde_json::from_value(priority).map_err(|why| wrong("priority", &why))?,
        None => Priority::default(),
    };
    let timeout_millis = match asked.remove("timeout_millis") {
        Some(timeout) => serde_json::from_value(timeout).map_err(|why| wrong("timeout_millis", &why))?,
        None => DEFAULT_JOB_TIMEOUT_MILLIS,
    };
    let by = match asked.remove("by") {
        Some(by) => Some(serde_json::from_value::<String>(by).map_err(|why| wrong("by", &why))?),
        None => None,
    };
    let by = who(bearer, by)?;
    let spec: JobSpec = serde_json::from_value(Value::Object(asked))
        .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, format!("this is no job: {why}; see docs/jobs.md")))?;
    Ok(JobRequest { spec, priority, timeout_millis, by })
}

/// `GET /api/v1/jobs`
pub(crate) async fn list(State(desk): State<Arc<Desk>>, Asked(filter): Asked<JobFilter>) -> Result<Document, Problem> {
    let limit = limit(filter.limit)?;
    let before: Option<u64> = filter.cursor.map(|cursor| cursor.parse().map_err(|_| bad_cursor())).transpose()?;
    let jobs = desk.jobs()?.list().await.map_err(refused)?;
    let asked = jobs.into_iter().filter(|(number, job)| {
        before.is_none_or(|before| *number < before) && filter.state.is_none_or(|state| state == job.state)
    });
    let mut page = Page::of(limit);
    let mut last = None;
    for (number, job) in asked {
        let text = serde_json::to_string(&job).map_err(|why| internal(&why))?;
        if !page.add(&text) {
            return Ok(page.end(last));
        }
        last = Some(number.to_string());
    }
    Ok(page.end(None))
}

/// `GET /api/v1/jobs/{id}`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    Document::of(&desk.jobs()?.get(named(&id)?).await.map_err(refused)?)
}

/// `GET /api/v1/jobs/{id}/result`
pub(crate) async fn result(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    desk.jobs()?.result(named(&id)?).await.map(Document::written).map_err(refused)
}

/// `POST /api/v1/jobs/{id}/cancel`
pub(crate) async fn cancel(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Response, Problem> {
    let (bearer, cancel) = sent::<Cancel>(&desk, request, PURPOSE, MAX_CANCEL_BYTES).await?;
    let by = who(bearer, cancel.by)?;
    let job = desk.jobs()?.cancel(named(&id)?, &by).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, plain(&job)?).into_response())
}

fn named(id: &str) -> Result<RecordId, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "there is no such job: /api/v1/jobs lists those there are");
    id.parse().map_err(|_| unknown())
}

/// A job as it was when it was asked for: nothing that anybody would ask for again, so without a tag.
fn plain(job: &Job) -> Result<Response, Problem> {
    let text = serde_json::to_string(job).map_err(|why| internal(&why))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response())
}

fn internal(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
}

fn refused(why: JobRefused) -> Problem {
    match why {
        JobRefused::Bad(why) => Problem::new(StatusCode::BAD_REQUEST, why),
        JobRefused::Full(why) => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, why).retry_after(Duration::from_secs(RETRY_SECONDS))
        }
        JobRefused::Unknown(why) => Problem::new(StatusCode::NOT_FOUND, why),
        JobRefused::Conflict(why) => Problem::new(StatusCode::CONFLICT, why),
        JobRefused::NotNow(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(who: Option<&str>, body: &str) -> Result<JobRequest, String> {
        read(who.map(str::to_owned), serde_json::from_str(body).unwrap()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn who_a_token_names_asks_and_what_is_left_out_is_as_usual() {
        let job = of(Some("ada"), r#"{"kind":"verify"}"#).unwrap();
        assert_eq!((job.by.as_str(), job.priority, job.timeout_millis), ("ada", Priority::Normal, 3_600_000));
        let job = of(None, r#"{"kind":"verify","by":"bob","priority":"high","timeout_millis":5000}"#).unwrap();
        assert_eq!((job.by.as_str(), job.priority, job.timeout_millis), ("bob", Priority::High, 5_000));
    }

    #[test]
    fn what_is_no_job_is_refused_with_what_is_wrong() {
        for (body, says) in [
            (r#"{"kind":"verify"}"#, "`by` is missing"),
            (r#"{"kind":"verify","by":null}"#, "`by` cannot be read"),
            (r#"{"kind":"verify","by":"a","priority":"now"}"#, "`priority` cannot be read"),
            (r#"{"kind":"verify","by":"a","timeout_millis":-1}"#, "`timeout_millis` cannot be read"),
            (r#"{"kind":"verify","by":"a","strickt":true}"#, "unknown field `strickt`"),
            (r#"{"by":"a"}"#, "this is no job"),
        ] {
            let refused = of(None, body).unwrap_err();
            assert!(refused.contains(says), "{body}: {refused}");
        }
    }
}
