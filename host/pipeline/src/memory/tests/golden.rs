//! The format of lines, by lines that were written once: a change of it shows here, and then belongs into a new version.

use orion_bus::{Entry, RecordKind};
use orion_model::{Decision, Event, Incident};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::line;

/// The documentation shows one real line of each kind.
const DOCUMENTATION: &str = include_str!("../../../../../docs/records.md");

/// The record of a line, as it lies on the bus.
fn body_of(text: &str) -> String {
    let (_, rest) = text.split_once("/1\",").unwrap();
    let (members, _) = rest.rsplit_once(",\"prev\":").unwrap();
    format!("{{{members}}}")
}

fn check<T: Serialize + DeserializeOwned>(kind: RecordKind, schema: &str) {
    let begin = format!("\"schema\":\"{schema}\"");
    let text = DOCUMENTATION.lines().find(|line| line.starts_with('{') && line.contains(&begin)).unwrap();
    let sealed = line::read(text.as_bytes()).unwrap();
    let body = body_of(text);
    let record: T = serde_json::from_str(&body).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), body, "{schema} is written otherwise than it was");
    let id = orion_model::IdBuilder::new("test").finish();
    let entry = Entry { seq: sealed.seq, kind, id, ts: line::ts_of(text.as_bytes()).unwrap(), body: body.into() };
    let mut written = Vec::new();
    assert_eq!(line::write(&mut written, &entry, sealed.prev), Some(sealed.hash), "{schema}");
    assert_eq!(String::from_utf8(written).unwrap(), format!("{text}\n"), "{schema}");
}

#[test]
fn lines_of_the_first_schema_versions_are_read_and_written_as_they_were() {
    check::<Event>(RecordKind::Event, "orion.event/1");
    check::<Incident>(RecordKind::Incident, "orion.incident/1");
    check::<Decision>(RecordKind::Decision, "orion.decision/1");
}
