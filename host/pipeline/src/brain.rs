//! Brain: decides about every incident that opened or got worse. At autonomy level N0 it decides to do nothing, each
//! time, and says so; there is no other decision to make.

use std::sync::Arc;

use orion_bus::{Bus, RecordKind};
use orion_model::{Decision, Incident, IncidentStatus};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use tokio::sync::watch;

use crate::draft::{Draft, NotWritable};
use crate::meters::StageMeter;
use crate::stage::{LARGE_BATCH, QUIET_ENTRIES, StageError, StageLoop};

/// The name under which Brain commits.
pub const BRAIN_OWNER: &str = "brain";

/// Runs until `shutdown` turns true and every incident is read.
pub async fn run_brain(bus: Arc<dyn Bus>, meter: Arc<StageMeter>, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new(BRAIN_OWNER, bus.appended(), shutdown);
    while let Err(error) = work(&*bus, &meter, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(bus: &dyn Bus, meter: &StageMeter, stage: &mut StageLoop) -> Result<(), StageError> {
    let mut committed = bus.load(BRAIN_OWNER).await?.offset;
    let mut position = u64::try_from(committed.unwrap_or(0)).unwrap_or(0);
    loop {
        meter.reached(position);
        let entries = bus.read(position, LARGE_BATCH).await?;
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
            bus.commit(draft.into_commit(BRAIN_OWNER, committed, offset)).await?;
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

/// The incident, if it calls for a decision. Most revisions are updates, about which nothing is decided, and an update can name
/// a thousand events: so those are not read whole.
fn read(body: &str) -> Result<Option<Incident>, serde_json::Error> {
    if status_of(body).is_some_and(|status| !calls_for_a_decision(status)) {
        return Ok(None);
    }
    let incident: Incident = serde_json::from_str(body)?;
    Ok(calls_for_a_decision(incident.status).then_some(incident))
}

/// The status of a revision, as far as it is written before everything long. `None` where the whole has to be read.
fn status_of(body: &str) -> Option<IncidentStatus> {
    struct UpTo<'a>(&'a mut Option<IncidentStatus>);

    impl<'de> Visitor<'de> for UpTo<'_> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a revision of an incident")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            while let Some(name) = members.next_key::<&str>()? {
                if name == "status" {
                    *self.0 = Some(members.next_value()?);
                    // The rest is left unread, which ends in an error that nobody looks at.
                    return Ok(());
                }
                members.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut status = None;
    let _ = serde_json::Deserializer::from_str(body).deserialize_map(UpTo(&mut status));
    status
}

fn calls_for_a_decision(status: IncidentStatus) -> bool {
    match status {
        IncidentStatus::Opened | IncidentStatus::Escalated => true,
        IncidentStatus::Updated | IncidentStatus::Resolved => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_before_the_rest_and_where_there_is_none_the_whole_is_read() {
        let found = |body| status_of(body);
        assert_eq!(
            found(r#"{"incident_id":"a","n":{"status":"x"},"status":"updated","event_ids":["#),
            Some(IncidentStatus::Updated)
        );
        for none in ["", "[]", "{}", r#"{"status":"unheard"}"#, r#"{"status":"#, r#"{"revision":1}"#] {
            assert_eq!(found(none), None, "{none}");
            assert!(read(none).is_err(), "{none}");
        }
    }
}
