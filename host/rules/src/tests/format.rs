//! What a rule file may say, and what it then means.

use orion_model::{Parameter, ParameterValue, Severity};

use super::{accept, parse, said};
use crate::{GroupName, Level};

const WHOLE: &str = r#"
groups:
  - name: media-stack
    interval: 60s
    query_offset: 1m30s
    limit: 5
    source: prometheus
    labels: { team: home, severity: info }
    rules:
      - alert: ContainerDown
        expr: time() - container_last_seen{name=~"jellyfin|radarr"} > 60
        for: 2m
        keep_firing_for: 1h
        labels: { severity: error, service: "{{ $labels.name }}" }
        annotations: { summary: "{{ $labels.name }} not seen for {{ $value | humanizeDuration }}" }
      - alert: Unusual
        expr: sum by (name) (rate(x[5m]))
        plugin: anomaly@1
        with: { sensitivity: high, season: 24h, model: 3, ignore: one }
correlations:
  - name: service-outage
    match: { event_type: [service_down, high_error_rate], severity: ">= error" }
    group_by: [service]
    window: 5m
    with: { at_least: 2 }
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
"#;

#[test]
fn a_whole_file_means_what_it_says() {
    let file = accept(WHOLE);
    let group = &file.groups[0];
    assert_eq!((group.id.as_str(), group.name.as_str()), ("test.yaml/media-stack", "media-stack"));
    assert_eq!((group.interval_millis, group.query_offset_millis, group.limit), (Some(60_000), 90_000, 5));
    let rule = &group.rules[0];
    assert_eq!(rule.id, "test.yaml/media-stack/ContainerDown");
    assert_eq!((rule.for_millis, rule.keep_firing_for_millis, rule.line), (120_000, 3_600_000, 10));
    assert_eq!(rule.plugin, "threshold");
    let labels: Vec<&str> = rule.labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(labels, ["service", "severity", "team"]);
    assert_eq!(rule.labels[1].1.is_static(), Some("error"));
    let unusual = &group.rules[1];
    let parameter = |name: &str, value| Parameter { name: name.into(), value };
    assert_eq!(
        unusual.parameters,
        [
            parameter("season", ParameterValue::Integer(86_400_000)),
            parameter("sensitivity", ParameterValue::Text("high".into())),
            parameter("model", ParameterValue::Text("3".into())),
            parameter("ignore", ParameterValue::Texts(vec!["one".into()])),
        ]
    );
    let correlation = &file.correlations[0];
    assert_eq!((correlation.id.as_str(), correlation.plugin.as_str()), ("test.yaml/service-outage", "grouping"));
    assert_eq!(correlation.group_by, [GroupName::plain("service")]);
    assert_eq!(correlation.parameters[0].value, ParameterValue::Integer(2));
    assert_eq!(correlation.parameters[1].value, ParameterValue::Integer(300_000));
    assert_eq!(correlation.parameters[3].value, ParameterValue::Integer(86_400_000));
    assert_eq!(correlation.incident.severity, Some(Severity::Critical));
    assert_eq!(correlation.line, 21);
}

#[test]
fn the_digest_is_that_of_the_text() {
    let digest = accept("groups:\n- name: a\n  rules: [{alert: A, expr: up}]\n").digest.to_string();
    assert_eq!(digest, "d0ecca44b4a59844ae752ac1112f372d1088b4c5c5f109f66f97c34b42693ca5");
}

#[test]
fn whatever_prometheus_takes_leniently_is_taken() {
    let file = accept(
        "groups:\n- name: 5\n  interval: 0s\n  limit: -1\n  rules:\n  - {alert: A, expr: 1, for: 0, labels: {a: 5, b: true, c: }}\n- name: empty\n",
    );
    let group = &file.groups[0];
    assert_eq!((group.name.as_str(), group.interval_millis, group.limit), ("5", None, 0));
    let rule = &group.rules[0];
    assert_eq!((rule.expr.as_str(), rule.for_millis), ("1", 0));
    let labels: Vec<_> = rule.labels.iter().map(|(name, text)| (name.as_str(), text.is_static().unwrap())).collect();
    assert_eq!(labels, [("a", "5"), ("b", "true"), ("c", "")]);
}

#[test]
fn a_recording_rule_is_noted_and_left_out() {
    let parsed = parse(
        "groups:\n- name: a\n  rules:\n  - {record: 'a:b', expr: sum(up)}\n  - {alert: A, expr: up}\n  - {record: 'a:c', expr: sum(up)}\n",
    );
    assert_eq!(
        said(&parsed),
        ["Note 4:6 2 recording rules of this group are not evaluated: Orion never writes metrics"]
    );
    assert_eq!(parsed.file.unwrap().groups[0].rules.len(), 1);
}

#[test]
fn rules_of_one_name_have_ids_of_their_own_that_say_nothing_of_the_query() {
    let rules = |expr: &str| {
        format!(
            "groups:\n- name: a\n  rules:\n  - {{alert: X, expr: {expr}}}\n  - {{alert: X, expr: up}}\n  - {{alert: 'X#2', expr: up}}\n  - {{alert: X, expr: up}}\n"
        )
    };
    let ids = |text: &str| accept(text).groups[0].rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    let want = ["test.yaml/a/X", "test.yaml/a/X#2", "test.yaml/a/X#2#2", "test.yaml/a/X#3"];
    assert_eq!(ids(&rules("up == 0")), want);
    assert_eq!(ids(&rules("up == 1")), want);
}

#[test]
fn ids_stay_apart_where_names_hold_slashes() {
    let file =
        accept("groups:\n- name: a\n  rules: [{alert: b/c, expr: up}]\n- name: a/b\n  rules: [{alert: c, expr: up}]\n");
    let ids: Vec<_> = file.groups.iter().flat_map(|group| &group.rules).map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["test.yaml/a/b/c", "test.yaml/a/b/c#2"]);
}

