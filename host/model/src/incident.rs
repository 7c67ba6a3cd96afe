//! Related events as one thing a person should know about. Each line of `incidents.jsonl` is one revision of one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{Digest, IdBuilder, RecordId};
use crate::labels::Labels;
use crate::severity::Severity;
use crate::time::Timestamp;

/// One revision of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Hash of (correlation, key, opening event).
    pub incident_id: RecordId,
    /// What kind of thing, in snake case: `service_outage`.
    pub incident_type: String,
    /// How bad it is now.
    pub severity: Severity,
    /// What this revision did.
    pub status: IncidentStatus,
    /// Counts from 1.
    pub revision: u32,
    /// When this revision happened, by the data.
    pub ts: Timestamp,
    /// When the first revision happened.
    pub opened_at: Timestamp,
    /// `file/name` of the correlation that made it.
    pub correlation: String,
    /// The group it is about.
    pub key: Labels,
    /// One line for a person.
    pub summary: String,
    /// Why this revision, in a few words.
    pub reason: String,
    /// Events that this revision adds.
    pub event_ids: Vec<RecordId>,
    /// Events in all, up to this revision.
    pub event_count: u64,
    /// The incident of the same group that closed before this one opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RecordId>,
    /// The generation of the rule set that was live.
    pub generation: u64,
    /// Name and digest of the correlator.
    pub plugin: String,
    /// Digest of the correlator.
    pub plugin_digest: Digest,
    /// Further facts of the correlator.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl Incident {
    /// Identity of this revision: what the bus knows it by.
    pub fn record_id(&self) -> RecordId {
        IdBuilder::new("incident").bytes(self.incident_id.as_bytes()).number(i64::from(self.revision)).finish()
    }
}

/// What a revision did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentStatus {
    /// It is new.
    Opened,
    /// It grew.
    Updated,
    /// It got worse: its severity rose.
    Escalated,
    /// It is over.
    Resolved,
}

impl IncidentStatus {
    /// The word records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
        }
    }
}
