//! Rule sets: what was applied here, for agents that fetch it, and where people apply another version.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use orion_model::{Push, SetFile, SetVersion, is_set_name};
use serde::Deserialize;
use serde_json::json;

use crate::access::Asker;
use crate::body;
use crate::desk::Desk;
use crate::document::Document;
use crate::host::NotApplied;
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::reading::unreadable;
use crate::sent::{is_meant, who};
use crate::token::Role;

/// The largest set as JSON, with some room for what is said beside it.
const MAX_BODY_BYTES: usize = 7 << 20;

/// Which version is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// The one that this node is to run.
    node: Option<String>,
    /// This one, if it is still kept, whatever a node is to run.
    version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    files: Vec<SetFile>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    base_version: Option<u64>,
    #[serde(default)]
    rollout: Option<Rollout>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollout {
    at_a_time: u32,
}

/// `GET /api/v1/sets`
pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    Document::of(&json!({ "items": desk.host_or_problem()?.sets() }))
}

/// `GET /api/v1/sets/{set}`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(set): Path<String>,
    Asked(which): Asked<Which>,
) -> Result<Document, Problem> {
    let host = desk.host_or_problem()?;
    let found: Option<SetVersion> = match which {
        Which { version: Some(version), .. } => {
            host.set_version(&set, version).await.map_err(|error| unreadable(&error))?
        }
        Which { node, .. } => host.set(&set, node.as_deref()),
    };
    let found = found.ok_or_else(|| no_such_set(&set, which.version))?;
    Document::of(&found)
}

fn no_such_set(set: &str, version: Option<u64>) -> Problem {
    let what = match (is_set_name(set), version) {
        (true, Some(version)) => {
            format!("version {version} of the rule set `{set}` is not kept: /api/v1/sets lists what is")
        }
        (true, None) => format!(
            "no rule set `{set}` was applied here: `orion apply -f DIR --set {set}` does, /api/v1/sets lists others"
        ),
        (false, _) => "there is no rule set of this name: /api/v1/sets lists those there are".to_owned(),
    };
    Problem::new(StatusCode::NOT_FOUND, what)
}

/// `POST /api/v1/sets/{set}`
pub(crate) async fn apply(
    State(desk): State<Arc<Desk>>,
    Path(set): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (head, body) = request.into_parts();
    let bearer = head.extensions.get::<Asker>().and_then(|asker| asker.0.clone());
    let needed = "a token of the role `admin` is needed to apply a rule set";
    match &bearer {
        Some(bearer) if bearer.role < Role::Admin => {
            return Err(Problem::new(StatusCode::FORBIDDEN, format!("{needed}: this one may less")));
        }
        // Whoever is on this machine may read; what agents elsewhere run is for those that somebody vouches for, where there are any.
        None if desk.guard.knows_bearers() => return Err(Problem::new(StatusCode::UNAUTHORIZED, needed)),
        _ => {}
    }
    is_meant(&head.headers)?;
    let host = desk.host_or_problem()?;
    let body = body::read(&head.headers, body, MAX_BODY_BYTES, &desk.room).await?;
    let sent: Sent = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")))?;
    let push = Push {
        set,
        files: sent.files,
        by: who(bearer.map(|bearer| bearer.subject), sent.by)?,
        base_version: sent.base_version,
        at_a_time: sent.rollout.map(|rollout| rollout.at_a_time),
        dry_run: sent.dry_run,
    };
    host.apply(push).await.map_err(problem).and_then(|pushed| Document::of(&pushed))
}

fn problem(why: NotApplied) -> Problem {
    match why {
        NotApplied::Refused(said) => {
            let refused = said.iter().filter(|said| !said.ok).count();
            let what = format!("{refused} of its files cannot run: `said` has what is wrong with them");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what).with("said", json!(said))
        }
        NotApplied::Malformed(why) => Problem::new(StatusCode::BAD_REQUEST, why),
        NotApplied::Overtaken(why) => Problem::new(StatusCode::CONFLICT, why),
        NotApplied::NotNow(why) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the rule set cannot be applied now: {why}"))
        }
    }
}
