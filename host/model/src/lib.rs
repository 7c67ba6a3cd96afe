//! What Orion speaks of, as data: no I/O, no clock, no hash order.
//!
//! A source answers a query with a [`Frame`]; a detector says [`Finding`]s about its series; the Watcher completes
//! each into an [`Event`]; a correlator says [`Change`]s about a group of events; the Guardian completes each into
//! a revision of an [`Incident`]; the Brain answers with a [`Decision`]. Memory keeps the last three.

mod agent;
mod around;
mod decision;
mod event;
mod finding;
mod frame;
mod hook;
mod id;
mod incident;
mod job;
mod job_request;
mod label_text;
mod labels;
mod manifest;
mod mark;
mod parameter;
mod rule_set;
mod severity;
mod text;
mod time;
mod written;

pub use agent::{
    AGENT_EVENT_ID, AGENT_LABEL, AgentName, AgentStatus, BadAgentName, ForwardBatch, Forwarded, LinePlace, LineTaken,
    Receipt, RefusedFile,
};
pub use around::{Bound, Looker, SeriesAround};
pub use decision::{AutonomyLevel, Decision, DecisionType, UnknownAutonomyLevel};
pub use event::{Event, Evidence, Status};
pub use finding::{Change, ChangeKind, Field, Finding, Scalar};
pub use frame::{Frame, SeriesId, SeriesTable};
pub use hook::{Delivery, HookKind, Taken, UnknownHookKind};
pub use id::{Digest, Fingerprint, IdBuilder, RecordId};
pub use incident::{Incident, IncidentStatus};
pub use job::{FailureReason, Job, JobFailure, JobState, Progress, ProgressUnit};
pub use job_request::{
    BadJob, DEFAULT_JOB_TIMEOUT_MILLIS, JobKind, JobRequest, JobSpec, JobText, MAX_JOB_SPAN_MILLIS, MAX_JOB_TEXT_BYTES,
    MAX_JOB_TEXTS, Priority, check_by,
};
pub use label_text::{read_labels, write_labels};
pub use labels::{Labels, LabelsBuilder};
pub use manifest::{Kind, Manifest, ManifestError, ParameterSpec, ParameterType};
pub use mark::{About, BadMark, INCIDENT_MARKED, MARK_RULE, Mark, Marked, Said, is_mark};
pub use parameter::{Parameter, ParameterValue, StateEntry, format_duration, parse_duration};
pub use rule_set::{
    BadSet, Changes, DEFAULT_SET, FileSaid, MAX_SET_BYTES, MAX_SET_FILES, MAX_SET_NAME_BYTES, Push, Pushed, SaidAt,
    SetDiff, SetFile, SetRefusal, SetReport, SetVersion, is_set_name,
};
pub use severity::{Severity, UnknownSeverity};
pub use time::{Clock, InvalidTimestamp, Timestamp};
pub use written::{Written, WrittenSeries};

/// The plugin contract this house speaks.
pub const CONTRACT: &str = "v1";
