//! What plugins say: a detector's findings, a correlator's changes. The host has checked both at the emit boundary.

use serde::{Deserialize, Serialize};

use crate::frame::SeriesId;
use crate::severity::Severity;
use crate::time::Timestamp;

/// One thing that a detector saw in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The series it is about; `None` when it is about the answer as a whole.
    pub series: Option<SeriesId>,
    /// `None` leaves it to the rule.
    pub severity: Option<Severity>,
    /// When, by the data.
    pub timestamp: Timestamp,
    /// The value that made it; NaN is always the one canonical NaN.
    pub value: f64,
    /// How unusual, for detectors that can tell.
    pub score: Option<f64>,
    /// One sentence for a person; may be empty.
    pub message: Box<str>,
    /// Further facts.
    pub fields: Vec<Field>,
}

/// A step in the life of an incident, as a correlator tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The group the incident is about.
    pub key: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// How bad it is now.
    pub severity: Severity,
    /// When, by the data.
    pub timestamp: Timestamp,
    /// Why, in a few words.
    pub reason: String,
    /// Bus positions of the events this change adds.
    pub positions: Vec<u64>,
    /// Further facts.
    pub fields: Vec<Field>,
}

/// What a change does to its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// There is a new incident.
    Opened,
    /// It grew or got worse.
    Updated,
    /// It is over.
    Resolved,
}

/// A named fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Name, unique within its finding.
    pub name: String,
    /// Value.
    pub value: Scalar,
}

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number; not finite ones become text in JSON.
    Number(f64),
    /// A text.
    Text(String),
}

impl Scalar {
    /// As JSON, where NaN and the infinities have no number: they become `"NaN"`, `"+Inf"`, `"-Inf"` as in Prometheus.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Flag(flag) => (*flag).into(),
            Self::Integer(integer) => (*integer).into(),
            Self::Number(number) => number_to_json(*number),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

pub(crate) fn number_to_json(number: f64) -> serde_json::Value {
    if number.is_finite() {
        number.into()
    } else if number.is_nan() {
        "NaN".into()
    } else if number > 0.0 {
        "+Inf".into()
    } else {
        "-Inf".into()
    }
}
