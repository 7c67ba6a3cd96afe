//! What came of all tests, for people and for programs.

mod junit;
mod text;

use serde_json::{Value, json};

use crate::coverage::Coverage;
use crate::mutants::Mutant;

pub use junit::junit;
pub use orion_suite::report::{SuiteResult, TestResult};
pub use text::{text_of_all, text_of_suite};

/// What the run was asked to find out besides.
#[derive(Debug, Default)]
pub struct Findings {
    /// What tests saw of the rules.
    pub coverage: Option<Coverage>,
    /// Changes of rules that no test noticed, and how many there were.
    pub mutants: Option<(Vec<Mutant>, usize)>,
}

/// As data.
pub fn value(suites: &[SuiteResult], findings: &Findings) -> Value {
    let suites: Vec<Value> = suites.iter().map(SuiteResult::value).collect();
    let survivors = |survivors: &[Mutant]| -> Vec<Value> {
        survivors.iter().map(|mutant| json!({ "rule": mutant.rule.id, "change": mutant.change })).collect()
    };
    json!({
        "files": suites,
        "coverage": findings.coverage.as_ref().map(Coverage::value),
        "mutants": findings.mutants.as_ref().map(|(alive, all)| json!({ "count": all, "unnoticed": survivors(alive) })),
    })
}
