//! The deployment that is disturbed: its hosts, and what they share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use orion_lab::Link;

use super::pair::Pair;
use super::schedule::{HOSTS, Happening};
use crate::support::builds::same_build;
use crate::support::dice::Dice;
use crate::support::mounts;
use crate::support::tear::Tear;
use crate::support::twins::Twins;
use crate::support::{Deployment, Running};

/// What hosts commit to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// One host, its own file.
    Embedded,
    /// Several hosts, a Redis.
    Redis,
}

/// Missed instants are evaluated as far back as anything lasts, and what waits behind it on a busy machine.
const CATCH_UP: &str = "12h";

/// The shortest there is: time passes faster for everybody else.
const LEASE: &str = "2s";

/// The plugin that both have.
const PLUGIN: &str = "drilled.wasm";

/// The disk of a host with its own file: what it writes in a day, compiled plugins, and room.
const DISK_BYTES: u64 = 192 * 1024 * 1024;

/// What takes all room of that disk.
const BALLAST: &str = "memory/ballast";

/// A file of rules that are not compared.
const OTHER_RULES: &str = "other.yaml";

/// The deployment.
pub struct Disturbed {
    pair: Option<Pair>,
    /// All hosts but the first, which is one of the twins.
    others: Vec<Deployment>,
    running: Vec<Option<Running>>,
    /// Were told to end. That takes as long as what they have in hand and how Redis answers.
    ending: BTreeSet<usize>,
    edits: u32,
    plugins: u32,
    is_disk_full: bool,
    /// The host was started on a full disk, and has ended or will: it is started again when there is room, as a supervisor would.
    started_in_vain: bool,
    /// Says what is torn.
    dice: Dice,
}

impl Disturbed {
    /// What the hosts need before they start.
    pub fn prepare(bus: Bus, seed: u64) -> Self {
        Self {
            pair: (bus == Bus::Redis).then(Pair::start),
            others: Vec::new(),
            running: Vec::new(),
            ending: BTreeSet::new(),
            edits: 0,
            plugins: 0,
            is_disk_full: false,
            started_in_vain: false,
            dice: Dice::new(seed),
        }
    }

    /// The plugin file that a deployment begins with; where hosts share a Redis there is none.
    pub fn plugin(bus: Bus) -> Option<(&'static str, Vec<u8>)> {
        (bus == Bus::Embedded).then(|| (PLUGIN, same_build(0)))
    }

    /// Gives the host a disk of its own, where it is the only one.
    pub fn furnish(bus: Bus, host: &Deployment) {
        if bus == Bus::Embedded {
            mounts::small(&host.path("memory"), DISK_BYTES);
        }
    }

    /// What a host is told.
    pub fn environment(&self, host: usize) -> Vec<(&'static str, String)> {
        let mut environment = vec![("ORION_WATCHER__CATCH_UP", CATCH_UP.to_owned())];
        if let Some(pair) = &self.pair {
            environment.push(("REDIS_URL", pair.url(host)));
            environment.push(("ORION_NODE_NAME", format!("host-{host}")));
            environment.push(("ORION_LEASE", LEASE.to_owned()));
        }
        environment
    }

    /// Starts every host.
    pub fn start(&mut self, twins: &Twins) {
        let others = if self.pair.is_some() { HOSTS - 1 } else { 0 };
        for host in 1..=others {
            let environment = self.environment(host).into_iter();
            self.others.push(environment.fold(twins.another(), |it, (name, value)| it.with(name, &value)));
        }
        self.running = self.hosts(twins).map(|host| Some(host.start())).collect();
    }

    fn hosts<'a>(&'a self, twins: &'a Twins) -> impl Iterator<Item = &'a Deployment> {
        std::iter::once(&twins.disturbed).chain(&self.others)
    }

    fn end_one(&mut self, host: usize) {
        self.running(host).signal_to_end();
        self.ending.insert(host);
    }

    fn start_one(&mut self, twins: &Twins, host: usize) {
        if self.ending.remove(&host) {
            self.stop(host).wait();
        }
        let running = self.hosts(twins).nth(host).map(Deployment::start);
        self.running[host] = running;
        self.started_in_vain = self.is_disk_full;
    }

    fn running(&self, host: usize) -> &Running {
        self.running[host].as_ref().unwrap()
    }

    fn stop(&mut self, host: usize) -> Running {
        self.running[host].take().unwrap()
    }

    fn set_link(&self, host: usize, link: Link) {
        self.pair.as_ref().unwrap().link(host).set(link);
    }

    fn redis(&self, command: &[&str]) {
        self.pair.as_ref().unwrap().primary().command(command).unwrap();
    }

    fn pair_mut(&mut self) -> &mut Pair {
        self.pair.as_mut().unwrap()
    }

    fn fill_disk(&mut self, twins: &Twins) {
        self.is_disk_full = true;
        mounts::fill(&twins.disturbed.path(BALLAST));
    }

