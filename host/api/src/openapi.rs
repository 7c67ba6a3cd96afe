//! The description of the interface, in OpenAPI 3.1. It is written by hand beside the code; that each path of it is served, that
//! each that is served is in it, and that answers are as it says, tests see to.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The description, but for its version.
pub(crate) const DESCRIPTION: &str = include_str!("../openapi.json");

/// Stands in it for the version of this build.
const VERSION: &str = "0.0.0-version";

/// `GET /api/v1/openapi.json`
pub(crate) async fn document() -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([kind], DESCRIPTION.replace(VERSION, env!("CARGO_PKG_VERSION"))).into_response()
}
