//! Results in the XML that build servers read.

use super::{SuiteResult, TestResult};

/// The whole document.
pub fn junit(suites: &[SuiteResult]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    xml.extend(suites.iter().map(suite));
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(suite: &SuiteResult) -> String {
    let failures = suite.tests.iter().filter(|test| test.error.is_none() && !test.is_good()).count();
    let errors = suite.tests.iter().filter(|test| test.error.is_some()).count();
    let seconds: f64 = suite.tests.iter().map(|test| test.seconds).sum();
    let name = escaped(&suite.file);
    let mut xml = format!(
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">\n",
        suite.tests.len()
    );
    xml.extend(suite.tests.iter().map(|it| test(&suite.file, it)));
    xml.push_str("  </testsuite>\n");
    xml
}

fn test(file: &str, test: &TestResult) -> String {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
        escaped(file),
        escaped(&test.title),
        escaped(file),
        test.line,
        test.seconds
    );
    if test.is_good() {
        return format!("{head}/>\n");
    }
    let mut xml = format!("{head}>\n");
    for mismatch in &test.mismatches {
        let at = mismatch.at_millis.map(|at| format!(" at {}", orion_model::format_duration(at))).unwrap_or_default();
        let message = escaped(&format!("{}{at}", mismatch.title));
        let place = escaped(&format!("{file}:{}", mismatch.line));
        let diff = escaped(&mismatch.diff.join("\n"));
        xml.push_str(&format!("      <failure message=\"{message}\">{place}\n{diff}</failure>\n"));
    }
    xml.extend(test.error.iter().map(|error| format!("      <error message=\"{}\"/>\n", escaped(error))));
    xml.push_str("    </testcase>\n");
    xml
}

/// As it may stand in an attribute. Control characters have no place in XML at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_suite::run::Mismatch;

    #[test]
    fn a_failure_says_what_where_and_nothing_breaks_the_xml() {
        let mismatch = Mismatch {
            line: 7,
            at_millis: Some(60_000),
            title: "alert <A>".into(),
            diff: vec!["- {a=\"\u{1}&\"}".into()],
        };
        let test = |mismatches, error| TestResult {
            title: "a \"test\"".into(),
            line: 3,
            seconds: 0.25,
            expectations: 1,
            mismatches,
            error,
        };
        let tests = vec![test(vec![], None), test(vec![mismatch], None), test(vec![], Some("no Prometheus".into()))];
        let suite = SuiteResult { file: "t.yaml".into(), tests, ..SuiteResult::default() };
        insta::assert_snapshot!(junit(&[suite]));
    }
}
