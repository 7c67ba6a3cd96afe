//! What came of a test against what it expects: nothing missing, and nothing that was not expected.

use orion_model::{Labels, format_duration};
use orion_pipeline::condition::kind;
use orion_source::SourceError;
use serde_json::Value;

use super::observed::{Observed, Record};
use crate::suite::{AlertCase, Expected, ExpectedAlert, Kind, SampleCase, Suite, Test};

/// What Orion says of a rule that cannot do its work. It fails a test that does not expect it.
const FAULTS: [&str; 4] = [kind::QUERY_FAILURE, kind::PLUGIN_FAULT, kind::RULE_FAULT, kind::ALERTS_LIMITED];

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it stands in the test file.
    pub line: usize,
    /// When, since the beginning of the test.
    pub at_millis: Option<i64>,
    /// What it is about.
    pub title: String,
    /// What is missing (`-`), what is there instead (`+`), and what both have.
    pub diff: Vec<String>,
}

/// Everything that does not hold, but for queries.
pub fn judge(suite: &Suite, test: &Test, observed: &Observed) -> Vec<Mismatch> {
    let alerts = test.alerts.iter().filter_map(|case| alerts(suite, test, case, observed));
    let records = test.records.iter().flat_map(|(kind, expected)| records(test, *kind, expected, observed));
    let speaks_of_events = test.records.iter().any(|(kind, _)| *kind == Kind::Event);
    let faults = observed.records(Kind::Event).filter(|_| !speaks_of_events).filter_map(|record| fault(test, record));
    alerts.chain(records).chain(faults).collect()
}

fn fault(test: &Test, record: &Record) -> Option<Mismatch> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let event_type = text(record.body.get("event_type"));
    let begins = text(record.body.get("status")) == "firing";
    let rule = text(record.body.get("labels").and_then(|labels| labels.get("rule")));
    let message = text(record.body.get("data").and_then(|data| data.get("message")));
    (begins && FAULTS.contains(&event_type.as_str())).then(|| Mismatch {
        line: test.line,
        at_millis: Some(record.at_millis),
        title: format!("{event_type}: {rule}"),
        diff: vec![format!("+ {message}")],
    })
}

fn alerts(suite: &Suite, test: &Test, case: &AlertCase, observed: &Observed) -> Option<Mismatch> {
    let of_name = || observed.alerts_at(case.at_millis).iter().filter(|alert| alert.alertname == case.alertname);
    let firing = of_name().filter(|alert| alert.fired_at.is_some());
    let got: Vec<ExpectedAlert> = firing
        .map(|alert| ExpectedAlert { labels: alert.labels.clone(), annotations: alert.annotations.clone() })
        .collect();
    let (missing, unexpected) = differences(&case.expected, &got);
    if missing.is_empty() && unexpected.is_empty() {
        return None;
    }
    let mut diff = diff_of_alerts(missing, unexpected);
    let pending: Vec<String> = of_name()
        .filter(|alert| alert.fired_at.is_none())
        .map(|alert| format!("  pending since {}: {}", since(test, alert.since.as_millis()), alert.labels))
        .collect();
    diff.extend(pending);
    let evaluated = case.at_millis - case.at_millis % suite.interval_millis;
    if evaluated != case.at_millis {
        diff.push(format!("  the last evaluation before was at {}", format_duration(evaluated)));
    }
    if test.has_externals {
        diff.push("  Orion has no external labels and no address of its own: templates see none".to_owned());
    }
    let title = format!("alert {}", case.alertname);
    Some(Mismatch { line: case.line, at_millis: Some(case.at_millis), title, diff })
}

fn since(test: &Test, millis: i64) -> String {
    format_duration(millis.saturating_sub(test.start_millis))
}

/// What one list has more than the other, each way.
fn differences<T: Clone + PartialEq>(expected: &[T], got: &[T]) -> (Vec<T>, Vec<T>) {
    let mut unexpected = got.to_vec();
    let mut missing = Vec::new();
    for wanted in expected {
        match unexpected.iter().position(|it| it == wanted) {
            Some(at) => drop(unexpected.swap_remove(at)),
            None => missing.push(wanted.clone()),
        }
    }
    (missing, unexpected)
}

/// Alerts that are nearly alike are shown as one with what differs.
fn diff_of_alerts(missing: Vec<ExpectedAlert>, mut unexpected: Vec<ExpectedAlert>) -> Vec<String> {
    unexpected.sort();
    let mut lines = Vec::new();
    for wanted in missing {
        let nearest = (0..unexpected.len()).max_by_key(|at| unexpected.get(*at).map(|it| likeness(&wanted, it)));
        let got = nearest.map(|at| unexpected.remove(at));
        lines.extend(diff_of_labels("labels", Some(&wanted.labels), got.as_ref().map(|got| &got.labels)));
        let annotations = got.as_ref().map(|got| &got.annotations);
        lines.extend(diff_of_labels("annotations", Some(&wanted.annotations), annotations));
    }
    for got in unexpected {
        lines.extend(diff_of_labels("labels", None, Some(&got.labels)));
        lines.extend(diff_of_labels("annotations", None, Some(&got.annotations)));
    }
    lines
}

