//! The host's own log, for who may run it: lines name files, addresses and queries, which is more than whoever reads incidents has to know.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::access::Asker;
use crate::desk::Desk;
use crate::document::Document;
use crate::page::limit;
use crate::problem::Problem;
use crate::query::Asked;
use crate::token::Role;

/// The highest number that JSON carries unharmed through programs that know one kind of number.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What can be asked about lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineFilter {
    limit: Option<usize>,
    after: Option<u64>,
    #[serde(default)]
    level: Level,
}

/// How bad a line is at least.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    #[default]
    Trace,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// `GET /api/v1/logs`
pub(crate) async fn lines(
    State(desk): State<Arc<Desk>>,
    Asked(filter): Asked<LineFilter>,
    request: Request,
) -> Result<Document, Problem> {
    let bearer = request.extensions().get::<Asker>().and_then(|asker| asker.0.as_ref());
    if bearer.is_some_and(|bearer| bearer.role < Role::Operator) {
        let what = "a token of the role `operator` or `admin` is needed to read the log: this one may read records";
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    let limit = limit(filter.limit)?;
    if filter.after.is_some_and(|after| after > MAX_NUMBER) {
        let what = format!("`after` is the number of a line, of which none is above {MAX_NUMBER}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, what));
    }
    let (items, newest) = desk.host_or_problem()?.log_lines(filter.after, limit, filter.level.word());
    Document::of(&json!({ "items": items, "newest": newest }))
}
