//! What is taken, what is refused, and what comes again.

use std::sync::atomic::{AtomicI64, Ordering};

use orion_bus::SqliteBus;
use orion_model::{Event, ForwardBatch, INCIDENT_MARKED, IdBuilder, Labels, LinePlace, MARK_RULE, RecordId};
use serde_json::{Value, json};

use super::*;

const SILENT_MILLIS: i64 = 120_000;

/// A clock that a test sets.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Scene {
    bus: Arc<SqliteBus>,
    clock: Arc<SetClock>,
    watermark: Arc<Watermark>,
    generation: watch::Sender<Arc<Generation>>,
    agents: Arc<Agents>,
    _dir: tempfile::TempDir,
}

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

fn id(what: &str) -> RecordId {
    IdBuilder::new("test").text(what).finish()
}

fn event(what: &str, millis: i64) -> Event {
    Event {
        event_id: id(what),
        event_type: "service_down".to_owned(),
        severity: Severity::Error,
        status: Status::Firing,
        ts: Timestamp::from_millis(millis),
        rule: "a.yaml/g/Down".to_owned(),
        source: "prometheus".to_owned(),
        generation: 4,
        fingerprint: id(what).into(),
        labels: [("job", "x"), ("agent", "of the series")].into_iter().collect(),
        annotations: Labels::empty(),
        data: serde_json::Map::new(),
        evidence: None,
    }
}

/// Events that stand at the positions behind `after`, as a line has them.
fn batch(line: &str, after: u64, events: &[&str]) -> ForwardBatch {
    let place =
        |position: u64| LinePlace { position, record: (position > 0).then(|| id(&format!("{line} {position}"))) };
    ForwardBatch {
        line: id(line),
        after: place(after),
        to: place(after + events.len() as u64),
        reached: None,
        events: events.iter().map(|what| event(what, 1_000)).collect(),
    }
}

impl Scene {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
        let clock = Arc::new(SetClock(AtomicI64::new(10_000)));
        let watermark = Arc::new(Watermark::default());
        let (generation, live) = watch::channel(Arc::new(Generation::default()));
        let agents = Self::agents(&bus, &clock, &watermark, live).await;
        Self { bus, clock, watermark, generation, agents, _dir: dir }
    }

    async fn agents(
        bus: &Arc<SqliteBus>,
        clock: &Arc<SetClock>,
        watermark: &Arc<Watermark>,
        generation: watch::Receiver<Arc<Generation>>,
    ) -> Arc<Agents> {
        let parts = Parts {
            bus: bus.clone(),
            kept: bus.appended(),
            clock: clock.clone(),
            watermark: watermark.clone(),
            generation,
            silent_millis: SILENT_MILLIS,
        };
        Arc::new(Agents::open(parts).await.unwrap())
    }

    /// As after a restart.
    async fn again(self) -> Self {
        let agents = Self::agents(&self.bus, &self.clock, &self.watermark, self.generation.subscribe()).await;
        Self { agents, ..self }
    }

    async fn take(&self, agent: &str, batch: &ForwardBatch) -> Result<Forwarded, NotTaken> {
        self.agents.take(&name(agent), serde_json::to_vec(batch).unwrap()).await
    }

    async fn take_json(&self, batch: &Value) -> Result<Forwarded, NotTaken> {
        self.agents.take(&name("a"), batch.to_string().into_bytes()).await
    }

    async fn note(&self, agent: &str, status: &AgentStatus) {
        self.agents.note(&name(agent), &serde_json::to_vec(status).unwrap()).await.unwrap();
    }

    async fn events(&self) -> Vec<Event> {
        let entries = self.bus.read(0, 99).await.unwrap();
        entries.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
    }

    async fn said(&self) -> Vec<(String, Status)> {
        self.events().await.into_iter().map(|event| (event.event_type, event.status)).collect()
    }

    fn at(&self, millis: i64) {
        self.clock.0.store(millis, Ordering::SeqCst);
    }
}

fn taken(recorded: usize, known: usize, position: u64) -> Result<Forwarded, NotTaken> {
    Ok(Forwarded::Taken(Receipt { position, recorded, known, put_aside: 0, reason: None }))
}

