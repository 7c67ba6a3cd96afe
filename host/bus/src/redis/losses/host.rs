//! A host that does one thing at a time, and what its owners are: two rule groups, and a stage that reads what they said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orion_lab::RedisServer as Server;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::conformance::commit;
use crate::redis::core::{Core, Trouble};
use crate::redis::follower::{Follower, take_over};
use crate::redis::lease::{Held, LeaseSettings, Token};
use crate::redis::{Place, RedisServer, RedisSettings, Whose};
use crate::{BusError, Partition, Role, SqliteBus, StateChange};

/// Two rule groups; whoever holds one commits its events.
pub(super) const GROUPS: [&str; 2] = ["a", "b"];

/// Reads the log.
pub(super) const STAGE: &str = "stage";

/// Events of each group have numbers of their own.
pub(super) const MOST_EVENTS: u32 = 100_000;

fn place(owner: &str) -> Place {
    let role = if owner == STAGE { Role::Brain } else { Role::Watcher };
    let whose = if owner == "own" { Whose::Own } else { Whose::Holder(Partition::of(role, owner)) };
    Place { whose, reads_log: owner == STAGE }
}

pub(super) fn event_of(group: usize, number: u32) -> u32 {
    u32::try_from(group).unwrap() * MOST_EVENTS + number
}

/// A host that does nothing by itself.
pub(super) struct Host {
    pub(super) name: &'static str,
    settings: RedisSettings,
    pub(super) core: Arc<Core>,
    pub(super) follower: Follower,
    held: watch::Sender<Held>,
    pub(super) file: Arc<SqliteBus>,
    _folder: TempDir,
}

impl Host {
    pub(super) async fn new(server: &Server, name: &'static str) -> Self {
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
    pub(super) async fn restart(&mut self) {
        self.core =
            Arc::new(Core::open(self.settings.clone(), self.file.clone(), self.held.subscribe()).await.unwrap());
        self.follower = Follower::new(self.core.clone(), None);
    }

    /// Holds this work, and the server knows it.
    pub(super) fn hold(&self, server: &Server, owners: &[&str]) {
        let mut held = Held::default();
        for owner in owners {
            let Whose::Holder(partition) = place(owner).whose else { panic!("{owner} has no holder") };
            let token = format!("{}/1", self.name);
            // A server that is down learns of it later.
            let _ = server.command(&["HSET", "{orion}:leases", &partition.to_string(), &token]);
            held.partitions.insert(partition, Token::new(token));
        }
        self.held.send_replace(held);
    }

    /// Meets a server that is there, whatever it was before.
    pub(super) async fn meet(&self) {
        let mut tries = 3;
        while let Err(trouble) = self.greet_anew().await {
            tries -= 1;
            assert!(tries > 0, "{trouble:?}");
            self.wait_no_longer().await;
        }
    }

    /// Greets once more: a connection may be broken without anybody having noticed.
    pub(super) async fn greet_anew(&self) -> Result<(), Trouble> {
        self.core.forget_greeting().await;
        self.core.greet().await
    }

    /// Waits for no other host to fill an empty server.
    pub(super) async fn wait_no_longer(&self) {
        self.core.greeted.lock().await.gives_way_for = Duration::ZERO;
    }

    /// Reads on once; whether there was something.
    pub(super) async fn follow_once(&mut self) -> bool {
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

    pub(super) async fn follow(&mut self) {
        // The first look may have been for the greeting alone.
        while self.follow_once().await || self.follow_once().await {}
    }

    /// The next event of a group; its number.
    pub(super) async fn observe(&self, group: usize) -> Result<u32, BusError> {
        let owner = GROUPS[group];
        let loaded = self.core.load(owner).await?;
        let number = u32::try_from(loaded.offset.unwrap_or(0)).unwrap() + 1;
        let mut step = commit(owner, loaded.offset, i64::from(number), [event_of(group, number)]);
        step.state = vec![StateChange::Put { key: b"at".to_vec(), value: number.to_string().into_bytes() }];
        self.core.commit(step).await?;
        Ok(number)
    }

    /// The stage reads on and counts how often it has read what; how much it was.
    pub(super) async fn read(&self, most: usize) -> Result<usize, BusError> {
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
