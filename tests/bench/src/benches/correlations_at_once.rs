//! Fifty correlations of one rule file, each about events of its own type, and all of them about the same events.
//!
//! Fed as a replay feeds events from elsewhere: it is the Guardian's desk that works, with all that becomes of incidents, and
//! without bus and store.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orion_bus::{NewRecord, RecordKind};
use orion_model::{Event, Fingerprint, IdBuilder, Labels, Severity, Status, Timestamp};
use orion_pipeline::library::{Generation, Shelf};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};

use super::Context;
use crate::cpu;
use crate::error::{BenchError, require, require_equal};
use crate::events::mixed;
use crate::median::median;
use crate::report::{Figure, Target};
use crate::rule_set::{generation, shelf};

const CORRELATIONS: usize = 50;
const EVENTS: u64 = 200_000;
const SERVICES: u64 = 64;
const ALERTS_OF_A_SERVICE: u64 = 16;
const LEAST_EVENTS_PER_SECOND: f64 = 5e5;

/// Events where fifty correlations read each of them: enough to see what they cost, and that nobody gets in another's way.
const FEW_EVENTS: usize = 20_000;

/// Odd, so that there is one in the middle.
const SAMPLES: usize = 7;

/// Events that come at one time, as when they are read from a file.
const READ_AT_ONCE: usize = 8_192;

/// Time between two events.
const STEP_MILLIS: i64 = 10;

const FIRST: Timestamp = Timestamp::from_millis(1_732_174_269_000);

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let shelf = shelf(context.sandbox()?)?;
    let events: Vec<Event> = events();
    let own = Rules { shelf: &shelf, type_of: |correlation| correlation };
    let shared = Rules { shelf: &shelf, type_of: |_| 0 };
    same_as_alone(&own, &events)?;
    let one = rate(&generation(&shelf, &own.text(0..1))?, &of_one_type(&events))?;
    let apart = rate(&generation(&shelf, &own.text(0..CORRELATIONS))?, &events)?;
    let few = of_one_type(events.get(..FEW_EVENTS).unwrap_or(&events));
    let together = rate(&generation(&shelf, &shared.text(0..CORRELATIONS))?, &few)?;
    let target = Target::AtLeast(LEAST_EVENTS_PER_SECOND);
    Ok(vec![
        Figure::new(format!("{CORRELATIONS} correlations, each its own type"), target, apart, "events/s")
            .note(format!("{EVENTS} events; count, grouping and sequence in turns; incidents and decisions written")),
        Figure::new("one correlation that reads all of them", Target::None, one, "events/s"),
        Figure::new(format!("{CORRELATIONS} correlations, all the same type"), Target::None, together, "events/s")
            .note(format!("{:.0} ns an event and correlation", 1e9 / together / CORRELATIONS as f64)),
    ])
}

/// A rule file of correlations.
struct Rules<'a> {
    shelf: &'a Shelf,
    /// The type that a correlation reads.
    type_of: fn(usize) -> usize,
}

impl Rules<'_> {
    fn text(&self, correlations: impl Iterator<Item = usize>) -> String {
        let mut text = String::from("correlations:\n");
        for correlation in correlations {
            let event_type = event_type((self.type_of)(correlation));
            let pattern = match correlation % 3 {
                0 => "plugin: count\n    with: { gte: 5 }".to_owned(),
                1 => "plugin: grouping".to_owned(),
                _ => format!(
                    "plugin: sequence\n    with: {{ events: [\"{event_type} severity<=warning\", \"{event_type} severity>=error\"] }}"
                ),
            };
            let _ = write!(
                text,
                "  - name: correlation-{correlation}\n    match: {{ event_type: {event_type} }}\n    group_by: [service]\n\
                 \x20   {pattern}\n    incident: {{ type: incident_{correlation}, summary: \"Of {{{{ $labels.service }}}}\" }}\n"
            );
        }
        text
    }
}

fn event_type(number: usize) -> String {
    format!("type_{number}")
}

/// Alerts of many types and services, which fire and resolve.
fn events() -> Vec<Event> {
    let mut firing = std::collections::HashSet::new();
    let mut event = |index: u64| {
        let mixed = mixed(index);
        let (kind, service) = (index % CORRELATIONS as u64, mixed % SERVICES);
        let number = (mixed / SERVICES) % ALERTS_OF_A_SERVICE;
        let alert = (kind, service, number);
        let fires = !firing.remove(&alert) && firing.insert(alert);
        event(index, alert, fires)
    };
    (0..EVENTS).map(&mut event).collect()
}