#[tokio::test]
async fn an_event_has_the_name_of_its_agent_and_those_of_two_agents_are_two() {
    let scene = Scene::open().await;
    assert_eq!(scene.take("eu-1", &batch("l", 0, &["x"])).await, taken(1, 0, 1));
    assert_eq!(scene.take("eu-2", &batch("m", 0, &["x"])).await, taken(1, 0, 1));
    let events = scene.events().await;
    let names: Vec<_> = events.iter().map(|event| event.labels.get("agent").unwrap()).collect();
    assert_eq!(names, ["eu-1", "eu-2"]);
    assert_ne!(events[0].event_id, events[1].event_id);
    assert_ne!(events[0].fingerprint, events[1].fingerprint);
    assert!(events.iter().all(|event| event.data["agent_event_id"] == id("x").to_string()));
    assert!(events.iter().all(|event| event.data["agent_generation"] == 4 && event.generation == 0));
    assert_eq!((events[0].rule.as_str(), events[0].labels.get("job")), ("a.yaml/g/Down", Some("x")));
}

#[tokio::test]
async fn a_batch_that_comes_again_is_answered_with_where_everything_is_taken_also_after_a_restart() {
    let scene = Scene::open().await;
    let first = batch("l", 0, &["x", "y"]);
    assert_eq!(scene.take("a", &first).await, taken(2, 0, 2));
    let there = LineTaken { line: first.line, place: first.to };
    assert_eq!(scene.take("a", &first).await, Ok(Forwarded::Elsewhere(there)));
    let scene = scene.again().await;
    assert_eq!(scene.take("a", &first).await, Ok(Forwarded::Elsewhere(there)));
    // Neither is one taken that leaves something out.
    assert_eq!(scene.take("a", &batch("l", 3, &["z"])).await, Ok(Forwarded::Elsewhere(there)));
    assert_eq!(scene.take("a", &batch("l", 2, &["z"])).await, taken(1, 0, 3));
    assert_eq!(scene.events().await.len(), 3);
}

#[tokio::test]
async fn the_same_position_with_another_record_is_another_past() {
    let scene = Scene::open().await;
    let first = batch("l", 0, &["x"]);
    scene.take("a", &first).await.unwrap();
    let mut other = batch("l", 1, &["y"]);
    other.after.record = Some(id("something else"));
    let there = LineTaken { line: first.line, place: first.to };
    assert_eq!(scene.take("a", &other).await, Ok(Forwarded::Elsewhere(there)));
}

#[tokio::test]
async fn a_new_line_begins_where_it_says_doubles_nothing_and_is_said() {
    let scene = Scene::open().await;
    scene.take("a", &batch("l", 0, &["x", "y"])).await.unwrap();
    assert_eq!(scene.take("a", &batch("m", 0, &["y", "z"])).await, taken(1, 1, 2));
    let said = scene.said().await;
    assert_eq!(said.iter().filter(|(kind, _)| kind == "service_down").count(), 3);
    assert_eq!(said.iter().filter(|(kind, _)| kind == "agent_began_anew").count(), 1);
}

#[tokio::test]
async fn what_can_never_be_taken_is_put_aside_with_its_reason_and_the_rest_is_taken() {
    let scene = Scene::open().await;
    let mut all = batch("l", 0, &["a", "b", "c", "d", "e", "f"]);
    all.events[1].event_type = "two words".to_owned();
    all.events[2] = Event { event_type: INCIDENT_MARKED.to_owned(), rule: MARK_RULE.to_owned(), ..event("c", 1) };
    all.events[3].ts = Timestamp::from_millis(10_000 + 60_001);
    all.events[4].data.insert("large".to_owned(), "x".repeat(MAX_EVENT_BYTES).into());
    let Ok(Forwarded::Taken(receipt)) = scene.take("a", &all).await else { panic!() };
    assert_eq!((receipt.recorded, receipt.put_aside, receipt.position), (2, 4, 6));
    assert_eq!(receipt.reason.as_deref(), Some("event 2: `event_type` is empty, too long, or holds what it may not"));
    let refused: Vec<Event> =
        scene.events().await.into_iter().filter(|it| it.event_type == "agent_events_refused").collect();
    assert_eq!((refused.len(), refused[0].labels.get("count")), (1, Some("4")));
    // At its limits each is taken.
    let mut fits = batch("l", 6, &["g", "h"]);
    fits.events[0].ts = Timestamp::from_millis(10_000 + 60_000);
    let room = MAX_EVENT_BYTES - serde_json::to_vec(&event("h", 1_000)).unwrap().len() - 300;
    fits.events[1].data.insert("large".to_owned(), "x".repeat(room).into());
    assert_eq!(scene.take("a", &fits).await, taken(2, 0, 8));
}

