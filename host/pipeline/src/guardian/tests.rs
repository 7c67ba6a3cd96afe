//! A busy stream through the Guardian as it runs live, and the same stream replayed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use orion_bus::{Body, Bus, Commit, NewRecord, RecordKind, SqliteBus};
use orion_model::{Clock, Event, Fingerprint, IdBuilder, Labels, Severity, Status, Timestamp};
use tokio::sync::watch;

use super::run::{Guardian, run_guardian};
use super::share::Share;
use crate::library::Generation;
use crate::replay::{Observer, Pace, Replay, ReplaySettings};
use crate::shipped::generation;
use crate::watermark::{Reached, Watermark};
use crate::workers::Workers;

const RULES: &str = r#"
correlations:
  - name: outage
    match: { event_type: service_down }
    group_by: [service]
    plugin: grouping
    with: { idle: 20s, lateness: 0s }
    incident: { type: outage, summary: "{{ $labels.service }} of {{ $labels.job }} at {{ $labels.instance }}" }
  - name: many
    match: { event_type: [service_down, login_failed] }
    group_by: [zone, service]
    plugin: count
    with: { gte: 12, window: 30s, idle: 10s, lateness: 0s }
    incident: { type: many, severity: critical, summary: "Many in {{ $labels.zone }} from {{ $labels.job }}" }
  - name: few
    match: { event_type: login_failed }
    group_by: [service]
    plugin: count
    with: { lte: 9, window: 20s, idle: 0s, lateness: 0s }
    incident: { type: few, summary: "Few of {{ $labels.service }}" }
  - name: attack
    match: { event_type: [login_failed, service_down] }
    plugin: sequence
    group_by: [service]
    with: { events: [login_failed, service_down], window: 20s, lateness: 0s }
    incident: { type: attack, summary: "Attack on {{ $labels.service }}" }
  - name: explained
    match: { event_type: [service_down, login_failed] }
    group_by: [service]
    plugin: suppression
    with: { cause: service_down, symptoms: login_failed, equal: [zone], hold: 3s, idle: 10s, lateness: 0s }
    incident: { type: explained, summary: "{{ $labels.key }}{{ $labels.service }}" }
"#;

const FIRST: Timestamp = Timestamp::from_millis(1_732_174_269_000);
const EVENTS: u64 = 3_000;

/// Numbers that are the same on every machine.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Quiet times and storms, in order of time, several events of one instant among them.
fn stream(drawn: &mut Drawn) -> Vec<Event> {
    let mut time = FIRST;
    let mut event = |index: u64| {
        let storm = index / 500 % 2 == 1;
        time = time.plus_millis(drawn.below(if storm { 20 } else { 1_500 }).cast_signed());
        let (service, alert) = (drawn.below(3), drawn.below(40));
        let labels = [
            ("service", format!("s\"{service}")),
            ("zone", format!("z{}", service % 2)),
            ("job", format!("j{}", alert % 2)),
            ("instance", format!("i{alert}")),
        ];
        Event {
            event_id: IdBuilder::new("test").number(index.cast_signed()).finish(),
            event_type: ["service_down", "login_failed"][usize::from(alert.is_multiple_of(3))].to_owned(),
            severity: [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical]
                [usize::try_from(drawn.below(4)).unwrap()],
            status: [Status::Firing, Status::Resolved, Status::Occurred][usize::try_from(drawn.below(3)).unwrap()],
            ts: time,
            rule: "f/g/r".to_owned(),
            source: "prometheus".to_owned(),
            generation: 1,
            fingerprint: Fingerprint::from(
                IdBuilder::new("alert").number((service * 100 + alert).cast_signed()).finish(),
            ),
            labels: labels.into_iter().collect(),
            annotations: Labels::empty(),
            data: serde_json::Map::new(),
            evidence: None,
        }
    };
    (0..EVENTS).map(&mut event).collect()
}

