//! What a correlator says.

use crate::finding::{Field, Scalar};
use crate::severity::Severity;

/// A step in the life of the incident that belongs to `key`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The group the incident is about: a key of the batch, or one of the correlator's own.
    pub key: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// How bad it is now.
    pub severity: Severity,
    /// When, in milliseconds.
    pub timestamp: i64,
    /// Why, in a few words.
    pub reason: String,
    /// Bus positions of the events that this change adds.
    pub positions: Vec<u64>,
    /// Further facts.
    pub fields: Vec<Field>,
}

impl Change {
    /// With a further fact.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Scalar>) -> Self {
        self.fields.push(Field { name: name.into(), value: value.into() });
        self
    }
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

/// Where changes go: to the host, or natively into a list.
#[derive(Debug, Default)]
pub struct Changes {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) said: Vec<Change>,
}

impl Changes {
    /// Says it.
    pub fn emit(&mut self, change: Change) {
        #[cfg(target_arch = "wasm32")]
        crate::guest::emit_change(change);
        #[cfg(not(target_arch = "wasm32"))]
        self.said.push(change);
    }
}
