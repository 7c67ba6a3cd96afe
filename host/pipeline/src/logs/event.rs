//! The event that a record is.

use orion_model::{Event, IdBuilder, Labels, LabelsBuilder, RecordId, Severity, Status, Timestamp};
use orion_rules::{LogEntry, Template, TemplateData};
use serde_json::{Map, Value};

use super::fields::{Fields, shortened};
use crate::outside::is_in_time;

/// Bytes of the line in its event.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Bytes of a label's value: labels are what things are called.
const MAX_LABEL_BYTES: usize = 1024;

/// Where and when a record was read.
pub(super) struct Origin {
    /// What its event is recognised by.
    pub(super) id: RecordId,
    /// What it was read from.
    pub(super) source: &'static str,
    /// Where that is.
    pub(super) place: Map<String, Value>,
    /// When.
    pub(super) read_at: Timestamp,
    /// When it was written, where that is known beside what it says.
    pub(super) written: Option<Timestamp>,
    /// The live generation.
    pub(super) generation: u64,
}

/// The event that the record is.
pub(super) fn event_of(entry: &LogEntry, text: &str, fields: &Fields, origin: Origin) -> Event {
    let known = known(fields);
    let labels = rendered(&entry.labels, &known);
    let severity = one(&entry.severity, &known);
    let mut data = Map::new();
    data.insert("message".to_owned(), shortened(text, MAX_MESSAGE_BYTES).into());
    data.extend(origin.place);
    let chosen = entry.data.iter().filter_map(|name| Some((name, fields.own.get(name)?)));
    for (name, value) in chosen.chain(&fields.captured) {
        data.entry(name.clone()).or_insert_with(|| value.as_str().into());
    }
    let ts = time(entry, fields, origin.read_at, origin.written, &mut data);
    Event {
        event_id: origin.id,
        event_type: entry.event_type.clone(),
        // As for rules: what nobody knows is a warning.
        severity: severity.trim().parse().unwrap_or(Severity::Warning),
        status: Status::Occurred,
        ts,
        rule: entry.id.clone(),
        source: origin.source.to_owned(),
        generation: origin.generation,
        fingerprint: IdBuilder::new("log")
            .text(&entry.event_type)
            .bytes(labels.fingerprint().as_bytes())
            .finish()
            .into(),
        labels,
        annotations: rendered(&entry.annotations, &known),
        data,
        evidence: None,
    }
}

fn known(fields: &Fields) -> Labels {
    let mut known = LabelsBuilder::new();
    for (name, value) in fields.own.iter().chain(&fields.captured) {
        known.set(name.as_str(), value.as_str());
    }
    known.build()
}

fn rendered(templates: &[(String, Template)], known: &Labels) -> Labels {
    let mut labels = LabelsBuilder::new();
    for (name, template) in templates {
        labels.set(name.as_str(), shortened(&one(template, known), MAX_LABEL_BYTES));
    }
    labels.build()
}

/// As for rules: a template that fails says so in its place and stops nothing else.
fn one(template: &Template, known: &Labels) -> String {
    if let Some(text) = template.is_static() {
        return text.to_owned();
    }
    let external_labels = &Labels::empty();
    let rendered = template.render(&TemplateData { labels: known, value: 0.0, external_labels });
    rendered.unwrap_or_else(|why| format!("<error expanding template: {why}>"))
}

/// When it happened. Time is that of the events: one that is far from now would end what is open, or open what is over, so such a line
/// counts as of when it was read, and says beside it what stood there.
fn time(
    entry: &LogEntry,
    fields: &Fields,
    read_at: Timestamp,
    written: Option<Timestamp>,
    data: &mut Map<String, Value>,
) -> Timestamp {
    let is_near = |at: &Timestamp| is_in_time(*at, read_at);
    let Some((said, text)) = entry.time.as_ref().and_then(|time| Some((time, fields.get(&time.field)?))) else {
        return written.filter(is_near).unwrap_or(read_at);
    };
    let at = said.read(text, read_at);
    at.filter(is_near).unwrap_or_else(|| {
        data.insert("written_at".to_owned(), text.into());
        read_at
    })
}
