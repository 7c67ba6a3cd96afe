//! Orion's results as expectations of a promtool test, and promtool's word on them.
#![expect(clippy::disallowed_types, reason = "this test starts promtool; none of this is deployed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use orion_model::{Labels, LabelsBuilder, Timestamp, Written, WrittenSeries};
use orion_pipeline::watcher::ActiveAlert;

use super::INTERVAL_MILLIS;
use super::generated::Set;

/// The same series for a Prometheus. Only what [`Set`]s are written in is understood: values one by one, and `1x2`.
pub fn written(series: &[(String, String)]) -> Vec<WrittenSeries> {
    series.iter().map(|(name, values)| WrittenSeries { labels: labels(name), samples: samples(values) }).collect()
}

fn labels(series: &str) -> Vec<(String, String)> {
    let (name, rest) = series.split_once('{').unwrap();
    let pairs = rest.trim_end_matches('}').split(", ").map(|pair| {
        let (label, text) = pair.split_once('=').unwrap();
        (label.to_owned(), text.trim_matches('"').to_owned())
    });
    let mut labels: Vec<(String, String)> = pairs.chain([("__name__".to_owned(), name.to_owned())]).collect();
    labels.sort();
    labels
}

fn samples(values: &str) -> Vec<(i64, Written)> {
    let mut samples = Vec::new();
    let mut at = 0;
    for item in values.split(' ') {
        let (value, repeats) = item.split_once('x').map_or((item, 0), |(value, count)| (value, count.parse().unwrap()));
        for _ in 0..=repeats {
            match value {
                "_" => {}
                "stale" => samples.push((at, Written::Stale)),
                number => samples.push((at, Written::Value(number.parse().unwrap()))),
            }
            at += INTERVAL_MILLIS;
        }
    }
    samples
}

/// Lets promtool test the rules of a set, with all these states expected. Its words when it does not agree.
pub fn confirm(set: &Set, alerts: &BTreeMap<Timestamp, Vec<ActiveAlert>>) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), &set.rules).unwrap();
    std::fs::write(folder.path().join("test.yml"), test_file(set, alerts)).unwrap();
    let output = Command::new("promtool").args(["test", "rules", "test.yml"]).current_dir(folder.path()).output();
    let output = output.unwrap_or_else(|why| panic!("promtool of the package `prometheus` cannot be started: {why}"));
    match output.status.success() {
        true => Ok(()),
        false => Err([output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()),
    }
}

fn test_file(set: &Set, alerts: &BTreeMap<Timestamp, Vec<ActiveAlert>>) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut file =
        "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n".to_owned();
    for (series, values) in &set.series {
        let _ = writeln!(file, "  - {{ series: {}, values: {} }}", quoted(series), quoted(values));
    }
    file.push_str("  alert_rule_test:\n");
    for (instant, active) in alerts {
        let at = instant.as_millis() / 1000;
        for name in set.alerts.keys() {
            let firing = active.iter().filter(|alert| alert.alertname == *name && alert.fired_at.is_some());
            let expected: Vec<String> = firing.map(|alert| expected(set, alert)).collect();
            let expected = expected.join(", ");
            let _ = writeln!(file, "  - {{ eval_time: {at}s, alertname: {name}, exp_alerts: [{expected}] }}");
        }
    }
    file.push_str("  promql_expr_test:\n");
    for (instant, active) in alerts {
        let at = instant.as_millis() / 1000;
        let states: Vec<String> = active.iter().map(|alert| state(set, alert)).collect();
        let _ = writeln!(file, "  - {{ expr: ALERTS, eval_time: {at}s, exp_samples: [{}] }}", states.join(", "));
        let since: Vec<String> = active.iter().map(|alert| since(set, alert)).collect();
        let _ =
            writeln!(file, "  - {{ expr: ALERTS_FOR_STATE, eval_time: {at}s, exp_samples: [{}] }}", since.join(", "));
    }
    file
}

/// In JSON, which is YAML. An annotation that renders to nothing is none here, and an empty one in Prometheus.
fn expected(set: &Set, alert: &ActiveAlert) -> String {
    let names = set.alerts[&alert.alertname].annotations.iter();
    let annotations: BTreeMap<&str, &str> =
        names.map(|name| (name.as_str(), alert.annotations.get(name).unwrap_or_default())).collect();
    serde_json::json!({ "exp_labels": alert.labels, "exp_annotations": annotations }).to_string()
}

fn state(set: &Set, alert: &ActiveAlert) -> String {
    let state = if alert.fired_at.is_some() { "firing" } else { "pending" };
    let labels = labels_of_series(set, alert).set("alertstate", state).clone().build();
    serde_json::json!({ "labels": metric("ALERTS", &labels), "value": 1 }).to_string()
}

fn since(set: &Set, alert: &ActiveAlert) -> String {
    let seconds = alert.since.as_millis() / 1000;
    let labels = labels_of_series(set, alert).build();
    serde_json::json!({ "labels": metric("ALERTS_FOR_STATE", &labels), "value": seconds }).to_string()
}

/// In the series it makes of an alert, and nowhere else, Prometheus has the template itself where that gives nothing: it
/// lays the labels of the alert over those of the rule.
fn labels_of_series(set: &Set, alert: &ActiveAlert) -> LabelsBuilder {
    let mut labels: LabelsBuilder = LabelsBuilder::new();
    for (label, text) in &set.alerts[&alert.alertname].labels {
        labels.set(*label, *text);
    }
    for (label, text) in alert.labels.iter() {
        labels.set(label, text);
    }
    labels
}

/// As PromQL writes it; the labels of these tests are ASCII.
fn metric(name: &str, labels: &Labels) -> String {
    format!("{name}{labels}")
}