    fn make_room(&mut self, twins: &Twins) {
        self.is_disk_full = false;
        // There is none where it was never full.
        let _ = std::fs::remove_file(twins.disturbed.path(BALLAST));
        if std::mem::take(&mut self.started_in_vain) && self.running[0].is_some() && self.ending.is_empty() {
            self.stop(0).kill();
            self.start_one(twins, 0);
        }
    }

    fn replace_plugin(&mut self, twins: &Twins) {
        self.plugins += 1;
        twins.disturbed.plugin(PLUGIN, &same_build(self.plugins));
    }

    /// Something happens.
    pub fn suffer(&mut self, twins: &Twins, happening: Happening) {
        if self.is_disk_full {
            // What was given back meanwhile is taken again.
            self.fill_disk(twins);
        }
        match happening {
            Happening::Killed(host) => self.stop(host).kill(),
            Happening::KilledAndTorn(host) => {
                self.stop(host).kill();
                let tear = Tear::ALL[self.dice.below(Tear::ALL.len())];
                tear.tear(&twins.disturbed, &mut self.dice);
            }
            Happening::Ended(host) => self.end_one(host),
            Happening::Started(host) => self.start_one(twins, host),
            Happening::Paused(host) => self.running(host).pause(),
            Happening::Resumed(host) => self.running(host).resume(),
            Happening::Cut(host) => self.pair_mut().link(host).cut(),
            Happening::Silenced(host) => self.set_link(host, Link { is_silent: true, ..Link::default() }),
            Happening::Deafened(host) => self.set_link(host, Link { loses_answers: true, ..Link::default() }),
            Happening::Slowed(host) => {
                let (delay, bytes_per_second) = (Duration::from_millis(20), Some(500_000));
                self.set_link(host, Link { delay, bytes_per_second, ..Link::default() });
            }
            Happening::Linked(host) => self.set_link(host, Link::default()),
            Happening::RedisKilled => self.pair_mut().primary_mut().kill(),
            Happening::RedisLost => {
                self.pair_mut().primary_mut().kill();
                self.pair_mut().forget_files();
            }
            Happening::RedisStarted => self.pair_mut().restart(),
            Happening::RedisEmptied => self.redis(&["FLUSHALL"]),
            Happening::RedisPaused => self.pair_mut().primary().pause().unwrap(),
            Happening::RedisResumed => self.pair_mut().primary().resume().unwrap(),
            Happening::RedisFull => self.redis(&["CONFIG", "SET", "maxmemory", "1"]),
            Happening::RedisHasRoom => self.redis(&["CONFIG", "SET", "maxmemory", "0"]),
            Happening::ReplicaCutOff => self.pair_mut().cut_replica_off(),
            Happening::ReplicaPromoted => self.pair_mut().promote(),
            Happening::RuleEdited => self.edit(twins),
            Happening::RuleBroken => self.hosts(twins).for_each(|host| host.rule(OTHER_RULES, "groups: [")),
            Happening::PluginBroken => {
                self.hosts(twins).for_each(|host| std::fs::write(plugin_of(host), "none").unwrap())
            }
            Happening::PluginMended => {
                self.hosts(twins).for_each(|host| std::fs::remove_file(plugin_of(host)).unwrap())
            }
            Happening::PluginReplaced => self.replace_plugin(twins),
            Happening::DiskFull => self.fill_disk(twins),
            Happening::DiskHasRoom => self.make_room(twins),
        }
    }

    fn edit(&mut self, twins: &Twins) {
        self.edits += 1;
        let rules = format!(
            "groups:\n- name: other\n  interval: 1m\n  rules:\n  - alert: Other\n    expr: other > {}\n",
            self.edits
        );
        self.hosts(twins).for_each(|host| host.rule(OTHER_RULES, &rules));
    }

    /// What the schedule left broken is mended.
    pub fn heal(&mut self, twins: &Twins) {
        self.make_room(twins);
        if let Some(pair) = &mut self.pair {
            // Both do nothing where there is nothing to do.
            pair.restart();
            pair.primary().resume().unwrap();
            pair.primary().command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
            (0..HOSTS).for_each(|host| pair.link(host).set(Link::default()));
        }
        self.edit(twins);
        for host in self.hosts(twins) {
            // It is there where the day ended before it was taken away.
            let _ = std::fs::remove_file(plugin_of(host));
        }
        for host in 0..self.running.len() {
            match &self.running[host] {
                Some(running) if !self.ending.contains(&host) => running.resume(),
                _ => self.start_one(twins, host),
            }
        }
    }

    /// Ends every host when it has recorded all up to then.
    pub fn end_past(&mut self, twins: &Twins, to: i64) {
        self.hosts(twins).for_each(|host| twins.wait_past(host, to));
        for running in self.running.drain(..).flatten() {
            assert!(running.terminate().success());
        }
        self.hosts(twins).for_each(Deployment::check_promises);
    }

    /// Where the hosts have their records.
    pub fn folders(&self, twins: &Twins) -> Vec<PathBuf> {
        self.hosts(twins).map(|host| host.path("")).collect()
    }
}

fn plugin_of(host: &Deployment) -> PathBuf {
    host.path("plugins/none.wasm")
}
