//! An entry of a stream that somebody else wrote, as an event.
//!
//! `event_type service_down severity error data '{"service":"cadvisor"}'` is enough: what the fields mean is the same everywhere
//! ([`super::fields`]). One field `json` with an object of the same names does, too.

use orion_bus::ForeignEntry;
use orion_model::{Event, IdBuilder, Labels, Timestamp};
use serde_json::{Map, Value};

use super::MAX_ENTRY_BYTES;
use super::fields::{NoEvent, Origin, TIME, event_from, parsed, text, wrong};

/// The event that an entry of this stream is.
pub(super) fn event_of(entry: &ForeignEntry, stream: &str) -> Result<Event, NoEvent> {
    let bytes = entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENTRY_BYTES {
        return Err(NoEvent::TooLarge(bytes));
    }
    let fields = fields_of(entry)?;
    let own_id = || IdBuilder::new("outside-event").text(stream).text(&entry.id).finish();
    let said_id = parsed(text(&fields, "event_id")?, "event_id", "id of 32 hexadecimal digits")?;
    let origin = Origin {
        written: written(&entry.id)?,
        id: said_id.unwrap_or_else(own_id),
        identity: IdBuilder::new("outside"),
        rule: format!("outside/{stream}"),
        over: Labels::empty(),
    };
    event_from(&fields, origin)
}

/// When it was written, by the server's clock.
fn written(id: &str) -> Result<Timestamp, NoEvent> {
    let millis = id.split('-').next().and_then(|millis| millis.parse().ok());
    millis.map(Timestamp::from_millis).ok_or_else(|| wrong("ts", TIME))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outside::fields::{MAX_LABELS, MOST_AHEAD_MILLIS, MOST_LATE_MILLIS};
    use orion_model::{Severity, Status};

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
