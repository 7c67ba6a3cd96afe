//! What is said of files with mistakes: everything at once, each at its place, with what to do.

use super::{parse, said};
use crate::{Level, render};

/// What is said of a rule with these lines.
fn of_rule(lines: &str) -> Vec<String> {
    said(&parse(&format!("groups:\n- name: a\n  rules:\n  - {}\n", lines.replace('\n', "\n    "))))
}

#[test]
fn everything_wrong_is_listed_at_once_in_file_order() {
    let parsed = parse(
        "groups:
  - nmae: media
    interval: 1x
    rules:
      - alert: A
        expr: rat(foo[5m])
        for: soon
        labels: { severity: eror, service: '{{ $lables.name }}' }
        annotations: [x]
      - alert: B
        exprr: up
        plugin: treshold
correlations:
  - name: x
    match: { severity: '> eror' }
    lateness: 5m
",
    );
    assert!(parsed.file.is_none());
    assert_eq!(
        said(&parsed),
        [
            "Error 2:5 unknown key `nmae` in a group; did you mean `name`?",
            "Error 2:5 a group needs a name",
            "Error 3:15 `interval` must be a duration, but is `1x`; write a number and a unit, largest unit first: 500ms, 30s, 5m, 1h30m, 2d",
            "Error 6:15 there is no function `rat`; did you mean `rate`?",
            "Error 7:14 `for` must be a duration, but is `soon`; write a number and a unit, largest unit first: 500ms, 30s, 5m, 1h30m, 2d",
            "Warning 8:29 `eror` is no severity: use info, warning, error or critical; did you mean `error`?",
            "Error 8:48 undefined variable `$lables`; did you mean `$labels`?",
            "Error 9:22 `annotations` must be a mapping, but is a list",
            "Error 10:9 a rule needs `expr`",
            "Error 11:9 unknown key `exprr` in a rule; did you mean `expr`?",
            "Error 12:17 there is no plugin `treshold`; did you mean `threshold`?",
            "Error 14:5 a correlation needs `incident`; say what it makes: `incident: { type: service_outage, severity: critical, summary: … }`",
            "Error 15:24 `eror` is no severity: use info, warning, error or critical; did you mean `error`?",
            "Error 16:5 the correlator `grouping` has no parameter `lateness`; `grouping` takes at_least, window, idle, max",
        ]
    );
}

#[test]
fn a_place_inside_a_block_is_found() {
    let parsed = parse(
        "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: |\n      sum by (job) (\n          rat(up[5m])\n      ) > 1\n",
    );
    assert_eq!(said(&parsed), ["Error 7:11 there is no function `rat`; did you mean `rate`?"]);
    let folded = parse("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: >-\n      up\n      == bool\n");
    assert_eq!(folded.diagnostics[0].span.as_ref().unwrap().line, 7);
    let quoted = parse("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: \"up{a=\\\"b\\\"} x\"\n");
    assert_eq!(said(&quoted), ["Error 5:24 `x` is not expected here"]);
}

#[test]
fn it_is_shown_with_the_line_and_carets() {
    let text = "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: sum(rat(up[5m]))\n";
    let shown = render(&parse(text).diagnostics, "rules/a.yaml", text, false);
    let want = "\
error: there is no function `rat`
 --> rules/a.yaml:5:15
  |
5 |     expr: sum(rat(up[5m]))
  |               ^^^
  |
  = help: did you mean `rate`?

";
    assert_eq!(shown, want);
}

#[test]
fn names_of_groups_and_correlations_are_unique_in_a_file() {
    let parsed = parse("groups:\n- name: a\n- name: a\n---\ngroups:\n- name: a\n");
    let places: Vec<_> = parsed.diagnostics.iter().map(|d| d.span.as_ref().unwrap().line).collect();
    assert_eq!(places, [3, 6]);
    let twice = "correlations:\n- &c {name: x, match: {}, incident: {type: x}}\n- *c\n";
    assert!(said(&parse(twice))[0].contains("the correlation `x` stands twice"));
}

#[test]
fn a_rule_has_a_name_and_a_query() {
    assert_eq!(of_rule("expr: up"), ["Error 4:5 a rule needs a name"]);
    assert_eq!(of_rule("alert:\nexpr: up"), ["Error 4:5 `alert` is empty"]);
    assert_eq!(of_rule("alert: A\nexpr: ''"), ["Error 5:5 `expr` is empty"]);
    assert_eq!(of_rule("alert: A\nrecord: b\nexpr: up"), ["Error 5:5 a rule is either an alert or a recording rule"]);
    assert_eq!(of_rule("alert: [A]\nexpr: up"), ["Error 4:12 `alert` must be a text, but is a list"]);
}

#[test]
fn names_of_labels_are_checked() {
    assert_eq!(
        of_rule("alert: A\nexpr: up\nlabels: {__name__: x}"),
        ["Error 6:14 `__name__` cannot be a name in `labels`; names are letters, digits and underscores"]
    );
    assert_eq!(
        of_rule("alert: A\nexpr: up\nannotations: {run-book: x}"),
        [
            "Warning 6:19 `run-book` is a name that only Prometheus 3 takes; letters, digits and underscores are understood everywhere"
        ]
    );
}

