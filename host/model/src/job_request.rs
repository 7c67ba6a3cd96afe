//! Work that is asked of a host that runs: to go through the past, to play tests of rules, to check what is promised. It looks, and
//! changes nothing of what runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::time::Timestamp;

/// Texts that come with one job. The largest sets of rules have some dozens of files.
pub const MAX_JOB_TEXTS: usize = 64;

/// Bytes of all texts of one job. They are kept in the store until the job is over, and all jobs that wait have theirs there.
pub const MAX_JOB_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// The longest span that one job goes through: a year with its leap day, and some more.
pub const MAX_JOB_SPAN_MILLIS: i64 = 400 * 86_400_000;

/// The shortest distance of two evaluations. Rules that run have the same.
pub const MIN_JOB_STEP_MILLIS: i64 = 1_000;

/// The shortest and the longest time that a job may be given.
pub const MIN_JOB_TIMEOUT_MILLIS: u64 = 1_000;
/// See [`MIN_JOB_TIMEOUT_MILLIS`].
pub const MAX_JOB_TIMEOUT_MILLIS: u64 = 86_400_000;

/// What a job gets that asks for no time.
pub const DEFAULT_JOB_TIMEOUT_MILLIS: u64 = 3_600_000;

/// Who asks: as long as the subject of a token may be.
const MAX_BY_BYTES: usize = 128;

/// The longest name of a file that file systems take.
const MAX_NAME_BYTES: usize = 255;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum JobSpec {
    /// The recorded past through rules: those that run, or what differs with others.
    Replay {
        /// The first instant.
        from: Timestamp,
        /// The last.
        to: Timestamp,
        /// Every group this often, in the place of its own interval.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        step_millis: Option<i64>,
        /// Rules to compare those with that run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<JobText>,
    },
    /// Tests of rules.
    Test {
        /// Files of tests.
        tests: Vec<JobText>,
        /// Rule files in the place of those of the rules folder.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<JobText>,
        /// What a Prometheus answered to these tests.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        answers: Option<JobText>,
    },
    /// What is promised of this deployment.
    Verify {
        /// Prometheus is not asked whether it alerts by itself.
        #[serde(default)]
        offline: bool,
        /// What cannot be seen does not hold.
        #[serde(default)]
        strict: bool,
    },
}

/// A text: given, or a file of the rules folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobText {
    /// What it is called, as a file is.
    pub name: String,
    /// What it says; of a file of the rules folder nothing is given.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What is not there is left out: `null` is nothing that could be given.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(given: D) -> Result<Option<T>, D::Error> {
    T::deserialize(given).map(Some)
}

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// The past.
    Replay,
    /// Tests.
    Test,
    /// Promises.
    Verify,
}

/// Which of several jobs comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After all others.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// What is to be done.
    pub spec: JobSpec,
    /// Before or after others.
    pub priority: Priority,
    /// How long it may take, from when it begins.
    pub timeout_millis: u64,
    /// Who asks.
    pub by: String,
}

/// Why a request is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJob {
    /// Nobody asks.
    #[error("who asks is a name of 1 to {MAX_BY_BYTES} bytes, without control characters")]
    By,
    /// The time it may take.
    #[error(
        "`timeout_millis` is {0}: a job may take from {MIN_JOB_TIMEOUT_MILLIS} to {MAX_JOB_TIMEOUT_MILLIS} milliseconds"
    )]
    Timeout(u64),
    /// Its span.
    #[error("`from` is {from} and `to` is {to}: `from` comes first, and a job spans 400 days at most")]
    Span {
        /// The first instant.
        from: Timestamp,
        /// The last.
        to: Timestamp,
    },
    /// Its step.
    #[error("`step_millis` is {0}: it is a second at least, and no more than the span")]
    Step(i64),
    /// The name of a text.
    #[error("`{name}` is no name of {what}: {help}")]
    Name {
        /// The name.
        name: String,
        /// What it is to be.
        what: &'static str,
        /// How to write it.
        help: &'static str,
    },
    /// Two texts of one name.
    #[error("two texts are called `{0}`: give each a name of its own")]
    Twice(String),
    /// Nothing to test.
    #[error("`tests` is empty: give the text of a test file, or name one of the rules folder")]
    NoTests,
    /// More than is taken.
    #[error("{0} texts come with this job, and {MAX_JOB_TEXTS} are taken: ask for several jobs")]
    TooMany(usize),
    /// Longer than is taken.
    #[error("the texts of this job have {0} bytes together, and {MAX_JOB_TEXT_BYTES} are taken: ask for several jobs")]
    TooLong(usize),
}

