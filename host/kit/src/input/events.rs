//! Events as an audit trail holds them: `events.jsonl`, or lines that somebody wrote in its form.

use std::path::Path;

use orion_model::{Labels, Severity, Status, Timestamp, write_labels};
use serde::Deserialize;
use serde_json::Value;

/// An event with its place on the bus.
pub struct RecordedEvent {
    /// Where on the bus it stood, or its line where nobody says.
    pub position: u64,
    /// When.
    pub timestamp: Timestamp,
    /// How bad.
    pub severity: Severity,
    /// Whether it began, ended, or just happened.
    pub status: Status,
    /// Of the alert.
    pub fingerprint: u64,
    /// NaN when it carries none.
    pub value: f64,
    /// Its group.
    pub key: String,
    /// What kind of thing.
    pub event_type: String,
    /// Its labels.
    pub labels: Labels,
}

/// What is read of a line; everything else of a record is left alone.
#[derive(Deserialize)]
struct Line {
    seq: Option<u64>,
    event_type: String,
    severity: Severity,
    status: Status,
    ts: Timestamp,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    data: serde_json::Map<String, Value>,
}

/// The events of a file in its order, grouped by the values of some labels; without any by all of them.
pub fn events(path: &Path, group_by: &[String]) -> Result<Vec<RecordedEvent>, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
    let mut events = Vec::new();
    for (number, line) in (1_u64..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line =
            serde_json::from_str(line).map_err(|why| format!("{}, line {number}: {why}", path.display()))?;
        events.push(event(number, line, group_by));
    }
    Ok(events)
}

fn event(number: u64, line: Line, group_by: &[String]) -> RecordedEvent {
    let mut key = String::new();
    let of_key =
        line.labels.iter().filter(|(name, _)| group_by.is_empty() || group_by.iter().any(|wanted| wanted == name));
    write_labels(&mut key, of_key);
    let value = match line.data.get("value") {
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(Value::String(text)) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    let bytes = line.labels.fingerprint();
    RecordedEvent {
        position: line.seq.unwrap_or(number),
        timestamp: line.ts,
        severity: line.severity,
        status: line.status,
        fingerprint: number_of(&bytes.to_string()),
        value,
        key,
        event_type: line.event_type,
        labels: line.labels,
    }
}

/// The first half of a fingerprint, which is what crosses into a plugin.
fn number_of(hexadecimal: &str) -> u64 {
    const DIGITS: usize = 16;
    hexadecimal.get(..DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}
