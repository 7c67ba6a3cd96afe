//! `POST /api/v1/agents/{agent}/…`: what agents forward, and what they say of themselves.
//!
//! An agent is known by its token: one of the role `agent`, whose subject is its name. Where no token is asked for, whoever is on this
//! machine may be one, and no web page.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use orion_model::{AgentName, Forwarded, LineTaken};
use serde_json::json;

use crate::access::Asker;
use crate::body;
use crate::desk::Desk;
use crate::document::Document;
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::sent::is_meant;
use crate::token::Role;

/// Bytes of a batch. An agent sends half a megabyte at once, or one event that is larger.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Bytes of what an agent says of itself: a hundred refused files, each with what is wrong with it.
const MAX_STATUS_BYTES: usize = 1024 * 1024;

/// When who could not be heard may come again.
const AGAIN_SECONDS: u64 = 5;

/// Why nothing was taken from an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentNotTaken {
    /// This host takes nothing from agents.
    NoControl,
    /// It cannot be read.
    Malformed(String),
    /// There is too much of it.
    TooLarge(String),
    /// It cannot be recorded now.
    NotNow(String),
}

/// `POST /api/v1/agents/{agent}/events`
pub(crate) async fn events(
    State(desk): State<Arc<Desk>>,
    Path(agent): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (agent, body) = said(&desk, &agent, request, MAX_BATCH_BYTES).await?;
    let taken = host(&desk)?.take_from_agent(&agent, body).await.map_err(problem_of)?;
    match taken {
        Forwarded::Taken(receipt) => Document::of(&receipt),
        Forwarded::Elsewhere(taken) => Err(elsewhere(taken)),
    }
}

/// `POST /api/v1/agents/{agent}/status`
pub(crate) async fn status(
    State(desk): State<Arc<Desk>>,
    Path(agent): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (agent, body) = said(&desk, &agent, request, MAX_STATUS_BYTES).await?;
    host(&desk)?.note_agent(&agent, body).await.map_err(problem_of)?;
    Document::of(&json!({}))
}

fn host(desk: &Desk) -> Result<Arc<dyn crate::Host>, Problem> {
    desk.host_or_problem().map_err(|problem| problem.retry_after(Duration::from_secs(AGAIN_SECONDS)))
}

/// Which agent it is, and what it sent.
async fn said(desk: &Desk, agent: &str, request: Request, most: usize) -> Result<(AgentName, Vec<u8>), Problem> {
    let (head, content): (_, Body) = request.into_parts();
    let agent: AgentName = agent
        .parse()
        .map_err(|error: orion_model::BadAgentName| Problem::new(StatusCode::NOT_FOUND, error.to_string()))?;
    if let Some(Asker(Some(bearer))) = head.extensions.get::<Asker>()
        && (bearer.role != Role::Agent || bearer.subject != agent.as_str())
    {
        let what =
            format!("what is posted here is of the agent `{agent}`: its token has the role `agent` and this `sub`");
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    is_meant(&head.headers)?;
    Ok((agent, body::read(&head.headers, content, most, &desk.room).await?))
}

/// The batch does not begin where everything is taken. Where that is goes with the answer.
fn elsewhere(taken: LineTaken) -> Problem {
    let what = "the batch does not begin where what was taken ends, and nothing of it was recorded: go on from `taken`";
    Problem::new(StatusCode::CONFLICT, what).with("taken", json!(taken))
}

fn problem_of(why: AgentNotTaken) -> Problem {
    match why {
        AgentNotTaken::NoControl => {
            let what = "this Orion is an agent itself, and takes nothing from others: agents forward to a control host";
            Problem::new(StatusCode::NOT_FOUND, what)
        }
        AgentNotTaken::Malformed(what) => Problem::new(StatusCode::BAD_REQUEST, what),
        AgentNotTaken::TooLarge(what) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what),
        AgentNotTaken::NotNow(what) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, what).retry_after(Duration::from_secs(AGAIN_SECONDS))
        }
    }
}
