//! An entry that somebody else wrote, as an event.
//!
//! `event_type service_down severity error data '{"service":"cadvisor"}'` is enough. All else has a default: it just occurred,
//! when it was written. What `data` has of plain values becomes labels, because that is what correlations group by; `labels`
//! says them apart. One field `json` with an object of the same names does, too.

use std::str::FromStr;

use orion_bus::ForeignEntry;
use orion_model::{Event, IdBuilder, Labels, Severity, Status, Timestamp, format_duration};
use serde_json::{Map, Value};

use super::MAX_ENTRY_BYTES;

/// Labels that an event may have: more than any series has.
const MAX_LABELS: usize = 64;

/// Bytes of an event's type.
const MAX_TYPE_BYTES: usize = 100;

/// How long before it was written an entry may have happened: as far back as Orion itself evaluates what it missed, so that a program
/// which was cut off can catch up. Incidents of a time before that are over, and it would open new ones about it.
pub(crate) const MOST_LATE_MILLIS: i64 = 3_600_000;

/// How long after it was written, by a clock that is ahead of the server's. Time is that of the events: one of next year would end
/// whatever is open as if a year had passed.
pub(crate) const MOST_AHEAD_MILLIS: i64 = 60_000;

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

fn wrong(name: &str, expected: &'static str) -> NoEvent {
    NoEvent::Wrong { name: name.to_owned(), expected }
}

/// The event that an entry of this stream is.
pub(super) fn event_of(entry: &ForeignEntry, stream: &str) -> Result<Event, NoEvent> {
    let bytes = entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENTRY_BYTES {
        return Err(NoEvent::TooLarge(bytes));
    }
    let fields = fields_of(entry)?;
    let text = |name: &'static str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(name, "text")),
    };
    let event_type = text("event_type")?.ok_or(NoEvent::Missing("event_type"))?;
    if !is_type(event_type) {
        return Err(wrong("event_type", "type of events: letters, digits and `_.-/`, up to 100"));
    }
    let data = object(&fields, "data")?;
    let labels = labels_of(&object(&fields, "labels")?, &data)?;
    let fingerprint = IdBuilder::new("outside").text(event_type).bytes(labels.fingerprint().as_bytes()).finish().into();
    let own_id = || IdBuilder::new("outside-event").text(stream).text(&entry.id).finish();
    Ok(Event {
        event_id: parsed(text("event_id")?, "event_id", "id of 32 hexadecimal digits")?.unwrap_or_else(own_id),
        event_type: event_type.to_owned(),
        severity: parsed::<Severity>(text("severity")?, "severity", "severity: info, warning, error, critical")?
            .unwrap_or(Severity::Warning),
        status: status(text("status")?)?,
        ts: time(&fields, &entry.id)?,
        rule: format!("outside/{stream}"),
        source: text("source")?.unwrap_or(SOURCE).to_owned(),
        generation: 0,
        fingerprint,
        labels,
        annotations: Labels::empty(),
        data,
        evidence: None,
    })
}

/// The fields by their names, whether they were written one by one or as one object.
fn fields_of(entry: &ForeignEntry) -> Result<Map<String, Value>, NoEvent> {
    let mut fields = Map::new();
    for (name, value) in &entry.fields {
        let (name, value) = (utf8(name, "name of a field")?, utf8(value, "value")?);
        match name {
            "json" => match serde_json::from_str(value) {
                Ok(Value::Object(object)) => fields.extend(object),
                _ => return Err(wrong("json", "JSON object")),
            },
            "data" | "labels" => {
                let object = serde_json::from_str(value).map_err(|_| wrong(name, "JSON object"))?;
                fields.insert(name.to_owned(), object);
            }
            _ => drop(fields.insert(name.to_owned(), value.into())),
        }
    }
    Ok(fields)
}

fn utf8<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, NoEvent> {
    std::str::from_utf8(bytes).map_err(|_| wrong(what, "UTF-8"))
}

fn object(fields: &Map<String, Value>, name: &'static str) -> Result<Map<String, Value>, NoEvent> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(wrong(name, "JSON object")),
    }
}

