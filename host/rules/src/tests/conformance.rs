//! Rule files as Prometheus, its operator and Sigma have them: corners of the format, each in a file of its own.

use super::{catalog, said};
use crate::{Parsed, parse_file};

const FILES: [(&str, &str); 10] = [
    ("anchors.yaml", include_str!("../../conformance/anchors.yaml")),
    ("durations.yaml", include_str!("../../conformance/durations.yaml")),
    ("names.yaml", include_str!("../../conformance/names.yaml")),
    ("prometheus3.yaml", include_str!("../../conformance/prometheus3.yaml")),
    ("queries.yaml", include_str!("../../conformance/queries.yaml")),
    ("recording.yaml", include_str!("../../conformance/recording.yaml")),
    ("resources.yaml", include_str!("../../conformance/resources.yaml")),
    ("sigma.yaml", include_str!("../../conformance/sigma.yaml")),
    ("styles.yaml", include_str!("../../conformance/styles.yaml")),
    ("templates.yaml", include_str!("../../conformance/templates.yaml")),
];

fn parse(name: &str, text: &str) -> Parsed {
    parse_file(name, text, &catalog())
}

/// The ids of its rules and correlations, the count of what is left alone, and what is said.
fn summary(parsed: &Parsed) -> String {
    let file = parsed.file.as_ref().unwrap();
    let rules = file.groups.iter().flat_map(|group| &group.rules);
    let correlations = file.correlations.iter().map(|correlation| correlation.id.as_str());
    let ids: Vec<&str> = rules.map(|rule| rule.id.as_str()).chain(correlations).collect();
    format!("{}\nrecording rules: {}\n{}", ids.join("\n"), file.recording_rules, said(parsed).join("\n"))
}

#[test]
fn every_file_is_taken_and_nothing_is_lost() {
    for (name, text) in FILES {
        let parsed = parse(name, text);
        assert!(parsed.file.is_some(), "{name}: {:#?}", said(&parsed));
        insta::assert_snapshot!(name, summary(&parsed));
    }
}

#[test]
fn a_file_means_the_same_with_the_line_ends_and_the_mark_of_windows() {
    for (name, text) in FILES {
        let here = parse(name, text).file.unwrap();
        let there = parse(name, &format!("\u{feff}{}", text.replace('\n', "\r\n"))).file.unwrap();
        assert_eq!((&there.groups, &there.correlations), (&here.groups, &here.correlations), "{name}");
        assert_eq!(there.recording_rules, here.recording_rules, "{name}");
    }
}

#[test]
fn every_file_of_the_folder_is_looked_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, FILES.map(|(name, _)| name));
}

/// Every style of YAML must lead to the very query that was meant.
#[test]
fn a_query_is_the_same_however_it_is_written() {
    let file = parse("styles.yaml", FILES[8].1).file.unwrap();
    let query = |alert: &str| {
        let rule = file.groups.iter().flat_map(|group| &group.rules).find(|rule| rule.name == alert);
        rule.unwrap().expr.as_str()
    };
    assert_eq!(query("PlainOverLines"), "sum by (job) (up) == 0");
    assert_eq!(query("DoubleQuoted"), r#"up{job=~"a\\.b", instance!="ü"} == 0"#);
    assert_eq!(query("SingleQuoted"), r#"label_replace(up, "it's", "$1", "job", "(.*)") == 0"#);
    assert_eq!(query("LiteralKept"), "up == 0\n\n");
    assert_eq!(query("LiteralIndented"), "  up == 0\n");
    assert_eq!(query("Folded"), "up\n  == 0\n\nunless on (job) maintenance\n");
    assert_eq!(query("FoldedStripped"), "up == 0");
}
