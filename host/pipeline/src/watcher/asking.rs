//! The questions of one evaluation: each is asked once, a few at the same time, and how each went is told to who keeps the health of
//! sources.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use orion_model::{Frame, Timestamp};
use orion_source::{QuerySession, Source, SourceError};
use tokio::sync::Semaphore;

use super::group::{Answers, Group, Which};
use super::health::{HealthError, Report};
use super::overtaken::Step;
use super::run::WatcherContext;
use crate::TRACED;

/// How many queries of one group are under way at once: enough to hide the network, few enough that a group with a
/// hundred queries does not take all twenty places a Prometheus has.
const QUERIES_AT_ONCE: usize = 4;

/// Asks what these rules of a group want to know about an instant.
pub(super) async fn ask(
    context: &WatcherContext,
    group: &mut Group,
    step: Step,
    which: &Which,
) -> Result<Answers, HealthError> {
    let plan = group.plan().group.clone();
    let generation = group.plan().generation;
    let mut answers: Answers = (0..group.session_count()).map(|_| None).collect();
    let Some(source) = context.sources.get(&plan.source) else {
        // Sources are checked when a file is accepted, and never go away while Orion runs.
        return Ok(answers);
    };
    let data_instant = step.asked.plus_millis(-plan.query_offset_millis);
    let places = Semaphore::new(QUERIES_AT_ONCE);
    let mut asked = FuturesUnordered::new();
    for (index, session) in group.questions(which) {
        asked.push(ask_one(&**source, &places, index, session, data_instant));
    }
    while let Some(Asked { index, expr, answer, took }) = asked.next().await {
        let instant = step.instant;
        let answered_at = answer.is_ok().then(|| context.clock.now());
        context.meters.asked(&plan.source, took, answered_at);
        let report = Report { source: &plan.source, group: &plan.id, expr: &expr, instant, generation };
        context.health.report(report, answer.as_ref().err()).await?;
        if let Some(place) = answers.get_mut(index) {
            *place = Some(answer);
        }
    }
    Ok(answers)
}

/// What came of a question.
struct Asked {
    index: usize,
    expr: String,
    answer: Result<Frame, SourceError>,
    took: Duration,
}

#[tracing::instrument(target = TRACED, level = "debug", name = "query", skip_all, fields(source = source.name()))]
async fn ask_one(
    source: &dyn Source,
    places: &Semaphore,
    index: usize,
    session: &mut QuerySession,
    instant: Timestamp,
) -> Asked {
    let place = places.acquire().await;
    let began = Instant::now();
    let answer = source.query(session, instant).await;
    let took = began.elapsed();
    drop(place);
    Asked { index, expr: session.expr().to_owned(), answer, took }
}
