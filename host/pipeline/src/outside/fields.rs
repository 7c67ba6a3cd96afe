//! What others say in fields with these names, as an event: `event_type`, `severity`, `status`, `ts`, `source`, `labels`, `data`.
//!
//! Only the type is needed. All else has a default: it just occurred, when it was written. What `data` has of plain values becomes
//! labels, because that is what correlations group by; `labels` says them apart.

use std::str::FromStr;

use orion_model::{Event, IdBuilder, Labels, RecordId, Severity, Status, Timestamp, format_duration};
use serde_json::{Map, Value};

use super::MAX_ENTRY_BYTES;

/// Labels that an event may have: more than any series has.
pub(super) const MAX_LABELS: usize = 64;

/// Bytes of an event's type.
pub(super) const MAX_TYPE_BYTES: usize = 100;

/// How long before it was written an entry may have happened: as far back as Orion itself evaluates what it missed, so that a program
/// which was cut off can catch up. Incidents of a time before that are over, and it would open new ones about it.
pub(super) const MOST_LATE_MILLIS: i64 = 3_600_000;

/// How long after it was written, by a clock that is ahead of the server's. Time is that of the events: one of next year would end
/// whatever is open as if a year had passed.
pub(super) const MOST_AHEAD_MILLIS: i64 = 60_000;

/// Who is named as the source where the entry names none.
const SOURCE: &str = "outside";

