//! What a rule means when data are missing: as in Prometheus where it says nothing, and otherwise never a recovery.

use super::{accept, parse, said};
use crate::{NoData, OnEmpty};

fn no_data(lines: &str) -> NoData {
    let text = format!("groups: [{{ name: a, rules: [{{ alert: A, expr: up, {lines} }}] }}]");
    accept(&text).groups[0].rules[0].no_data
}

#[test]
fn a_rule_in_prometheus_own_format_takes_an_absent_series_for_a_recovered_one() {
    let expected = NoData { missing_for: 2, absent_is_missing: false, on_empty: OnEmpty::Resolve };
    assert_eq!(no_data("for: 5m"), expected);
}

#[test]
fn for_a_rule_with_a_plugin_what_is_absent_is_missing() {
    let expected = NoData { missing_for: 2, absent_is_missing: true, on_empty: OnEmpty::Missing };
    assert_eq!(no_data("plugin: threshold"), expected);
    assert_eq!(no_data("missing_for: 5"), NoData { missing_for: 5, ..expected });
}

#[test]
fn what_an_empty_answer_means_can_be_said() {
    let words = [("keep", OnEmpty::Keep), ("resolve", OnEmpty::Resolve), ("fire", OnEmpty::Fire)];
    for (word, on_empty) in words {
        assert_eq!(no_data(&format!("on_empty: {word}")).on_empty, on_empty);
        assert_eq!(no_data(&format!("plugin: threshold, on_empty: {word}")).on_empty, on_empty);
    }
}

#[test]
fn what_cannot_be_meant_is_said_with_what_to_write() {
    let text = "groups: [{ name: a, rules: [{ alert: A, expr: up, missing_for: 5m, on_empty: kep }] }]";
    assert_eq!(
        said(&parse(text)),
        [
            "Error 1:64 `missing_for` counts evaluations, 0 to 1000, but is `5m`; how many evaluations an alert outlives without its data, such as `missing_for: 2`",
            "Error 1:78 `on_empty` is `keep`, `resolve` or `fire`, but here `kep`; did you mean `keep`?",
        ]
    );
    assert!(!said(&parse("groups: [{ name: a, rules: [{ alert: A, expr: up, missing_for: 1001 }] }]")).is_empty());
    no_data("missing_for: 1000");
}
