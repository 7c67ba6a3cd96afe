//! What Orion speaks of, as data: no I/O, no clock, no hash order.
//!
//! A source answers a query with a [`Frame`]; a detector says [`Finding`]s about its series; the Watcher completes
//! each into an [`Event`]; a correlator says [`Change`]s about a group of events; the Guardian completes each into
//! a revision of an [`Incident`]; the Brain answers with a [`Decision`]. Memory keeps the last three.

mod around;
mod decision;
mod event;
mod finding;
mod frame;
mod hook;
mod id;
mod incident;
mod label_text;
mod labels;
mod manifest;
mod mark;
mod parameter;
mod severity;
mod text;
mod time;

pub use around::{Bound, Looker, SeriesAround};
pub use decision::{AutonomyLevel, Decision, DecisionType, UnknownAutonomyLevel};
pub use event::{Event, Evidence, Status};
pub use finding::{Change, ChangeKind, Field, Finding, Scalar};
pub use frame::{Frame, SeriesId, SeriesTable};
pub use hook::{Delivery, HookKind, Taken, UnknownHookKind};
pub use id::{Digest, Fingerprint, IdBuilder, RecordId};
pub use incident::{Incident, IncidentStatus};
pub use label_text::{read_labels, write_labels};
pub use labels::{Labels, LabelsBuilder};
pub use manifest::{Kind, Manifest, ManifestError, ParameterSpec, ParameterType};
pub use mark::{BadMark, INCIDENT_MARKED, MARK_RULE, Mark, Marked, Said, is_mark};
pub use parameter::{Parameter, ParameterValue, StateEntry, format_duration, parse_duration};
pub use severity::{Severity, UnknownSeverity};
pub use time::{Clock, InvalidTimestamp, Timestamp};

/// The plugin contract this house speaks.
pub const CONTRACT: &str = "v1";
