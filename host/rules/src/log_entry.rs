//! A checked entry of `logs:`: which lines, and the event that each of them is.

use regex::Regex;

use crate::log_time::LogTime;
use crate::template::Template;

/// One entry of `logs:`. Every line that it matches is an event.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// `file/logs/id`.
    pub id: String,
    /// Where the lines come from.
    pub from: LogSource,
    /// How a line is read.
    pub format: LogFormat,
    /// What has to be in a line, all of it.
    pub matches: Vec<LineMatch>,
    /// Which lines belong together; without it each is by itself.
    pub multiline: Option<Multiline>,
    /// The type of its events.
    pub event_type: String,
    /// How bad they are.
    pub severity: Template,
    /// Labels of its events, by what was captured.
    pub labels: Vec<(String, Template)>,
    /// Templates for people.
    pub annotations: Vec<(String, Template)>,
    /// Fields of a line that its event has beside what was captured.
    pub data: Vec<String>,
    /// Most events of one minute; 0 means no limit.
    pub limit: u32,
    /// Where a line says when it was written.
    pub time: Option<LogTime>,
    /// The line of the file on which it begins.
    pub line: usize,
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// Files that match any of these patterns.
    Files {
        /// Absolute, or to be looked for in each folder of logs.
        patterns: Vec<String>,
        /// Whether a file that is there at first is read from its beginning.
        from_start: bool,
    },
    /// Streams that Loki has.
    Loki {
        /// Which of them, in LogQL.
        query: String,
        /// How long lines may be on their way to it.
        delay_millis: i64,
    },
}

/// How a line is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// As it is.
    #[default]
    Text,
    /// A JSON object, whose members are fields.
    Json,
    /// `key=value` pairs, which are fields.
    Logfmt,
}

/// What has to be in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct LineMatch {
    /// In this field; in the whole line where there is none.
    pub field: Option<String>,
    /// This.
    pub pattern: Pattern,
}

/// Which lines belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiline {
    /// How the first of them begins.
    pub start: Pattern,
    /// Most of them.
    pub max_lines: usize,
    /// How long the next is waited for.
    pub max_wait_millis: i64,
}

/// A regular expression that takes time in proportion to the text, whatever the text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    pub(crate) const fn new(regex: Regex) -> Self {
        Self(regex)
    }

    /// The expression.
    pub const fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
