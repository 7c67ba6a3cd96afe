//! What was looked at, what came of it, and for each thing that is wrong how to mend it.

use serde::Serialize;
use serde_json::Value;

/// Something that was looked at.
#[derive(Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// In one line.
    pub said: String,
    /// Everything that is wrong.
    pub failures: Vec<Fault>,
    /// In detail.
    pub facts: Value,
}

/// What came of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Holds,
    /// Not as it should be.
    Fails,
    /// There was nothing to look at.
    NotSeen,
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fault {
    /// What.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Fault {
    /// What is wrong, and how to mend it.
    pub fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

impl Check {
    /// Holds when nothing is wrong.
    pub fn of(name: &'static str, said: String, failures: Vec<Fault>, facts: Value) -> Self {
        match failures.len() {
            0 => Self { name, verdict: Verdict::Holds, said, failures, facts },
            count => {
                let said = format!("{} wrong", counted(count, "thing"));
                Self { name, verdict: Verdict::Fails, said, failures, facts }
            }
        }
    }

    /// There was nothing to look at.
    pub fn not_seen(name: &'static str, why: String, facts: Value) -> Self {
        Self { name, verdict: Verdict::NotSeen, said: why, failures: Vec::new(), facts }
    }

    /// For a person: a line, and two for each thing that is wrong.
    pub fn lines(&self) -> String {
        let mut text = format!("{:8}  {:11}  {}\n", self.verdict.word(), self.name, self.said);
        for fault in &self.failures {
            text.push_str(&format!("{:23}{}\n{:23}→ {}\n", "", fault.what, "", fault.mend));
        }
        text
    }
}

/// Most that is written out of things of one kind that are wrong; the rest is counted.
const MAX_SHOWN: usize = 5;

/// Some of many: `a, b and 3 more`.
pub fn some_of(names: &[String]) -> String {
    let shown = names.get(..MAX_SHOWN.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(MAX_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 record`, `2 records`.
pub fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::NotSeen => "not seen",
        }
    }
}
