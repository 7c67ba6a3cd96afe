//! What Orion decides about an incident. There is one autonomy level and one decision; neither type can hold another.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{IdBuilder, RecordId};
use crate::incident::Incident;
use crate::time::Timestamp;

/// The record of a decision; a line of `decisions.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Hash of (incident, revision).
    pub decision_id: RecordId,
    /// Always `NO_ACTION`.
    pub decision_type: DecisionType,
    /// Always `N0`.
    pub autonomy_level: AutonomyLevel,
    /// The incident it is about.
    pub incident_id: RecordId,
    /// The revision of the incident it is about.
    pub incident_revision: u32,
    /// Why nothing is done.
    pub reason: String,
    /// When, by the data: the time of the incident's revision.
    pub ts: Timestamp,
    /// The generation of the rule set that was live.
    pub generation: u64,
}

impl Decision {
    /// The decision about a revision of an incident.
    pub fn about(incident: &Incident) -> Self {
        Self {
            decision_id: IdBuilder::new("decision").bytes(incident.record_id().as_bytes()).finish(),
            decision_type: DecisionType::NoAction,
            autonomy_level: AutonomyLevel::N0,
            incident_id: incident.incident_id,
            incident_revision: incident.revision,
            reason: format!(
                "autonomy level N0: Orion observes and people act; {} incident {} ({})",
                incident.severity,
                incident.status.as_str(),
                incident.incident_type
            ),
            ts: incident.ts,
            generation: incident.generation,
        }
    }
}

/// What was decided. No other value can be written down, read back, or matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionType {
    /// Orion does nothing; people may.
    #[serde(rename = "NO_ACTION")]
    NoAction,
}

/// How much Orion may do by itself. Only N0 exists: it observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutonomyLevel {
    /// Observe only.
    N0,
}

/// A wish for an autonomy level that does not exist.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "autonomy level `{0}` does not exist: Orion only observes. Unset ORION_AUTONOMY_LEVEL or set it to N0; \
     to act on incidents, let people or other systems read them from Orion"
)]
pub struct UnknownAutonomyLevel(pub String);

impl FromStr for AutonomyLevel {
    type Err = UnknownAutonomyLevel;

    fn from_str(text: &str) -> Result<Self, UnknownAutonomyLevel> {
        match text {
            "N0" => Ok(Self::N0),
            other => Err(UnknownAutonomyLevel(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_no_action_can_be_read_back() {
        assert_eq!(serde_json::to_string(&DecisionType::NoAction).unwrap(), r#""NO_ACTION""#);
        assert!(serde_json::from_str::<DecisionType>(r#""RESTART""#).is_err());
        assert_eq!("N0".parse(), Ok(AutonomyLevel::N0));
        for wish in ["N1", "n0", "", "N0 "] {
            assert!(wish.parse::<AutonomyLevel>().is_err(), "{wish:?}");
        }
    }
}
