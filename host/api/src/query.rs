//! What stands behind the question mark. A name that is not known is an error and not ignored: a filter with a slip in its name
//! would pass everything.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of a request.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default());
        read.map(Self).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("what stands behind the `?` cannot be read: {error}"))
        })
    }
}

/// For a path that takes no parameters.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
