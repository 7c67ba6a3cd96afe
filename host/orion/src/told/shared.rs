//! What is told of a deployment that hosts share: whether its Redis answers, what waits for it, and what this host holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use orion_api::Component;
use orion_bus::{RedisBus, RedisServer, Role};
use orion_metrics::{FamilyType, Text};
use orion_pipeline::observer::Observer;
use orion_pipeline::shares::BusyPartitions;
use serde_json::{Value, json};

/// A deployment that hosts share.
pub struct Shared {
    bus: Arc<RedisBus>,
    pub(super) server: RedisServer,
    pub(super) prefix: String,
    busy: Mutex<BusyPartitions>,
}

impl Shared {
    /// The deployment of this bus.
    pub fn of(bus: Arc<RedisBus>, server: RedisServer, prefix: String) -> Self {
        Self { bus, server, prefix, busy: Mutex::default() }
    }

    /// Observations wait while Redis is away, and go on; so the host does its work all the same.
    pub(super) fn health(&self) -> Component {
        match &self.bus.leases().held().borrow().trouble {
            None => Component::helpful(true, "Redis answers"),
            Some(why) => {
                Component::helpful(false, format!("Redis does not answer ({why}); {} commits wait", self.bus.waiting()))
            }
        }
    }

    fn unmirrored(&self) -> u64 {
        self.bus.seen().saturating_sub(self.bus.mirrored())
    }

    pub(super) fn persistence(&self) -> Value {
        let held = self.bus.leases().held().borrow().clone();
        let partitions: Vec<String> = held.partitions.keys().map(ToString::to_string).collect();
        json!({
            "trouble": held.trouble,
            "waiting_commits": self.bus.waiting(),
            "unmirrored": self.unmirrored(),
            "held": partitions,
        })
    }

    pub(super) fn write_metrics(&self, observer: &Observer, text: &mut Text) {
        let held = self.bus.leases().held().borrow().clone();
        let up = f64::from(u8::from(held.trouble.is_none()));
        text.gauge("orion_redis_up", "Whether the Redis that hosts share answers.", up);
        let help = "Commits that wait for Redis.";
        text.family("orion_redis_waiting_commits", FamilyType::Gauge, help).count(&[], self.bus.waiting() as u64);
        let help = "Records of the shared log that this host's own file does not hold yet.";
        text.family("orion_redis_unmirrored_records", FamilyType::Gauge, help).count(&[], self.unmirrored());
        let help = "Whether a host of the deployment lives, as this one sees it.";
        let mut family = text.family("orion_node_live", FamilyType::Gauge, help);
        for node in &held.nodes {
            family.sample(&[("node", node.name.as_str())], f64::from(u8::from(node.is_live)));
        }
        let help = "Partitions of the work that this host holds, by role.";
        let mut family = text.family("orion_leases_held", FamilyType::Gauge, help);
        for role in Role::ALL {
            let count = held.partitions.keys().filter(|partition| partition.role() == role).count();
            family.count(&[("role", role.as_str())], count as u64);
        }
        let help = "A partition of the work that this host holds.";
        let mut family = text.family("orion_partition_held", FamilyType::Gauge, help);
        for partition in held.partitions.keys() {
            family.count(&[("partition", &partition.to_string())], 1);
        }
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner).look(observer, Instant::now());
        let help = "Which part of the last minute the plugins of a partition that this host holds were at work, of one processor.";
        let mut family = text.family("orion_partition_busy_ratio", FamilyType::Gauge, help);
        for partition in held.partitions.keys() {
            let ratio = busy.get(partition).copied().unwrap_or(0.0);
            family.sample(&[("partition", &partition.to_string())], ratio);
        }
    }
}
