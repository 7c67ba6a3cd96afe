//! Who asked for a job, and who wanted it no more: events, for whoever reads the audit trail.

use orion_bus::Bus;
use orion_model::{Job, Severity, Status, Timestamp};

use super::desk::JobsError;
use crate::condition::{Condition, kind};
use crate::draft::Draft;

/// The owner that counts them. Each host has its own: what is asked of one follows from nothing that another commits.
const OWNER: &str = "jobs";

/// Somebody asked for it.
pub(super) async fn requested(bus: &dyn Bus, job: &Job, generation: u64) -> Result<(), JobsError> {
    let message =
        format!("{} asked for a {} job of {} priority", job.asked_by, job.kind.as_str(), job.priority.as_str());
    record(bus, kind::JOB_REQUESTED, job, &job.asked_by, job.asked_at, generation, &message).await
}

/// Somebody wants it no more.
pub(super) async fn cancelled(
    bus: &dyn Bus,
    job: &Job,
    by: &str,
    at: Timestamp,
    generation: u64,
) -> Result<(), JobsError> {
    let message = format!("{by} cancelled the {} job of {}", job.kind.as_str(), job.asked_by);
    record(bus, kind::JOB_CANCELLED, job, by, at, generation, &message).await
}

async fn record(
    bus: &dyn Bus,
    event_type: &str,
    job: &Job,
    by: &str,
    at: Timestamp,
    generation: u64,
    message: &str,
) -> Result<(), JobsError> {
    let id = job.id.to_string();
    let labels = [("by", by), ("job", id.as_str()), ("kind", job.kind.as_str())];
    let condition = Condition::new(event_type, Severity::Info, "orion", labels);
    let mut draft = Draft::default();
    draft.event(&condition.event(Status::Occurred, at, generation, message))?;
    let before = bus.offset(OWNER).await?;
    bus.commit(draft.into_commit(OWNER, before, before.unwrap_or(0).saturating_add(1))).await?;
    Ok(())
}
