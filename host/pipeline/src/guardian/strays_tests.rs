//! A Guardian that goes on from before what the log says of its incidents, as after a Redis lost its last writes and got them back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use orion_bus::{Body, Bus, Commit, Entry, NewRecord, RecordKind, SqliteBus};
use orion_model::{Event, Fingerprint, IdBuilder, Incident, IncidentStatus, Labels, Severity, Status, Timestamp};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::run::{Guardian, run_guardian};
use super::share::Share;
use super::tests::Hands;
use crate::fills::Fills;
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
    incident: { type: outage, summary: "{{ $labels.service }}" }
"#;

/// More than it ever takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Behind this nothing more is said: longer than a stray is left alone, and some ticks.
const QUIET: Duration = Duration::from_secs(8);

/// How often a test looks, and how far the clock goes on with each look.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_MILLIS: i64 = 100;

/// When things happen here.
const FIRST: i64 = 1_732_174_269_000;

/// Long after that, and not so long that what still fires is an incident of another day.
const NOW: i64 = FIRST + 3_600_000;

/// A log with a Guardian that reads it.
struct Scene {
    bus: Arc<dyn Bus>,
    clock: Arc<Hands>,
    down: watch::Sender<bool>,
    guardian: JoinHandle<()>,
    _live: watch::Sender<Arc<crate::library::Generation>>,
    _folder: TempDir,
}

impl Scene {
    /// The log has these records before anybody reads it.
    async fn of(records: Vec<NewRecord>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus: Arc<dyn Bus> = Arc::new(Fills::new(SqliteBus::open(folder.path()).unwrap(), "nobody"));
        bus.commit(Commit { owner: "restored".to_owned(), records, ..Commit::default() }).await.unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(NOW)));
        let (down, shutdown) = watch::channel(false);
        let (live, generation) = watch::channel(Arc::new(generation(RULES)));
        let guardian = Guardian {
            bus: bus.clone(),
            clock: clock.clone(),
            share: Share::All,
            reached: Reached::Own(Arc::new(Watermark::default())),
            workers: Workers::new(1),
            meter: Arc::default(),
            generation,
        };
        let guardian = tokio::spawn(run_guardian(guardian, shutdown));
        Self { bus, clock, down, guardian, _live: live, _folder: folder }
    }

    async fn incidents(&self) -> Vec<Entry> {
        let entries = self.bus.read(0, usize::MAX).await.unwrap();
        entries.into_iter().filter(|entry| entry.kind == RecordKind::Incident).collect()
    }

    /// The incidents when this many revisions are there.
    async fn until(&self, count: usize) -> Vec<Entry> {
        let waited = async {
            while self.incidents().await.len() < count {
                self.look_later().await;
            }
        };
        if tokio::time::timeout(PATIENCE, waited).await.is_err() {
            panic!("{:#?}", self.incidents().await);
        }
        self.incidents().await
    }

    async fn look_later(&self) {
        tokio::time::sleep(LOOK).await;
        self.clock.0.fetch_add(LOOK_MILLIS, Ordering::SeqCst);
    }

    /// Until nothing more is said.
    async fn quiet(&self) {
        // It always takes as long.
        let _ = tokio::time::timeout(QUIET, async {
            loop {
                self.look_later().await;
            }
        })
        .await;
    }

    async fn end(self) {
        self.down.send_replace(true);
        self.guardian.await.unwrap();
    }
}

/// An alert of a service, by its number.
fn event(alert: i64, status: Status, at: i64) -> NewRecord {
    let fingerprint = Fingerprint::from(IdBuilder::new("alert").number(alert).finish());
    let event = Event {
        event_id: IdBuilder::new("test").number(alert).number(at).finish(),
        event_type: "service_down".to_owned(),
        severity: Severity::Error,
        status,
        ts: Timestamp::from_millis(FIRST + at),
        rule: "f/g/r".to_owned(),
        source: "prometheus".to_owned(),
        generation: 1,
        fingerprint,
        labels: [("service", "s"), ("instance", &alert.to_string())].into_iter().collect(),
        annotations: Labels::empty(),
        data: serde_json::Map::new(),
        evidence: None,
    };
    let body = Body::of(&event).unwrap();
    NewRecord { kind: RecordKind::Event, id: event.event_id, ts: event.ts, body }
}

