//! Random schedules of hosts that tick, crash, come back, lose answers and are forgotten, on a real Redis, with the model as
//! the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orion_lab::{RedisOptions, RedisServer};
use proptest::prelude::*;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::holding::Holding;
use super::model::Server;
use super::script::{self, Answer, Said};
use super::settings::{LeaseSettings, MAX_LEASE_SECONDS};
use super::{Partitions, Token};
use crate::partition::{Partition, Role};

/// Which host of the schedule.
type At = usize;

/// The hosts: two processes have one name.
const NAMES: [&str; 4] = ["a", "b", "c", "a"];

#[derive(Clone, Debug)]
enum Step {
    Tick(At),
    /// The server hears it, the host hears nothing.
    TickWithoutAnswer(At),
    GiveUpSurplus(At),
    /// Some of what is held, whether it is due or not.
    GiveUp(At, usize),
    /// The host believes to have given it up, and the server never hears of it.
    GiveUpUnheard(At),
    Drain(At),
    Leave(At),
    /// It is not heard of for the length of its lease.
    Expire(At),
    /// Another process under its name, which knows nothing.
    Restart(At),
    /// What the server would come back with from here on.
    Remember,
    /// It comes back with that.
    Forget,
    Wipe,
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || 0..NAMES.len();
    let step = prop_oneof![
        12 => at().prop_map(Step::Tick),
        2 => at().prop_map(Step::TickWithoutAnswer),
        4 => at().prop_map(Step::GiveUpSurplus),
        2 => (at(), 0..9usize).prop_map(|(at, some)| Step::GiveUp(at, some)),
        1 => at().prop_map(Step::GiveUpUnheard),
        1 => at().prop_map(Step::Drain),
        1 => at().prop_map(Step::Leave),
        2 => at().prop_map(Step::Expire),
        2 => at().prop_map(Step::Restart),
        1 => Just(Step::Remember),
        1 => Just(Step::Forget),
        1 => Just(Step::Wipe),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A host, as the task of the leases is one.
struct Host {
    settings: LeaseSettings,
    holding: Holding,
    wants: BTreeSet<Role>,
}

impl Host {
    fn new(at: At) -> Self {
        let lease = Duration::from_secs(MAX_LEASE_SECONDS);
        // Not all do everything.
        let roles = Role::ALL.into_iter().filter(|role| at != 2 || *role != Role::Brain);
        let settings = LeaseSettings::new("orion", NAMES[at], roles, lease).unwrap();
        Self { wants: settings.roles().clone(), holding: Holding::new(lease), settings }
    }
}

/// The real server and the model, and hosts that speak to both.
struct Both {
    real: MultiplexedConnection,
    model: Server,
    hosts: Vec<Host>,
    remembered: (Server, Vec<(String, Vec<u8>)>),
    highest_epoch: u64,
}

const KEYS: [&str; 3] = ["{orion}:leases", "{orion}:nodes", "{orion}:epoch"];

impl Both {
    async fn new(server: &RedisServer) -> Self {
        let client = redis::Client::open(server.url()).unwrap();
        let mut real = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("FLUSHALL").exec_async(&mut real).await.unwrap();
        let hosts = (0..NAMES.len()).map(Host::new).collect();
        Self { real, model: Server::default(), hosts, remembered: Default::default(), highest_epoch: 0 }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Tick(at) => {
                let answer = self.tick(at).await;
                self.hosts[at].holding.answered(Instant::now(), answer);
            }
            Step::TickWithoutAnswer(at) => drop(self.tick(at).await),
            Step::GiveUpSurplus(at) => self.give_up(at, self.hosts[at].holding.held().surplus.clone()).await,
            Step::GiveUp(at, some) => {
                let some = self.hosts[at].holding.held().partitions.keys().rev().take(some).copied().collect();
                self.give_up(at, some).await;
            }
            Step::GiveUpUnheard(at) => {
                let surplus = self.hosts[at].holding.held().surplus.clone();
                self.hosts[at].holding.give_up(&surplus);
            }
            Step::Drain(at) => self.hosts[at].wants.clear(),
            Step::Leave(at) => self.leave(at).await,
            Step::Expire(at) => self.expire(NAMES[at]).await,
            Step::Restart(at) => self.hosts[at] = Host::new(at),
            Step::Remember => self.remembered = (self.model.clone(), self.dump().await),
            Step::Forget => self.forget().await,
            Step::Wipe => {
                self.wait_for_the_clock().await;
                redis::cmd("FLUSHALL").exec_async(&mut self.real).await.unwrap();
                self.model = Server::default();
            }
        }
        self.agree().await;
    }

    /// A tick, answered alike by both.
    async fn tick(&mut self, at: At) -> Answer {
        let host = &self.hosts[at];
        let incarnation = host.holding.incarnation();
        let said = Said { incarnation, roles: &host.wants, watermark: "", info: "" };
        let mut real = script::tick(&mut self.real, &host.settings, &said).await.unwrap();
        let now = match &mut real {
            Answer::Alive(alive) => {
                alive.nodes.iter_mut().for_each(|node| node.seen_millis = 0);
                u64::try_from(alive.server_millis).unwrap()
            }
            Answer::Replaced => 0,
        };
        assert_eq!(real, self.model.tick(now, NAMES[at], incarnation, &host.wants));
        self.highest_epoch = self.highest_epoch.max(self.model.epoch);
        real
    }

    async fn give_up(&mut self, at: At, partitions: Vec<Partition>) {
        let given_up = self.hosts[at].holding.give_up(&partitions);
        script::release(&mut self.real, &self.hosts[at].settings, &given_up).await.unwrap();
        self.model.release(&given_up);
    }

    async fn leave(&mut self, at: At) {
        if let Some(incarnation) = self.hosts[at].holding.incarnation() {
            script::leave(&mut self.real, &self.hosts[at].settings, incarnation).await.unwrap();
            self.model.leave(NAMES[at], incarnation);
        }
        self.hosts[at] = Host::new(at);
    }

    /// Its lease ended a millisecond ago.
    async fn expire(&mut self, node: &str) {
        let script = redis::Script::new(
            "local text = redis.call('HGET', KEYS[1], ARGV[1])
             if not text then return end
             local node, time = cjson.decode(text), redis.call('TIME')
             node.ends = time[1] * 1000 + math.floor(time[2] / 1000) - 1
             redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(node))",
        );
        let _: () = script.key(KEYS[1]).arg(node).invoke_async(&mut self.real).await.unwrap();
        self.model.expire(node);
    }

