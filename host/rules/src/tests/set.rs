//! What is said of files together.

use insta::assert_snapshot;

use super::parse;
use crate::{GroupName, RuleFile, SetFile, check_set, parse_file, render};

const OWN: &str =
    "correlations:\n- {name: own, match: {event_type: [plugin_fault, rule_fault]}, incident: {type: own}}\n";

fn file(name: &str, text: &str) -> RuleFile {
    let parsed = parse_file(name, text, &super::catalog());
    parsed.file.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

/// All that is said, as a person reads it.
fn said(files: &[(&str, &str)], is_whole: bool) -> String {
    let own = file("orion.yaml", OWN);
    let read: Vec<RuleFile> = files.iter().map(|(name, text)| file(name, text)).collect();
    let set: Vec<SetFile<'_>> = read.iter().zip(files).map(|(file, (_, text))| SetFile { file, text }).collect();
    let found = check_set(&set, is_whole.then_some(&own));
    files.iter().zip(found).map(|((name, text), diagnostics)| render(&diagnostics, name, text, false)).collect()
}

fn correlation(matches: &str) -> String {
    format!("correlations:\n- name: outage\n  match: {matches}\n  incident: {{type: outage}}\n")
}

const RULES: &str = "groups:
- name: g
  labels: {team: home}
  rules:
  - {alert: TargetDown, expr: up == 0, labels: {severity: page, service: x, port: '80'}}
  - {alert: Odd, expr: x, plugin: absence, labels: {event_type: odd_thing, severity: info}}
  - {alert: Named, expr: x > 1, labels: {event_type: 'named', service: '{{ $labels.name }}'}}
";

#[test]
fn a_correlation_that_nothing_can_reach_is_said() {
    for (what, matches) in [
        ("type", "{event_type: target_dwn}"),
        ("type_far_away", "{event_type: something_else_entirely}"),
        ("severity", "{event_type: target_down, severity: '< error'}"),
        ("label", "{event_type: target_down, service: z}"),
        ("not_label", "{event_type: target_down, team: '!= home'}"),
        ("number", "{event_type: target_down, port: '> 80'}"),
        ("status", "{event_type: target_down, status: occurred}"),
        ("source", "{event_type: target_down, source: other}"),
        ("one_of_two", "{event_type: [target_down, odd_thin]}"),
    ] {
        assert_snapshot!(
            format!("unreachable_{what}"),
            said(&[("a.yaml", RULES), ("b.yaml", &correlation(matches))], true)
        );
    }
}

#[test]
fn a_correlation_that_something_may_reach_is_left_alone() {
    for matches in [
        "{}",
        "{event_type: target_down, severity: '>= error', service: x, team: home, port: '<= 80'}",
        "{event_type: odd_thing, severity: critical}",
        "{event_type: named, service: anything, severity: warning, instance: a}",
        "{event_type: named, severity: critical}",
        "{rule: a.yaml/g/Odd, source: prometheus, status: resolved, value: '> 5'}",
        "{event_type: plugin_fault, severity: info, status: occurred, service: x}",
        "{event_type: '!= target_down'}",
    ] {
        assert_eq!(said(&[("a.yaml", RULES), ("b.yaml", &correlation(matches))], true), "", "{matches}");
    }
    let sigma = "title: X\ncorrelation: {type: event_count, rules: [TargetDown], timespan: 1h, condition: {gte: 5}}\n";
    assert_eq!(said(&[("a.yaml", RULES), ("b.yaml", sigma)], true), "");
    let dynamic = "groups:\n- {name: d, rules: [{alert: D, expr: x, labels: {event_type: '{{ $labels.kind }}'}}]}\n";
    assert_eq!(said(&[("a.yaml", dynamic), ("b.yaml", &correlation("{event_type: anything}"))], true), "");
}

#[test]
fn nothing_is_said_of_what_may_come_from_elsewhere() {
    assert_eq!(said(&[("b.yaml", &correlation("{event_type: target_dwn}"))], false), "");
}

#[test]
fn an_alert_that_is_there_twice_is_said() {
    let twice = RULES.replace("name: g", "name: h");
    assert_snapshot!("alert_twice", said(&[("a.yaml", RULES), ("b.yaml", &twice)], false));
    let other_labels = twice.replace("team: home", "team: work");
    assert_eq!(said(&[("a.yaml", RULES), ("b.yaml", &other_labels)], false), "");
    let other_query = twice.replace("up == 0", "up == 1").replace("expr: x", "expr: y");
    assert_eq!(said(&[("a.yaml", RULES), ("b.yaml", &other_query)], false), "");
}

#[test]
fn a_correlation_that_is_there_twice_is_said() {
    let one = correlation("{event_type: target_down}");
    assert_snapshot!(
        "correlation_twice",
        said(&[("a.yaml", &one), ("b.yaml", &one.replace("name: outage", "name: again"))], false)
    );
    assert_eq!(said(&[("a.yaml", &one), ("b.yaml", &one.replace("type: outage", "type: other"))], false), "");
    assert_eq!(said(&[("a.yaml", &one), ("b.yaml", &format!("{one}  window: 1m\n"))], false), "");
}

#[test]
fn what_asks_for_nothing_or_cannot_hold_is_said() {
    for (what, matches) in [
        ("never", "{severity: '> critical'}"),
        ("always", "{severity: '>= info'}"),
        ("twice", "{service: [a, b, a]}"),
        ("covered", "{severity: ['>= warning', error]}"),
    ] {
        let text = correlation(matches);
        assert_snapshot!(format!("match_{what}"), render(&parse(&text).diagnostics, "a.yaml", &text, false));
    }
    let text = correlation("{}\n  group_by: [a, b, a]");
    let parsed = parse(&text);
    assert_eq!(parsed.file.unwrap().correlations[0].group_by, ["a", "b"].map(GroupName::plain));
    assert_snapshot!("group_by_twice", render(&parsed.diagnostics, "a.yaml", &text, false));
}

#[test]
fn a_rule_that_cannot_do_what_was_meant_is_said() {
    for (what, rule) in [
        ("never", "{alert: A, expr: count(up) == 0}"),
        ("truth", "{alert: A, expr: up == bool 0}"),
        (
            "label_gone",
            "{alert: A, expr: 'sum by (job) (up) == 0', annotations: {summary: '{{ $labels.instance }} is down'}}",
        ),
        ("label_near", "{alert: A, expr: 'sum by (instance) (up) == 0', labels: {a: '{{ .Labels.instanc }}'}}"),
        ("no_label", "{alert: A, expr: 'sum(up) == 0', annotations: {summary: '{{ $labels.job }}'}}"),
        (
            "group_label",
            "{alert: A, expr: up == 0, labels: {team: a}}\n  - {alert: B, expr: up == 0, labels: {team: b}}\n  labels: {team: all, site: x}",
        ),
        ("alertname", "{alert: A, expr: up == 0, labels: {alertname: B}}"),
        ("choice", "{alert: A, expr: up, plugin: anomaly, with: {season: 1d, sensitivity: hihg}}"),
        ("kind", "{alert: A, expr: up}\n---\nkind: PrometheusRules"),
    ] {
        let text = format!("groups:\n- name: g\n  rules:\n  - {rule}\n");
        assert_snapshot!(format!("rule_{what}"), render(&parse(&text).diagnostics, "a.yaml", &text, false));
    }
    for rule in [
        "{alert: A, expr: up == bool 0, with: {above: 0}}",
        "{alert: A, expr: up == bool 0, plugin: absence}",
        "{alert: A, expr: 'sum by (job) (up)', annotations: {summary: '{{ if $labels.instance }}x{{ end }}'}}",
    ] {
        super::accept(&format!("groups:\n- name: g\n  rules:\n  - {rule}\n"));
    }
}
