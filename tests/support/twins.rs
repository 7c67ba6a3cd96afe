//! Two deployments that watch the same world: one is disturbed, the other is left alone and tells what has to be recorded.
//!
//! What they watch is a function of the instant they ask about, so both get the same answers however late they ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use orion_bus::{RecordKind, SqliteBus};
use orion_lab::{Answer, Answered, AnsweringServer, Question};
use orion_model::Timestamp;
use orion_pipeline::memory::{Chain, Heads, audit};
use serde_json::Value;

use super::pace::Pace;
use super::{Deployment, Running};

/// Plain alerts, alerts with a past, detectors that remember, and correlations that count, wait and end by time alone; and what
/// a plugin of the deployment finds, where there is one.
fn world_rules(pace: Pace, plugin: Option<&str>) -> String {
    let millis = |usual| format!("{}ms", pace.millis(usual));
    let (often, seldom, slow) = (millis(200), millis(300), millis(500));
    let (held, window, idle) = (millis(400), millis(2_000), millis(3_000));
    let own = plugin.map_or_else(String::new, |plugin| {
        format!("- name: own\n    interval: {often}\n    rules:\n      - {{ alert: Own, expr: own, plugin: {plugin} }}")
    });
    format!(
        r#"
groups:
  - name: plain
    interval: {often}
    rules:
      - {{ alert: Plain, expr: load > 0, labels: {{ severity: error }} }}
      - {{ alert: Held, expr: load > 0, for: {held}, keep_firing_for: {held} }}
  - name: detected
    interval: {seldom}
    rules:
      - {{ alert: Bound, expr: load, plugin: threshold, with: {{ above: 0 }} }}
      - {{ alert: Restarted, expr: uptime, plugin: counter-reset, with: {{ window: {window} }} }}
  - name: beat
    interval: {slow}
    rules:
      - {{ alert: Beat, expr: beat > 0 }}
  {own}
correlations:
  - name: overload
    match: {{ event_type: plain }}
    group_by: [worker]
    incident: {{ type: overload, severity: warning, summary: "{{{{ $labels.worker }}}} has much to do" }}
  - name: storm
    match: {{ event_type: held }}
    plugin: count
    with: {{ gte: 6, window: {window}, idle: {idle} }}
    incident: {{ type: storm, severity: error, summary: "much is held" }}
  - name: beats
    match: {{ event_type: beat }}
    incident: {{ type: beats, severity: info, summary: "time passes" }}
"#
    )
}

/// Milliseconds for which each worker has nothing to do, and then much, and so on.
const PERIODS: [i64; 12] = [700, 1_100, 1_300, 1_700, 1_900, 2_300, 2_900, 3_100, 3_700, 4_100, 4_300, 5_300];

/// What the plugin of a deployment looks at is there for so long, and then gone for so long, and so on.
const OWN_MILLIS: i64 = 1_300;

/// After so long a counter begins anew.
const LIFE_MILLIS: i64 = 4_700;

/// A beat, and as long a pause: by it is seen that time has passed, also when there is nothing else.
const BEAT_MILLIS: i64 = 1_000;

/// From the moment at which traffic is planned to its beginning: nobody has asked about that yet.
const QUIET_MILLIS: i64 = 1_000;

/// From the last traffic to the last instant that is compared: by then every window and every pause is over.
const SETTLED_MILLIS: i64 = 8_000;

/// Event types of Orion's own that are no trouble.
const HARMLESS: [&str; 1] = ["confinement_attested"];

/// What of a record is not compared: its place in the file.
const PLACE: [&str; 3] = ["seq", "prev", "hash"];

/// What becomes of the right answer to a question about a time.
pub type Trouble = Box<dyn Fn(i64, Answer) -> Answer + Send + Sync>;