fn likeness(a: &ExpectedAlert, b: &ExpectedAlert) -> usize {
    let alike = |a: &Labels, b: &Labels| a.iter().filter(|(name, value)| b.get(name) == Some(value)).count();
    2 * alike(&a.labels, &b.labels) + alike(&a.annotations, &b.annotations)
}

fn diff_of_labels(what: &str, wanted: Option<&Labels>, got: Option<&Labels>) -> Vec<String> {
    match (wanted, got) {
        (Some(wanted), Some(got)) if wanted == got => vec![format!("  {what} {wanted}")],
        (Some(wanted), Some(got)) => {
            let names: std::collections::BTreeSet<&str> =
                wanted.iter().chain(got.iter()).map(|(name, _)| name).collect();
            let mut lines = vec![format!("  {what}")];
            for name in names {
                match (wanted.get(name), got.get(name)) {
                    (Some(wanted), Some(got)) if wanted == got => lines.push(format!("    {name}: {wanted}")),
                    (wanted, got) => {
                        lines.extend(wanted.map(|wanted| format!("-   {name}: {wanted}")));
                        lines.extend(got.map(|got| format!("+   {name}: {got}")));
                    }
                }
            }
            lines
        }
        (Some(wanted), None) => vec![format!("- {what} {wanted}")],
        (None, Some(got)) => vec![format!("+ {what} {got}")],
        (None, None) => Vec::new(),
    }
}

/// An answer against what a test expects of it.
pub fn samples(suite: &Suite, case: &SampleCase, answer: Result<Vec<(Labels, f64)>, SourceError>) -> Option<Mismatch> {
    let diff = match answer {
        Err(why) => vec![format!("+ {why}")],
        Ok(got) => diff_of_samples(suite.fuzzy, &case.expected, got),
    };
    let title = format!("query {}", case.expr.trim());
    (!diff.is_empty()).then_some(Mismatch { line: case.line, at_millis: Some(case.at_millis), title, diff })
}

fn diff_of_samples(fuzzy: bool, expected: &[(Labels, f64)], mut got: Vec<(Labels, f64)>) -> Vec<String> {
    got.sort_by(|a, b| a.0.cmp(&b.0));
    let mut lines = Vec::new();
    for (labels, value) in expected {
        let same = got.iter().position(|(other, found)| other == labels && is_same(fuzzy, *value, *found));
        let alike = || got.iter().position(|(other, _)| other == labels);
        match same {
            Some(at) => drop(got.remove(at)),
            None => {
                lines.push(format!("- {labels} {value}"));
                lines.extend(alike().map(|at| got.remove(at)).map(|(labels, value)| format!("+ {labels} {value}")));
            }
        }
    }
    lines.extend(got.into_iter().map(|(labels, value)| format!("+ {labels} {value}")));
    lines
}

fn is_same(fuzzy: bool, a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (fuzzy && (a.next_up() == b || a.next_down() == b))
}

/// All records of a kind against all that are expected of it.
fn records(test: &Test, kind: Kind, expected: &[Expected], observed: &Observed) -> Vec<Mismatch> {
    let got: Vec<&Record> = observed.records(kind).collect();
    let partner = assign(expected, &got);
    let mut free: Vec<&Record> =
        (0..).zip(&got).filter(|(index, _)| !partner.contains(&Some(*index))).map(|(_, record)| *record).collect();
    let mut mismatches = Vec::new();
    for (wanted, _) in expected.iter().zip(&partner).filter(|(_, partner)| partner.is_none()) {
        let misfits = |at: &usize| free.get(*at).map_or(usize::MAX, |it| wanted.misfits(it.at_millis, &it.body).len());
        let nearest = (0..free.len()).min_by_key(misfits).filter(|at| misfits(at) <= wanted.fields.len().div_ceil(2));
        let mut diff = vec![format!("- {}", wanted.shown())];
        if let Some(near) = nearest.map(|at| free.remove(at)) {
            let got = wanted.misfits(near.at_millis, &near.body);
            diff.extend(got.into_iter().map(|misfit| format!("+   {}: {}", misfit.field, misfit.got)));
        }
        let title = format!("{} expected", kind.word());
        mismatches.push(Mismatch { line: wanted.line, at_millis: wanted.at_millis, title, diff });
    }
    for record in free {
        let title = format!("{} that is not expected", kind.word());
        let diff = vec![format!("+ {}", shown(kind, record))];
        mismatches.push(Mismatch { line: test.line, at_millis: Some(record.at_millis), title, diff });
    }
    mismatches
}

