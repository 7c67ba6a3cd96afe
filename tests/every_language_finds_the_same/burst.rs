//! The correlator `burst`: many events of one group within a short time.

use std::collections::BTreeMap;

use orion_model::{Change, ChangeKind, Field, Labels, Parameter, ParameterValue, Scalar, Severity, Status, Timestamp};
use orion_sandbox::{Correlator, EventBatch, Plugin};

use crate::{Numbers, Saved, assert_same};

const COUNT: usize = 3;
const WINDOW_MILLIS: i64 = 60_000;
const QUIET_MILLIS: i64 = 90_500;
const STATE_VERSION: u32 = 1;

const BATCHES: u64 = 150;
const KEYS: u64 = 23;

#[derive(Clone)]
struct Event {
    position: u64,
    at: i64,
    severity: Severity,
    status: Status,
    key: String,
}

struct Group {
    open: bool,
    severity: Severity,
    last: i64,
    kept: Vec<(i64, u64)>,
}

/// What the plugin should say, told as plainly as it can be.
#[derive(Default)]
struct Model(BTreeMap<String, Group>);

impl Model {
    fn correlate(&mut self, now: i64, events: &[Event]) -> Vec<Change> {
        let mut changes = Vec::new();
        for event in events.iter().filter(|event| event.status != Status::Resolved) {
            self.take_in(event, &mut changes);
        }
        for (key, group) in self.0.iter().filter(|(_, group)| group.open && now - group.last >= QUIET_MILLIS) {
            changes.push(resolved(key, group));
        }
        self.0.retain(|_, group| match group.open {
            true => now - group.last < QUIET_MILLIS,
            false => group.last > now - WINDOW_MILLIS,
        });
        changes
    }

    fn take_in(&mut self, event: &Event, changes: &mut Vec<Change>) {
        if let Some(group) = self.0.get(&event.key).filter(|group| group.open && event.at - group.last >= QUIET_MILLIS)
        {
            changes.push(resolved(&event.key, group));
            self.0.remove(&event.key);
        }
        let fresh = || Group { open: false, severity: Severity::Info, last: event.at, kept: Vec::new() };
        let group = self.0.entry(event.key.clone()).or_insert_with(fresh);
        if !group.open {
            group.kept.retain(|(at, _)| *at > event.at - WINDOW_MILLIS);
            if group.kept.is_empty() {
                group.severity = Severity::Info;
            }
            group.kept.push((event.at, event.position));
        }
        group.severity = group.severity.max(event.severity);
        group.last = group.last.max(event.at);
        let change = |kind, reason: String| Change {
            key: event.key.clone(),
            kind,
            severity: group.severity,
            timestamp: Timestamp::from_millis(event.at),
            reason,
            positions: vec![event.position],
            fields: Vec::new(),
        };
        if group.open {
            changes.push(change(ChangeKind::Updated, "one more event".to_owned()));
        } else if group.kept.len() >= COUNT {
            let events = group.kept.len();
            let opened = change(ChangeKind::Opened, format!("{events} events within {} s", WINDOW_MILLIS / 1_000));
            let field = Field { name: "events".to_owned(), value: Scalar::Integer(i64::try_from(events).unwrap()) };
            let positions = group.kept.drain(..).map(|(_, position)| position).collect();
            changes.push(Change { positions, fields: vec![field], ..opened });
            group.open = true;
        }
    }
}

fn resolved(key: &str, group: &Group) -> Change {
    Change {
        key: key.to_owned(),
        kind: ChangeKind::Resolved,
        severity: group.severity,
        timestamp: Timestamp::from_millis(group.last + QUIET_MILLIS),
        reason: format!("quiet for {} s", QUIET_MILLIS / 1_000),
        positions: Vec::new(),
        fields: Vec::new(),
    }
}

fn told(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| format!("{change:?}")).collect()
}

pub fn compare(language: &str, plugin: &Plugin) {
    let mut numbers = Numbers(11);
    let (mut model, mut saved) = (Model::default(), Saved::default());
    let mut correlator = started(plugin, &saved);
    let (mut said, mut wanted) = (Vec::new(), Vec::new());
    let (mut position, mut now) = (0, 0);
    for batch in 0..BATCHES {
        let events = events(&mut numbers, &mut position, &mut now);
        // A tick, or now and then a time in which nothing happened.
        now += if events.is_empty() { i64::try_from(numbers.below(60_000)).unwrap() } else { 0 };
        correlator.correlate(Timestamp::from_millis(now), &columns(&events), &mut said).unwrap();
        wanted.extend(model.correlate(now, &events));
        saved.keep(correlator.checkpoint().unwrap());
        assert_eq!(correlator.checkpoint().unwrap(), [], "{language}: nothing changed since");
        assert_eq!(saved.entries().len(), model.0.len(), "{language}: a key that is forgotten is not kept");
        if batch % 40 == 20 {
            correlator = started(plugin, &saved);
        }
    }
    for kind in [ChangeKind::Opened, ChangeKind::Updated, ChangeKind::Resolved] {
        assert!(wanted.iter().filter(|change| change.kind == kind).count() > 10, "{kind:?} is hardly tested");
    }
    assert_same(&format!("the correlator in {language}"), &told(&said), &told(&wanted));
}

fn started(plugin: &Plugin, saved: &Saved) -> Correlator {
    let mut correlator = plugin.correlator().unwrap();
    let parameter = |name: &str, value| Parameter { name: name.to_owned(), value: ParameterValue::Integer(value) };
    let parameters = [
        parameter("count", i64::try_from(COUNT).unwrap()),
        parameter("window", WINDOW_MILLIS),
        parameter("quiet", QUIET_MILLIS),
    ];
    correlator.configure(&parameters).unwrap();
    correlator.restore(STATE_VERSION, &saved.entries()).unwrap();
    correlator
}

/// The next few events; sometimes none, and sometimes one that is late.
fn events(numbers: &mut Numbers, position: &mut u64, now: &mut i64) -> Vec<Event> {
    let count = if numbers.below(5) == 0 { 0 } else { numbers.below(40) };
    let mut events = Vec::new();
    for _ in 0..count {
        *position += 1 + numbers.below(3);
        *now += i64::try_from(numbers.below(2_500)).unwrap();
        let late = i64::try_from(if numbers.below(10) == 0 { numbers.below(20_000) } else { 0 }).unwrap();
        let key = numbers.below(KEYS);
        events.push(Event {
            position: *position,
            at: *now - late,
            severity: [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical]
                [usize::try_from(numbers.below(4)).unwrap()],
            status: [Status::Occurred, Status::Firing, Status::Resolved][usize::try_from(numbers.below(3)).unwrap()],
            key: if key.is_multiple_of(2) { format!("{{site=\"süd-{key}\"}}") } else { format!("{{site=\"{key}\"}}") },
        });
    }
    events
}

fn columns(events: &[Event]) -> EventBatch {
    let mut batch = EventBatch::new();
    let labels: Labels = [("link", "日本"), ("site", "x")].into_iter().collect();
    for Event { position, at, severity, status, key } in events {
        let at = Timestamp::from_millis(*at);
        batch.push(*position, at, *severity, *status, *position, f64::NAN, key, "link_down", &labels);
    }
    batch
}
