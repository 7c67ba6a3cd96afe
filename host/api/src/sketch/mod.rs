//! Sparklines: the series behind an incident in a few points, for lists.
//!
//! A list has ten thousand rows and many who look at it, and a row must not cost a question each time. So a sketch is made once of an
//! incident, when somebody first sees its row, one after the other and behind those who wait for a whole series; it is kept, and told to
//! everybody. Once more it is made of one whose span was not over. Who asks never waits for a source: what is not there yet is said to
//! be on its way.

mod line;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use orion_model::RecordId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::desk::Desk;
use crate::document::Document;
use crate::problem::Problem;
use crate::query::Asked;
pub(crate) use line::Sketch;

/// Incidents that one request names: more rows than a page shows at once.
const MAX_ASKED: usize = 100;

/// Sketches that are kept; each is a few hundred bytes.
const MAX_KEPT: usize = 4_096;

/// Incidents whose sketches are waited for. Of more the newest wish counts: it is what somebody looks at now.
const MAX_WAITING: usize = 256;

/// After so long a sketch whose span was not over is made again, when somebody looks.
const PART_SECONDS: u64 = 120;

/// Which are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    incidents: String,
}

/// `GET /api/v1/sparklines`
pub(crate) async fn show(State(desk): State<Arc<Desk>>, Asked(wanted): Asked<Wanted>) -> Result<Document, Problem> {
    let ids = ids(&wanted.incidents)?;
    let known: Vec<RecordId> = {
        let followed = desk.followed()?;
        let register = followed.register().ok_or_else(crate::incidents::still_reading)?;
        ids.into_iter().filter(|id| register.get(*id).is_some()).collect()
    };
    let (items, waiting) = desk.sketches.tell(&known, Instant::now());
    if waiting > 0 {
        desk.sketches.work(&desk);
    }
    Document::of(&json!({ "items": items, "waiting": waiting }))
}

fn ids(text: &str) -> Result<Vec<RecordId>, Problem> {
    let wrong = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let ids: Result<Vec<RecordId>, _> = text.split(',').map(str::parse).collect();
    let ids = ids.map_err(|_| wrong("`incidents` is whole ids of incidents with commas between them".to_owned()))?;
    match ids.len() <= MAX_ASKED {
        true => Ok(ids),
        false => Err(wrong(format!("`incidents` names {}, and {MAX_ASKED} at most are told at once", ids.len()))),
    }
}

/// All sketches, and those that are to be made.
#[derive(Default)]
pub(crate) struct Sketches {
    state: Mutex<Sheets>,
    /// What makes them, while there are any to be made.
    worker: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Sheets {
    kept: BTreeMap<RecordId, (Instant, Arc<Sketch>)>,
    waiting: VecDeque<RecordId>,
    is_at_work: bool,
    has_ended: bool,
}

impl Sketches {
    fn state(&self) -> MutexGuard<'_, Sheets> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are there; of the others, how many are to be made.
    fn tell(&self, ids: &[RecordId], now: Instant) -> (Vec<Value>, usize) {
        let mut sheets = self.state();
        let (mut told, mut waiting) = (Vec::new(), BTreeSet::new());
        for id in ids {
            let kept = sheets.kept.get(id).cloned();
            if let Some((_, sketch)) = &kept {
                told.push(sketch.told(*id));
            }
            let is_done = |(at, sketch): &(Instant, Arc<Sketch>)| {
                sketch.whole || now.saturating_duration_since(*at) < Duration::from_secs(PART_SECONDS)
            };
            if !kept.as_ref().is_some_and(is_done) {
                waiting.insert(*id);
            }
        }
        sheets.waiting.retain(|id| !waiting.contains(id));
        sheets.waiting.extend(ids.iter().filter(|id| waiting.remove(*id)));
        let more = sheets.waiting.len().saturating_sub(MAX_WAITING);
        sheets.waiting.drain(..more);
        let waiting = ids.iter().filter(|id| sheets.waiting.contains(id)).count();
        (told, waiting)
    }

    /// The next to be made. `None` is the end of the work.
    fn next(&self) -> Option<RecordId> {
        let mut sheets = self.state();
        let next = sheets.waiting.pop_front();
        sheets.is_at_work = next.is_some();
        next
    }

    /// One is made. Of too many the oldest goes.
    fn put(&self, id: RecordId, sketch: Sketch, now: Instant) {
        let mut sheets = self.state();
        sheets.kept.insert(id, (now, Arc::new(sketch)));
        while sheets.kept.len() > MAX_KEPT
            && let Some(oldest) = sheets.kept.iter().min_by_key(|(id, (at, _))| (*at, **id)).map(|(id, _)| *id)
        {
            sheets.kept.remove(&oldest);
        }
    }

    /// Has somebody make what is waited for.
    fn work(&self, desk: &Arc<Desk>) {
        let mut sheets = self.state();
        if sheets.is_at_work || sheets.has_ended {
            return;
        }
        sheets.is_at_work = true;
        let worker = tokio::spawn(work::make(desk.clone()));
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
    }

    /// Nothing is made any more. It holds on to the host while it asks, so this has to be waited for before that ends.
    pub(crate) async fn end(&self) {
        self.state().has_ended = true;
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            worker.abort();
            // Cut off or at its end: either way it holds on to nothing.
            let _ = worker.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::IdBuilder;

    fn id(number: i64) -> RecordId {
        IdBuilder::new("test").number(number).finish()
    }

    fn sketch(whole: bool) -> Sketch {
        Sketch { whole, ..Sketch::default() }
    }

    #[test]
    fn each_is_made_once_however_many_ask_and_once_more_when_its_span_was_not_over() {
        let (sketches, now) = (Sketches::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(sketches.tell(&[id(1), id(2), id(1)], now).1, 3);
        }
        assert_eq!([sketches.next(), sketches.next(), sketches.next()], [Some(id(1)), Some(id(2)), None]);
        sketches.put(id(1), sketch(true), now);
        sketches.put(id(2), sketch(false), now);
        let (told, waiting) = sketches.tell(&[id(1), id(2)], now);
        assert_eq!((told.len(), waiting), (2, 0));
        let (told, waiting) = sketches.tell(&[id(1), id(2)], now + Duration::from_secs(PART_SECONDS));
        assert_eq!((told.len(), waiting), (2, 1));
        assert_eq!(sketches.next(), Some(id(2)));
    }

    #[test]
    fn of_too_many_wishes_the_newest_count_and_of_too_many_sketches_the_newest_stay() {
        let (sketches, begin) = (Sketches::default(), Instant::now());
        let all: Vec<RecordId> = (0..=MAX_WAITING as i64).map(id).collect();
        all.iter().for_each(|id| drop(sketches.tell(&[*id], begin)));
        assert_eq!(sketches.next(), Some(id(1)));
        let many = MAX_KEPT as i64;
        (0..=many).for_each(|n| sketches.put(id(n), sketch(true), begin + Duration::from_millis(n.unsigned_abs())));
        let told = |n| sketches.tell(&[id(n)], begin).0.len();
        assert_eq!((told(0), told(1), told(many)), (0, 1, 1));
    }

    #[test]
    fn who_asks_for_too_many_or_for_what_is_no_id_is_refused() {
        let text = |count: i64| (0..count).map(|n| id(n).to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(ids(&text(MAX_ASKED as i64)).unwrap().len(), MAX_ASKED);
        assert!(ids(&text(MAX_ASKED as i64 + 1)).is_err());
        assert!(ids("").is_err() && ids("0123").is_err());
    }
}
