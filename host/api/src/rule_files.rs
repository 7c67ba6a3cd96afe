//! The text of a rule file that runs, and of the version before.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::desk::Desk;
use crate::document::Document;
use crate::problem::Problem;
use crate::query::{Asked, Nothing};

/// `GET /api/v1/rule-files/{name}`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let told = desk.host_or_problem()?.rule_file(&name);
    let none =
        || Problem::new(StatusCode::NOT_FOUND, "no rule file of this name runs: a rule's id begins with its file");
    Document::of(&told.ok_or_else(none)?)
}