/// The labels that are said, and what `data` has of plain values besides.
fn labels_of(said: &Map<String, Value>, data: &Map<String, Value>) -> Result<Labels, NoEvent> {
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
    if labels.len() > MAX_LABELS {
        return Err(NoEvent::TooManyLabels(labels.len()));
    }
    Ok(labels.iter().map(|(name, value)| (*name, value.as_str())).collect())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn parsed<T: FromStr>(text: Option<&str>, name: &'static str, expected: &'static str) -> Result<Option<T>, NoEvent> {
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

/// When it happened: not long before it was written, which is known by the server's clock, and not after it. Without `ts`, then.
fn time(fields: &Map<String, Value>, id: &str) -> Result<Timestamp, NoEvent> {
    let written = id.split('-').next().and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis);
    let Some(written) = written else { return Err(wrong("ts", TIME)) };
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

const TIME: &str = "time: 2026-01-31T12:00:00Z, or milliseconds since 1970";

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

fn is_type(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    !text.is_empty() && text.len() <= MAX_TYPE_BYTES && text.bytes().all(is_plain)
}

fn is_label(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(fields: &[(&str, &str)]) -> ForeignEntry {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        ForeignEntry { id: "1700000000123-4".to_owned(), fields: fields.collect() }
    }

    fn event(fields: &[(&str, &str)]) -> Result<Event, NoEvent> {
        event_of(&entry(fields), "event")
    }

    #[test]
    fn three_fields_are_an_event_and_its_id_follows_from_its_place() {
        let short = [
            ("event_type", "service_down"),
            ("severity", "error"),
            ("data", r#"{"service":"cadvisor","n":7,"x":[1]}"#),
        ];
        let event = event(&short).unwrap();
        assert_eq!(
            (event.event_type.as_str(), event.severity, event.status),
            ("service_down", Severity::Error, Status::Occurred)
        );
        assert_eq!(
            (event.labels.get("service"), event.labels.get("n"), event.labels.len()),
            (Some("cadvisor"), Some("7"), 2)
        );
        assert_eq!((event.ts.as_millis(), event.source.as_str()), (1_700_000_000_123, "outside"));
        assert_eq!(event.data.len(), 3);
        assert_eq!(event.event_id, super::event_of(&entry(&short), "event").unwrap().event_id);
        assert_ne!(event.event_id, super::event_of(&entry(&short), "other").unwrap().event_id);
        let as_json = [(
            "json",
            r#"{"event_type":"service_down","severity":"error","data":{"service":"cadvisor","n":7,"x":[1]}}"#,
        )];
        assert_eq!(super::event_of(&entry(&as_json), "event").unwrap(), event);
    }

    #[test]
    fn everything_can_be_said() {
        let id = "00112233445566778899aabbccddeeff";
        let event = event(&[
            ("event_type", "a/b"),
            ("status", "firing"),
            ("ts", "2023-11-14T22:00:00Z"),
            ("source", "cron"),
            ("event_id", id),
            ("labels", r#"{"service":"x"}"#),
            ("data", r#"{"service":"y","9":"no label"}"#),
        ])
        .unwrap();
        assert_eq!(
            (event.status, event.source.as_str(), event.event_id.to_string().as_str()),
            (Status::Firing, "cron", id)
        );
        assert_eq!((event.labels.get("service"), event.labels.len()), (Some("x"), 1));
        assert_eq!(event.ts.to_string(), "2023-11-14T22:00:00.000Z");
    }

    #[test]
    fn what_happened_long_before_it_was_written_or_after_it_is_refused() {
        let written = 1_700_000_000_123;
        let at =
            |millis: i64| event(&[("event_type", "t"), ("ts", &millis.to_string())]).map(|event| event.ts.as_millis());
        for taken in [written - MOST_LATE_MILLIS, written, written + MOST_AHEAD_MILLIS] {
            assert_eq!(at(taken), Ok(taken));
        }
        assert_eq!(at(written - MOST_LATE_MILLIS - 1), Err(NoEvent::TooLate { millis: MOST_LATE_MILLIS + 1 }));
        assert_eq!(at(written + MOST_AHEAD_MILLIS + 1), Err(NoEvent::TooEarly { millis: MOST_AHEAD_MILLIS + 1 }));
        assert!(
            matches!(at(i64::MIN), Err(NoEvent::TooLate { .. }))
                && matches!(at(i64::MAX), Err(NoEvent::TooEarly { .. }))
        );
        let said = NoEvent::TooLate { millis: 2 * MOST_LATE_MILLIS }.to_string();
        assert_eq!(
            said,
            "`ts` is 2h before it was written; at most 1h are taken: written again without `ts` it counts as of now"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many: Map<String, Value> = (0..=MAX_LABELS).map(|n| (format!("l{n}"), n.into())).collect();
        let (many, large) = (Value::Object(many).to_string(), "x".repeat(MAX_ENTRY_BYTES));
        let ok = ("event_type", "t");
        for (fields, said) in [
            (vec![], "`event_type` is missing"),
            (
                vec![("event_type", "two words")],
                "`event_type` is no type of events: letters, digits and `_.-/`, up to 100",
            ),
            (vec![ok, ("severity", "loud")], "`severity` is no severity: info, warning, error, critical"),
            (vec![ok, ("status", "gone")], "`status` is no status: occurred, firing, resolved"),
            (vec![ok, ("ts", "soon")], "`ts` is no time: 2026-01-31T12:00:00Z, or milliseconds since 1970"),
            (vec![ok, ("event_id", "7")], "`event_id` is no id of 32 hexadecimal digits"),
            (vec![ok, ("data", "7")], "`data` is no JSON object"),
            (vec![ok, ("data", "{")], "`data` is no JSON object"),
            (vec![("json", "[]")], "`json` is no JSON object"),
            (vec![ok, ("labels", r#"{"a-b":"c"}"#)], "`labels.a-b` is no name of a label: letters, digits and `_`"),
            (vec![ok, ("labels", r#"{"a":[]}"#)], "`labels.a` is no text, number or truth value"),
            (vec![ok, ("labels", &many)], "it has 65 labels; at most 64 are taken"),
            (vec![ok, ("note", &large)], "it has 65551 bytes; at most 65536 are taken"),
        ] {
            assert_eq!(event(&fields).unwrap_err().to_string(), said);
        }
        let fits = "x".repeat(MAX_ENTRY_BYTES - "event_typetnote".len());
        assert!(event(&[ok, ("note", &fits)]).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_an_event_or_refused(fields in proptest::collection::vec((".*", any::<Vec<u8>>()), 0..6), json in ".*") {
            let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
            fields.push((b"json".to_vec(), json.into_bytes()));
            let _ = event_of(&ForeignEntry { id: "x".to_owned(), fields }, "event");
        }
    }
}
