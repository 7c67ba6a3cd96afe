//! Hosts on one Redis, and what has to be so when all is quiet again.

use std::collections::BTreeMap;

use orion_lab::{RedisOptions, RedisServer as Server};

use super::host::{GROUPS, Host, STAGE, event_of};
use crate::Bus as _;
use crate::conformance::id;

/// Hosts on one Redis.
pub(super) struct Scene {
    pub(super) server: Server,
    pub(super) hosts: Vec<Host>,
    /// Events of each group that were accepted.
    pub(super) accepted: [u32; 2],
    pub(super) told: Vec<String>,
}

impl Scene {
    pub(super) async fn new(names: &[&'static str]) -> Self {
        Self::on(Server::start(&RedisOptions::default()).unwrap(), names).await
    }

    pub(super) async fn on(server: Server, names: &[&'static str]) -> Self {
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
    pub(super) fn share(&self) {
        match self.hosts.as_slice() {
            [one] => one.hold(&self.server, &["a", "b", STAGE]),
            [one, two, ..] => {
                one.hold(&self.server, &["a"]);
                two.hold(&self.server, &["b", STAGE]);
            }
            [] => {}
        }
    }

    pub(super) fn holder(&self, group: usize) -> &Host {
        &self.hosts[group.min(self.hosts.len() - 1)]
    }

    pub(super) async fn observe(&mut self, group: usize) {
        match self.holder(group).observe(group).await {
            Ok(number) => self.accepted[group] = self.accepted[group].max(number),
            Err(error) => self.told.push(format!("  {error}")),
        }
    }

    pub(super) async fn read(&mut self, most: usize) -> usize {
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

    pub(super) async fn follow_all(&mut self) {
        for host in &mut self.hosts {
            host.follow().await;
        }
    }

    pub(super) fn empty(&self) {
        self.server.command(&["FLUSHALL"]).unwrap();
    }

    /// All meet a server that is there. Those whose files are whole come first, as live where the others give way.
    async fn meet_all(&self) {
        for host in &self.hosts {
            // Whether it came to stand is seen in the next round.
            let _ = host.greet_anew().await;
        }
        for host in &self.hosts {
            host.meet().await;
        }
    }

    /// When all is quiet: every event once, in its order, and in every file.
    pub(super) async fn check(&mut self) {
        for _ in 0..3 {
            self.meet_all().await;
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
