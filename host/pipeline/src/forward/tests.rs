//! A forwarder against a control host that takes, refuses, loses answers and forgets.

use std::collections::BTreeSet;
use std::sync::Mutex;

use orion_bus::{Body, Commit, NewRecord, RecordKind, SqliteBus};
use orion_model::{Event, IdBuilder, Labels, LinePlace, Receipt, RecordId, Severity, Status, Timestamp};

use super::*;

struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A control host as the protocol has it.
#[derive(Default)]
struct Taker(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    place: Option<LineTaken>,
    events: Vec<RecordId>,
    /// Batches of which the answer gets lost.
    loses: usize,
    /// Batches that do not arrive.
    refuses: usize,
    lines: BTreeSet<RecordId>,
}

#[async_trait]
impl Control for Taker {
    async fn forward(&self, batch: &ForwardBatch) -> Result<Forwarded, String> {
        let mut taken = self.0.lock().unwrap();
        if taken.refuses > 0 {
            taken.refuses -= 1;
            return Err("cut".to_owned());
        }
        taken.lines.insert(batch.line);
        if let Some(place) = taken.place.filter(|it| it.line == batch.line && it.place != batch.after) {
            return Ok(Forwarded::Elsewhere(place));
        }
        taken.place = Some(LineTaken { line: batch.line, place: batch.to });
        for event in &batch.events {
            // As a log that knows its ids.
            if !taken.events.contains(&event.event_id) {
                taken.events.push(event.event_id);
            }
        }
        if taken.loses > 0 {
            taken.loses -= 1;
            return Err("the answer is lost".to_owned());
        }
        let receipt = Receipt { position: batch.to.position, recorded: batch.events.len(), ..Receipt::default() };
        Ok(Forwarded::Taken(receipt))
    }
}

struct Scene {
    bus: Arc<SqliteBus>,
    buffer: Arc<Buffer>,
    control: Arc<Taker>,
    _dir: tempfile::TempDir,
}

fn id(number: i64) -> RecordId {
    IdBuilder::new("test").number(number).finish()
}

fn record(number: i64, padding: usize) -> NewRecord {
    let event = Event {
        event_id: id(number),
        event_type: "t".to_owned(),
        severity: Severity::Info,
        status: Status::Occurred,
        ts: Timestamp::from_millis(number),
        rule: "a/b/c".to_owned(),
        source: "prometheus".to_owned(),
        generation: 1,
        fingerprint: id(number).into(),
        labels: Labels::empty(),
        annotations: Labels::empty(),
        data: serde_json::Map::from_iter([("padding".to_owned(), "x".repeat(padding).into())]),
        evidence: None,
    };
    let body = Body::of(&event).unwrap();
    NewRecord { kind: RecordKind::Event, id: event.event_id, ts: event.ts, body }
}

impl Scene {
    async fn with(limit_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
        let buffer = Arc::new(Buffer::open(bus.clone(), limit_bytes).await.unwrap());
        Self { bus, buffer, control: Arc::default(), _dir: dir }
    }

    async fn see(&self, numbers: std::ops::Range<i64>, padding: usize) -> Result<(), orion_bus::BusError> {
        let expected = self.buffer.offset("watcher").await.unwrap();
        let offset = expected.unwrap_or(0) + 1;
        let records = numbers.map(|number| record(number, padding)).collect();
        let commit = Commit { owner: "watcher".to_owned(), expected, offset, records, state: Vec::new() };
        self.buffer.commit(commit).await.map(drop)
    }