/// For each expectation a record of its own that fits, for as many as possible: one that says little must not take the only
/// record that fits one that says more.
fn assign(expected: &[Expected], got: &[&Record]) -> Vec<Option<usize>> {
    let fits = |wanted: usize, index: usize| {
        let pair = expected.get(wanted).zip(got.get(index));
        pair.is_some_and(|(wanted, record)| wanted.misfits(record.at_millis, &record.body).is_empty())
    };
    let mut taken_by: Vec<Option<usize>> = vec![None; got.len()];
    for wanted in 0..expected.len() {
        find_place(wanted, &fits, &mut taken_by, &mut vec![false; got.len()]);
    }
    (0..expected.len()).map(|wanted| taken_by.iter().position(|by| *by == Some(wanted))).collect()
}

/// One step of a bipartite matching: a place that is free, or whose owner finds another.
fn find_place(
    wanted: usize,
    fits: &dyn Fn(usize, usize) -> bool,
    taken_by: &mut Vec<Option<usize>>,
    tried: &mut Vec<bool>,
) -> bool {
    for index in 0..taken_by.len() {
        let is_tried = tried.get(index).copied().unwrap_or(true);
        if is_tried || !fits(wanted, index) {
            continue;
        }
        tried.iter_mut().skip(index).take(1).for_each(|tried| *tried = true);
        let owner = taken_by.get(index).copied().flatten();
        if owner.is_none_or(|owner| find_place(owner, fits, taken_by, tried)) {
            taken_by.iter_mut().skip(index).take(1).for_each(|by| *by = Some(wanted));
            return true;
        }
    }
    false
}

/// The fields of a record that tests speak of.
fn shown(kind: Kind, record: &Record) -> String {
    let fields = kind.fields().iter().filter_map(|name| {
        let value = record.body.get(*name)?;
        Some(format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    let at = format!("at: {}", format_duration(record.at_millis));
    format!("{{ {} }}", std::iter::once(at).chain(fields).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Wanted;
    use proptest::prelude::*;

    fn record(event_type: &str, severity: &str) -> Record {
        let body = serde_json::json!({ "event_type": event_type, "severity": severity });
        Record { kind: Kind::Event, at_millis: 0, body }
    }

    fn expected(fields: &[(&str, &str)]) -> Expected {
        let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), Wanted::Text((*text).to_owned()))).collect();
        Expected { line: 1, at_millis: None, fields }
    }

    #[test]
    fn an_expectation_that_says_little_leaves_the_record_that_another_needs() {
        let records = [record("x", "error"), record("x", "warning")];
        let got: Vec<&Record> = records.iter().collect();
        let wanted = [expected(&[("event_type", "x")]), expected(&[("event_type", "x"), ("severity", "error")])];
        assert_eq!(assign(&wanted, &got), [Some(1), Some(0)]);
    }

    #[test]
    fn alerts_that_are_nearly_alike_are_shown_as_one() {
        let alert = |job: &str, summary: &str| ExpectedAlert {
            labels: [("job", job)].into_iter().collect(),
            annotations: [("summary", summary)].into_iter().collect(),
        };
        let (missing, unexpected) = differences(
            &[alert("a", "one"), alert("b", "two")],
            &[alert("c", "three"), alert("b", "2"), alert("a", "one")],
        );
        let want = [
            r#"  labels {job="b"}"#,
            "  annotations",
            "-   summary: two",
            "+   summary: 2",
            r#"+ labels {job="c"}"#,
            r#"+ annotations {summary="three"}"#,
        ];
        assert_eq!(diff_of_alerts(missing, unexpected), want);
    }

    #[test]
    fn samples_are_equal_to_the_last_bit_or_but_for_that() {
        let labels = Labels::empty();
        let near = 0.1 + 0.2;
        let diff = |fuzzy| diff_of_samples(fuzzy, &[(labels.clone(), 0.3)], vec![(labels.clone(), near)]);
        assert_eq!(diff(false), ["- {} 0.3", "+ {} 0.30000000000000004"]);
        assert_eq!(diff(true), [""; 0]);
        assert!(is_same(false, f64::NAN, f64::NAN) && !is_same(true, 1.0, 1.1));
    }

    proptest! {
        #[test]
        fn what_is_equal_in_any_order_has_no_differences(mut list in proptest::collection::vec(0_u8..4, 0..8), extra in 0_u8..4) {
            let shuffled: Vec<u8> = list.iter().rev().copied().collect();
            prop_assert_eq!(differences(&list, &shuffled), (Vec::new(), Vec::new()));
            list.push(extra);
            prop_assert_eq!(differences(&list, &shuffled), (vec![extra], Vec::new()));
        }
    }
}
