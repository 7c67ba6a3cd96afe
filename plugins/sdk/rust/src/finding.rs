//! What a detector says.

use crate::frame::SeriesId;
use crate::severity::Severity;

/// One thing that a detector saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The series it is about; `None` when it is about the answer as a whole.
    pub series: Option<SeriesId>,
    /// `None` leaves it to the rule.
    pub severity: Option<Severity>,
    /// When, in milliseconds.
    pub timestamp: i64,
    /// The value that made it.
    pub value: f64,
    /// How unusual, for detectors that can tell.
    pub score: Option<f64>,
    /// One sentence for a person; empty leaves it to the rule's annotations.
    pub message: String,
    /// Further facts.
    pub fields: Vec<Field>,
}

impl Finding {
    /// About a series.
    pub fn new(series: SeriesId, timestamp: i64, value: f64) -> Self {
        Self { series: Some(series), ..Self::about_the_answer(timestamp, value) }
    }

    /// About the answer as a whole.
    pub fn about_the_answer(timestamp: i64, value: f64) -> Self {
        let (message, fields) = (String::new(), Vec::new());
        Self { series: None, severity: None, timestamp, value, score: None, message, fields }
    }

    /// With a sentence for a person.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// With a severity of its own.
    #[must_use]
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// With a score.
    #[must_use]
    pub const fn score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// With a further fact.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Scalar>) -> Self {
        self.fields.push(Field { name: name.into(), value: value.into() });
        self
    }
}

/// A named fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name, unique within its finding or change.
    pub name: String,
    /// Value.
    pub value: Scalar,
}

/// The value of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Flag(bool),
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Scalar {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Scalar {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<bool> for Scalar {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Where findings go: to the host, or natively into a list.
#[derive(Debug, Default)]
pub struct Findings {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) said: Vec<Finding>,
}

impl Findings {
    /// Says it. More than one for a series of the frame and a thousand besides, or one that breaks a limit, ends the
    /// call.
    pub fn emit(&mut self, finding: Finding) {
        #[cfg(target_arch = "wasm32")]
        crate::guest::emit_finding(finding);
        #[cfg(not(target_arch = "wasm32"))]
        self.said.push(finding);
    }
}