/// Why an entry is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoEvent {
    #[error("it has {0} bytes; at most {MAX_ENTRY_BYTES} are taken")]
    TooLarge(usize),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{name}` is no {expected}")]
    Wrong { name: String, expected: &'static str },
    #[error("it has {0} labels; at most {MAX_LABELS} are taken")]
    TooManyLabels(usize),
    #[error("`ts` is {} before it was written; at most {} are taken: written again without `ts` it counts as of now", format_duration(*millis), format_duration(MOST_LATE_MILLIS))]
    TooLate { millis: i64 },
    #[error("`ts` is {} after it was written; at most {} are taken: set the clock of who writes it", format_duration(*millis), format_duration(MOST_AHEAD_MILLIS))]
    TooEarly { millis: i64 },
}

pub(super) fn wrong(name: &str, expected: &'static str) -> NoEvent {
    NoEvent::Wrong { name: name.to_owned(), expected }
}

/// What an event is told besides its fields.
pub(super) struct Origin {
    /// When it came, by a clock that is trusted.
    pub(super) written: Timestamp,
    /// Its id.
    pub(super) id: RecordId,
    /// What its fingerprint begins with.
    pub(super) identity: IdBuilder,
    /// Who is named as its rule.
    pub(super) rule: String,
    /// Laid over its labels.
    pub(super) over: Labels,
}

/// The event that these fields are.
pub(super) fn event_from(fields: &Map<String, Value>, origin: Origin) -> Result<Event, NoEvent> {
    let event_type = text(fields, "event_type")?.ok_or(NoEvent::Missing("event_type"))?;
    if !is_type(event_type) {
        return Err(wrong("event_type", "type of events: letters, digits and `_.-/`, up to 100"));
    }
    let data = object(fields, "data")?;
    let labels = labels_of(&object(fields, "labels")?, &data, &origin.over)?;
    let fingerprint = origin.identity.text(event_type).bytes(labels.fingerprint().as_bytes()).finish().into();
    Ok(Event {
        event_id: origin.id,
        event_type: event_type.to_owned(),
        severity: parsed::<Severity>(
            text(fields, "severity")?,
            "severity",
            "severity: info, warning, error, critical",
        )?
        .unwrap_or(Severity::Warning),
        status: status(text(fields, "status")?)?,
        ts: time(fields, origin.written)?,
        rule: origin.rule,
        source: text(fields, "source")?.unwrap_or(SOURCE).to_owned(),
        generation: 0,
        fingerprint,
        labels,
        annotations: Labels::empty(),
        data,
        evidence: None,
    })
}

/// What a field says in words.
pub(super) fn text<'f>(fields: &'f Map<String, Value>, name: &'static str) -> Result<Option<&'f str>, NoEvent> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(name, "text")),
    }
}

fn object(fields: &Map<String, Value>, name: &'static str) -> Result<Map<String, Value>, NoEvent> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(wrong(name, "JSON object")),
    }
}

/// The labels that are said, what `data` has of plain values besides, and what is laid over both.
fn labels_of(said: &Map<String, Value>, data: &Map<String, Value>, over: &Labels) -> Result<Labels, NoEvent> {
    let mut labels = Vec::new();
    for (name, value) in data.iter().filter(|(name, _)| !said.contains_key(*name)) {
        if let Some(value) = plain(value).filter(|_| is_label(name)) {
            labels.push((name.as_str(), value));
        }
    }
    for (name, value) in said {
        let value = plain(value).ok_or_else(|| wrong(&format!("labels.{name}"), "text, number or truth value"))?;
        if !is_label(name) {
            return Err(wrong(&format!("labels.{name}"), "name of a label: letters, digits and `_`"));
        }
        labels.push((name.as_str(), value));
    }
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(over.iter()).collect();
    few(labels)
}

/// Labels, when they are not too many.
pub(super) fn few(labels: Labels) -> Result<Labels, NoEvent> {
    match labels.len() {
        count if count > MAX_LABELS => Err(NoEvent::TooManyLabels(count)),
        _ => Ok(labels),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn parsed<T: FromStr>(
    text: Option<&str>,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, NoEvent> {
    text.map(|text| text.parse().map_err(|_| wrong(name, expected))).transpose()
}

fn status(text: Option<&str>) -> Result<Status, NoEvent> {
    match text {
        None | Some("occurred") => Ok(Status::Occurred),
        Some("firing") => Ok(Status::Firing),
        Some("resolved") => Ok(Status::Resolved),
        Some(_) => Err(wrong("status", "status: occurred, firing, resolved")),
    }
}

/// When it happened: not long before it was written, and not after it. Without `ts`, then.
fn time(fields: &Map<String, Value>, written: Timestamp) -> Result<Timestamp, NoEvent> {
    let said = said_time(fields)?.unwrap_or(written);
    let (late, ahead) = (written.millis_since(said), said.millis_since(written));
    if late > MOST_LATE_MILLIS {
        return Err(NoEvent::TooLate { millis: late });
    }
    if ahead > MOST_AHEAD_MILLIS {
        return Err(NoEvent::TooEarly { millis: ahead });
    }
    Ok(said)
}

/// When something changed as somebody says it, where that is a time that would be taken; otherwise when it was written.
pub(super) fn time_or(said: Option<Timestamp>, written: Timestamp) -> Timestamp {
    said.filter(|said| is_in_time(*said, written)).unwrap_or(written)
}

/// Whether what happened then is taken from who writes it now.
pub(crate) fn is_in_time(said: Timestamp, written: Timestamp) -> bool {
    written.millis_since(said) <= MOST_LATE_MILLIS && said.millis_since(written) <= MOST_AHEAD_MILLIS
}

pub(super) const TIME: &str = "time: 2026-01-31T12:00:00Z, or milliseconds since 1970";

/// `ts` as RFC 3339 or in milliseconds since 1970.
fn said_time(fields: &Map<String, Value>) -> Result<Option<Timestamp>, NoEvent> {
    let of_millis = |millis: i64| Some(Timestamp::from_millis(millis));
    match fields.get("ts") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(millis)) => millis.as_i64().map(of_millis).ok_or_else(|| wrong("ts", TIME)),
        Some(Value::String(text)) => match text.parse::<i64>() {
            Ok(millis) => Ok(of_millis(millis)),
            Err(_) => serde_json::from_value(Value::from(text.as_str())).map(Some).map_err(|_| wrong("ts", TIME)),
        },
        Some(_) => Err(wrong("ts", TIME)),
    }
}

pub(super) fn is_type(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    !text.is_empty() && text.len() <= MAX_TYPE_BYTES && text.bytes().all(is_plain)
}

pub(super) fn is_label(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && name.bytes().all(is_plain)
}
