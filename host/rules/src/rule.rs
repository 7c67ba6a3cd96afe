//! A checked rule file as types: what the pipeline runs. Whoever holds one need not check anything again.

use orion_model::{Digest, Parameter, Severity};

use crate::group_by::GroupName;
use crate::log_entry::LogEntry;
use crate::matcher::EventMatcher;
use crate::template::Template;

/// One rule file without a single error.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFile {
    /// The name it was read under; first part of every id in it.
    pub name: String,
    /// sha256 of its text.
    pub digest: Digest,
    /// Groups of alerting rules, in file order.
    pub groups: Vec<Group>,
    /// Correlations, in file order.
    pub correlations: Vec<Correlation>,
    /// Which lines of which logs are events, in file order.
    pub logs: Vec<LogEntry>,
    /// How many recording rules were read and left alone.
    pub recording_rules: usize,
}

/// Rules that are evaluated together, at one instant, in file order.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `file/group`.
    pub id: String,
    /// Unique within the file.
    pub name: String,
    /// Time between instants; `None` leaves it to the configuration.
    pub interval_millis: Option<i64>,
    /// How far before the instant the data is asked for.
    pub query_offset_millis: i64,
    /// Most alerts one rule may have; 0 means no limit.
    pub limit: usize,
    /// The source that is asked.
    pub source: String,
    /// The rules.
    pub rules: Vec<AlertRule>,
}

/// One alerting rule: a query, the detector that reads the answer, and what its findings are called.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// `file/group/alert`, with `#2`, `#3`, … for repeats of a name in a group. Says nothing of `expr`, so that
    /// state survives edits of the query.
    pub id: String,
    /// Name of the alert.
    pub name: String,
    /// The query.
    pub expr: String,
    /// How long a finding must hold before it fires.
    pub for_millis: i64,
    /// How long it fires on after the finding is gone.
    pub keep_firing_for_millis: i64,
    /// What becomes of its alerts when data are missing.
    pub no_data: NoData,
    /// Labels of the rule over those of its group, by name.
    pub labels: Vec<(String, Template)>,
    /// Annotations, by name.
    pub annotations: Vec<(String, Template)>,
    /// The detector, as the file calls it.
    pub plugin: String,
    /// Its parameters, checked and completed from the manifest.
    pub parameters: Vec<Parameter>,
    /// For how many evaluations a new version of the detector is tried beside the old one.
    pub shadow: u32,
    /// Where the rule stands, counted from 1.
    pub line: usize,
}

/// What becomes of alerts whose data are missing.
///
/// A rule in Prometheus' own format says nothing of it: there a series that is not in the answer is one that recovered. Of
/// a rule that gives its series to a detector this would be a guess: a series that nobody sends any more has not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoData {
    /// How many evaluations an alert outlives without its data.
    pub missing_for: u32,
    /// Whether a series that is not in a whole answer is missing. Otherwise it is over, as in Prometheus.
    pub absent_is_missing: bool,
    /// What an empty answer means.
    pub on_empty: OnEmpty,
}

/// What an empty answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEmpty {
    /// The data of all series are missing, for `missing_for` evaluations.
    Missing,
    /// Alerts stay as they are for as long as the answer is empty.
    Keep,
    /// Everything is over, as in Prometheus.
    Resolve,
    /// Having no data is an alert of its own; the others miss their data.
    Fire,
}

/// One correlation: which events, how they are grouped, the correlator that reads them, and the incident it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation {
    /// `file/name`.
    pub id: String,
    /// Unique within the file.
    pub name: String,
    /// Which events it reads.
    pub matcher: EventMatcher,
    /// What must be equal for events to belong together.
    pub group_by: Vec<GroupName>,
    /// The correlator, as the file calls it.
    pub plugin: String,
    /// Its parameters, checked and completed from the manifest.
    pub parameters: Vec<Parameter>,
    /// What its incidents are called.
    pub incident: IncidentSpec,
    /// Where the correlation stands, counted from 1.
    pub line: usize,
}

/// What the incidents of a correlation are called.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentSpec {
    /// Snake case: `service_outage`.
    pub incident_type: String,
    /// `None` leaves it to the correlator.
    pub severity: Option<Severity>,
    /// One line for a person.
    pub summary: Template,
}