    async fn dump(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut dump = Vec::new();
        for key in KEYS {
            let value: Option<Vec<u8>> = redis::cmd("DUMP").arg(key).query_async(&mut self.real).await.unwrap();
            dump.extend(value.map(|value| (key.to_owned(), value)));
        }
        dump
    }

    /// A schedule takes numbers faster than milliseconds pass, and no server is back before they have.
    async fn wait_for_the_clock(&mut self) {
        loop {
            let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.real).await.unwrap();
            if seconds * 1_000 + micros / 1_000 > self.highest_epoch {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn forget(&mut self) {
        self.wait_for_the_clock().await;
        redis::cmd("FLUSHALL").exec_async(&mut self.real).await.unwrap();
        for (key, value) in &self.remembered.1 {
            redis::cmd("RESTORE").arg(key).arg(0).arg(value).exec_async(&mut self.real).await.unwrap();
        }
        self.model = self.remembered.0.clone();
    }

    /// The server holds what the model holds, and no two hosts could both commit.
    async fn agree(&mut self) {
        let real: BTreeMap<String, String> =
            redis::cmd("HGETALL").arg(KEYS[0]).query_async(&mut self.real).await.unwrap();
        let real: Partitions =
            real.into_iter().map(|(partition, token)| (partition.parse().unwrap(), Token::new(token))).collect();
        assert_eq!(real, self.model.tokens());
        for partition in Role::ALL.into_iter().flat_map(Partition::all) {
            let valid = |host: &&Host| {
                let token = host.holding.held().partitions.get(&partition);
                token.is_some() && token == real.get(&partition)
            };
            // Two processes of one name may both have the token that one of them was given: not so here.
            assert!(self.hosts.iter().filter(valid).count() <= 1, "{partition}");
        }
    }

    /// When nothing fails any more, everything is somebody's, evenly, and everybody knows it.
    async fn settle(&mut self) {
        // The second process of the first name takes over for good.
        for _ in 0..3 {
            for at in 1..NAMES.len() {
                self.run(Step::Tick(at)).await;
                self.run(Step::GiveUpSurplus(at)).await;
            }
        }
        let held: BTreeMap<_, _> =
            self.hosts[1..].iter().flat_map(|host| host.holding.held().partitions.clone()).collect();
        assert_eq!(held, self.model.tokens());
        for role in Role::ALL {
            let wants: Vec<_> = self.hosts[1..].iter().filter(|host| host.wants.contains(&role)).collect();
            if wants.is_empty() {
                continue;
            }
            let count = |host: &&Host| host.holding.held().partitions.keys().filter(|one| one.role() == role).count();
            let counts: Vec<_> = wants.iter().map(count).collect();
            assert_eq!(counts.iter().sum::<usize>(), usize::from(role.partitions()), "{role}");
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{role} {counts:?}");
        }
    }
}

#[test]
fn any_schedule_of_hosts_agrees_with_the_model_and_settles() {
    let server = RedisServer::start(&RedisOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(96), |(steps in any_steps())| {
        runtime.block_on(async {
            let mut both = Both::new(&server).await;
            for step in steps {
                both.run(step).await;
            }
            // Before that, whoever had the first name is gone.
            both.hosts[3] = Host::new(3);
            both.settle().await;
        });
    });
}
