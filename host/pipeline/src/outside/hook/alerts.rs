//! Notifications of Alertmanager (version 4) and of Grafana, which say the same of each alert.
//!
//! Labels, type and severity are those that an alert of Orion's own would have, so that one correlation reads both.

use orion_model::{Event, HookKind, IdBuilder, Labels, Severity, Status, Timestamp};
use orion_rules::default_event_type;
use serde_json::{Map, Value};

use super::{Hook, MAX_EVENTS, NotTaken, Read};
use crate::outside::MAX_ENTRY_BYTES;
use crate::outside::fields::{MAX_TYPE_BYTES, NoEvent, few, is_type, text, time_or, wrong};

/// The year in which both have it that a time is none.
const NO_TIME: &str = "0001-01-01T";

/// What a notification says of all its alerts that is not in each of them already.
const OF_ALL: [&str; 8] =
    ["receiver", "groupKey", "groupLabels", "externalURL", "truncatedAlerts", "orgId", "title", "state"];

/// Bytes of each of these. They are kept with every alert: a delivery with a thousand of them would become a thousand times as large.
const MAX_OF_ALL_BYTES: usize = 1024;

/// The label that holds the name of a metric; no part of an alert's identity.
const METRIC_NAME: &str = "__name__";

/// The events of a notification. An alert that is none is put aside: nobody who notifies could do anything about it, and the others
/// would be lost with it.
pub(super) fn read(hook: &Hook, body: &Value, now: Timestamp) -> Result<Read, NotTaken> {
    let malformed = |what: &str| NotTaken::Malformed(format!("this is no notification of {}: {what}", hook.kind));
    let body = body.as_object().ok_or_else(|| malformed("it is no JSON object"))?;
    let version = if hook.kind == HookKind::Alertmanager { "4" } else { "1" };
    if let Some(said) = body.get("version").and_then(Value::as_str).filter(|said| *said != version) {
        return Err(malformed(&format!("it says version `{said}`, and {version} is read")));
    }
    let alerts = body.get("alerts").and_then(Value::as_array).ok_or_else(|| malformed("it has no list `alerts`"))?;
    if alerts.len() > MAX_EVENTS {
        return Err(NotTaken::TooMany(alerts.len()));
    }
    let short = |name: &&str| Some(((*name).to_owned(), body.get(*name)?.clone())).filter(|(_, value)| is_short(value));
    let of_all: Map<String, Value> = OF_ALL.iter().filter_map(short).collect();
    let mut read = Read::default();
    for alert in alerts {
        match event_of(hook, alert, &of_all, now) {
            Ok(event) => read.events.push(event),
            Err(why) => {
                read.put_aside += 1;
                read.reason.get_or_insert_with(|| why.to_string());
            }
        }
    }
    match read.reason {
        Some(why) if read.events.is_empty() => Err(NotTaken::NoEvent(why)),
        _ => Ok(read),
    }
}

fn is_short(value: &Value) -> bool {
    value.to_string().len() <= MAX_OF_ALL_BYTES
}

fn event_of(hook: &Hook, alert: &Value, of_all: &Map<String, Value>, now: Timestamp) -> Result<Event, NoEvent> {
    let bytes = alert.to_string().len();
    if bytes > MAX_ENTRY_BYTES {
        return Err(NoEvent::TooLarge(bytes));
    }
    let alert = alert.as_object().ok_or_else(|| wrong("alerts", "list of JSON objects"))?;
    let said = texts(alert, "labels")?;
    let status = match text(alert, "status")? {
        Some("firing") => Status::Firing,
        Some("resolved") => Status::Resolved,
        _ => return Err(wrong("status", "status: firing, resolved")),
    };
    let began = time(alert, "startsAt")?.ok_or(NoEvent::Missing("startsAt"))?;
    let ended = time(alert, "endsAt")?;
    let own_fingerprint = said.fingerprint().to_string();
    let told_by = text(alert, "fingerprint")?.filter(|it| !it.is_empty()).unwrap_or(&own_fingerprint);
    let event_id = IdBuilder::new("hook-alert")
        .text(&hook.name)
        .text(told_by)
        .number(began.as_millis())
        .number(i64::from(status.rank()))
        .finish();
    let event_type = event_type(hook, &said);
    let severity = said.get("severity").and_then(|word| word.parse().ok()).unwrap_or(Severity::Warning);
    let labels = few(said.iter().chain(hook.labels.iter()).filter(|(name, _)| *name != METRIC_NAME).collect())?;
    let fingerprint = IdBuilder::new("hook")
        .text(&hook.name)
        .text(&event_type)
        .bytes(labels.fingerprint().as_bytes())
        .finish()
        .into();
    Ok(Event {
        event_id,
        event_type,
        severity,
        status,
        // Alerts are told again for as long as they last: one that began long ago counts as of now.
        ts: time_or(if status == Status::Firing { Some(began) } else { ended }, now),
        rule: hook.rule(),
        source: hook.kind.as_str().to_owned(),
        generation: 0,
        fingerprint,
        labels,
        annotations: few(texts(alert, "annotations")?)?,
        data: data_of(alert, of_all),
        evidence: None,
    })
}

/// As an alert of Orion's own: what the hook has it, what the label says, or the name in snake case.
fn event_type(hook: &Hook, labels: &Labels) -> String {
    let said = hook.event_type.as_deref().or_else(|| labels.get("event_type").filter(|said| is_type(said)));
    let mut event_type =
        said.map_or_else(|| default_event_type(labels.get("alertname").unwrap_or_default()), str::to_owned);
    event_type.truncate(event_type.floor_char_boundary(MAX_TYPE_BYTES));
    event_type
}

/// Everything that is said of it and stands nowhere else. A time that is none is left out: the alert is open.
fn data_of(alert: &Map<String, Value>, of_all: &Map<String, Value>) -> Map<String, Value> {
    let is_elsewhere = |name: &str| matches!(name, "labels" | "annotations" | "status");
    let is_no_time = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(NO_TIME));
    let said = alert.iter().filter(|(name, value)| !is_elsewhere(name) && !value.is_null() && !is_no_time(value));
    let mut data: Map<String, Value> = said.map(|(name, value)| (name.clone(), value.clone())).collect();
    data.insert("notification".to_owned(), Value::Object(of_all.clone()));
    data
}

fn texts(alert: &Map<String, Value>, name: &'static str) -> Result<Labels, NoEvent> {
    let object = match alert.get(name) {
        None | Some(Value::Null) => return Ok(Labels::empty()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(wrong(name, "JSON object")),
    };
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        _ => Err(wrong(name, "text")),
    };
    object.iter().map(text).collect::<Result<Vec<_>, _>>().map(|pairs| pairs.into_iter().collect())
}

/// A time, unless it is the one that stands for none.
fn time(alert: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, NoEvent> {
    match text(alert, name)? {
        None | Some("") => Ok(None),
        Some(none) if none.starts_with(NO_TIME) => Ok(None),
        Some(said) => said.parse().map(Some).map_err(|_| wrong(name, "time: 2026-01-31T12:00:00Z")),
    }
}
