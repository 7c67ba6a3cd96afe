//! Brain: decides about every incident that opened or got worse. At autonomy level N0 it decides to do nothing, each
//! time, and says so; there is no other decision to make.

use std::sync::Arc;

use orion_bus::{Bus, RecordKind};
use orion_model::{Decision, Incident, IncidentStatus};
use serde::Deserialize;
use tokio::sync::watch;

use crate::draft::{Draft, NotWritable};
use crate::stage::{BATCH, QUIET_ENTRIES, StageError, StageLoop};

const OWNER: &str = "brain";

/// Runs until `shutdown` turns true and every incident is read.
pub async fn run_brain(bus: Arc<dyn Bus>, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new(OWNER, bus.appended(), shutdown);
    while let Err(error) = work(&*bus, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(bus: &dyn Bus, stage: &mut StageLoop) -> Result<(), StageError> {
    let mut committed = bus.load(OWNER).await?.offset;
    let mut position = u64::try_from(committed.unwrap_or(0)).unwrap_or(0);
    loop {
        let entries = bus.read(position, BATCH).await?;
        let Some(last) = entries.last().map(|entry| entry.seq) else {
            if stage.is_shut_down() {
                return Ok(());
            }
            stage.wait().await;
            continue;
        };
        let incidents = entries.iter().filter(|entry| entry.kind == RecordKind::Incident);
        let draft = decisions_about(incidents.map(|entry| &*entry.body))?;
        position = last;
        let behind = position.saturating_sub(u64::try_from(committed.unwrap_or(0)).unwrap_or(0));
        if !draft.is_empty() || behind >= QUIET_ENTRIES {
            let offset = i64::try_from(position).unwrap_or(i64::MAX);
            orion_bus::crash_point!("brain::before_commit");
            bus.commit(draft.into_commit(OWNER, committed, offset)).await?;
            orion_bus::crash_point!("brain::after_commit");
            committed = Some(offset);
        }
        stage.succeeded();
    }
}

/// The decisions about incidents, as they stand on the bus.
pub(crate) fn decisions_about<'a>(incidents: impl Iterator<Item = &'a str>) -> Result<Draft, NotWritable> {
    let mut draft = Draft::default();
    for body in incidents {
        match read(body) {
            Ok(Some(incident)) => draft.decision(&Decision::about(&incident))?,
            Ok(None) => {}
            Err(error) => tracing::error!("an incident on the bus cannot be read: {error}"),
        }
    }
    Ok(draft)
}

/// What is looked at before the whole is read: most revisions are updates, about which nothing is decided.
#[derive(Deserialize)]
struct Revision {
    status: IncidentStatus,
}

/// The incident, if it calls for a decision.
fn read(body: &str) -> Result<Option<Incident>, serde_json::Error> {
    let Revision { status } = serde_json::from_str(body)?;
    if calls_for_a_decision(status) { serde_json::from_str(body).map(Some) } else { Ok(None) }
}

fn calls_for_a_decision(status: IncidentStatus) -> bool {
    match status {
        IncidentStatus::Opened | IncidentStatus::Escalated => true,
        IncidentStatus::Updated | IncidentStatus::Resolved => false,
    }
}