/// How two deployments are set up that watch the same.
#[derive(Default)]
pub struct Stage {
    /// How fast time passes.
    pub pace: Option<Pace>,
    /// What is in the environment of the one that is disturbed.
    pub disturbed: Vec<(&'static str, String)>,
    /// What else of a record, or of its evidence, is not compared.
    pub incomparable: Vec<&'static str>,
    /// A plugin file that both have, with a rule for it.
    pub plugin: Option<(&'static str, Vec<u8>)>,
    /// Whether questions about an instant go wrong, and how: by the milliseconds since the traffic began, for both.
    pub trouble: Option<Trouble>,
}

/// When there is traffic.
struct Traffic {
    pace: Pace,
    from: AtomicI64,
    to: AtomicI64,
}

impl Traffic {
    fn span(&self) -> std::ops::Range<i64> {
        self.from.load(Ordering::SeqCst)..self.to.load(Ordering::SeqCst)
    }
}

/// The world, its two watchers, and since when there is something to see.
pub struct Twins {
    world: AnsweringServer,
    stage: Stage,
    traffic: Arc<Traffic>,
    traffic_from: i64,
    /// The one that is disturbed.
    pub disturbed: Deployment,
    reference: Deployment,
    watching: Running,
}

impl Twins {
    /// Starts the one that is left alone; the other has been at work, too, and is down.
    pub fn begin() -> Self {
        Self::begin_in(|_| {})
    }

    /// The same with something done to the folder of the other before there is anything in it.
    pub fn begin_in(prepare: impl FnOnce(&Deployment)) -> Self {
        Self::begin_on(Stage::default(), prepare)
    }

    /// The same, set up otherwise.
    pub fn begin_on(mut stage: Stage, prepare: impl FnOnce(&Deployment)) -> Self {
        let pace = stage.pace.unwrap_or(Pace::USUAL);
        let traffic = Arc::new(Traffic { pace, from: AtomicI64::new(i64::MAX), to: AtomicI64::new(i64::MAX) });
        let (seen, trouble) = (traffic.clone(), stage.trouble.take());
        let world = AnsweringServer::start_with(move |question| {
            let (span, at) = (seen.span(), question.at_millis);
            let right = Answer::Series(answer(question, &seen));
            match trouble.as_ref().filter(|_| span.contains(&at)) {
                Some(trouble) => trouble(at - span.start, right),
                None => right,
            }
        });
        let world = world.unwrap();
        let disturbed = deployment(&world, pace, &stage, prepare);
        let disturbed = stage.disturbed.iter().fold(disturbed, |it, (name, value)| it.with(name, value));
        let reference = deployment(&world, pace, &stage, |_| {});
        let [before, watching] = [&disturbed, &reference].map(|deployment| {
            let running = deployment.start();
            // By then every group has been evaluated, and goes on from there.
            deployment.wait_until("the first beats", |it| it.events_of("beat", "firing").len() >= 2);
            running
        });
        assert!(before.terminate().success());
        let traffic_from = pace.now() + pace.millis(QUIET_MILLIS);
        traffic.from.store(traffic_from, Ordering::SeqCst);
        Self { world, stage, traffic, traffic_from, disturbed, reference, watching }
    }

    /// How fast time passes.
    pub fn pace(&self) -> Pace {
        self.traffic.pace
    }

    /// When there is traffic for the first time.
    pub fn traffic_from(&self) -> i64 {
        self.traffic_from
    }

    /// Waits until there was traffic for so long.
    pub fn watch_for(&self, millis: i64) {
        let until = self.pace().now().max(self.traffic_from) + millis;
        self.disturbed.wait_until("traffic", |_| self.pace().now() >= until);
    }

    /// A deployment of the same rules that watches the same world.
    pub fn another(&self) -> Deployment {
        deployment(&self.world, self.pace(), &self.stage, |_| {})
    }

    /// No more traffic from now on. What was recorded up to the instant that comes back is compared.
    pub fn end_traffic(&self) -> i64 {
        // Nobody has asked about what is still to come.
        let pace = self.pace();
        let end = pace.now() + pace.millis(BEAT_MILLIS);
        self.traffic.to.store(end, Ordering::SeqCst);
        end + pace.millis(SETTLED_MILLIS)
    }

    /// Ends traffic and both, and compares.
    pub fn end(self, running: Running) -> Compared {
        let to = self.end_traffic();
        self.wait_past(&self.disturbed, to);
        assert!(running.terminate().success());
        let disturbed = self.disturbed.path("");
        self.end_with(to, &[&disturbed])
    }

    /// The same as [`wait_for`] once traffic has ended, and until every incident from before is over. Those that end by time alone end
    /// with a tick, for which the slowest group has to have caught up.
    pub fn wait_past(&self, deployment: &Deployment, to: i64) {
        wait_for(deployment, to + 2 * self.pace().millis(BEAT_MILLIS));
        let to = Timestamp::from_millis(to).to_string();
        let log = || deployment.log();
        let open = || format!("{:#?}\n{}", open_incidents(deployment, &to), log());
        super::wait_until("the end of every incident", || open_incidents(deployment, &to).is_empty(), open);
    }

    /// Ends the one that was left alone, where there is nothing to compare.
    pub fn end_alone(self) {
        assert!(self.watching.terminate().success());
    }

    /// Ends the one that was left alone, and compares these data folders with it.
    pub fn end_with(self, to: i64, data: &[&Path]) -> Compared {
        self.wait_past(&self.reference, to);
        assert!(self.watching.terminate().success());
        self.reference.check_promises();
        let incomparable: Vec<_> = PLACE.iter().chain(&self.stage.incomparable).copied().collect();
        let recorded = |folder: &Path| Recorded::of_folder(folder, self.traffic_from, to, &incomparable);
        let expected = recorded(&self.reference.path(""));
        for folder in data {
            let found = recorded(folder);
            expected.must_be(&found, folder);
        }
        Compared { events: expected.count(0), incidents: expected.count(1), decisions: expected.count(2) }
    }
}

/// A deployment that watches the world, with something done to its folder first.
fn deployment(world: &AnsweringServer, pace: Pace, stage: &Stage, prepare: impl FnOnce(&Deployment)) -> Deployment {
    let mut deployment = Deployment::new(&world.url());
    prepare(&deployment);
    if let Some(clock) = pace.clock() {
        let file = deployment.path("memory/.clock");
        std::fs::create_dir_all(deployment.path("memory")).unwrap();
        std::fs::write(&file, clock).unwrap();
        deployment = deployment.with("ORION_CLOCK_FILE", file.to_str().unwrap());
    }
    if let Some((name, plugin)) = &stage.plugin {
        deployment.plugin(name, plugin);
    }
    deployment.rule("world.yaml", &world_rules(pace, stage.plugin.as_ref().map(|(name, _)| *name)));
    deployment
}

/// Waits until instants behind this one are recorded.
pub fn wait_for(deployment: &Deployment, millis: i64) {
    let at = Timestamp::from_millis(millis).to_string();
    let beats = |it: &Deployment| it.incidents().into_iter().filter(|incident| incident["incident_type"] == "beats");
    deployment.wait_until("what comes after", |it| beats(it).any(|incident| incident["ts"].as_str() > Some(&*at)));
}

/// Of each incident from before that is not over, what it was last.
fn open_incidents(deployment: &Deployment, to: &str) -> BTreeMap<String, Value> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for incident in deployment.incidents().into_iter().filter(|incident| incident["opened_at"].as_str() <= Some(to)) {
        // Whether they stand in their order is for the comparison to say.
        let is_newer = |known: &Value| known["revision"].as_u64() < incident["revision"].as_u64();
        let id = incident["incident_id"].as_str().unwrap();
        if last.get(id).is_none_or(is_newer) {
            last.insert(id.to_owned(), incident);
        }
    }
    last.retain(|_, incident| incident["status"] != "resolved");
    last
}

/// How much was the same.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
pub struct Compared {
    events: usize,
    incidents: usize,
    decisions: usize,
}

fn answer(question: &Question, traffic: &Traffic) -> Vec<Answered> {
    let (pace, traffic) = (traffic.pace, traffic.span());
    // As if things were not stretched.
    let at = question.at_millis / pace.stretch;
    let traffic = traffic.start / pace.stretch..traffic.end / pace.stretch;
    let named = |name: &'static str, worker: String| vec![("__name__", name.to_owned()), ("worker", worker)];
    let load = |period: &i64| if traffic.contains(&at) { (at / period % 2) as f64 } else { 0.0 };
    let workers = PERIODS.iter().map(|period| (named("load", format!("w{period}")), load(period)));
    match question.expr.as_str() {
        "load" => workers.collect(),
        "load > 0" => workers.filter(|(_, load)| *load > 0.0).collect(),
        "uptime" => {
            let life = if traffic.contains(&at) { (at - traffic.start) % LIFE_MILLIS } else { 0 };
            vec![(named("uptime", "w0".to_owned()), life as f64)]
        }
        "own" if traffic.contains(&at) && (at - traffic.start) / OWN_MILLIS % 2 == 0 => {
            vec![(named("own", "w0".to_owned()), 1.0)]
        }
        "beat > 0" if at / BEAT_MILLIS % 2 == 1 => vec![(named("beat", "w0".to_owned()), 1.0)],
        _ => Vec::new(),
    }
}

/// What was recorded of the world: events of each alert, revisions and decisions of each incident, in their order.
#[derive(PartialEq)]
struct Recorded([BTreeMap<String, Vec<Value>>; 3]);

impl Recorded {
    fn of_folder(data: &Path, from: i64, to: i64, incomparable: &[&str]) -> Self {
        files_hold_what_the_store_holds(data);
        let (from, to) = (Timestamp::from_millis(from).to_string(), Timestamp::from_millis(to).to_string());
        let within = |record: &Value, member: &str| {
            let at = record[member].as_str();
            Some(&*from) < at && at <= Some(&*to)
        };
        let [events, incidents, decisions] =
            RecordKind::ALL.map(|kind| super::lines_of(&data.join("memory"), kind).unwrap());
        let mut recorded = Self(Default::default());
        let is_of_the_world =
            |record: &Value, member: &str| record[member].as_str().is_some_and(|id| id.starts_with("world.yaml/"));
        for event in events.into_iter().filter(|event| is_of_the_world(event, "rule") && within(event, "ts")) {
            recorded.put(0, format!("{} {}", event["rule"], event["labels"]), event, incomparable);
        }
        let is_seen = |incident: &Value| {
            is_of_the_world(incident, "correlation") && within(incident, "opened_at") && within(incident, "ts")
        };
        for incident in incidents.into_iter().filter(is_seen) {
            recorded.put(1, incident["incident_id"].to_string(), incident, incomparable);
        }
        for decision in decisions {
            let of = decision["incident_id"].to_string();
            if recorded.0[1].contains_key(&of) && within(&decision, "ts") {
                recorded.put(2, of, decision, incomparable);
            }
        }
        recorded
    }

