//! An event as it is on the bus: what is read is what was written, and correlations can look at it.

use std::sync::LazyLock;

use orion_model::{Event, Labels, read_labels};
use orion_rules::{Correlation, TemplateData, parse_file, render, write_group_key};
use orion_sandbox::EventBatch;

use crate::rule_file::CATALOG;

/// Conditions and groups of every kind.
const RULES: &str = r#"
correlations:
  - name: every
    match: { event_type: [service_down, "!up"], severity: ">= error", value: "> 1", instance: "!a", status: firing }
    group_by: [service, value, rule, nothing]
    incident: { type: every, summary: "{{ $labels.service }} {{ $value }}" }
  - { name: all, match: {}, group_by: [message], incident: { type: all, summary: all } }
"#;

static CORRELATIONS: LazyLock<Vec<Correlation>> = LazyLock::new(|| {
    let parsed = parse_file("fuzz.yaml", RULES, &*CATALOG);
    assert!(parsed.file.is_some(), "{}", render(&parsed.diagnostics, "fuzz.yaml", RULES, false));
    parsed.file.unwrap().correlations
});

pub(crate) fn run(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Event>(bytes) else { return };
    let written = serde_json::to_string(&event).unwrap();
    let read: Event = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written, "what is written is read as it was");
    assert!(!written.contains('\n'), "a record is one line");
    let mut batch = EventBatch::new();
    for correlation in &*CORRELATIONS {
        correlation.matcher.matches(&event);
        let mut text = String::new();
        write_group_key(&mut text, &event, &correlation.group_by);
        let key = read_labels(&text).unwrap();
        let value = event.value().unwrap_or(f64::NAN);
        let data = TemplateData { labels: &key, value, external_labels: &Labels::empty() };
        drop(correlation.incident.summary.render(&data));
        let Event { ts, severity, status, event_type, labels, .. } = &event;
        let fingerprint = event.fingerprint.as_u64();
        batch.push(1, *ts, *severity, *status, fingerprint, value, &text, event_type, labels);
    }
    assert_eq!(batch.len(), CORRELATIONS.len());
}
