//! No text breaks the reader or makes it work without bounds.

use proptest::prelude::*;

use super::{parse, said};
use crate::render;

#[test]
fn a_file_of_nothing_but_mistakes_is_answered_within_bounds() {
    let rules = "  - {alert: A, expr: 'sum(rat(x[5m])) y', fro: 1, labels: {a-b: '{{ $x }}'}}\n".repeat(3_000);
    let text = format!("groups:\n- name: a\n  rules:\n{rules}");
    let parsed = parse(&text);
    assert_eq!(parsed.diagnostics.len(), crate::diagnostic::MAX_DIAGNOSTICS + 1);
    assert!(parsed.diagnostics.last().unwrap().message.ends_with("are left out"));
}

/// Words that rule files are made of, so that random texts get past the first lines of the reader.
fn words() -> impl Strategy<Value = String> {
    let words = vec![
        "groups:",
        "correlations:",
        "name: ",
        "rules:",
        "alert: ",
        "expr: ",
        "for: ",
        "labels:",
        "annotations:",
        "match:",
        "incident:",
        "with:",
        "plugin: ",
        "type: ",
        "kind: PrometheusRule",
        "spec:",
        "record: ",
        "interval: ",
        "limit: ",
        "group_by: ",
        "\n",
        "\n  ",
        "\n- ",
        "\n  - ",
        "\n    ",
        " {",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "a",
        "up == 0",
        "5m",
        "|\n",
        ">\n",
        "\"",
        "'",
        "{{ $labels.a }}",
        "{{",
        "&x ",
        "*x",
        "---\n",
        "#",
        "<<: ",
        "threshold",
        "grouping",
        "é",
        "\t",
        "~",
    ];
    proptest::collection::vec(proptest::sample::select(words), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_breaks_the_reader(text in words()) {
        let parsed = parse(&text);
        let errors = parsed.diagnostics.iter().filter(|d| d.level == crate::Level::Error).count();
        prop_assert_eq!(parsed.file.is_none(), errors > 0);
        let shown = render(&parsed.diagnostics, "a.yaml", &text, false);
        prop_assert_eq!(shown.is_empty(), parsed.diagnostics.is_empty());
        let again = parse(&text);
        prop_assert_eq!(said(&parsed), said(&again));
    }
}
