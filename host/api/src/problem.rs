//! What went wrong with a request, as RFC 9457 has it: `application/problem+json` with what, why and what to do.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    retry_after_seconds: Option<u64>,
    /// What is told beside that, for programs.
    members: Vec<(&'static str, Value)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after_seconds: None, members: Vec::new() }
    }

    /// What it is answered with.
    #[cfg(test)]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// With something more, for programs.
    pub(crate) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.members.push((name, value));
        self
    }

    /// It may be otherwise after so long.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        // A part of a second is one: whoever comes too early is refused again.
        Self { retry_after_seconds: Some(wait.as_secs().saturating_add(1)), ..self }
    }

    /// The host is not there yet, or no more.
    pub(crate) fn nobody_there() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Orion is starting, or ending: ask again in a moment")
    }

    pub(crate) async fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this path: /api/v1/openapi.json lists what there is")
    }

    pub(crate) async fn only_reading() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Orion observes: everything here is read with GET; with POST a mark on an incident is recorded, a job is asked for, which only looks, and a rule set is applied for agents",
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("problem");
        let mut body: Map<String, Value> =
            self.members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        body.extend([
            ("type".to_owned(), "about:blank".into()),
            ("title".to_owned(), title.into()),
            ("status".to_owned(), self.status.as_u16().into()),
            ("detail".to_owned(), self.detail.into()),
        ]);
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [kind], Value::Object(body).to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