#[test]
fn parameters_are_checked_against_the_manifest() {
    let with = |plugin: &str, with: &str| of_rule(&format!("alert: A\nexpr: up\nplugin: {plugin}\nwith: {with}"));
    assert_eq!(
        with("threshold", "{abov: 5}"),
        ["Error 7:12 the detector `threshold` has no parameter `abov`; did you mean `above`?"]
    );
    assert_eq!(with("threshold", "{above: high}"), ["Error 7:19 `above`: expected a number, found \"high\""]);
    assert_eq!(with("absence", "{forget_after: 1ms}"), ["Error 7:26 `forget_after`: must be at least 1s"]);
    assert_eq!(with("absence", "{empty: [a]}"), ["Error 7:19 `empty`: expected true or false, found [\"a\"]"]);
    assert_eq!(with("absence", "{empty: {a: b}}"), ["Error 7:19 `empty`: expected true or false, found a mapping"]);
    assert_eq!(with("absence", "{empty: }"), ["Error 7:17 `empty`: expected true or false, found nothing"]);
    assert_eq!(
        with("anomaly", "{sensitivity: odd}"),
        [
            "Error 7:5 `anomaly` needs the parameter `season`; season: What it is.",
            "Error 7:25 `sensitivity`: `odd` is none of low, high",
        ]
    );
    assert_eq!(
        with("anomaly", "{season: never}"),
        ["Error 7:20 `season`: expected a duration such as 15m, found \"never\""]
    );
    assert_eq!(with("grouping", "{}"), ["Error 6:13 `grouping` is a correlator, but a detector is needed here"]);
}

#[test]
fn a_mapping_is_checked_entry_by_entry() {
    let with = |map: &str| {
        said(&parse(&format!(
            "correlations:\n- name: x\n  match: {{}}\n  plugin: topology\n  with:\n    depends_on: {map}\n  incident: {{type: x}}\n"
        )))
    };
    assert_eq!(with("{radarr: [qbittorrent, 5], sonarr: qbittorrent, qbittorrent: []}"), [] as [&str; 0]);
    assert_eq!(
        with("{radarr: {a: b}, sonarr: [a, [b], ], prowlarr: , lidarr: a, lidarr: b}"),
        [
            "Error 6:26 `radarr` in `depends_on` must be a text or a list of texts, but is a mapping",
            "Error 6:46 `sonarr` in `depends_on` must be a text or a list of texts, but is a list",
            "Error 6:62 `prowlarr` in `depends_on` must be a text or a list of texts, but is nothing",
            "Error 6:77 `lidarr` stands twice in `depends_on`; keep one of the two",
        ]
    );
    assert_eq!(with("[radarr, sonarr]"), ["Error 6:17 `depends_on` must be a mapping, but is a list"]);
}

#[test]
fn a_parameter_stands_inside_with_or_beside_it_but_not_both() {
    let parsed =
        parse("correlations:\n- name: x\n  match: {}\n  window: 5m\n  with: {window: 6m}\n  incident: {type: x}\n");
    assert_eq!(said(&parsed), ["Error 4:3 `window` is given twice: in `with` and beside it; keep one of the two"]);
}

#[test]
fn conditions_of_a_match_are_checked() {
    let of = |condition: &str| {
        said(&parse(&format!("correlations:\n- name: x\n  match: {{ {condition} }}\n  incident: {{type: x}}\n")))
    };
    assert_eq!(
        of("severity: '>= eror'"),
        ["Error 3:22 `eror` is no severity: use info, warning, error or critical; did you mean `error`?"]
    );
    assert_eq!(
        of("status: open"),
        [
            "Error 3:20 `open` is no status that can be compared so; a status is or is not one of occurred, firing, resolved"
        ]
    );
    assert_eq!(
        of("value: '> many'"),
        ["Error 3:19 `many` is no number to compare `value` with; texts can only be equal or not: `x`, `!= x`"]
    );
    assert_eq!(
        of("service: ['!= a', b]"),
        [
            "Error 3:22 `!= a` in a list would hold for nearly everything: one of the list is enough; write it alone, without the list"
        ]
    );
    assert_eq!(of("service: {a: b}"), ["Error 3:21 `service` must be a text, but is a mapping"]);
}

#[test]
fn a_missing_standard_plugin_is_said_once() {
    struct Nothing;
    impl crate::PluginCatalog for Nothing {
        fn manifest(&self, reference: &str) -> Result<&orion_model::Manifest, String> {
            Err(format!("there is no plugin `{reference}`"))
        }
        fn names(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let text =
        "groups:\n- name: a\n  rules: [{alert: A, expr: up}, {alert: B, expr: up}, {alert: C, expr: up, plugin: x}]\n";
    let parsed = crate::parse_file("a", text, &Nothing);
    assert!(parsed.file.is_none());
    assert_eq!(parsed.diagnostics.len(), 2, "{:?}", said(&parsed));
}

#[test]
fn a_mistake_of_yaml_keeps_what_was_said_before_it() {
    let parsed = parse("groups:\n- nmae: a\n---\ngroups:\n  - name: b: c\n");
    let said = said(&parsed);
    assert!(said[0].contains("nmae"), "{said:?}");
    assert!(said.last().unwrap().starts_with("Error 5:"), "{said:?}");
    assert!(parsed.file.is_none());
    assert_eq!(parsed.diagnostics.last().unwrap().level, Level::Error);
}
