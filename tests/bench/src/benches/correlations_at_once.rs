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
use crate::rule_set::{SOURCE, generation, shelf};

const CORRELATIONS: usize = 50;
const EVENTS: u64 = 200_000;
/// Alerts of a type, over all services.
const ALERTS: u64 = 256;

/// Services of a type: with many of them hardly any has an incident, with few all have one that grows and grows.
const MANY_SERVICES: u64 = 64;
const FEW_SERVICES: u64 = 4;

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
    let (calm, storm) = (events(MANY_SERVICES), events(FEW_SERVICES));
    let own = Rules { shelf: &shelf, type_of: |correlation| correlation };
    let shared = Rules { shelf: &shelf, type_of: |_| 0 };
    same_as_alone(&own, &storm)?;
    let all = generation(&shelf, &own.text(0..CORRELATIONS))?;
    let (apart, in_a_storm) = (rate(&all, &calm)?, rate(&all, &storm)?);
    let one = rate(&generation(&shelf, &own.text(0..1))?, &of_one_type(&calm))?;
    let few = of_one_type(calm.get(..FEW_EVENTS).unwrap_or(&calm));
    let together = rate(&generation(&shelf, &shared.text(0..CORRELATIONS))?, &few)?;
    let figure = |what: &str, target, Rate { events, revisions }: Rate| {
        Figure::new(what, target, events, "events/s")
            .note(format!("an incident changes with {revisions:.1} % of the events"))
    };
    let what = format!("{CORRELATIONS} correlations, each its own type");
    Ok(vec![
        figure(&what, Target::AtLeast(LEAST_EVENTS_PER_SECOND), apart),
        figure(&format!("{what}, in a storm"), Target::None, in_a_storm),
        figure("one correlation that reads all of them", Target::None, one),
        figure(&format!("{CORRELATIONS} correlations, all the same type"), Target::None, together),
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
                0 => "plugin: count\n    with: { gte: 25 }".to_owned(),
                1 => "plugin: grouping".to_owned(),
                _ => format!(
                    "plugin: sequence\n    with: {{ events: [\"{event_type} job=deploy\", \"{event_type} job=probe\"] }}"
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

/// Alerts of all types, which fire and resolve.
fn events(services: u64) -> Vec<Event> {
    let mut firing = std::collections::HashSet::new();
    let mut event = |index: u64| {
        let (kind, alert) = (index % CORRELATIONS as u64, mixed(index) % ALERTS);
        let fires = !firing.remove(&(kind, alert)) && firing.insert((kind, alert));
        event(index, kind, alert, services, fires)
    };
    (0..EVENTS).map(&mut event).collect()
}

fn event(index: u64, kind: u64, alert: u64, services: u64, fires: bool) -> Event {
    let (service, instance) = (format!("service-{:02}", alert % services), format!("10.0.{alert}.7:9100"));
    // The steps of a sequence are a few of all.
    let job = match mixed(alert) % 16 {
        0 => "deploy",
        1 => "probe",
        _ => "node",
    };
    let labels = [("alertname", "TargetDown"), ("instance", &instance), ("job", job), ("service", &service)];
    let number = |number: u64| number.cast_signed();
    Event {
        event_id: IdBuilder::new("bench").number(number(index)).finish(),
        event_type: event_type(kind as usize),
        severity: if alert.is_multiple_of(2) { Severity::Warning } else { Severity::Error },
        status: if fires { Status::Firing } else { Status::Resolved },
        ts: FIRST.plus_millis(number(index) * STEP_MILLIS),
        rule: format!("bench.yaml/group/type-{kind}"),
        source: SOURCE.to_owned(),
        generation: 1,
        fingerprint: Fingerprint::from(IdBuilder::new("alert").number(number(kind)).number(number(alert)).finish()),
        labels: labels.into_iter().collect(),
        annotations: Labels::empty(),
        data: serde_json::Map::new(),
        evidence: None,
    }
}

fn of_one_type(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| Event { event_type: event_type(0), ..event.clone() }).collect()
}

struct Rate {
    /// Events a second.
    events: f64,
    /// Revisions of incidents, in percent of the events.
    revisions: f64,
}

/// Making the copies that are fed is not counted.
fn rate(generation: &Generation, events: &[Event]) -> Result<Rate, BenchError> {
    let (mut seconds, mut revisions) = (Vec::new(), 0);
    for _ in 0..SAMPLES {
        let copies = events.to_vec();
        let mut counted = Incidents::default();
        let before = cpu::of_this_thread();
        feed(generation, copies, &mut counted)?;
        seconds.push((cpu::of_this_thread() - before).as_secs_f64());
        revisions = counted.0;
    }
    require(revisions > 0, || "no incident changed".to_owned())?;
    let count = events.len() as f64;
    Ok(Rate { events: count / median(seconds), revisions: revisions as f64 * 100.0 / count })
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
            self.0.entry(id.to_owned()).or_default().push(record.body.to_string());
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
    require(alone.0.len() > CORRELATIONS / 2, || format!("only {} correlations made incidents", alone.0.len()))?;
    require_equal("incidents of correlations alone and together", &alone.0, &together.0)
}
