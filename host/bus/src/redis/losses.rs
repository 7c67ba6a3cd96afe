//! A Redis that loses things again and again, step by step: hosts do one thing at a time, in an order that is written down or drawn
//! from a seed, and in the end every event was read by the stage once, in its order, and is in every file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_lab::{RedisOptions, RedisServer as Server};
use tempfile::TempDir;
use tokio::sync::watch;

use super::core::Core;
use super::follower::{Follower, take_over};
use super::lease::{Held, LeaseSettings, Token};
use super::{Place, RedisServer, RedisSettings};
use crate::conformance::{commit, id};
use crate::{Bus as _, BusError, Partition, Role, SqliteBus, StateChange};

/// The first seed of the schedules that are drawn, and how many there are.
const SEED: &str = "ORION_LOSSES_SEED";
const DEFAULT_SEED: u64 = 1;
const COUNT: &str = "ORION_LOSSES_COUNT";
const DEFAULT_COUNT: u64 = 10;

/// What happens in a schedule.
const STEPS: usize = 150;

/// Two rule groups; whoever holds one commits its events.
const GROUPS: [&str; 2] = ["a", "b"];

/// Reads the log.
const STAGE: &str = "stage";

/// Events of each group have numbers of their own.
const MOST_EVENTS: u32 = 100_000;

fn place(owner: &str) -> Place {
    let role = if owner == STAGE { Role::Brain } else { Role::Watcher };
    let partition = (owner != "own").then(|| Partition::of(role, owner));
    Place { partition, reads_log: owner == STAGE }
}

fn event_of(group: usize, number: u32) -> u32 {
    u32::try_from(group).unwrap() * MOST_EVENTS + number
}

/// A host that does nothing by itself.
struct Host {
    name: &'static str,
    settings: RedisSettings,
    core: Arc<Core>,
    follower: Follower,
    held: watch::Sender<Held>,
    file: Arc<SqliteBus>,
    _folder: TempDir,
}

impl Host {
    async fn new(server: &Server, name: &'static str) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = RedisSettings {
            server: RedisServer::parse(&server.url()).unwrap(),
            prefix: "orion".to_owned(),
            lease: LeaseSettings::new("orion", name, [], Duration::from_secs(10)).unwrap(),
            outbox_bytes: 64 * 1024 * 1024,
            place,
        };
        let held = watch::Sender::new(Held::default());
        let file = Arc::new(SqliteBus::open(&folder.path().join("memory")).unwrap());
        let core = Arc::new(Core::open(settings.clone(), file.clone(), held.subscribe()).await.unwrap());
        let follower = Follower::new(core.clone(), None);
        Self { name, settings, core, follower, held, file, _folder: folder }
    }

    /// As after `kill -9` and a start.
    async fn restart(&mut self) {
        self.core =
            Arc::new(Core::open(self.settings.clone(), self.file.clone(), self.held.subscribe()).await.unwrap());
        self.follower = Follower::new(self.core.clone(), None);
    }

    /// Holds this work, and the server knows it.
    fn hold(&self, server: &Server, owners: &[&str]) {
        let mut held = Held::default();
        for owner in owners {
            let partition = place(owner).partition.unwrap();
            let token = format!("{}/1", self.name);
            // A server that is down learns of it later.
            let _ = server.command(&["HSET", "{orion}:leases", &partition.to_string(), &token]);
            held.partitions.insert(partition, Token::new(token));
        }
        self.held.send_replace(held);
    }

    /// Meets a server that is there, whatever it was before.
    async fn meet(&self) {
        let mut tries = 3;
        // A connection may be broken without anybody having noticed.
        self.core.forget_greeting().await;
        while let Err(trouble) = self.core.greet().await {
            tries -= 1;
            assert!(tries > 0, "{trouble:?}");
            self.wait_no_longer().await;
        }
    }

    /// Waits for no other host to fill an empty server.
    async fn wait_no_longer(&self) {
        self.core.greeted.lock().await.gives_way_for = Duration::ZERO;
    }

    /// Reads on once; whether there was something.
    async fn follow_once(&mut self) -> bool {
        match self.follower.next().await {
            Ok(entries) => {
                let is_something = !entries.is_empty();
                take_over(&self.core, entries, 1).await.unwrap();
                is_something
            }
            Err(error) => {
                assert!(error.is_away(), "{error}");
                false
            }
        }
    }

    async fn follow(&mut self) {
        // The first look may have been for the greeting alone.
        while self.follow_once().await || self.follow_once().await {}
    }

    /// The next event of a group; its number.
    async fn observe(&self, group: usize) -> Result<u32, BusError> {
        let owner = GROUPS[group];
        let loaded = self.core.load(owner).await?;
        let number = u32::try_from(loaded.offset.unwrap_or(0)).unwrap() + 1;
        let mut step = commit(owner, loaded.offset, i64::from(number), [event_of(group, number)]);
        step.state = vec![StateChange::Put { key: b"at".to_vec(), value: number.to_string().into_bytes() }];
        self.core.commit(step).await?;
        Ok(number)
    }

    /// The stage reads on and counts how often it has read what; how much it was.
    async fn read(&self, most: usize) -> Result<usize, BusError> {
        let loaded = self.core.load(STAGE).await?;
        let position = u64::try_from(loaded.offset.unwrap_or(0)).unwrap();
        let entries = self.core.read(position, most).await?;
        let Some(last) = entries.last() else { return Ok(0) };
        let mut counts: BTreeMap<_, _> = loaded.state.into_iter().collect();
        let mut step = commit(STAGE, loaded.offset, i64::try_from(last.seq).unwrap(), []);
        for entry in &entries {
            let count = counts.entry(entry.id.as_bytes().to_vec()).or_default();
            count.push(b'1');
            step.state.push(StateChange::Put { key: entry.id.as_bytes().to_vec(), value: count.clone() });
        }
        // The number of what it has read of each group, in the order in which it read.
        for entry in &entries {
            let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap();
            let number = u32::try_from(body["n"].as_u64().unwrap()).unwrap();
            let order = counts.entry(format!("order {}", number / MOST_EVENTS).into_bytes()).or_default();
            order.extend(format!("{} ", number % MOST_EVENTS).bytes());
        }
        let orders = counts.iter().filter(|(key, _)| key.starts_with(b"order"));
        step.state.extend(orders.map(|(key, value)| StateChange::Put { key: key.clone(), value: value.clone() }));
        self.core.commit(step).await?;
        Ok(entries.len())
    }
}