#[tokio::test]
async fn what_is_no_batch_is_refused_whole() {
    let scene = Scene::open().await;
    let good = serde_json::to_value(batch("l", 3, &["x"])).unwrap();
    let with = |path: &str, value: Value| {
        let mut wrong = good.clone();
        *wrong.pointer_mut(path).unwrap() = value;
        wrong
    };
    let mut unknown = good.clone();
    unknown["more"] = json!(1);
    let mut newer = good.clone();
    newer["events"][0]["colour"] = json!("red");
    let many: Vec<Value> = (0..=MAX_EVENTS).map(|_| json!({})).collect();
    for (wrong, why) in [
        (json!([]), "cannot be read"),
        (unknown, "unknown field `more`"),
        (newer, "member `colour`"),
        (with("/to/position", json!(3)), "not forward"),
        (with("/to/position", json!(2)), "not forward"),
        (with("/to/position", json!(u64::MAX)), "not forward"),
        (with("/after/position", json!(-1)), "cannot be read"),
        (with("/line", json!("zz")), "cannot be read"),
        (with("/events", json!([{}, {}])), "more events than positions"),
        (with("/events", Value::Array(many)), "at most 1000"),
    ] {
        let said = scene.take_json(&wrong).await.unwrap_err().to_string();
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(scene.events().await.is_empty());
    assert_eq!(scene.take_json(&good).await, taken(1, 0, 4));
}

#[tokio::test]
async fn there_are_so_many_agents_and_no_more() {
    let scene = Scene::open().await;
    for number in 0..MAX_AGENTS {
        scene.agents.known.lock().await.entry(name(&format!("a{number}"))).or_default();
    }
    assert_eq!(scene.take("one-more", &batch("l", 0, &["x"])).await, Err(NotTaken::TooManyAgents));
    assert_eq!(scene.take("a7", &batch("l", 0, &["x"])).await, taken(1, 0, 1));
}

#[tokio::test]
async fn silence_is_said_once_when_it_was_due_and_its_end_once() {
    let scene = Scene::open().await;
    scene.note("a", &AgentStatus::default()).await;
    let look = async |millis: i64| {
        scene.at(millis);
        scene.agents.look_at(&name("a")).await.unwrap();
    };
    look(10_000 + SILENT_MILLIS - 1).await;
    assert!(scene.events().await.is_empty());
    look(10_000 + SILENT_MILLIS + 5_000).await;
    look(10_000 + SILENT_MILLIS + 6_000).await;
    assert_eq!(scene.said().await, [("agent_silent".to_owned(), Status::Firing)]);
    assert_eq!(scene.events().await[0].ts.as_millis(), 10_000 + SILENT_MILLIS);
    assert!(!scene.agents.seen().await[0].is_live);
    scene.note("a", &AgentStatus::default()).await;
    assert!(scene.agents.seen().await[0].is_live);
    assert_eq!(scene.said().await[1..], [("agent_silent".to_owned(), Status::Resolved)]);
}

#[tokio::test]
async fn who_was_not_heard_of_while_nobody_listened_is_given_time_and_a_silence_is_known_after_a_restart() {
    let scene = Scene::open().await;
    scene.note("a", &AgentStatus::default()).await;
    scene.at(10_000 + 10 * SILENT_MILLIS);
    let scene = scene.again().await;
    scene.agents.look_at(&name("a")).await.unwrap();
    assert!(scene.events().await.is_empty());
    scene.at(10_000 + 11 * SILENT_MILLIS);
    scene.agents.look_at(&name("a")).await.unwrap();
    let scene = scene.again().await;
    scene.at(10_000 + 13 * SILENT_MILLIS);
    scene.agents.look_at(&name("a")).await.unwrap();
    assert_eq!(scene.said().await, [("agent_silent".to_owned(), Status::Firing)]);
}

#[tokio::test]
async fn who_is_silent_for_a_week_is_forgotten_and_begins_anew_when_it_comes_back() {
    let scene = Scene::open().await;
    scene.take("a", &batch("l", 0, &["x"])).await.unwrap();
    for millis in [10_000 + SILENT_MILLIS, 10_000 + 7 * 86_400_000] {
        scene.at(millis);
        scene.agents.look_at(&name("a")).await.unwrap();
    }
    assert!(scene.agents.seen().await.is_empty());
    assert_eq!(
        scene.said().await[1..].iter().map(|(_, status)| *status).collect::<Vec<_>>(),
        [Status::Firing, Status::Resolved]
    );
    assert!(scene.bus.load("agent/a").await.unwrap().state.is_empty());
    assert_eq!(scene.take("a", &batch("l", 1, &["x", "y"])).await, taken(1, 1, 3));
}

/// An agent that speaks every ten seconds up to this time, and says each time how far back everything is here.
async fn speaks(scene: &Scene, from: i64, to: i64, reached: impl Fn(i64) -> Option<i64>) {
    for millis in (from..=to).step_by(10_000) {
        scene.at(millis);
        let reached = reached(millis).map(Timestamp::from_millis);
        scene.note("a", &AgentStatus { reached, backlog_events: 7, ..AgentStatus::default() }).await;
    }
}

#[tokio::test]
async fn one_that_speaks_and_of_whom_not_everything_is_here_is_behind_once_and_until_it_says_otherwise() {
    let behind = |status| ("agent_behind".to_owned(), status);
    let scene = Scene::open().await;
    speaks(&scene, 10_000, 500_000, |now| Some(now - SILENT_MILLIS + 10_000)).await;
    assert!(scene.events().await.is_empty(), "it is late, and no later than it may be");
    let stands = 500_000;
    speaks(&scene, 510_000, stands + SILENT_MILLIS - 10_000, |_| Some(stands)).await;
    assert!(scene.events().await.is_empty());
    speaks(&scene, stands + SILENT_MILLIS, stands + 3 * SILENT_MILLIS, |_| None).await;
    assert_eq!(scene.said().await, [behind(Status::Firing)]);
    assert_eq!(scene.events().await[0].ts.as_millis(), stands + SILENT_MILLIS);
    // Silence is something else, and a restart no end of it.
    let silent = stands + 4 * SILENT_MILLIS + 1;
    scene.at(silent);
    scene.agents.look_at(&name("a")).await.unwrap();
    let scene = scene.again().await;
    speaks(&scene, silent, silent + 10_000, |_| None).await;
    assert_eq!(
        scene.said().await[1..],
        [("agent_silent".to_owned(), Status::Firing), ("agent_silent".to_owned(), Status::Resolved)]
    );
    speaks(&scene, silent + 20_000, silent + 30_000, Some).await;
    assert_eq!(scene.said().await[3..], [behind(Status::Resolved)]);
}

#[tokio::test]
async fn one_that_was_cut_off_has_as_long_to_bring_what_it_kept_as_it_may_be_silent() {
    let scene = Scene::open().await;
    speaks(&scene, 10_000, 20_000, Some).await;
    let back = 20_000 + 100 * SILENT_MILLIS;
    speaks(&scene, back, back + SILENT_MILLIS - 10_000, |_| None).await;
    assert!(scene.said().await.iter().all(|(kind, _)| kind != "agent_behind"));
    speaks(&scene, back + SILENT_MILLIS, back + SILENT_MILLIS, |_| None).await;
    assert_eq!(scene.said().await, [("agent_behind".to_owned(), Status::Firing)]);
    assert_eq!(scene.events().await[0].ts.as_millis(), back + SILENT_MILLIS);
}

#[tokio::test]
async fn time_waits_for_an_agent_that_is_behind_for_as_long_as_it_may_be_silent() {
    let scene = Scene::open().await;
    let reached = |millis: i64| scene.watermark.reached(Timestamp::from_millis(millis), "").unwrap().as_millis();
    assert_eq!(reached(500_000), 500_000);
    scene.at(500_000);
    scene.note("a", &AgentStatus { reached: Some(Timestamp::from_millis(490_000)), ..AgentStatus::default() }).await;
    assert_eq!(reached(500_000), 490_000);
    // What it says of the future is not believed.
    scene.note("a", &AgentStatus { reached: Some(Timestamp::from_millis(900_000)), ..AgentStatus::default() }).await;
    assert_eq!(reached(600_000), 500_000);
    assert_eq!(reached(500_000 + SILENT_MILLIS), 500_000);
    assert_eq!(reached(500_000 + SILENT_MILLIS + 1), 500_000 + SILENT_MILLIS + 1);
    // One that is hours behind holds back no longer than one that says nothing.
    scene.at(9_000_000);
    scene.note("b", &AgentStatus { reached: Some(Timestamp::from_millis(1)), ..AgentStatus::default() }).await;
    assert_eq!(reached(9_000_000), 9_000_000 - SILENT_MILLIS);
}

proptest::proptest! {
    #[test]
    fn whatever_is_sent_is_a_batch_or_refused(bytes: Vec<u8>, text in ".*") {
        let now = Timestamp::from_millis(1);
        let _ = read::batch(&bytes, &name("a"), now);
        let _ = read::batch(text.as_bytes(), &name("a"), now);
        let _ = read::status(&bytes, now);
    }
}
