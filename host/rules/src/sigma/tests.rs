//! Sigma files: what they become, and what is said of what has no counterpart.

use insta::assert_snapshot;
use orion_model::{Event, Severity};

use crate::tests::{accept, parse, said};
use crate::{Correlation, render, write_group_key};

/// Two rules over logs, and a correlation of them with these lines.
fn file(correlation: &str) -> String {
    format!(
        "title: Failed logon
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
name: failed_logon
logsource: {{product: windows}}
detection: {{selection: {{EventID: 4625}}, condition: selection}}
---
title: Successful Logon
id: 0e95725d-7320-415d-80f7-004da920fc11
logsource: {{product: windows}}
detection: {{selection: {{EventID: 4624}}, condition: selection}}
---
title: Something {{{{ odd }}}}
name: odd_logons
status: test
author: somebody
level: high
custom: anything
correlation:
    {}
",
        correlation.replace('\n', "\n    ")
    )
}

/// What a correlation becomes: its correlator with its parameters, its match and its groups.
fn shown(correlation: &Correlation) -> String {
    let parameters: Vec<String> =
        correlation.parameters.iter().map(|parameter| format!("{}={:?}", parameter.name, parameter.value)).collect();
    format!(
        "{} {}\nmatch {:?}\ngroup_by {:?}\nincident {:?} {:?} {:?}",
        correlation.plugin,
        parameters.join(" "),
        correlation.matcher.event_types().collect::<Vec<_>>(),
        correlation.group_by,
        correlation.incident.incident_type,
        correlation.incident.severity,
        correlation.incident.summary.is_static(),
    )
}

fn becomes(correlation: &str) -> String {
    let text = file(correlation);
    let parsed = parse(&text);
    let notes = said(&parsed);
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(notes[0].starts_with("Note 1:1 2 Sigma rules of this file are not evaluated"), "{notes:#?}");
    shown(&parsed.file.unwrap().correlations[0])
}

#[test]
fn every_type_becomes_a_correlator() {
    for (what, correlation) in [
        (
            "event_count",
            "type: event_count\nrules: failed_logon\ngroup-by: [host]\ntimespan: 1h\ncondition: {gte: 100}",
        ),
        (
            "range",
            "type: event_count\nrules: [failed_logon]\ntimespan: 5m\ncondition: {gt: 100, lte: 200}\ngenerate: true",
        ),
        (
            "value_count",
            "type: value_count\nrules: [failed_logon]\ngroup-by: [a, b]\ntimespan: 1d\ncondition: {field: User, gte: 10}",
        ),
        ("value_sum", "type: value_sum\nrules: [failed_logon]\ntimespan: 1d\ncondition: {field: bytes, gt: 1e6}"),
        ("value_avg", "type: value_avg\nrules: [failed_logon]\ntimespan: 1d\ncondition: {field: value, lt: 0.5}"),
        (
            "value_percentile",
            "type: value_percentile\nrules: [failed_logon]\ntimespan: 1d\ncondition: {field: bytes, percentile: 99, neq: 1}",
        ),
        ("value_median", "type: value_median\nrules: [failed_logon]\ntimespan: 1d\ncondition: {field: bytes, eq: 1}"),
        (
            "temporal",
            "type: temporal\nrules: [failed_logon, 0e95725d-7320-415d-80f7-004da920fc11]\ngroup-by: [user]\ntimespan: 10s",
        ),
        ("temporal_some", "type: temporal\nrules: [a, b, c]\ntimespan: 10s\ncondition: {gte: 2}"),
        ("temporal_sentence", "type: temporal\nrules: [a, b, c]\ntimespan: 10s\ncondition: a and (b OR c)"),
        ("temporal_ordered", "type: temporal_ordered\nrules: [a rule with blanks, FailedLogon]\ntimespan: 1h"),
        ("ordered_sentence", "type: temporal_ordered\nrules: [a, b, c]\ntimespan: 1h\ncondition: c and a"),
        ("ordered_all", "type: temporal_ordered\nrules: [a, b]\ntimespan: 1h\ncondition: {gte: 2}"),
        (
            "aliases",
            "type: temporal\nrules: [failed_logon, b]\ngroup-by: [address, user]\ntimespan: 1h\naliases:\n  address:\n    failed_logon: source_ip\n    b: client",
        ),
    ] {
        assert_snapshot!(what, becomes(correlation));
    }
}

