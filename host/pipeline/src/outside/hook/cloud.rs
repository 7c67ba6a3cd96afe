//! CloudEvents 1.0 over HTTP: in the headers (binary), in one JSON object (structured), or in a list of them (batched).

use orion_model::{Event, IdBuilder, Severity, Timestamp};
use serde_json::{Map, Value};

use super::{Delivery, Hook, NotTaken, Read, items, json, no_event};
use crate::outside::MAX_ENTRY_BYTES;
use crate::outside::fields::{MAX_TYPE_BYTES, NoEvent, Origin, event_from, is_label, is_type, text, wrong};

/// What a body is called that is one of them, or many.
const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";

/// Attributes that the specification knows. All others are extensions.
const KNOWN: [&str; 10] =
    ["specversion", "id", "source", "type", "datacontenttype", "dataschema", "subject", "time", "data", "data_base64"];

/// The events of a delivery: all of it, or nothing.
pub(super) fn read(hook: &Hook, delivery: &Delivery, now: Timestamp) -> Result<Read, NotTaken> {
    let said = match delivery.content_type.as_str() {
        STRUCTURED => vec![json(&delivery.body)?],
        BATCHED => match json(&delivery.body)? {
            batch @ Value::Array(_) => items(batch)?,
            _ => return Err(NotTaken::Malformed("a batch of CloudEvents is a JSON list".to_owned())),
        },
        _ => vec![in_headers(delivery)?],
    };
    let events = said
        .iter()
        .enumerate()
        .map(|(place, one)| event_of(hook, one, now).map_err(|why| no_event(place, said.len(), &why)));
    Ok(Read { events: events.collect::<Result<_, _>>()?, ..Read::default() })
}

/// The event whose attributes are headers and whose data are the body.
fn in_headers(delivery: &Delivery) -> Result<Value, NotTaken> {
    let attributes = delivery.attributes.iter().filter(|(name, _)| !matches!(name.as_str(), "data" | "data_base64"));
    let mut event: Map<String, Value> = attributes.map(|(name, value)| (name.clone(), decoded(value).into())).collect();
    if !delivery.content_type.is_empty() {
        event.insert("datacontenttype".to_owned(), delivery.content_type.clone().into());
    }
    if !delivery.body.is_empty() {
        event.insert("data".to_owned(), json(&delivery.body)?);
    }
    Ok(Value::Object(event))
}

/// What a header says: characters that may not stand there are written as `%` and two hexadecimal digits.
fn decoded(value: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let [first, behind @ ..] = rest {
        match (first, digit(behind.first()), digit(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn event_of(hook: &Hook, said: &Value, now: Timestamp) -> Result<Event, NoEvent> {
    let bytes = said.to_string().len();
    if bytes > MAX_ENTRY_BYTES {
        return Err(NoEvent::TooLarge(bytes));
    }
    let said = said.as_object().ok_or_else(|| wrong("event", "JSON object"))?;
    if needed(said, "specversion")? != "1.0" {
        return Err(wrong("specversion", "version that is read: 1.0"));
    }
    let (id, source, kind) = (needed(said, "id")?, needed(said, "source")?, needed(said, "type")?);
    let extension = |name: &'static str| said.get(name).and_then(Value::as_str);
    let event_type = hook.event_type.clone().unwrap_or_else(|| type_of(kind));
    let severity = extension("severity").and_then(|word| word.parse::<Severity>().ok());
    let status = extension("status").filter(|word| matches!(*word, "firing" | "resolved"));
    let mut fields = Map::from_iter([
        ("event_type".to_owned(), event_type.into()),
        ("source".to_owned(), source.into()),
        ("ts".to_owned(), text(said, "time")?.into()),
        ("labels".to_owned(), labels_of(said, source)),
        ("data".to_owned(), data_of(said)),
    ]);
    fields.extend(severity.map(|severity| ("severity".to_owned(), severity.as_str().into())));
    fields.extend(status.map(|status| ("status".to_owned(), status.into())));
    let origin = Origin {
        written: now,
        id: IdBuilder::new("hook-cloudevent").text(&hook.name).text(source).text(id).finish(),
        identity: IdBuilder::new("hook").text(&hook.name),
        rule: hook.rule(),
        over: hook.labels.clone(),
    };
    event_from(&fields, origin)
}

/// A text that has to be there, and to say something.
fn needed<'s>(said: &'s Map<String, Value>, name: &'static str) -> Result<&'s str, NoEvent> {
    text(said, name)?.filter(|text| !text.is_empty()).ok_or(NoEvent::Missing(name))
}

/// A type of events that says the same; the attribute itself stays in `data`.
fn type_of(kind: &str) -> String {
    if is_type(kind) {
        return kind.to_owned();
    }
    let plain = |c: char| if c.is_ascii() && is_type(c.encode_utf8(&mut [0; 4])) { c } else { '_' };
    kind.chars().map(plain).take(MAX_TYPE_BYTES).collect()
}

/// Source, subject and extensions. Plain values of `data` become labels beside them.
fn labels_of(said: &Map<String, Value>, source: &str) -> Value {
    let is_extension = |name: &&String| !KNOWN.contains(&name.as_str()) && is_label(name);
    let is_plain = |value: &&Value| value.is_string() || value.is_number() || value.is_boolean();
    let extensions = said.iter().filter(|(name, value)| is_extension(name) && is_plain(value));
    let mut labels: Map<String, Value> = extensions.map(|(name, value)| (name.clone(), value.clone())).collect();
    labels.insert("source".to_owned(), source.into());
    labels.extend(said.get("subject").filter(is_plain).map(|subject| ("subject".to_owned(), subject.clone())));
    Value::Object(labels)
}

/// The members of `data`, or `data` as it is where it has none, and the attributes beside them.
fn data_of(said: &Map<String, Value>) -> Value {
    let mut data = match said.get("data") {
        Some(Value::Object(members)) => members.clone(),
        Some(other) if !other.is_null() => Map::from_iter([("data".to_owned(), other.clone())]),
        _ => Map::new(),
    };
    data.extend(said.get("data_base64").map(|text| ("data_base64".to_owned(), text.clone())));
    let attributes = said.iter().filter(|(name, _)| !matches!(name.as_str(), "data" | "data_base64"));
    let attributes = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
    data.insert("cloudevent".to_owned(), Value::Object(attributes));
    Value::Object(data)
}
