//! The series of an event around its moment, for somebody who looks at it.
//!
//! The source is asked again, with the query of the event over a span: that is observation like every other question, by the same
//! client, and nothing is kept of it but for a while in memory. Records hold what made a decision, and not what stands beside it: a
//! hundred samples for each event would be most of the audit trail.
//!
//! Who looks must not cost what a rule costs. So a span has at most `question`'s number of instants, an answer has limits of its own,
//! few questions are asked at once and in a row, whoever asks, and the same one is not asked twice.

mod pace;
mod question;
mod remembered;
mod samples;

use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_model::{Event, Looker, SeriesAround, Timestamp};
use orion_source::{AnswerLimits, Instants, QuerySession, Source, SourceError};
use tokio::sync::Semaphore;

use crate::library::Generation;
use crate::watcher::WatcherContext;
use pace::Pace;
use question::{Question, Unasked};
use remembered::Remembered;

/// Questions at the same time, of everybody who looks.
const MAX_AT_ONCE: usize = 2;

/// How long a source has for an answer. Less than the interface has for its own, so that it can say that there was none.
const ANSWER_MILLIS: u64 = 6_000;

/// How long somebody waits for a turn.
const TURN_MILLIS: u64 = 2_000;

/// The largest answer: that of a rule with a thousand series over a whole span.
const LIMITS: AnswerLimits = AnswerLimits { max_answer_bytes: 8 * 1024 * 1024, max_series_per_answer: 20_000 };

/// More is asked than is asked of sources on behalf of those who look.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("sources are asked for series as often as they may be: ask again in {} s", .0.as_secs().max(1))]
pub struct Busy(pub Duration);

/// What is asked on behalf of those who look.
pub struct Arounds {
    context: Arc<WatcherContext>,
    remembered: Remembered,
    pace: Pace,
    turns: Semaphore,
}

impl Arounds {
    pub(crate) fn new(context: Arc<WatcherContext>) -> Self {
        let turns = Semaphore::new(MAX_AT_ONCE);
        Self { context, remembered: Remembered::default(), pace: Pace::default(), turns }
    }

    /// The series of an event around its moment; or why there is none, in its `missing`.
    pub(crate) async fn of(
        &self,
        event: &Event,
        generation: &Generation,
        looker: Looker,
    ) -> Result<Arc<SeriesAround>, Busy> {
        if let Some(known) = self.remembered.get(event.event_id, Instant::now()) {
            return Ok(known);
        }
        let question = match Question::about(event, generation, self.context.clock.now()) {
            Ok(question) => question,
            Err(Unasked(why)) => return Ok(Arc::new(without(event, why))),
        };
        let Some(source) = self.context.sources.get(&question.source) else {
            return Ok(Arc::new(without(
                event,
                format!("the source `{}` is not configured any more", question.source),
            )));
        };
        let turn = tokio::time::timeout(Duration::from_millis(TURN_MILLIS), self.turns.acquire());
        let Ok(_turn) = turn.await else { return Err(Busy(Duration::from_millis(TURN_MILLIS))) };
        // Whoever had the turn before may have asked the same.
        if let Some(known) = self.remembered.get(event.event_id, Instant::now()) {
            return Ok(known);
        }
        self.pace.take(looker, Instant::now()).map_err(Busy)?;
        let (around, is_answered) = asked(&**source, event, question).await;
        let around = Arc::new(around);
        // A source that does not answer may do so the next time.
        if is_answered {
            self.remembered.put(event.event_id, around.clone(), Instant::now());
        }
        Ok(around)
    }
}

fn without(event: &Event, why: impl Into<String>) -> SeriesAround {
    SeriesAround {
        source: event.source.clone(),
        from: event.ts,
        to: event.ts,
        missing: Some(why.into()),
        whole: true,
        ..SeriesAround::default()
    }
}

/// Asks the source. Whether it said something, and would say it again.
async fn asked(source: &dyn Source, event: &Event, question: Question) -> (SeriesAround, bool) {
    let page = question.page(source);
    let mut around = SeriesAround {
        source: question.source.clone(),
        from: question.instants.first,
        to: question.instants.last(),
        step_millis: question.instants.step_millis,
        bounds: question.bounds.clone(),
        page,
        whole: question.whole,
        ..SeriesAround::default()
    };
    let patience = Duration::from_millis(ANSWER_MILLIS);
    for expr in &question.exprs {
        let mut session = QuerySession::new(expr.as_str());
        around.expr.clone_from(expr);
        let answer = tokio::time::timeout(patience, answered(source, &mut session, question.instants)).await;
        let error = match answer {
            Ok(Ok(frames)) => {
                samples::put(&mut around, &frames, &session.table, event, &question.laid_over);
                return (around, true);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                let missing = format!("the source did not answer within {} s", patience.as_secs());
                return (SeriesAround { missing: Some(missing), ..around }, false);
            }
        };
        // A recording has the queries of its rules alone, and not what they compare with a number.
        if !matches!(error, SourceError::NotRecorded { .. }) {
            let is_said = matches!(error, SourceError::OutsideRecording { .. });
            return (SeriesAround { missing: Some(error.to_string()), ..around }, is_said);
        }
        around.missing = Some(error.to_string());
    }
    (around, true)
}

/// The answer of the source; of a recording that of the part of the span that it reaches over.
async fn answered(
    source: &dyn Source,
    session: &mut QuerySession,
    instants: Instants,
) -> Result<Vec<orion_model::Frame>, SourceError> {
    match source.look(session, instants, LIMITS).await {
        Err(SourceError::OutsideRecording { recording, start, end, instant }) => {
            let within = within(instants, start, end);
            if within.count == 0 || within == instants {
                return Err(SourceError::OutsideRecording { recording, start, end, instant });
            }
            source.look(session, within, LIMITS).await
        }
        answer => answer,
    }
}

/// Those of the instants that lie between two.
fn within(instants: Instants, start: Timestamp, end: Timestamp) -> Instants {
    let lies = |at: &Timestamp| (start..=end).contains(at);
    let first = instants.iter().find(lies).unwrap_or(instants.first);
    Instants { first, count: instants.iter().filter(lies).count(), ..instants }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_span_is_left_what_a_recording_reaches_over() {
        let at = Timestamp::from_millis;
        let span = Instants { first: at(0), step_millis: 10, count: 10 };
        assert_eq!(within(span, at(-5), at(200)), span);
        assert_eq!(within(span, at(15), at(41)), Instants { first: at(20), step_millis: 10, count: 3 });
        assert_eq!(within(span, at(500), at(900)).count, 0);
    }
}
