//! Results as text for a terminal.

use orion_model::format_duration;

use super::{Findings, SuiteResult, TestResult};
use crate::coverage::Coverage;
use crate::mutants::Mutant;
use orion_suite::run::Mismatch;

/// What came of one file of tests.
pub fn text_of_suite(suite: &SuiteResult) -> String {
    let mut text = format!("{}\n", suite.file);
    text.extend(suite.warnings.iter().map(|warning| format!("  warning: {warning}\n")));
    text.extend(suite.tests.iter().map(|it| test(&suite.file, it)));
    text.push('\n');
    text
}

/// What came of all of them together.
pub fn text_of_all(suites: &[SuiteResult], findings: &Findings) -> String {
    let mut text: String = findings.mutants.iter().map(|(alive, all)| of_mutants(alive, *all)).collect();
    text.extend(findings.coverage.iter().map(of_coverage));
    let tests = || suites.iter().flat_map(|suite| &suite.tests);
    let failed = tests().filter(|test| !test.is_good()).count();
    let expectations: usize = tests().map(|test| test.expectations).sum();
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (tests, expectations) = (counted(tests().count(), "test"), counted(expectations, "expectation"));
    text.push_str(&format!("{tests}, {expectations}, {failed} failed\n"));
    text
}

fn test(file: &str, test: &TestResult) -> String {
    let verdict = if test.is_good() { "ok  " } else { "FAIL" };
    let counted = match test.expectations {
        1 => "1 expectation".to_owned(),
        count => format!("{count} expectations"),
    };
    let mut text = format!("  {verdict}  {} ({counted}, {:.2} s)\n", test.title, test.seconds);
    text.extend(test.mismatches.iter().map(|it| mismatch(file, it)));
    text.extend(test.error.iter().map(|error| format!("        {}:{}: {error}\n", file, test.line)));
    text
}

fn mismatch(file: &str, mismatch: &Mismatch) -> String {
    let at = mismatch.at_millis.map(|at| format!(" at {}", format_duration(at))).unwrap_or_default();
    let mut text = format!("        {file}:{}: {}{at}\n", mismatch.line, mismatch.title);
    text.extend(mismatch.diff.iter().map(|line| format!("          {line}\n")));
    text
}

fn of_mutants(alive: &[Mutant], all: usize) -> String {
    let mut text = format!("{} of {all} changes of rules are noticed by tests\n", all - alive.len());
    text.extend(alive.iter().map(|mutant| format!("  {}: not noticed: {}\n", mutant.rule.id, mutant.change)));
    text.push('\n');
    text
}

fn of_coverage(coverage: &Coverage) -> String {
    let (seen, all) = coverage.count();
    let mut text = format!("{seen} of {all} changes of state are seen by tests\n");
    for (id, seen) in &coverage.0 {
        let missing: Vec<&str> =
            seen.changes.iter().filter(|(_, happened)| !**happened).map(|(change, _)| change.described()).collect();
        match (seen.is_tested, missing.is_empty()) {
            (false, _) => text.push_str(&format!("  {id}: no test speaks of it\n")),
            (true, false) => text.push_str(&format!("  {id}: not seen: {}\n", missing.join(", "))),
            (true, true) => {}
        }
    }
    text.push('\n');
    text
}
