//! What people think of incidents, and what of that they withdraw, recorded. It changes nothing of what Orion does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use orion_model::{About, Marked, RecordId, Said, Timestamp};
use serde::Deserialize;

use crate::desk::Desk;
use crate::document::Document;
use crate::incidents::{named, still_reading};
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::sent::{sent, there, who};
use crate::wish::{Unmarkable, Weighed, Wish};

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
struct Withdrawal {
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

impl Missed {
    fn said(&self) -> Said {
        Said::missed(self.from, self.to)
    }
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
    record(&desk, Wish::Say(said), who(bearer, thought.by)?, thought.note).await
}

/// `POST /api/v1/incidents/{id}/marks/withdraw`
pub(crate) async fn withdraw_mark(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (bearer, withdrawal) = sent::<Withdrawal>(&desk, request, PURPOSE, MAX_BODY_BYTES).await?;
    let about = About::Incident(named(&*desk.followed()?, &id)?.id);
    record(&desk, Wish::Withdraw(about), who(bearer, withdrawal.by)?, withdrawal.note).await
}

/// `POST /api/v1/missed`
pub(crate) async fn missed(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (bearer, missed) = sent::<Missed>(&desk, request, PURPOSE, MAX_BODY_BYTES).await?;
    record(&desk, Wish::Say(missed.said()), who(bearer, missed.by)?, missed.note).await
}

/// `POST /api/v1/missed/withdraw`
pub(crate) async fn withdraw_missed(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
    request: Request,
) -> Result<Document, Problem> {
    let (bearer, missed) = sent::<Missed>(&desk, request, PURPOSE, MAX_BODY_BYTES).await?;
    record(&desk, Wish::Withdraw(missed.said().about()), who(bearer, missed.by)?, missed.note).await
}

async fn record(desk: &Desk, wish: Wish, by: String, note: Option<String>) -> Result<Document, Problem> {
    let about = wish.about();
    let followed = desk.followed()?;
    let weighed = followed.register().ok_or_else(still_reading)?.weigh(wish, by, note);
    let (mark, before) = match weighed.map_err(not_marked)? {
        Weighed::Stands(same) => return Document::of(&same),
        Weighed::New { mark, before } => (mark, before),
    };
    let recorded = desk.host_or_problem()?.record_mark(mark, before).await;
    let recorded: Marked = recorded
        .map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the mark cannot be recorded: {why}")))?;
    // Whoever marks twice means what he said last: it has to be known here when the next one comes.
    let is_known = || {
        let register = followed.register();
        register.is_some_and(|it| it.said_last(about).is_some_and(|marked| marked.event_id == recorded.event_id))
    };
    for _ in 0..MOST_LOOKS {
        if is_known() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
    }
    Document::of(&recorded)
}

fn not_marked(why: Unmarkable) -> Problem {
    let status = match why {
        Unmarkable::Bad(_) => StatusCode::BAD_REQUEST,
        Unmarkable::Nothing(_) => StatusCode::CONFLICT,
    };
    Problem::new(status, why.to_string())
}