    /// Forwards until all is forwarded, or the control host does not take it at the end.
    async fn forward(&self, millis: i64) {
        let forwarding =
            Forwarding { agent: "a".parse().unwrap(), control: self.control.clone(), buffer: self.buffer.clone() };
        let (down, shutdown) = watch::channel(false);
        let last = *self.bus.appended().borrow();
        let meter = self.buffer.meter();
        let run = run_forward(
            forwarding,
            self.buffer.clone(),
            Arc::new(Standing(Timestamp::from_millis(millis))),
            Arc::default(),
            Arc::default(),
            shutdown,
        );
        let wait = async {
            while meter.position() < last {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            down.send_replace(true);
        };
        tokio::join!(run, wait);
    }

    fn taken(&self) -> Vec<RecordId> {
        self.control.0.lock().unwrap().events.clone()
    }
}

#[tokio::test]
async fn everything_goes_in_order_and_once_though_batches_and_answers_get_lost() {
    let scene = Scene::with(u64::MAX).await;
    scene.see(0..1_200, 10).await.unwrap();
    *scene.control.0.lock().unwrap() = Taken { loses: 2, refuses: 1, ..Taken::default() };
    scene.forward(1).await;
    assert_eq!(scene.taken(), (0..1_200).map(id).collect::<Vec<_>>());
    assert_eq!((scene.buffer.meter().backlog_events(), scene.buffer.meter().backlog_bytes()), (0, 0));
    assert_eq!(scene.control.0.lock().unwrap().lines.len(), 1);
    scene.see(1_200..1_201, 0).await.unwrap();
    scene.forward(2).await;
    assert_eq!(scene.taken().len(), 1_201);
}

#[tokio::test]
async fn at_the_bound_nothing_more_is_taken_and_nothing_is_thrown_away() {
    let scene = Scene::with(1_000).await;
    scene.see(0..5, 100).await.unwrap();
    let full = scene.see(5..6, 0).await.unwrap_err();
    assert!(matches!(full, orion_bus::BusError::BufferFull { limit: 1_000, .. }), "{full}");
    // What has nothing to say is kept all the same.
    assert!(scene.see(0..0, 0).await.is_ok());
    scene.forward(1).await;
    assert_eq!(scene.taken().len(), 5);
    scene.see(5..6, 0).await.unwrap();
    scene.forward(2).await;
    assert_eq!(scene.taken(), (0..6).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_waits_is_counted_again_after_a_restart_and_what_was_there_already_does_not_count() {
    let scene = Scene::with(u64::MAX).await;
    scene.see(0..3, 50).await.unwrap();
    scene.see(1..4, 50).await.unwrap();
    let meter = scene.buffer.meter();
    let counted = (meter.backlog_events(), meter.backlog_bytes());
    let again = Buffer::open(scene.bus.clone(), 1).await.unwrap().meter();
    assert_eq!((again.backlog_events(), again.backlog_bytes()), counted);
    assert_eq!(counted.0, 4);
}

#[tokio::test]
async fn a_control_host_with_another_past_is_given_a_new_line_and_nothing_is_left_out() {
    let scene = Scene::with(u64::MAX).await;
    scene.see(0..10, 0).await.unwrap();
    scene.forward(1).await;
    // It was put back to before the last five: it has this line's fifth record.
    let fifth = scene.bus.read_at(&[5]).await.unwrap()[0].id;
    let line = *scene.control.0.lock().unwrap().lines.first().unwrap();
    let back = |record| {
        let mut taken = scene.control.0.lock().unwrap();
        taken.place = Some(LineTaken { line, place: LinePlace { position: 5, record: Some(record) } });
        taken.events.truncate(5);
    };
    back(fifth);
    scene.see(10..11, 0).await.unwrap();
    scene.forward(2).await;
    assert_eq!(scene.taken(), (0..11).map(id).collect::<Vec<_>>());
    assert_eq!(scene.control.0.lock().unwrap().lines.len(), 1);
    // Now it has a record there that this store never had, as when the store was put back.
    back(id(-1));
    scene.see(11..12, 0).await.unwrap();
    scene.forward(3).await;
    assert_eq!(scene.taken(), (0..12).map(id).collect::<Vec<_>>());
    assert_eq!(scene.control.0.lock().unwrap().lines.len(), 2);
}

#[tokio::test]
async fn what_is_too_large_is_said_and_holds_up_nothing() {
    let scene = Scene::with(10).await;
    scene.see(0..1, crate::outside::agent::MAX_EVENT_BYTES).await.unwrap();
    scene.forward(1).await;
    scene.see(1..2, 0).await.unwrap();
    scene.forward(2).await;
    let taken = scene.taken();
    assert_eq!((taken.len(), taken.contains(&id(0)), taken.contains(&id(1))), (2, false, true));
    let said = scene.bus.read(1, 1).await.unwrap();
    assert!(said[0].body.contains("event_not_forwarded"), "{}", said[0].body);
}