    fn put(&mut self, kind: usize, key: String, mut record: Value, incomparable: &[&str]) {
        let members = record.as_object_mut().unwrap();
        members.retain(|name, _| !incomparable.contains(&name.as_str()));
        if let Some(evidence) = members.get_mut("evidence").and_then(Value::as_object_mut) {
            // An instance that was just set up may need some more work.
            evidence.retain(|name, _| name != "fuel" && !incomparable.contains(&name.as_str()));
        }
        self.0[kind].entry(key).or_default().push(record);
    }

    fn count(&self, kind: usize) -> usize {
        self.0[kind].values().map(Vec::len).sum()
    }

    /// The same things of the same alerts and incidents, each once and in the same order.
    fn must_be(&self, found: &Self, of: &Path) {
        for (kind, (expected, found)) in RecordKind::ALL.iter().zip(self.0.iter().zip(&found.0)) {
            assert!(!expected.is_empty(), "nothing was recorded undisturbed: no {kind}");
            let none = Vec::new();
            let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            let differing: Vec<String> = keys
                .into_iter()
                .map(|key| (key, expected.get(key).unwrap_or(&none), found.get(key).unwrap_or(&none)))
                .filter(|(_, expected, found)| expected != found)
                .map(|(key, expected, found)| format!("{key}\n{}", difference(expected, found)))
                .collect();
            assert!(differing.is_empty(), "{}: {kind}s differ:\n{}", of.display(), differing.join("\n"));
        }
    }
}

/// From the first record on that is not the same.
fn difference(expected: &[Value], found: &[Value]) -> String {
    let longest = expected.len().max(found.len());
    let first = (0..longest).find(|index| expected.get(*index) != found.get(*index)).unwrap_or(0);
    let shown = |records: &[Value]| records.get(first).map_or("nothing".to_owned(), Value::to_string);
    format!(
        "  undisturbed {} records, here {}; number {first} is, undisturbed\n  {}\n  and here\n  {}",
        expected.len(),
        found.len(),
        shown(expected),
        shown(found)
    )
}

/// The lines of each kind, in closed files and the last one, are the chain of exactly the store's records, and every hash is right.
fn files_hold_what_the_store_holds(data: &Path) {
    let memory = data.join("memory");
    let mut store = SqliteBus::open_read_only(&memory).unwrap();
    assert_eq!(audit(&memory, &mut store, false, None).unwrap().findings, [], "{}", data.display());
    let entries = store.read(0, usize::MAX).unwrap();
    for kind in RecordKind::ALL {
        let mut chain = Chain::from(Heads::NONE);
        assert!(entries.iter().filter(|entry| entry.kind == kind).all(|entry| chain.push(entry)));
        let lines = super::lines_of(&memory, kind).unwrap();
        let of_files =
            lines.last().map_or_else(|| Heads::NONE.of(kind).hash(), |line| line["hash"].as_str().unwrap().to_owned());
        assert_eq!(chain.heads().of(kind).hash(), of_files, "{kind}: the files are not what the store holds");
    }
}

impl Deployment {
    /// What Orion said of itself, but what is no trouble: type, status and message.
    pub fn troubles(&self) -> Vec<String> {
        let own = self.events().into_iter().filter(|event| event["rule"].as_str().unwrap().starts_with("orion/"));
        let trouble = own.filter(|event| !HARMLESS.contains(&event["event_type"].as_str().unwrap()));
        trouble
            .map(|event| format!("{} {}", event["event_type"].as_str().unwrap(), event["status"].as_str().unwrap()))
            .collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("orion.log")).unwrap_or_default()
    }
}

pub fn now_millis() -> i64 {
    Pace::USUAL.now()
}