impl JobSpec {
    /// What kind of work.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Replay { .. } => JobKind::Replay,
            Self::Test { .. } => JobKind::Test,
            Self::Verify { .. } => JobKind::Verify,
        }
    }

    /// All its texts, to be filled in where they name files.
    pub fn texts_mut(&mut self) -> Vec<&mut JobText> {
        match self {
            Self::Replay { rules, .. } => rules.iter_mut().collect(),
            Self::Test { tests, rules, answers } => tests.iter_mut().chain(rules).chain(answers).collect(),
            Self::Verify { .. } => Vec::new(),
        }
    }

    /// Whether it can be done at all. Asked twice: of what comes in, and again when the texts of files are there.
    pub fn check(&self) -> Result<(), BadJob> {
        match self {
            Self::Replay { from, to, step_millis, rules } => {
                let span = to.millis_since(*from);
                if !(0..=MAX_JOB_SPAN_MILLIS).contains(&span) {
                    return Err(BadJob::Span { from: *from, to: *to });
                }
                let most = span.max(MIN_JOB_STEP_MILLIS);
                if let Some(step) = step_millis.filter(|step| !(MIN_JOB_STEP_MILLIS..=most).contains(step)) {
                    return Err(BadJob::Step(step));
                }
                check_texts(rules.iter().map(|rule| (rule, RULES)))
            }
            Self::Test { tests, .. } if tests.is_empty() => Err(BadJob::NoTests),
            Self::Test { tests, rules, answers } => {
                let tests = tests.iter().map(|test| (test, TESTS));
                let rules = rules.iter().map(|rule| (rule, RULES));
                check_texts(tests.chain(rules).chain(answers.iter().map(|answers| (answers, ANSWERS))))
            }
            Self::Verify { .. } => Ok(()),
        }
    }
}

/// What a text is, in words, and how its name ends.
type TextKind = (&'static str, &'static [&'static str], &'static str);

const RULES: TextKind =
    ("a rule file", &[".yaml", ".yml"], "a plain file name that ends with .yaml or .yml, and in no folder");
const TESTS: TextKind =
    ("a test file", &[".yaml", ".yml"], "a plain file name that ends with .yaml or .yml, and in no folder");
const ANSWERS: TextKind = ("recorded answers", &[".gz"], "a plain file name that ends with .gz, and in no folder");

fn check_texts<'t>(texts: impl Iterator<Item = (&'t JobText, TextKind)>) -> Result<(), BadJob> {
    let (mut names, mut bytes) = (BTreeSet::new(), 0_usize);
    for (text, (what, ends, help)) in texts {
        let name = &text.name;
        let is_plain = name.len() <= MAX_NAME_BYTES
            && !name.starts_with('.')
            && !name.contains(['/', '\\'])
            && !name.chars().any(char::is_control);
        if !is_plain || !ends.iter().any(|end| name.ends_with(end)) {
            return Err(BadJob::Name { name: name.escape_debug().to_string(), what, help });
        }
        if !names.insert(name) {
            return Err(BadJob::Twice(name.clone()));
        }
        bytes = bytes.saturating_add(text.text.as_ref().map_or(0, String::len));
    }
    if names.len() > MAX_JOB_TEXTS {
        return Err(BadJob::TooMany(names.len()));
    }
    if bytes > MAX_JOB_TEXT_BYTES { Err(BadJob::TooLong(bytes)) } else { Ok(()) }
}

impl JobRequest {
    /// Whether it can be taken.
    pub fn check(&self) -> Result<(), BadJob> {
        check_by(&self.by)?;
        if !(MIN_JOB_TIMEOUT_MILLIS..=MAX_JOB_TIMEOUT_MILLIS).contains(&self.timeout_millis) {
            return Err(BadJob::Timeout(self.timeout_millis));
        }
        self.spec.check()
    }
}

/// Whether this can be the name of who asks for a job, or wants it no more.
pub fn check_by(by: &str) -> Result<(), BadJob> {
    let is_name = !by.trim().is_empty() && by.len() <= MAX_BY_BYTES && !by.chars().any(char::is_control);
    if is_name { Ok(()) } else { Err(BadJob::By) }
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Replay, Self::Test, Self::Verify];

    /// The word for one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Test => "test",
            Self::Verify => "verify",
        }
    }
}

