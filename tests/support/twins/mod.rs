//! Two deployments that watch the same world: one is disturbed, the other is left alone and tells what has to be recorded.
//!
//! What they watch is a function of the instant they ask about, so both get the same answers however late they ask.

mod recorded;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use orion_lab::{Answer, AnsweringServer};
use orion_model::Timestamp;
use serde_json::Value;

use super::pace::Pace;
use super::{Deployment, Running};
use recorded::{PLACE, Recorded};
use world::{BEAT_MILLIS, Traffic, answer};

/// From the moment at which traffic is planned to its beginning: nobody has asked about that yet.
const QUIET_MILLIS: i64 = 1_000;

/// From the last traffic to the last instant that is compared: by then every window and every pause is over.
const SETTLED_MILLIS: i64 = 8_000;

/// Event types of Orion's own that are no trouble.
const HARMLESS: [&str; 1] = ["confinement_attested"];

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
        let open = || format!("{:#?}\n{}", open_incidents(deployment, &to), deployment.log());
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
    deployment.rule("world.yaml", &world::rules(pace, stage.plugin.as_ref().map(|(name, _)| *name)));
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

impl Deployment {
    /// What Orion said of itself, but what is no trouble: type, status and message.
    pub fn troubles(&self) -> Vec<String> {
        let own = self.events().into_iter().filter(|event| event["rule"].as_str().unwrap().starts_with("orion/"));
        let trouble = own.filter(|event| !HARMLESS.contains(&event["event_type"].as_str().unwrap()));
        trouble
            .map(|event| format!("{} {}", event["event_type"].as_str().unwrap(), event["status"].as_str().unwrap()))
            .collect()
    }
}

pub fn now_millis() -> i64 {
    Pace::USUAL.now()
}
