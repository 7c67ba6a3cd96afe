//! The rule files that ship.

use std::collections::BTreeSet;

use orion_model::{Event, Labels, Severity};

use super::{catalog, nothing_to_say, plugin};
use crate::{Group, RuleFile, TemplateData, parse_file};

const FILES: [(&str, &str); 5] = [
    ("media-stack.yaml", include_str!("../../../../rules/media-stack.yaml")),
    ("host.yaml", include_str!("../../../../rules/host.yaml")),
    ("monitoring.yaml", include_str!("../../../../rules/monitoring.yaml")),
    ("orion.yaml", include_str!("../../../../rules/orion.yaml")),
    ("unusual.yaml", include_str!("../../../../rules/unusual.yaml")),
];

/// What Orion says of itself, for people.
const OPERATIONS: &str = include_str!("../../../../docs/operations.md");

/// With the detector that ships in the place of the one that is made up for tests.
fn accept(text: &str) -> RuleFile {
    let mut catalog = catalog();
    catalog.0.retain(|manifest| manifest.name != "anomaly");
    catalog.0.push(plugin(include_str!("../../../../plugins/anomaly/plugin.toml")));
    nothing_to_say(text, parse_file("test.yaml", text, &catalog))
}

#[test]
fn there_is_nothing_to_say_about_them() {
    for (_, text) in FILES {
        accept(text);
    }
}

#[test]
fn every_alert_says_what_it_is_how_bad_and_what_to_know() {
    for (name, text) in FILES {
        for rule in accept(text).groups.into_iter().flat_map(|group: Group| group.rules) {
            let label = |wanted: &str| rule.labels.iter().find(|(name, _)| name == wanted);
            let severity = label("severity").and_then(|(_, text)| text.is_static());
            assert!(severity.is_some_and(|word| word.parse::<Severity>().is_ok()), "{name}: {}", rule.name);
            let event_type = label("event_type").and_then(|(_, text)| text.is_static()).unwrap();
            assert!(event_type.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{name}: {}", rule.name);
            let annotations: Vec<_> = rule.annotations.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(annotations, ["description", "summary"], "{name}: {}", rule.name);
        }
    }
}

#[test]
fn every_text_of_them_renders() {
    let labels: Labels = [("name", "jellyfin"), ("job", "cadvisor"), ("instance", "host:8080")].into_iter().collect();
    let data = TemplateData { labels: &labels, value: 61.5, external_labels: &Labels::empty() };
    for (name, text) in FILES {
        let file = accept(text);
        for rule in file.groups.iter().flat_map(|group| &group.rules) {
            for (_, template) in rule.labels.iter().chain(&rule.annotations) {
                assert!(template.render(&data).is_ok(), "{name}: {}", rule.name);
            }
        }
        for correlation in &file.correlations {
            assert!(correlation.incident.summary.render(&data).is_ok(), "{name}: {}", correlation.name);
        }
    }
}

/// An event that nothing reads is one nobody hears of; one that two read is told twice.
#[test]
fn every_event_type_is_read_by_exactly_one_correlation() {
    let files: Vec<_> = FILES.iter().map(|(_, text)| accept(text)).collect();
    let correlations: Vec<_> = files.iter().flat_map(|file| &file.correlations).collect();
    for rule in files.iter().flat_map(|file| &file.groups).flat_map(|group| &group.rules) {
        let label = |wanted: &str| {
            let found = rule.labels.iter().find(|(name, _)| name == wanted);
            found.and_then(|(_, text)| text.is_static()).unwrap().to_owned()
        };
        let event = crate::matcher::tests::event(&label("event_type"), label("severity").parse().unwrap());
        let readers: Vec<_> =
            correlations.iter().filter(|c| c.matcher.matches(&event)).map(|c| c.name.as_str()).collect();
        assert_eq!(readers.len(), 1, "{}: {readers:?}", rule.name);
    }
}

/// What is somebody's problem, and the incident it becomes.
const PROBLEMS: [(&str, &str); 26] = [
    ("external_api_failure", "prometheus_outage"),
    ("query_failure", "rule_fault"),
    ("rule_fault", "rule_fault"),
    ("plugin_fault", "plugin_fault"),
    ("plugin_quarantined", "plugin_fault"),
    ("input_set_aside", "plugin_fault"),
    ("state_reset", "plugin_fault"),
    ("shadow_ended", "plugin_differs"),
    ("bus_away", "store_failure"),
    ("rule_file_refused", "configuration_refused"),
    ("plugin_refused", "configuration_refused"),
    ("rule_set_rollout_halted", "rollout_halted"),
    ("agent_silent", "agent_silent"),
    ("agent_behind", "agent_behind"),
    ("agent_events_refused", "agent_fault"),
    ("event_not_forwarded", "agent_fault"),
    ("agent_began_anew", "agent_fault"),
    ("forward_buffer_full", "store_failure"),
    ("instants_missed", "evaluation_gap"),
    ("alerts_limited", "alerts_limited"),
    ("store_full", "store_failure"),
    ("store_unwritable", "store_failure"),
    ("clock_went_back", "clock_fault"),
    ("api_client_locked_out", "access_refused"),
    ("log_unreadable", "log_unread"),
    ("log_events_left_out", "log_unread"),
];

/// What happens at every start, and what people do, is nobody's problem.
const FOR_THE_RECORD: [&str; 7] = [
    "confinement_attested",
    "incident_marked",
    "job_cancelled",
    "job_requested",
    "log_line_cut",
    "rule_set_applied",
    "rule_set_rolled_out",
];

/// The incidents that all files together make of an event of Orion's own.
fn incidents_of(event_type: &str, severity: Severity, source: &str) -> Vec<String> {
    let event = Event { source: source.to_owned(), ..crate::matcher::tests::event(event_type, severity) };
    let correlations = FILES.iter().flat_map(|(_, text)| accept(text).correlations);
    let readers = correlations.filter(|correlation| correlation.matcher.matches(&event));
    readers.map(|correlation| correlation.incident.incident_type).collect()
}

#[test]
fn what_orion_says_of_itself_becomes_an_incident() {
    for (event_type, incident_type) in PROBLEMS {
        assert_eq!(incidents_of(event_type, Severity::Error, "prometheus"), [incident_type], "{event_type}");
    }
    assert_eq!(incidents_of("external_api_failure", Severity::Error, "loki"), ["loki_outage"]);
}

#[test]
fn what_is_only_for_the_record_is_read_by_no_rule() {
    for event_type in FOR_THE_RECORD {
        for severity in [Severity::Info, Severity::Warning] {
            assert_eq!(incidents_of(event_type, severity, "orion"), [""; 0], "{event_type}");
        }
    }
}

/// The page for people lists them all, so that none is left out here.
#[test]
fn what_orion_says_of_itself_is_one_or_the_other() {
    let (_, section) = OPERATIONS.split_once("\n## What Orion says of itself\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let named = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let known: BTreeSet<&str> = PROBLEMS.iter().map(|(event_type, _)| *event_type).chain(FOR_THE_RECORD).collect();
    assert_eq!(named.collect::<BTreeSet<_>>(), known);
}