impl Priority {
    /// The word for one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, bytes: usize) -> JobText {
        JobText { name: name.to_owned(), text: Some("x".repeat(bytes)) }
    }

    fn replay(span_millis: i64, step_millis: Option<i64>, rules: Vec<JobText>) -> JobSpec {
        let from = Timestamp::from_millis(1_000);
        JobSpec::Replay { from, to: from.plus_millis(span_millis), step_millis, rules }
    }

    #[test]
    fn a_request_reads_as_it_was_written_and_a_slip_is_an_error() {
        for spec in [
            replay(5_000, Some(1_000), vec![text("a.yaml", 3)]),
            JobSpec::Test { tests: vec![text("a.test.yaml", 1)], rules: Vec::new(), answers: Some(text("a.gz", 1)) },
            JobSpec::Verify { offline: true, strict: false },
        ] {
            let written = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<JobSpec>(&written).unwrap(), spec, "{written}");
        }
        const NULL: &str = r#"{"kind":"test","tests":[],"answers":null}"#;
        for wrong in [r#"{"kind":"verify","ofline":true}"#, r#"{"kind":"repair"}"#, r#"{"strict":true}"#, NULL] {
            assert!(serde_json::from_str::<JobSpec>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_span_and_a_step_have_bounds() {
        for (span, step) in [(0, None), (MAX_JOB_SPAN_MILLIS, None), (0, Some(1_000)), (60_000, Some(60_000))] {
            assert_eq!(replay(span, step, Vec::new()).check(), Ok(()), "{span} {step:?}");
        }
        for span in [-1, MAX_JOB_SPAN_MILLIS + 1] {
            assert!(matches!(replay(span, None, Vec::new()).check(), Err(BadJob::Span { .. })), "{span}");
        }
        for step in [0, 999, 60_001] {
            assert_eq!(replay(60_000, Some(step), Vec::new()).check(), Err(BadJob::Step(step)));
        }
    }

    #[test]
    fn texts_have_plain_names_and_are_few_and_short() {
        let with = |rules: Vec<JobText>| replay(1, None, rules).check();
        let many = |count: usize| (0..count).map(|index| text(&format!("{index}.yaml"), 1)).collect();
        assert_eq!(with(many(MAX_JOB_TEXTS)), Ok(()));
        assert_eq!(with(many(MAX_JOB_TEXTS + 1)), Err(BadJob::TooMany(MAX_JOB_TEXTS + 1)));
        assert_eq!(with(vec![text("a.yaml", MAX_JOB_TEXT_BYTES)]), Ok(()));
        let too_long = with(vec![text("a.yaml", MAX_JOB_TEXT_BYTES), text("b.yml", 1)]);
        assert_eq!(too_long, Err(BadJob::TooLong(MAX_JOB_TEXT_BYTES + 1)));
        assert_eq!(with(vec![text("a.yaml", 1), text("a.yaml", 1)]), Err(BadJob::Twice("a.yaml".to_owned())));
        for name in ["", "a", "../a.yaml", "a/b.yaml", ".a.yaml", "a\n.yaml", "a.wasm"] {
            assert!(matches!(with(vec![text(name, 1)]), Err(BadJob::Name { .. })), "{name}");
        }
    }

    #[test]
    fn who_asks_has_a_name_and_the_time_has_bounds() {
        let with = |by: &str, timeout_millis| {
            let spec = JobSpec::Verify { offline: false, strict: false };
            JobRequest { spec, priority: Priority::Normal, timeout_millis, by: by.to_owned() }.check()
        };
        assert_eq!(with("ada", MIN_JOB_TIMEOUT_MILLIS), Ok(()));
        assert_eq!(with(&"x".repeat(MAX_BY_BYTES), MAX_JOB_TIMEOUT_MILLIS), Ok(()));
        for by in ["", " ", "a\nb", &"x".repeat(MAX_BY_BYTES + 1)] {
            assert_eq!(with(by, MIN_JOB_TIMEOUT_MILLIS), Err(BadJob::By));
        }
        for timeout in [MIN_JOB_TIMEOUT_MILLIS - 1, MAX_JOB_TIMEOUT_MILLIS + 1] {
            assert_eq!(with("ada", timeout), Err(BadJob::Timeout(timeout)));
        }
    }
}
