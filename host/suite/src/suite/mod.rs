//! A file of tests: which rules, what data, and what is to come of it.
//!
//! The format is promtool's, read as promtool reads it, with keys of Orion's own beside. Times are milliseconds since the
//! beginning of a test.

mod expected;
mod read;
mod recording;
mod rules;

use std::path::PathBuf;

use orion_model::{Labels, WrittenSeries};

pub use expected::{Expected, Kind, Wanted};
pub use read::{TestLimits, read, read_within};
pub use recording::{RecordingRule, needed, words};
pub use rules::{INPUT_EVENTS, LoadedRules, Rules, query_of_event};

/// What rule files call the source that a test writes its series into.
pub const SOURCE: &str = "prometheus";

/// One file of tests.
#[derive(Debug)]
pub struct Suite {
    /// The file.
    pub path: PathBuf,
    /// Patterns of rule files, as they are written.
    pub rule_files: Vec<String>,
    /// Time between two evaluations.
    pub interval_millis: i64,
    /// Names of groups whose recording rules are evaluated in this order.
    pub group_order: Vec<String>,
    /// Whether samples may differ in their last digit.
    pub fuzzy: bool,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test: data, and what is to come of it.
#[derive(Debug)]
pub struct Test {
    /// What it is called, if anything.
    pub name: Option<String>,
    /// Where it stands.
    pub line: usize,
    /// When it begins.
    pub start_millis: i64,
    /// The data.
    pub series: Vec<WrittenSeries>,
    /// Things that are observed besides.
    pub input_events: Vec<InputEvent>,
    /// Whether it gives templates labels or an address that Orion has none of.
    pub has_externals: bool,
    /// How long it lasts.
    pub lasts_millis: i64,
    /// Firing alerts of one name at one time, all of them.
    pub alerts: Vec<AlertCase>,
    /// The answer to a query at one time.
    pub samples: Vec<SampleCase>,
    /// All records of a kind, for the kinds that the test speaks of.
    pub records: Vec<(Kind, Vec<Expected>)>,
}

/// Something that is observed without a rule of the file: it fires and resolves when the test says so.
#[derive(Clone, Debug, PartialEq)]
pub struct InputEvent {
    /// What kind of thing.
    pub event_type: String,
    /// How bad.
    pub severity: String,
    /// What it is about.
    pub labels: Vec<(String, String)>,
    /// When it fires.
    pub from_millis: i64,
    /// When it resolves; `None` for never.
    pub to_millis: Option<i64>,
}

/// All alerts of a name that fire at a time.
#[derive(Debug)]
pub struct AlertCase {
    /// Where it stands.
    pub line: usize,
    /// When.
    pub at_millis: i64,
    /// The name.
    pub alertname: String,
    /// The alerts.
    pub expected: Vec<ExpectedAlert>,
}

/// One firing alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// All its labels.
    pub labels: Labels,
    /// All its annotations.
    pub annotations: Labels,
}

/// The answer to a query at a time.
#[derive(Debug)]
pub struct SampleCase {
    /// Where it stands.
    pub line: usize,
    /// When.
    pub at_millis: i64,
    /// The query.
    pub expr: String,
    /// All its samples.
    pub expected: Vec<(Labels, f64)>,
}

impl Test {
    /// Its name, or where it stands.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("test in line {}", self.line))
    }

    /// How many things it expects.
    pub fn expectations(&self) -> usize {
        let records = self.records.iter().map(|(_, expected)| expected.len().max(1));
        self.alerts.len() + self.samples.len() + records.sum::<usize>()
    }

    /// Whether it says anything of alerts of this name.
    pub fn speaks_of(&self, alertname: &str) -> bool {
        self.alerts.iter().any(|case| case.alertname == alertname)
            || self.records.iter().any(|(kind, _)| *kind == Kind::Event)
    }
}