#[test]
fn a_kubernetes_resource_holds_rules_too() {
    let resource = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x}\nspec:\n  groups:\n  - name: a\n    rules: [{alert: A, expr: up}]\n";
    assert_eq!(accept(resource).groups.len(), 1);
    let two = format!("{resource}---\n# nothing\n---\ngroups:\n- name: b\n");
    assert_eq!(accept(&two).groups.len(), 2);
    let parsed = parse(&format!("kind: ConfigMap\ndata: {{}}\n---\n{resource}"));
    assert_eq!(
        said(&parsed),
        ["Note 1:7 a `ConfigMap` holds no rules and is skipped; rules are read from kind: PrometheusRule"]
    );
    assert_eq!(parsed.file.unwrap().groups.len(), 1);
}

#[test]
fn a_file_without_rules_is_a_file() {
    for text in ["", "# only this\n", "groups:\n", "---\n...\n"] {
        let parsed = parse(text);
        assert!(parsed.file.is_some(), "{text}");
        assert_eq!(parsed.diagnostics[0].level, Level::Note);
    }
}

#[test]
fn aliases_merges_and_foreign_keys_are_read() {
    let file = accept(
        "x-common: &common {severity: error}\ngroups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    labels: {<<: *common, x: y}\n",
    );
    let names: Vec<_> = file.groups[0].rules[0].labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["severity", "x"]);
}

#[test]
fn what_other_rulers_know_is_noted() {
    let parsed = parse("groups:\n- name: a\n  partial_response_strategy: warn\n  rules: [{alert: A, expr: up}]\n");
    assert!(parsed.file.is_some());
    assert_eq!(said(&parsed), ["Note 3:3 this key is for other rulers and changes nothing here"]);
}

#[test]
fn a_query_for_another_source_need_not_be_promql() {
    let group = |source: &str| {
        format!("groups:\n- name: a\n  source: {source}\n  rules: [{{alert: A, expr: '{{job=\"x\"}} |= \"error\"'}}]\n")
    };
    let parsed = parse(&group("elsewhere"));
    assert!(parsed.file.is_some());
    assert_eq!(parsed.diagnostics[0].level, Level::Warning);
    // Of what is known to speak LogQL it is known that this gives no numbers.
    assert!(parse(&group("loki")).file.is_none());
    let counted = group("loki").replace("{job", "count_over_time({job").replace("error\"'", "error\" [5m])'");
    let counted = parse(&counted);
    assert!(counted.file.is_some());
    assert_eq!(said(&counted), ["Note 3:11 the queries of this group are LogQL, which only Loki itself checks"]);
    assert!(parse(&group("prometheus")).file.is_none());
}

#[test]
fn an_annotation_that_asks_for_query_is_kept_as_written_and_a_label_refused() {
    let rule = |place: &str| {
        format!(
            "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    {place}: {{x: '{{{{ query \"up\" }}}}'}}\n"
        )
    };
    let parsed = parse(&rule("annotations"));
    let rules = &parsed.file.as_ref().unwrap().groups[0].rules;
    assert_eq!(rules[0].annotations[0].1.is_static(), Some("{{ query \"up\" }}"));
    assert_eq!(parsed.diagnostics[0].level, Level::Warning);
    let refused = parse(&rule("labels"));
    assert!(refused.file.is_none() && refused.diagnostics[0].message.contains("`query` is refused"));
}

#[test]
fn a_summary_may_be_left_to_the_name() {
    let file = accept("correlations:\n- {name: outage, match: {}, incident: {type: x}}\n");
    assert_eq!(file.correlations[0].incident.summary.is_static(), Some("outage"));
    assert_eq!(file.correlations[0].incident.severity, None);
    assert!(file.correlations[0].group_by.is_empty());
}

#[test]
fn a_mapping_reaches_the_plugin_as_keys_and_values_in_turns() {
    let file = accept(
        "correlations:
- name: x
  match: {}
  plugin: topology
  with:
    depends_on: { radarr: [qbittorrent, prowlarr], 8080: gluetun, gluetun: [] }
  incident: { type: x }
",
    );
    let texts = ["radarr", "qbittorrent", "radarr", "prowlarr", "8080", "gluetun"].map(str::to_owned).to_vec();
    let depends_on = Parameter { name: "depends_on".into(), value: ParameterValue::Texts(texts) };
    assert_eq!(file.correlations[0].parameters, [depends_on]);
}

#[test]
fn a_list_of_resources_is_read_item_by_item() {
    let rule = |name: &str| {
        format!("- kind: PrometheusRule\n  spec: {{groups: [{{name: a, rules: [{{alert: {name}, expr: up}}]}}]}}\n")
    };
    let of = |kind: &str, items: &str| parse(&format!("kind: {kind}\nitems:\n{items}"));
    for kind in ["List", "PrometheusRuleList"] {
        let file = of(kind, &(rule("One") + &rule("Two"))).file.unwrap();
        let ids: Vec<_> = file.groups.iter().map(|group| group.id.as_str()).collect();
        assert_eq!(ids, ["test.yaml/a", "test.yaml/a#2"]);
    }
    assert_eq!(
        said(&of("List", "- kind: Secret\n- spec: {}\n- kind: PrometheusRule\n")),
        [
            "Note 3:9 a `Secret` holds no rules and is skipped; rules are read from kind: PrometheusRule",
            "Error 4:3 an item of a List needs `kind`",
            "Error 5:9 a PrometheusRule needs `spec`",
        ]
    );
}