#[derive(Debug)]
pub(super) struct Hands(pub(super) AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Revisions of incidents by their ids.
type Revisions = BTreeMap<String, String>;

/// Through the Guardian and a bus, in commits of any size, the time told between them.
async fn live(generation: Generation, events: &[Event], end: Timestamp, drawn: &mut Drawn) -> Revisions {
    let folder = tempfile::tempdir().unwrap();
    let bus: Arc<dyn Bus> = Arc::new(SqliteBus::open(folder.path()).unwrap());
    let clock = Arc::new(Hands(AtomicI64::new(FIRST.as_millis())));
    let (down, shutdown) = watch::channel(false);
    let (_live, generation) = watch::channel(Arc::new(generation));
    let workers = Workers::new(1);
    let (share, reached) = (Share::All, Reached::Own(Arc::new(Watermark::default())));
    let meter = Arc::default();
    let guardian = Guardian { bus: bus.clone(), clock: clock.clone(), share, reached, workers, meter, generation };
    let task = tokio::spawn(run_guardian(guardian, shutdown));
    let mut rest = events;
    let mut offset = None;
    while !rest.is_empty() {
        let size = if drawn.below(3) == 0 { drawn.below(700) } else { drawn.below(8) };
        let (now, later) = rest.split_at(usize::try_from(size + 1).unwrap().min(rest.len()));
        rest = later;
        let record = |event: &Event| NewRecord {
            kind: RecordKind::Event,
            id: event.event_id,
            ts: event.ts,
            body: Body::of(event).unwrap(),
        };
        let next = offset.map_or(1, |offset: i64| offset + 1);
        let commit = Commit {
            owner: "stream".to_owned(),
            expected: offset,
            offset: next,
            records: now.iter().map(record).collect(),
            state: Vec::new(),
        };
        bus.commit(commit).await.unwrap();
        offset = Some(next);
        let reached = later.first().map_or(end, |event| event.ts.plus_millis(-1));
        clock.0.store(reached.as_millis(), Ordering::SeqCst);
        if drawn.below(4) == 0 {
            tokio::time::sleep(Duration::from_millis(drawn.below(15))).await;
        }
    }
    let mut last = None;
    // Ended when everything that time brings has come: nothing more within some ticks.
    while last != Some(*bus.appended().borrow()) {
        last = Some(*bus.appended().borrow());
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    down.send(true).unwrap();
    task.await.unwrap();
    let entries = bus.read(0, usize::MAX).await.unwrap();
    let incidents = entries.into_iter().filter(|entry| entry.kind == RecordKind::Incident);
    incidents.map(|entry| (entry.id.to_string(), entry.body.to_string())).collect()
}

impl Observer for Revisions {
    fn record(&mut self, record: &NewRecord) {
        if record.kind == RecordKind::Incident {
            self.insert(record.id.to_string(), record.body.to_string());
        }
    }
}

fn replayed(generation: &Generation, events: &[Event], end: Timestamp) -> Revisions {
    let settings = ReplaySettings { from: FIRST, to: FIRST, pace: Pace::AsLive };
    let mut replay = Replay::new(generation, &BTreeMap::new(), settings).unwrap();
    let mut revisions = Revisions::new();
    replay.feed(events.to_vec(), end, &mut revisions).unwrap();
    revisions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_a_busy_stream_gives_exactly_what_live_gave_however_that_was_cut() {
    let mut drawn = Drawn(7);
    let events = stream(&mut drawn);
    let end = events.last().unwrap().ts.plus_millis(3_600_000);
    let past = replayed(&generation(RULES), &events, end);
    let live = live(generation(RULES), &events, end, &mut drawn).await;
    for correlation in ["outage", "many", "few", "attack", "explained"] {
        let said = past.values().filter(|body| body.contains(&format!("f.yaml/{correlation}\""))).count();
        assert!(said > 20, "{correlation} has only {said} revisions");
    }
    for (id, body) in &past {
        assert_eq!(live.get(id), Some(body));
    }
    assert_eq!(live.len(), past.len());
}