struct Scene {
    server: Server,
    hosts: Vec<Host>,
    /// Events of each group that were accepted.
    accepted: [u32; 2],
    told: Vec<String>,
}

impl Scene {
    async fn new(names: &[&'static str]) -> Self {
        Self::on(Server::start(&RedisOptions::default()).unwrap(), names).await
    }

    async fn on(server: Server, names: &[&'static str]) -> Self {
        let mut hosts = Vec::new();
        for name in names {
            hosts.push(Host::new(&server, name).await);
        }
        let mut scene = Self { server, hosts, accepted: [0; 2], told: Vec::new() };
        for host in &mut scene.hosts {
            host.core.greet().await.unwrap();
        }
        scene.share();
        scene
    }

    /// The first host has group `a`, the second one `b` and the stage. With one host it has all.
    fn share(&self) {
        match self.hosts.as_slice() {
            [one] => one.hold(&self.server, &["a", "b", STAGE]),
            [one, two, ..] => {
                one.hold(&self.server, &["a"]);
                two.hold(&self.server, &["b", STAGE]);
            }
            [] => {}
        }
    }

    fn holder(&self, group: usize) -> &Host {
        &self.hosts[group.min(self.hosts.len() - 1)]
    }

    async fn observe(&mut self, group: usize) {
        match self.holder(group).observe(group).await {
            Ok(number) => self.accepted[group] = self.accepted[group].max(number),
            Err(error) => self.told.push(format!("  {error}")),
        }
    }

    async fn read(&mut self, most: usize) -> usize {
        let reader = 1.min(self.hosts.len() - 1);
        self.hosts[reader].follow().await;
        match self.hosts[reader].read(most).await {
            Ok(count) => count,
            Err(error) => {
                self.told.push(format!("  {error}"));
                0
            }
        }
    }

    async fn follow_all(&mut self) {
        for host in &mut self.hosts {
            host.follow().await;
        }
    }

    fn empty(&self) {
        self.server.command(&["FLUSHALL"]).unwrap();
    }

    /// When all is quiet: every event once, in its order, and in every file.
    async fn check(&mut self) {
        for _ in 0..3 {
            for host in &self.hosts {
                host.meet().await;
            }
            self.share();
            self.follow_all().await;
            for host in &self.hosts {
                host.core.hand_over().await.unwrap();
            }
        }
        self.share();
        for (group, name) in GROUPS.into_iter().enumerate() {
            for _ in 0..=self.accepted[group] {
                let loaded = self.holder(group).core.load(name).await.unwrap();
                if loaded.offset.unwrap_or(0) < i64::from(self.accepted[group]) {
                    self.holder(group).observe(group).await.unwrap();
                }
            }
        }
        while self.read(1_000).await > 0 {}
        for host in &self.hosts {
            host.core.hand_over().await.unwrap();
            assert_eq!(host.core.journal().held_back().len(), 0, "{}", self.told.join("\n"));
        }
        while self.read(1_000).await > 0 {}
        self.follow_all().await;
        let told = self.told.join("\n");
        let expected = |group: usize| (1..=self.accepted[group]).map(move |number| event_of(group, number));
        let state = self.hosts[0].core.load(STAGE).await.unwrap().state;
        let state: BTreeMap<_, _> = state.into_iter().collect();
        for (group, name) in GROUPS.into_iter().enumerate() {
            let order: String = (1..=self.accepted[group]).map(|number| format!("{number} ")).collect();
            let found = state.get(format!("order {group}").as_bytes()).cloned().unwrap_or_default();
            assert_eq!(String::from_utf8(found).unwrap(), order, "the stage has read of {name}\n{told}");
            for host in &self.hosts {
                let held: Vec<_> = host.file.read(0, usize::MAX).await.unwrap().iter().map(|entry| entry.id).collect();
                let missing: Vec<_> = expected(group).filter(|number| !held.contains(&id(*number))).collect();
                assert!(missing.is_empty(), "the file of {} lacks {missing:?}\n{told}", host.name);
            }
        }
        for host in &self.hosts {
            for owner in [GROUPS[0], GROUPS[1], STAGE] {
                let (file, server) = (host.file.load(owner).await.unwrap(), host.core.load(owner).await.unwrap());
                assert_eq!(file, server, "what the file of {} knows of {owner}\n{told}", host.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_back_is_unread_for_who_has_not_read_it_also_at_the_next_empty_server() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.read(9).await;
    scene.follow_all().await;
    // The first host fills the server, and does not know this one.
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    scene.observe(0).await;
    // The second one gives it back, behind what the first one has committed since; the stage reads up to there, and no further.
    scene.hosts[1].core.forget_greeting().await;
    assert_eq!(scene.read(1).await, 1);
    scene.follow_all().await;
    scene.empty();
    scene.hosts[1].core.forget_greeting().await;
    scene.hosts[1].core.greet().await.unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_knew_less_than_the_one_that_filled_the_server_knows_all_owners_afterwards() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.read(9).await;
    scene.hosts[0].follow().await;
    // Here the second host's file lacks the stage's last step, which nobody commits again.
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    scene.hosts[1].core.forget_greeting().await;
    scene.follow_all().await;
    scene.empty();
    scene.hosts[1].core.forget_greeting().await;
    scene.hosts[1].core.greet().await.unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_no_file_held_is_given_back_as_often_as_it_is_lost() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.observe(1).await;
    for _ in 0..3 {
        scene.empty();
        scene.hosts[0].wait_no_longer().await;
        scene.hosts[0].core.forget_greeting().await;
        scene.hosts[0].core.greet().await.unwrap();
        scene.share();
        scene.observe(0).await;
        // It takes over what comes before its own commit, and not that.
        scene.hosts[1].core.forget_greeting().await;
        scene.hosts[1].core.greet().await.unwrap();
        scene.observe(1).await;
    }
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_not_read_again_though_another_host_gives_it_back() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.observe(1).await;
    scene.read(9).await;
    // The second host has committed one and read both; its own file would give them back.
    scene.hosts[0].follow().await;
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    scene.share();
    scene.hosts[1].core.forget_greeting().await;
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_slept_through_one_loss_gives_back_after_the_next_what_it_held() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.observe(1).await;
    scene.hosts[1].follow().await;
    for _ in 0..2 {
        scene.empty();
        scene.hosts[0].core.forget_greeting().await;
        scene.hosts[0].core.greet().await.unwrap();
        scene.share();
        scene.observe(0).await;
        scene.hosts[0].follow().await;
    }
    scene.hosts[1].restart().await;
    scene.share();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_to_the_file_is_given_back() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    scene.observe(1).await;
    let under_way = scene.hosts[1].follower.next().await.unwrap();
    assert_eq!(under_way.len(), 1);
    scene.empty();
    scene.hosts[0].core.greet().await.unwrap();
    let two = scene.hosts[1].core.clone();
    two.forget_greeting().await;
    let greeting = tokio::spawn({
        let two = two.clone();
        async move { two.greet().await }
    });
    // It has all the time it may need to look at its file too early.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!greeting.is_finished(), "it waits for its own file");
    take_over(&two, under_way, 1).await.unwrap();
    greeting.await.unwrap().unwrap();
    let known = scene.server.command(&["SCARD", "{orion}:ids"]).unwrap();
    assert_eq!(known, "2", "the record of each host");
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosts_own_owners_come_back_though_another_one_fills_the_server() {
    let mut scene = Scene::new(&["one", "two"]).await;
    let mut own = commit("own", None, 7, [event_of(3, 1)]);
    own.state = vec![StateChange::Put { key: b"k".to_vec(), value: b"v".to_vec() }];
    scene.hosts[1].core.commit(own).await.unwrap();
    scene.follow_all().await;
    scene.empty();
    scene.hosts[0].meet().await;
    scene.hosts[1].core.forget_greeting().await;
    let loaded = scene.hosts[1].core.load("own").await.unwrap();
    assert_eq!((loaded.offset, loaded.state), (Some(7), vec![(b"k".to_vec(), b"v".to_vec())]));
}

/// Its record is in the other one's file, and what it knew of having said it has to be there, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_died_has_its_own_owners_back_from_the_file_of_another_one() {
    let mut scene = Scene::new(&["one", "two"]).await;
    let mut own = commit("own", None, 7, [event_of(3, 1)]);
    own.state = vec![StateChange::Put { key: b"k".to_vec(), value: b"v".to_vec() }];
    scene.hosts[1].core.commit(own).await.unwrap();
    scene.hosts[0].follow().await;
    // Killed before its file held what it did.
    scene.hosts[1].restart().await;
    scene.empty();
    scene.hosts[0].meet().await;
    let loaded = scene.hosts[1].core.load("own").await.unwrap();
    assert_eq!((loaded.offset, loaded.state), (Some(7), vec![(b"k".to_vec(), b"v".to_vec())]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_from_what_another_host_has_yet_to_give_back_does_not_come_before_it() {
    let mut scene = Scene::new(&["one", "two"]).await;
    scene.observe(0).await;
    scene.follow_all().await;
    // The work goes from one to the other, and no file holds what either of them did.
    scene.observe(0).await;
    scene.hosts.swap(0, 1);
    scene.share();
    scene.observe(0).await;
    scene.empty();
    scene.share();
    // Who had it last fills the server, from a file that holds neither.
    scene.hosts[0].core.forget_greeting().await;
    scene.hosts[0].core.greet().await.unwrap();
    assert_eq!(scene.hosts[0].core.journal().held_back().len(), 1);
    scene.share();
    scene.hosts[1].core.forget_greeting().await;
    scene.check().await;
}

/// Draws what happens next.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound as u64).unwrap()
    }
}

async fn any_schedule(seed: u64) {
    let mut draw = Draw(seed);
    let mut scene = Scene::new(&["one", "two", "three"]).await;
    scene.told.push(format!("again with {SEED}={seed} {COUNT}=1"));
    // A host that is out does nothing.
    let mut is_out = [false; 3];
    let mut is_down = false;
    for _ in 0..STEPS {
        let host = draw.below(3);
        let what = draw.below(100);
        let mut tell = |what: String| scene.told.push(what);
        match what {
            0..30 if !is_out[what % 2] => {
                tell(format!("{} observes", what % 2));
                scene.observe(what % 2).await;
            }
            30..45 if !is_out[1] => {
                let most = 1 + draw.below(4);
                tell(format!("1 reads {most}"));
                scene.read(most).await;
            }
            45..70 if !is_out[host] => {
                tell(format!("{host} follows"));
                scene.hosts[host].follow_once().await;
            }
            70..78 if !is_out[host] => {
                tell(format!("{host} greets"));
                scene.hosts[host].core.forget_greeting().await;
                let _ = scene.hosts[host].core.greet().await;
            }
            78 if !is_out[host] => {
                tell(format!("{host} hands over"));
                let _ = scene.hosts[host].core.hand_over().await;
            }
            79..82 if !is_down && !is_out[0] && !is_out[1] => {
                tell("0 and 1 swap".to_owned());
                scene.hosts.swap(0, 1);
                scene.share();
            }
            82..85 => {
                tell(format!("{host} is killed and started"));
                scene.hosts[host].restart().await;
            }
            85..89 => {
                is_out[host] = !is_out[host];
                tell(format!("{host} {}", if is_out[host] { "is out" } else { "is back" }));
            }
            89..92 if !is_down => {
                tell("emptied".to_owned());
                scene.empty();
                scene.share();
                match draw.below(4) {
                    // Nobody whose file is whole is there for long enough.
                    0 => scene.hosts[host].wait_no_longer().await,
                    _ => scene.follow_all().await,
                }
            }
            92..94 if !is_down => {
                tell("saved".to_owned());
                scene.server.command(&["SAVE"]).unwrap();
            }
            94..96 if !is_down => {
                tell("killed".to_owned());
                scene.server.kill();
                is_down = true;
            }
            96..100 if is_down => {
                tell("started".to_owned());
                scene.server.restart().unwrap();
                is_down = false;
                scene.share();
            }
            _ => {}
        }
    }
    scene.server.restart().unwrap();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_any_order_of_losses_deaths_and_steps_every_event_is_read_once_and_is_in_every_file() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, count) = (number(SEED).unwrap_or(DEFAULT_SEED), number(COUNT).unwrap_or(DEFAULT_COUNT));
    for seed in first..first + count {
        any_schedule(seed).await;
    }
}
