//! That somebody who could not say who it is was locked out of the interface: an event, for whoever reads the audit trail.

use orion_bus::{Bus, BusError};
use orion_model::{Severity, Status, Timestamp};

use crate::condition::{Condition, kind};
use crate::draft::{Draft, NotWritable};

/// The owner that counts them.
const OWNER: &str = "access";

/// Why it could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The store does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

/// Puts it on the bus. Two of one client at one instant are one.
pub(crate) async fn record_lock_out(
    bus: &dyn Bus,
    client: &str,
    why: &str,
    at: Timestamp,
    generation: u64,
) -> Result<(), AccessError> {
    let condition = Condition::new(kind::API_CLIENT_LOCKED_OUT, Severity::Warning, "orion", [("client", client)]);
    let mut draft = Draft::default();
    draft.event(&condition.event(Status::Occurred, at, generation, why))?;
    let before = bus.offset(OWNER).await?;
    bus.commit(draft.into_commit(OWNER, before, before.unwrap_or(0).saturating_add(1))).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_bus::SqliteBus;
    use orion_model::Event;

    #[tokio::test]
    async fn each_lock_out_is_an_event_about_its_client() {
        let folder = tempfile::tempdir().unwrap();
        let bus = SqliteBus::open(folder.path()).unwrap();
        for (client, millis) in [("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.7", 2)] {
            record_lock_out(&bus, client, "no token", Timestamp::from_millis(millis), 3).await.unwrap();
        }
        let entries = bus.read(0, 9).await.unwrap();
        let events: Vec<Event> = entries.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect();
        let clients: Vec<_> = events.iter().map(|event| event.labels.get("client").unwrap()).collect();
        assert_eq!(clients, ["192.0.2.1", "192.0.2.1", "192.0.2.7"]);
        assert!(events.iter().all(|event| event.event_type == "api_client_locked_out" && event.generation == 3));
    }
}
