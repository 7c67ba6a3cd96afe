//! What came of tests, as data.

use serde_json::{Value, json};

use crate::run::Mismatch;

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

impl SuiteResult {
    /// Whether all of its tests are good.
    pub fn is_good(&self) -> bool {
        self.tests.iter().all(TestResult::is_good)
    }

    /// As data.
    pub fn value(&self) -> Value {
        json!({
            "file": self.file,
            "warnings": self.warnings,
            "tests": self.tests.iter().map(TestResult::value).collect::<Vec<_>>(),
        })
    }
}

impl TestResult {
    /// Whether everything holds.
    pub fn is_good(&self) -> bool {
        self.mismatches.is_empty() && self.error.is_none()
    }

    /// As data.
    pub fn value(&self) -> Value {
        let mismatches = self.mismatches.iter().map(|mismatch| {
            json!({
                "line": mismatch.line,
                "at_millis": mismatch.at_millis,
                "title": mismatch.title,
                "diff": mismatch.diff,
            })
        });
        json!({
            "name": self.title,
            "line": self.line,
            "ok": self.is_good(),
            "seconds": self.seconds,
            "expectations": self.expectations,
            "failures": mismatches.collect::<Vec<_>>(),
            "error": self.error,
        })
    }
}
