//! Findings, changes and costs, for people and as data.

use orion_model::{Change, ChangeKind, Field, Finding};
use serde_json::{Map, Value, json};

use super::play::Cost;
use crate::input::Frames;

/// A finding as a line.
pub fn finding_line(finding: &Finding, input: &Frames) -> String {
    let severity = finding.severity.map_or("-", |severity| severity.as_str());
    let series = finding.series.and_then(|id| input.labels(id));
    let series = series.map_or_else(|| "the answer".to_owned(), ToString::to_string);
    let score = finding.score.map(|score| format!(" score {score}")).unwrap_or_default();
    let fields = fields_text(&finding.fields);
    format!(
        "{}  {severity:8}  {series}  value {}{score}  {}{fields}\n",
        finding.timestamp, finding.value, finding.message
    )
}

/// A change as a line.
pub fn change_line(change: &Change) -> String {
    let positions: Vec<_> = change.positions.iter().map(u64::to_string).collect();
    let events = if positions.is_empty() { String::new() } else { format!("  events {}", positions.join(" ")) };
    let fields = fields_text(&change.fields);
    let (at, severity, kind) = (change.timestamp, change.severity.as_str(), word(change.kind));
    format!("{at}  {severity:8}  {kind:8}  {}  {}{events}{fields}\n", change.key, change.reason)
}

const fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Opened => "opened",
        ChangeKind::Updated => "updated",
        ChangeKind::Resolved => "resolved",
    }
}

fn fields_text(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("  {}={}", field.name, field.value.to_json())).collect()
}

fn fields_value(fields: &[Field]) -> Value {
    Value::Object(fields.iter().map(|field| (field.name.clone(), field.value.to_json())).collect::<Map<_, _>>())
}

/// A finding as data.
pub fn finding_value(finding: &Finding, input: &Frames) -> Value {
    let labels = finding.series.and_then(|id| input.labels(id));
    json!({
        "ts": finding.timestamp,
        "series": labels,
        "severity": finding.severity,
        "value": number(finding.value),
        "score": finding.score.map(number),
        "message": finding.message,
        "fields": fields_value(&finding.fields),
    })
}

/// A change as data.
pub fn change_value(change: &Change) -> Value {
    json!({
        "ts": change.timestamp,
        "key": change.key,
        "change": word(change.kind),
        "severity": change.severity,
        "reason": change.reason,
        "positions": change.positions,
        "fields": fields_value(&change.fields),
    })
}

/// JSON has no form for what is no number.
fn number(number: f64) -> Value {
    orion_model::Scalar::Number(number).to_json()
}

/// What it cost, as a line.
pub fn cost_line(cost: &Cost, calls: &str, items: &str) -> String {
    let each = per_item(cost);
    format!(
        "{} {calls}, {} {items}: fuel {} ({:.1} each), memory {} KiB, {:.1} µs ({:.1} ns each)\n",
        cost.calls,
        cost.items,
        cost.fuel,
        each.fuel,
        cost.memory_bytes / 1024,
        cost.time.as_secs_f64() * 1e6,
        each.nanos,
    )
}

/// What it cost, as data.
pub fn cost_value(cost: &Cost) -> Value {
    json!({
        "calls": cost.calls,
        "items": cost.items,
        "fuel": cost.fuel,
        "memory_bytes": cost.memory_bytes,
        "nanos": u64::try_from(cost.time.as_nanos()).unwrap_or(u64::MAX),
    })
}

/// What one sample or event cost.
pub struct Each {
    /// Work.
    pub fuel: f64,
    /// Time.
    pub nanos: f64,
}

/// The cost of one sample or event; of the whole when there was none.
#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
pub fn per_item(cost: &Cost) -> Each {
    let items = cost.items.max(1) as f64;
    Each { fuel: cost.fuel as f64 / items, nanos: cost.time.as_secs_f64() * 1e9 / items }
}
