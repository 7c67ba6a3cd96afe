//! The one door for what an agent sends: read, checked event by event, and made into events of this host.
//!
//! What belongs to all of a batch, its place on the line and its form, is checked as a whole: who sends something else is told so and
//! keeps it. An event that can never be taken is put aside with its reason, because all that comes behind it would wait for it.

use orion_model::{
    AGENT_EVENT_ID, AGENT_LABEL, AgentName, AgentStatus, Event, IdBuilder, LinePlace, RecordId, Timestamp,
    format_duration, is_mark,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::NotTaken;
use crate::outside::fields::{MOST_AHEAD_MILLIS, is_type};

/// Events of one batch: a good part of a second's work of the store, and few enough that a batch is answered in time.
pub const MAX_EVENTS: usize = 1_000;

/// Bytes of one event as it is recorded: all labels of a series, as long as they may be, and annotations beside them.
pub const MAX_EVENT_BYTES: usize = 512 * 1024;

/// Labels of an event: those that a series may have, and those of a rule.
const MAX_LABELS: usize = 256;

/// Bytes of the id of a rule, and of the name of a source.
const MAX_NAME_BYTES: usize = 1_024;

/// Files that one status names as refused; of more the first are told.
const MAX_REFUSED: usize = 100;

/// Bytes of a text in a status.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// What an event has. One that has more comes from a newer Orion, and what it says more would be lost.
const MEMBERS: [&str; 13] = [
    "event_id",
    "event_type",
    "severity",
    "status",
    "ts",
    "rule",
    "source",
    "generation",
    "fingerprint",
    "labels",
    "annotations",
    "data",
    "evidence",
];

/// A batch as it was sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    line: RecordId,
    after: LinePlace,
    to: LinePlace,
    reached: Option<Timestamp>,
    events: Vec<Map<String, Value>>,
}

/// A batch that was read.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) line: RecordId,
    pub(super) after: LinePlace,
    pub(super) to: LinePlace,
    pub(super) reached: Option<Timestamp>,
    /// As this host records them.
    pub(super) events: Vec<Event>,
    pub(super) put_aside: usize,
    /// Why the first of those was.
    pub(super) reason: Option<String>,
}

/// Why an event can never be taken.
#[derive(Debug, thiserror::Error)]
enum NoEvent {
    #[error("it is no event: {0}")]
    Malformed(serde_json::Error),
    #[error("it has {0} bytes; at most {MAX_EVENT_BYTES} are taken")]
    TooLarge(usize),
    #[error("it has {0} labels; at most {MAX_LABELS} are taken")]
    TooManyLabels(usize),
    #[error("`{0}` is empty, too long, or holds what it may not")]
    Wrong(&'static str),
    #[error(
        "`ts` is {} ahead of this host's clock; at most {} are taken: set the clock of the agent's host",
        format_duration(*.0),
        format_duration(MOST_AHEAD_MILLIS)
    )]
    TooEarly(i64),
    #[error("it is a mark on an incident, and those are made where incidents are")]
    Mark,
}

/// Reads a batch of this agent.
pub(super) fn batch(body: &[u8], agent: &AgentName, now: Timestamp) -> Result<Batch, NotTaken> {
    let malformed = |what: String| NotTaken::Malformed(format!("the batch cannot be read: {what}"));
    let sent: Sent = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if sent.events.len() > MAX_EVENTS {
        return Err(NotTaken::TooMany(sent.events.len()));
    }
    if sent.to.position <= sent.after.position || i64::try_from(sent.to.position).is_err() {
        return Err(malformed(format!(
            "it goes from position {} to {}, which is not forward",
            sent.after.position, sent.to.position
        )));
    }
    if sent.events.len() as u64 > sent.to.position - sent.after.position {
        return Err(malformed("it has more events than positions".to_owned()));
    }
    let Sent { line, after, to, reached, events } = sent;
    // Time that was reached is behind whoever reached it; what says otherwise would let time here run ahead.
    let reached = reached.map(|reached| reached.min(now));
    let mut batch = Batch { line, after, to, reached, events: Vec::new(), put_aside: 0, reason: None };
    for (place, members) in events.into_iter().enumerate() {
        let unknown = members.keys().find(|name| !MEMBERS.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            return Err(malformed(format!(
                "event {} has a member `{unknown}` that this Orion does not know: bring the control host up to date first",
                place + 1
            )));
        }
        match event(members, agent, now) {
            Ok(event) => batch.events.push(event),
            Err(why) => {
                batch.put_aside += 1;
                batch.reason.get_or_insert(format!("event {}: {why}", place + 1));
            }
        }
    }
    Ok(batch)
}

