//! What the process says of itself when it starts: one event, for whoever reads the audit trail later.
//!
//! It is no condition: it holds from one start to the next and needs nobody's attention, so no rule that ships reads it.
//! A replay computes what rules make of data and has none.

use orion_bus::{Bus, BusError};
use orion_model::{Severity, Status, Timestamp};
use serde_json::{Map, Value};

use crate::condition::{Condition, kind};
use crate::draft::{Draft, NotWritable};

/// The owner that counts starts.
const OWNER: &str = "process";

/// What is attested.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// Whether everything is as it should be.
    pub is_whole: bool,
    /// In one line.
    pub message: String,
    /// In detail.
    pub facts: Map<String, Value>,
}

/// Why it could not be recorded. A start without it would be one that nobody can vouch for.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The store does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

impl Attestation {
    /// Puts it on the bus.
    pub(crate) async fn record(
        self,
        bus: &dyn Bus,
        host: &str,
        at: Timestamp,
        generation: u64,
    ) -> Result<(), AttestationError> {
        let severity = if self.is_whole { Severity::Info } else { Severity::Warning };
        let condition = Condition::new(kind::CONFINEMENT_ATTESTED, severity, "orion", []);
        let mut event = condition.event_of(host, Status::Occurred, at, generation, &self.message);
        event.data.extend(self.facts);
        let mut draft = Draft::default();
        draft.event(&event)?;
        let starts = bus.load(OWNER).await?.offset;
        orion_bus::crash_point!("attestation::before_commit");
        bus.commit(draft.into_commit(OWNER, starts, starts.unwrap_or(0).saturating_add(1))).await?;
        orion_bus::crash_point!("attestation::after_commit");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_bus::SqliteBus;
    use orion_model::Event;
    use serde_json::json;

    #[tokio::test]
    async fn each_start_is_attested_once_and_says_how_whole_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let bus = SqliteBus::open(dir.path()).unwrap();
        for (start, is_whole) in [(1, true), (2, false)] {
            let facts = Map::from_iter([("landlock_abi".to_owned(), json!(7))]);
            let attestation = Attestation { is_whole, message: format!("start {start}"), facts };
            attestation.record(&bus, "", Timestamp::from_millis(start * 1_000), 3).await.unwrap();
        }
        let events: Vec<Event> =
            bus.read(0, 10).await.unwrap().iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect();
        let said = |event: &Event| (event.severity, event.generation, event.data["message"].clone());
        let said: Vec<_> = events.iter().map(said).collect();
        assert_eq!(said, [(Severity::Info, 3, json!("start 1")), (Severity::Warning, 3, json!("start 2"))]);
        assert_eq!(events[1].data["landlock_abi"], 7);
        assert_eq!(events[0].status, Status::Occurred);
    }
}
