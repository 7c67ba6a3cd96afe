//! What came of all tests, for people and for programs.

mod junit;
mod text;

use serde_json::{Value, json};

use crate::coverage::Coverage;
use crate::mutants::Mutant;
use crate::run::Mismatch;

pub use junit::junit;
pub use text::{text_of_all, text_of_suite};

/// A file of tests that was played.
#[derive(Debug, Default)]
pub struct SuiteResult {
    /// The file.
    pub file: String,
    /// What is strange about it.
    pub warnings: Vec<String>,
    /// Its tests.
    pub tests: Vec<TestResult>,
}

/// What the run was asked to find out besides.
#[derive(Debug, Default)]
pub struct Findings {
    /// What tests saw of the rules.
    pub coverage: Option<Coverage>,
    /// Changes of rules that no test noticed, and how many there were.
    pub mutants: Option<(Vec<Mutant>, usize)>,
}

/// A test that was played.
#[derive(Debug)]
pub struct TestResult {
    /// What it is called.
    pub title: String,
    /// Where it stands.
    pub line: usize,
    /// How long it took.
    pub seconds: f64,
    /// How many things it expects.
    pub expectations: usize,
    /// What does not hold.
    pub mismatches: Vec<Mismatch>,
    /// Why it could not be played to its end.
    pub error: Option<String>,
}

impl TestResult {
    /// Whether everything holds.
    pub fn is_good(&self) -> bool {
        self.mismatches.is_empty() && self.error.is_none()
    }
}

/// As data.
pub fn value(suites: &[SuiteResult], findings: &Findings) -> Value {
    let suites: Vec<Value> = suites.iter().map(suite).collect();
    let survivors = |survivors: &[Mutant]| -> Vec<Value> {
        survivors.iter().map(|mutant| json!({ "rule": mutant.rule.id, "change": mutant.change })).collect()
    };
    json!({
        "files": suites,
        "coverage": findings.coverage.as_ref().map(Coverage::value),
        "mutants": findings.mutants.as_ref().map(|(alive, all)| json!({ "count": all, "unnoticed": survivors(alive) })),
    })
}

fn suite(suite: &SuiteResult) -> Value {
    json!({
        "file": suite.file,
        "warnings": suite.warnings,
        "tests": suite.tests.iter().map(test).collect::<Vec<_>>(),
    })
}

fn test(test: &TestResult) -> Value {
    let mismatches = test.mismatches.iter().map(|mismatch| {
        json!({
            "line": mismatch.line,
            "at_millis": mismatch.at_millis,
            "title": mismatch.title,
            "diff": mismatch.diff,
        })
    });
    json!({
        "name": test.title,
        "line": test.line,
        "ok": test.is_good(),
        "seconds": test.seconds,
        "expectations": test.expectations,
        "failures": mismatches.collect::<Vec<_>>(),
        "error": test.error,
    })
}