fn event(members: Map<String, Value>, agent: &AgentName, now: Timestamp) -> Result<Event, NoEvent> {
    let event: Event = serde_json::from_value(Value::Object(members)).map_err(NoEvent::Malformed)?;
    if is_mark(&event) {
        return Err(NoEvent::Mark);
    }
    if !is_type(&event.event_type) {
        return Err(NoEvent::Wrong("event_type"));
    }
    let is_name = |text: &str| !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.contains(char::is_control);
    for (name, text) in [("rule", &event.rule), ("source", &event.source)] {
        if !is_name(text) {
            return Err(NoEvent::Wrong(name));
        }
    }
    if event.labels.len() > MAX_LABELS {
        return Err(NoEvent::TooManyLabels(event.labels.len()));
    }
    let ahead_millis = event.ts.millis_since(now);
    if ahead_millis > MOST_AHEAD_MILLIS {
        return Err(NoEvent::TooEarly(ahead_millis));
    }
    let event = of_agent(event, agent);
    let bytes = serde_json::to_vec(&event).map_err(NoEvent::Malformed)?.len();
    if bytes > MAX_EVENT_BYTES { Err(NoEvent::TooLarge(bytes)) } else { Ok(event) }
}

/// The event as this host has it. Agents with the same rules look at the same instants, and what two of them see of targets that are
/// called the same has the same id: here it is told apart by who saw it. Nothing of it depends on when or how often it was sent.
fn of_agent(mut event: Event, agent: &AgentName) -> Event {
    let of = |domain: &str, bytes: &[u8]| IdBuilder::new(domain).text(agent.as_str()).bytes(bytes).finish();
    event.data.insert(AGENT_EVENT_ID.to_owned(), event.event_id.to_string().into());
    event.data.insert("agent_generation".to_owned(), event.generation.into());
    event.event_id = of("agent-event", event.event_id.as_bytes());
    event.fingerprint = of("agent", event.fingerprint.as_bytes()).into();
    event.labels = event.labels.iter().chain([(AGENT_LABEL, agent.as_str())]).collect();
    // Generations are counted by each host for itself.
    event.generation = 0;
    event
}

/// Reads what an agent says of itself.
pub(super) fn status(body: &[u8], now: Timestamp) -> Result<AgentStatus, NotTaken> {
    let malformed = |what: String| NotTaken::Malformed(format!("the status cannot be read: {what}"));
    let mut status: AgentStatus = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    let rules = status.rules.iter();
    let of_rules = rules.flat_map(|rules| std::iter::once(&rules.set).chain(rules.refused.as_ref().map(|it| &it.why)));
    let texts = status.refused.iter().flat_map(|refused| [&refused.file, &refused.reason]);
    if texts.chain(of_rules).chain([&status.orion]).any(|text| text.len() > MAX_TEXT_BYTES) {
        return Err(malformed(format!("a text in it has more than {MAX_TEXT_BYTES} bytes")));
    }
    if status.refused.len() > MAX_REFUSED {
        return Err(malformed(format!("it names more than {MAX_REFUSED} files")));
    }
    status.reached = status.reached.map(|reached| reached.min(now));
    Ok(status)
}

/// What of a status is told, so that it is within what is taken.
pub fn within_limits(mut status: AgentStatus) -> AgentStatus {
    status.refused.truncate(MAX_REFUSED);
    let of_rules = status.rules.as_mut().and_then(|rules| rules.refused.as_mut()).map(|refused| &mut refused.why);
    let of_files = status.refused.iter_mut().flat_map(|refused| [&mut refused.file, &mut refused.reason]);
    for text in of_files.chain(of_rules) {
        let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    status
}
