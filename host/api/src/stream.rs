//! The stream of records as they come, as server-sent events: each with its position, so that a listener that lost its
//! connection goes on where it was.
//!
//! How jobs stand is told on the same stream to who asks for it, and has no position: a message of a job has no `id`, so that what a
//! listener sends back is always that of a record. What was missed of jobs is asked for at `/api/v1/jobs`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use orion_bus::RecordKind;
use orion_model::Job;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use crate::desk::Desk;
use crate::follow::{Heard, written};
use crate::problem::Problem;
use crate::query::Asked;
use crate::reading::Reading;

/// Listeners at once, fewer than connections: others are to be answered as well.
pub(crate) const MAX_LISTENERS: usize = 768;

/// Records that one listener reads from the log at once, when it is behind.
const BATCH: usize = 64;

/// The word for messages of jobs.
const JOB: &str = "job";

/// Without a record for so long, a comment says that the connection holds: proxies close what is silent for a minute, and a
/// listener that is gone is only found by writing to it.
const COMMENT_SECONDS: u64 = 15;

/// When a listener comes again that lost its connection.
const FIRST_WORDS: &str = "retry: 2000\n\n";

/// What can be asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamFilter {
    /// Which kinds, with commas; all records when it is left out. Who listens to records alone takes each message for one.
    kind: Option<String>,
    /// Behind which position to begin, for listeners that cannot send a header.
    after: Option<u64>,
}

/// `GET /api/v1/stream`
pub(crate) async fn listen(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Asked(filter): Asked<StreamFilter>,
) -> Result<Response, Problem> {
    let Kinds { records: kinds, jobs } = kinds(filter.kind.as_deref())?;
    let resume = last_event_id(&headers)?.or(filter.after);
    let (followed, reading) = (desk.followed()?, desk.reading()?);
    let Ok(place) = desk.listeners().try_acquire_owned() else {
        let what = format!("{MAX_LISTENERS} programs listen already: ask again in a while, or read /api/v1/events");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, what));
    };
    // A host that plays a recording has none.
    let jobs = if jobs { desk.jobs().ok().map(|jobs| jobs.news()) } else { None };
    // First it listens, then it looks where the log ends: nothing comes between.
    let heard = followed.listen();
    let now = reading.run(orion_bus::Reader::last_seq).await?;
    let listener = Listener {
        position: resume.unwrap_or(now).min(now),
        is_behind: resume.is_some_and(|position| position < now),
        kinds,
        ready: VecDeque::from([FIRST_WORDS.into()]),
        heard,
        jobs,
        reading,
        down: desk.down(),
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(listener, Listener::next));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let keep = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([kind, keep], body).into_response())
}

/// What is listened to.
#[derive(Debug, PartialEq, Eq)]
struct Kinds {
    records: Vec<RecordKind>,
    jobs: bool,
}

fn kinds(asked: Option<&str>) -> Result<Kinds, Problem> {
    let Some(asked) = asked else { return Ok(Kinds { records: RecordKind::ALL.to_vec(), jobs: false }) };
    let (jobs, records): (Vec<&str>, Vec<&str>) = asked.split(',').partition(|word| *word == JOB);
    let kind = |word: &str| RecordKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    let records = records.into_iter().map(kind).collect::<Option<Vec<_>>>().ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "`kind` names what there is not: event, incident, decision, job, with commas between",
        )
    })?;
    Ok(Kinds { records, jobs: !jobs.is_empty() })
}

/// The position of the record that was heard last.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id").filter(|id| !id.is_empty()) else { return Ok(None) };
    let position = id.to_str().ok().and_then(|id| id.parse().ok());
    let wrong = || {
        Problem::new(StatusCode::BAD_REQUEST, "`Last-Event-ID` is no position: send back the `id` that was heard last")
    };
    position.map(Some).ok_or_else(wrong)
}

/// One who listens.
struct Listener {
    /// Up to where it has heard everything.
    position: u64,
    /// It reads from the log until it has what the others have.
    is_behind: bool,
    kinds: Vec<RecordKind>,
    /// What is to be written next.
    ready: VecDeque<Arc<str>>,
    heard: broadcast::Receiver<Heard>,
    /// Who tells how jobs stand; none where nobody listens to that.
    jobs: Option<broadcast::Receiver<Arc<Job>>>,
    reading: Reading,
    down: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// What is written next; none at the end.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if let Some(text) = self.ready.pop_front() {
                return Some((Ok(Bytes::copy_from_slice(text.as_bytes())), self));
            }
            match self.is_behind {
                true => self.read_on().await?,
                false => self.hear().await?,
            }
        }
    }

    async fn read_on(&mut self) -> Option<()> {
        let after = self.position;
        let entries = self.reading.run(move |reader| reader.read(after, BATCH)).await.ok()?;
        let Some(last) = entries.last() else {
            self.is_behind = false;
            return Some(());
        };
        self.position = last.seq;
        let wanted = entries.iter().filter(|entry| self.kinds.contains(&entry.kind));
        self.ready.extend(wanted.map(|entry| Arc::from(written(entry))));
        Some(())
    }

    async fn hear(&mut self) -> Option<()> {
        let heard = tokio::select! {
            _ = self.down.wait_for(|down| *down) => return None,
            heard = self.heard.recv() => heard,
            job = told(&mut self.jobs) => {
                self.ready.push_back(written_job(&job).into());
                return Some(());
            }
            () = tokio::time::sleep(Duration::from_secs(COMMENT_SECONDS)) => {
                self.ready.push_back(": nothing new\n\n".into());
                return Some(());
            }
        };
        match heard {
            Ok(heard) if heard.seq <= self.position => {}
            // One that is too long to be held is in the log.
            Ok(Heard { text: None, .. }) | Err(broadcast::error::RecvError::Lagged(_)) => self.is_behind = true,
            Ok(Heard { seq, kind, text: Some(text) }) => {
                self.position = seq;
                if self.kinds.contains(&kind) {
                    self.ready.push_back(text);
                }
            }
            Err(broadcast::error::RecvError::Closed) => return None,
        }
        Some(())
    }
}

/// The next change of a job; never where nobody listens to that. Who falls behind misses some, and hears of the next.
async fn told(jobs: &mut Option<broadcast::Receiver<Arc<Job>>>) -> Arc<Job> {
    while let Some(news) = jobs {
        match news.recv().await {
            Ok(job) => return job,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => *jobs = None,
        }
    }
    std::future::pending().await
}

/// A job as it is written to a stream.
fn written_job(job: &Job) -> String {
    // All of our own types have a form in JSON.
    format!("event: {JOB}\ndata: {}\n\n", serde_json::to_string(job).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_with_commas_and_what_there_is_not_is_said() {
        let of = |records: &[RecordKind], jobs| Kinds { records: records.to_vec(), jobs };
        assert_eq!(kinds(None).unwrap(), of(&RecordKind::ALL, false));
        assert_eq!(kinds(Some("incident,event")).unwrap(), of(&[RecordKind::Incident, RecordKind::Event], false));
        assert_eq!(kinds(Some("job")).unwrap(), of(&[], true));
        assert_eq!(kinds(Some("decision,job")).unwrap(), of(&[RecordKind::Decision], true));
        for wrong in ["", "events", "event,", "event, incident", "jobs"] {
            assert!(kinds(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_heard_last_is_a_position_or_refused() {
        let of = |id: &'static str| {
            last_event_id(&HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static(id))]))
        };
        assert_eq!(of("17").unwrap(), Some(17));
        assert_eq!(of("").unwrap(), None);
        assert!(of("last").is_err());
    }
}
