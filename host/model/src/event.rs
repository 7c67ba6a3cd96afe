//! One thing that was observed, as it lives on the bus and in `events.jsonl`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::AGENT_EVENT_ID;
use crate::id::{Digest, Fingerprint, RecordId};
use crate::labels::Labels;
use crate::severity::Severity;
use crate::time::Timestamp;

/// An event. `event_id` is the hash of what it says, so the same evaluation gives the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Hash of (rule, instant, label identity, transition, ordinal).
    pub event_id: RecordId,
    /// What kind of thing, in snake case: `service_down`.
    pub event_type: String,
    /// How bad.
    pub severity: Severity,
    /// Whether it began, ended, or just happened.
    pub status: Status,
    /// The instant it was observed at.
    pub ts: Timestamp,
    /// `file/group/alert` of the rule, or `orion/…` for what Orion observes of itself.
    pub rule: String,
    /// The source it was seen in.
    pub source: String,
    /// The generation of the rule set that was live.
    pub generation: u64,
    /// The same for the firing and the resolved event of one alert.
    pub fingerprint: Fingerprint,
    /// Labels of the series with those of the rule laid over them.
    pub labels: Labels,
    /// Rendered annotations of the rule.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub annotations: Labels,
    /// Further facts: `value`, `score`, `message`, `active_since`, `reason`, fields of the finding.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// What is needed to compute it again; absent for what Orion observes of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// An event whose evidence is left unread: a third of its text, which only those need who compute it again.
#[derive(Deserialize)]
#[serde(remote = "Event")]
struct WithoutEvidence {
    event_id: RecordId,
    event_type: String,
    severity: Severity,
    status: Status,
    ts: Timestamp,
    rule: String,
    source: String,
    generation: u64,
    fingerprint: Fingerprint,
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(skip)]
    evidence: Option<Evidence>,
}

impl Event {
    /// Reads the event that `json` is, and leaves its evidence unread.
    pub fn without_evidence(json: &str) -> serde_json::Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let event = WithoutEvidence::deserialize(&mut reader)?;
        reader.end().map(|()| event)
    }

    /// The value that made it, when it carries one.
    pub fn value(&self) -> Option<f64> {
        match self.data.get("value")? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "+Inf" => Some(f64::INFINITY),
                "-Inf" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether an agent saw it, and this is its record at the control host.
    pub fn is_forwarded(&self) -> bool {
        self.data.contains_key(AGENT_EVENT_ID)
    }

    /// Puts a number into `data`, also one that JSON has no form for.
    pub fn put_number(&mut self, name: &str, number: f64) {
        self.data.insert(name.to_owned(), crate::finding::number_to_json(number));
    }
}

/// Whether a thing began, ended, or just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A thing of one moment.
    Occurred,
    /// It holds from now on.
    Firing,
    /// It held until now.
    Resolved,
}

impl Status {
    /// 0, 1, 2: as the plugin contract counts them.
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// The word records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Occurred => "occurred",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// What is needed to compute a finding again and compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The query that was asked.
    pub expr: String,
    /// The instant it was asked for.
    pub instant: Timestamp,
    /// Identity of the answer.
    pub input_id: RecordId,
    /// Name of the plugin.
    pub plugin: String,
    /// Its digest.
    pub plugin_digest: Digest,
    /// The contract it speaks.
    pub contract: String,
    /// Work the call took, in wasmtime's fuel.
    pub fuel: u64,
}