fn read(entry: &Entry) -> Incident {
    serde_json::from_str(&entry.body).unwrap()
}

fn again(entries: &[Entry]) -> impl Iterator<Item = NewRecord> {
    entries.iter().map(|it| NewRecord { kind: it.kind, id: it.id, ts: it.ts, body: Body::parse(&*it.body).unwrap() })
}

/// What a Guardian says of these events.
async fn said_of(events: Vec<NewRecord>, count: usize) -> Vec<Entry> {
    let scene = Scene::of(events).await;
    let said = scene.until(count).await;
    scene.end().await;
    assert_eq!(said.len(), count);
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_that_the_log_has_and_no_correlator_knows_is_ended_once() {
    let (one, two) = (event(1, Status::Firing, 1_000), event(2, Status::Firing, 1_000));
    // It was opened by the first event, and nothing of its end was said.
    let lost = said_of(vec![one.clone()], 1).await;
    // They come back in another order.
    let over = [event(1, Status::Resolved, 5_000), event(2, Status::Resolved, 5_000)];
    let records = [two, one].into_iter().chain(again(&lost)).chain(over).collect();
    let scene = Scene::of(records).await;
    let revisions = scene.until(5).await;
    scene.quiet().await;
    assert_eq!(scene.incidents().await.len(), revisions.len(), "it is ended once");
    scene.end().await;
    let stray = read(&lost[0]);
    let of_stray: Vec<_> = revisions.iter().map(read).filter(|it| it.incident_id == stray.incident_id).collect();
    let told: Vec<_> = of_stray.iter().map(|it| (it.revision, it.status, it.ts.as_millis() - FIRST)).collect();
    assert_eq!(told, [(1, IncidentStatus::Opened, 1_000), (2, IncidentStatus::Resolved, 1_000)]);
    assert!(of_stray[1].reason.contains("was lost"), "{}", of_stray[1].reason);
    let other = revisions.iter().map(read).rfind(|it| it.incident_id != stray.incident_id).unwrap();
    assert_eq!((other.status, other.reason.as_str()), (IncidentStatus::Resolved, "all resolved"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_as_it_was_is_left_as_it_is() {
    let events = vec![
        event(1, Status::Firing, 1_000),
        event(2, Status::Firing, 2_000),
        event(1, Status::Resolved, 3_000),
        event(2, Status::Resolved, 4_000),
        event(3, Status::Occurred, 9_000),
    ];
    // The last one ends by time alone.
    let said = said_of(events.clone(), 5).await;
    for kept in 1..=said.len() {
        let scene = Scene::of(events.clone().into_iter().chain(again(&said[..kept])).collect()).await;
        scene.until(said.len()).await;
        if kept == said.len() {
            scene.quiet().await;
        }
        assert_eq!(scene.incidents().await, said_at_new_places(&scene, &said).await);
        scene.end().await;
    }
}

/// The same records, wherever they stand in the log of this scene.
async fn said_at_new_places(scene: &Scene, said: &[Entry]) -> Vec<Entry> {
    let found = scene.incidents().await;
    assert_eq!(found.len(), said.len());
    found.iter().zip(said).map(|(here, said)| Entry { seq: here.seq, ..said.clone() }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_said_of_an_open_incident_is_gone_on_behind() {
    let first = event(1, Status::Firing, 1_000);
    let opened = read(&said_of(vec![first.clone()], 1).await[0]);
    let further = Incident { status: IncidentStatus::Updated, revision: 3, ..opened.clone() };
    let body = Body::of(&further).unwrap();
    let given = NewRecord { kind: RecordKind::Incident, id: further.record_id(), ts: further.ts, body };
    let scene = Scene::of(vec![first, given]).await;
    scene.until(2).await;
    scene.quiet().await;
    let resolved =
        Commit { owner: "later".to_owned(), records: vec![event(1, Status::Resolved, 5_000)], ..Commit::default() };
    scene.bus.commit(resolved).await.unwrap();
    let last = read(scene.until(3).await.last().unwrap());
    assert_eq!((last.incident_id, last.status, last.revision), (opened.incident_id, IncidentStatus::Resolved, 4));
    scene.end().await;
}
