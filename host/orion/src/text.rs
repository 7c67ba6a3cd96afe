//! Records as lines for people.

use orion_bus::{Entry, RecordKind};
use orion_model::{Decision, Event, Incident, Timestamp};

/// One line for a record: when, what it is, how bad, what happened, about what. `None` for a body that cannot be read.
pub fn line(entry: &Entry) -> Option<String> {
    match entry.kind {
        RecordKind::Event => serde_json::from_str(&entry.body).ok().map(|event| event_line(&event)),
        RecordKind::Incident => serde_json::from_str(&entry.body).ok().map(|incident| incident_line(&incident)),
        RecordKind::Decision => serde_json::from_str(&entry.body).ok().map(|decision| decision_line(&decision)),
    }
}

/// One line for an event.
pub fn event_line(event: &Event) -> String {
    let message = || event.data.get("message").and_then(serde_json::Value::as_str).map(first_line);
    let about = event.annotations.get("summary").or_else(message).map(str::to_owned);
    let about = about.unwrap_or_else(|| event.labels.to_string());
    row(event.ts, "event", event.severity.as_str(), event.status.as_str(), &event.event_type, &about)
}

fn incident_line(incident: &Incident) -> String {
    let Incident { ts, severity, status, incident_type, summary, reason, .. } = incident;
    let id = short_id(&incident.incident_id.to_string());
    row(*ts, "INCIDENT", severity.as_str(), status.as_str(), incident_type, &format!("{summary} ({reason}) [{id}]"))
}

fn decision_line(decision: &Decision) -> String {
    let id = short_id(&decision.incident_id.to_string());
    row(decision.ts, "decision", "", "", "NO_ACTION", &format!("{} [{id}]", decision.reason))
}

fn row(ts: Timestamp, kind: &str, severity: &str, status: &str, what: &str, about: &str) -> String {
    format!("{ts}  {kind:8}  {severity:8}  {status:9}  {what:22}  {about}")
}

/// Enough of an id to find it again.
pub fn short_id(id: &str) -> String {
    id.chars().take(12).collect()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A span of time as a person says it: `2m5s`.
pub fn span(millis: i64) -> String {
    let whole_seconds = millis / 1000 * 1000;
    orion_model::format_duration(if millis < 1000 { millis } else { whole_seconds })
}