fn event(index: u64, (kind, service, number): (u64, u64, u64), fires: bool) -> Event {
    let (name, instance) = (format!("service-{service:02}"), format!("10.0.{service}.{number}:9100"));
    let labels = [("alertname", "TargetDown"), ("instance", &instance), ("job", "node"), ("service", &name)];
    let alert = kind * SERVICES * ALERTS_OF_A_SERVICE + service * ALERTS_OF_A_SERVICE + number;
    Event {
        event_id: IdBuilder::new("bench").number(index.cast_signed()).finish(),
        event_type: event_type(kind as usize),
        severity: if number % 2 == 0 { Severity::Warning } else { Severity::Error },
        status: if fires { Status::Firing } else { Status::Resolved },
        ts: FIRST.plus_millis(index.cast_signed() * STEP_MILLIS),
        rule: format!("bench.yaml/group/type-{kind}"),
        source: "prometheus".to_owned(),
        generation: 1,
        fingerprint: Fingerprint::from(IdBuilder::new("alert").number(alert.cast_signed()).finish()),
        labels: labels.into_iter().collect::<Labels>(),
        annotations: Labels::empty(),
        data: serde_json::Map::new(),
        evidence: None,
    }
}

fn of_one_type(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| Event { event_type: event_type(0), ..event.clone() }).collect()
}

/// Events a second; making the copies that are fed is not counted.
fn rate(generation: &Generation, events: &[Event]) -> Result<f64, BenchError> {
    let mut seconds = Vec::new();
    for _ in 0..SAMPLES {
        let copies = events.to_vec();
        let mut counted = Incidents::default();
        let before = cpu::of_this_thread();
        feed(generation, copies, &mut counted)?;
        seconds.push((cpu::of_this_thread() - before).as_secs_f64());
        require(counted.0 > 0, || "no incident changed".to_owned())?;
    }
    Ok(events.len() as f64 / median(seconds))
}

fn feed(generation: &Generation, events: Vec<Event>, observer: &mut dyn Observer) -> Result<(), BenchError> {
    const WHAT: &str = "feed events";
    let settings = ReplaySettings { from: FIRST, to: FIRST, pace: Pace::AsLive };
    let mut replay = Replay::new(generation, &BTreeMap::new(), settings).map_err(BenchError::failed(WHAT))?;
    let mut events = events.into_iter().peekable();
    while let Some(reached) = events.peek().map(|event| event.ts) {
        let read = events.by_ref().take(READ_AT_ONCE);
        replay.feed(read, reached, observer).map_err(BenchError::failed(WHAT))?;
    }
    Ok(())
}

/// Counts revisions of incidents.
#[derive(Default)]
struct Incidents(usize);

impl Observer for Incidents {
    fn record(&mut self, record: &NewRecord) {
        self.0 += usize::from(record.kind == RecordKind::Incident);
    }
}

/// Revisions of incidents, in order, by the correlation that made them.
#[derive(Default)]
struct Bodies(BTreeMap<String, Vec<String>>);

impl Observer for Bodies {
    fn record(&mut self, record: &NewRecord) {
        let body: serde_json::Value = serde_json::from_str(&record.body).unwrap_or_default();
        if let (RecordKind::Incident, Some(id)) = (record.kind, body.get("correlation").and_then(|id| id.as_str())) {
            self.0.entry(id.to_owned()).or_default().push(record.body.clone());
        }
    }
}

/// A correlation among others says what it says alone.
fn same_as_alone(rules: &Rules<'_>, events: &[Event]) -> Result<(), BenchError> {
    let events = events.get(..FEW_EVENTS).unwrap_or(events);
    let mut together = Bodies::default();
    feed(&generation(rules.shelf, &rules.text(0..CORRELATIONS))?, events.to_vec(), &mut together)?;
    let mut alone = Bodies::default();
    for correlation in 0..CORRELATIONS {
        feed(&generation(rules.shelf, &rules.text(correlation..=correlation))?, events.to_vec(), &mut alone)?;
    }
    require(alone.0.len() == CORRELATIONS, || format!("{} correlations made incidents", alone.0.len()))?;
    require_equal("incidents of correlations alone and together", &alone.0, &together.0)
}
