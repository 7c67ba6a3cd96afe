//! Makes sketches, one after the other, as long as any are waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_model::{Looker, RecordId};

use crate::desk::Desk;
use crate::problem::Problem;
use crate::sketch::Sketch;
use crate::story::first_question;

/// Records that are looked through for the event behind an incident: it mostly lies right before it.
const MAX_RECORDS: u64 = 4_096;

/// How long is waited after one could not be made: the host ends, or its records cannot be read.
const TROUBLE_MILLIS: u64 = 1_000;

/// The longest that is waited for a turn at a source.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(super) async fn make(desk: Arc<Desk>) {
    while let Some(id) = desk.sketches.next() {
        // What nobody could make for now is asked for again by who looks.
        match sketch(&desk, id).await {
            Ok(sketch) => desk.sketches.put(id, sketch, Instant::now()),
            Err(problem) => {
                tracing::debug!(incident = %id, "no sketch could be made: {problem}");
                tokio::time::sleep(Duration::from_millis(TROUBLE_MILLIS)).await;
            }
        }
    }
}

async fn sketch(desk: &Desk, id: RecordId) -> Result<Sketch, Problem> {
    let known = desk.followed()?.register().and_then(|register| register.get(id).cloned());
    let Some(known) = known else { return Ok(Sketch::without("the incident is not known any more")) };
    let event = desk.reading()?.run(move |reader| first_question(reader, &known, MAX_RECORDS)).await?;
    let Some(event) = event else { return Ok(Sketch::without("no query made its first events")) };
    loop {
        match desk.host_or_problem()?.series_around(&event, Looker::List).await {
            Ok(around) => return Ok(Sketch::of(&around)),
            Err(wait) => tokio::time::sleep(wait.min(MAX_WAIT)).await,
        }
    }
}