#[test]
fn events_are_grouped_by_what_an_alias_stands_for() {
    let text = file(
        "type: temporal\nrules: [failed_logon, b]\ngroup-by: [address]\ntimespan: 1h\naliases: {address: {failed_logon: service, b: port}}",
    );
    let correlation = parse(&text).file.unwrap().correlations.remove(0);
    let event = |event_type: &str| -> Event { crate::matcher::tests::event(event_type, Severity::Error) };
    let key = |event_type: &str| {
        let mut key = String::new();
        write_group_key(&mut key, &event(event_type), &correlation.group_by);
        key
    };
    assert_eq!(key("failed_logon"), r#"{address="jellyfin"}"#);
    assert_eq!(key("b"), r#"{address="8096"}"#);
    assert!(correlation.matcher.matches(&event("failed_logon")) && !correlation.matcher.matches(&event("c")));
}

#[test]
fn what_is_wrong_or_has_no_counterpart_is_said() {
    let correlation = "type: event_count\nrules: [failed_logon]\ntimespan: 1h\ncondition: {gte: 5}";
    for (what, correlation) in [
        ("type", correlation.replace("event_count", "event_cuont")),
        ("nothing", "generate: false".to_owned()),
        ("key", correlation.replace("timespan", "timespam")),
        ("timespan", correlation.replace("1h", "1 hour")),
        ("timespan_long", correlation.replace("1h", "30d")),
        ("no_condition", correlation.replace("condition: {gte: 5}", "group-by: a")),
        ("condition", correlation.replace("gte", "gtee")),
        ("bound", correlation.replace('5', "many")),
        ("chain", correlation.replace("failed_logon", "odd_logons")),
        ("uuid", correlation.replace("failed_logon", "11111111-2222-3333-4444-555555555555")),
        ("no_field", correlation.replace("event_count", "value_count")),
        ("fields", correlation.replace("event_count", "value_count").replace("gte: 5", "gte: 5, field: [a, b]")),
        ("alias", format!("{correlation}\naliases: {{a: {{failed_logn: x}}}}\ngroup-by: [b]")),
        ("alias_of_one", "type: temporal\nrules: [a, b]\ntimespan: 1m\naliases: {x: {a: y}}\ngroup-by: [x]".to_owned()),
        ("not", "type: temporal\nrules: [a, b]\ntimespan: 1m\ncondition: a and not b".to_owned()),
        ("word", "type: temporal\nrules: [abc, b]\ntimespan: 1m\ncondition: b and abd".to_owned()),
        ("open", "type: temporal\nrules: [a, b]\ntimespan: 1m\ncondition: a and (b".to_owned()),
        ("ordered_or", "type: temporal_ordered\nrules: [a, b]\ntimespan: 1m\ncondition: a or b".to_owned()),
        ("ordered_some", "type: temporal_ordered\nrules: [a, b]\ntimespan: 1m\ncondition: {gte: 1}".to_owned()),
        ("at_most", "type: temporal\nrules: [a, b]\ntimespan: 1m\ncondition: {lt: 2}".to_owned()),
        ("too_many", "type: temporal\nrules: [a, b]\ntimespan: 1m\ncondition: {gte: 3}".to_owned()),
    ] {
        let text = file(&correlation);
        let mut diagnostics = parse(&text).diagnostics;
        diagnostics.retain(|diagnostic| diagnostic.level != crate::Level::Note);
        assert_snapshot!(format!("said_{what}"), render(&diagnostics, "a.yml", &text, false));
    }
    let headless = "correlation: {type: event_count, rules: [a], timespan: 1h, condition: {gte: 5}}\nlevel: hgih\n";
    assert_snapshot!("said_headless", render(&parse(headless).diagnostics, "a.yml", headless, false));
}

#[test]
fn a_correlation_without_counterpart_holds_back_no_other() {
    let text = file("type: temporal\nrules: [a, b]\ntimespan: 1m\ncondition: not a")
        + "---\ntitle: Other\ncorrelation: {type: event_count, rules: [a], timespan: 1h, condition: {gte: 5}}\n";
    let file = parse(&text).file.unwrap();
    assert_eq!(file.correlations.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["Other"]);
}

#[test]
fn names_are_unique_in_a_file() {
    let one = "title: One\ncorrelation: {type: event_count, rules: [a], timespan: 1h, condition: {gte: 5}}\n";
    assert_eq!(accept(one).correlations[0].id, "test.yaml/One");
    let twice = format!("{one}---\n{one}");
    assert!(said(&parse(&twice))[0].contains("the correlation `One` stands twice"));
}

#[test]
fn a_sentence_is_multiplied_out_within_bounds() {
    let rules: Vec<String> = (0..20).map(|rule| format!("r{rule}")).collect();
    let of = |condition: &str| {
        let text =
            file(&format!("type: temporal\nrules: [{}]\ntimespan: 1m\ncondition: {condition}", rules.join(", ")));
        said(&parse(&text)).remove(1)
    };
    let pairs: Vec<String> = rules.chunks(2).map(|pair| format!("({} and {})", pair[0], pair[1])).collect();
    assert!(of(&pairs.join(" or ")).contains("more kinds of events than are told apart"));
    let deep = format!("{}r0{}", "(".repeat(100), ")".repeat(100));
    assert!(of(&deep).contains("too deep"));
}
