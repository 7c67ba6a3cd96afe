//! A look at a deployment from outside, for people: who lives, who does what, how far everybody is. Changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Value};
use serde::Deserialize;

use super::core::ANSWER_MILLIS;
use super::keys::Keys;
use super::link::Link;
use super::{Place, RedisServer, Whose};
use crate::error::BusError;
use crate::partition::{Partition, Role};

/// A deployment at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The last position of the log.
    pub last_seq: u64,
    /// Hosts, by name.
    pub nodes: Vec<SurveyedNode>,
    /// All partitions, in their order.
    pub partitions: Vec<SurveyedPartition>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedNode {
    /// Its name.
    pub name: String,
    /// What it wants work of.
    pub roles: Vec<String>,
    /// Whether its leases hold.
    pub is_live: bool,
    /// How long ago it was last heard of, in milliseconds by the server's clock.
    pub silent_millis: i64,
    /// How many partitions it holds.
    pub partitions: usize,
    /// Records of the log that its own file does not hold yet; `None` before it said so the first time.
    pub unmirrored: Option<u64>,
    /// What else it says of itself, as JSON.
    pub info: String,
}

/// A part of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedPartition {
    /// Which.
    pub partition: Partition,
    /// Who does it; `None` while nobody does.
    pub node: Option<String>,
    /// Owners that have committed in it: rule groups, Guardians.
    pub owners: Vec<String>,
    /// Records that the slowest of its owners has yet to read; `None` where none reads the log.
    pub unread: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredNode {
    roles: String,
    ends: i64,
    ttl: i64,
    info: String,
}

/// Looks. Where no deployment lives, there is nobody and nothing.
pub async fn survey(server: &RedisServer, prefix: &str, place: fn(&str) -> Place) -> Result<Survey, BusError> {
    let link = Link::new(server.clone(), Some(Duration::from_millis(ANSWER_MILLIS)));
    let look = look(&link, &Keys::of(prefix), place).await;
    look.map_err(|error| BusError::Away { server: server.to_string(), detail: error.to_string() })
}

async fn look(link: &Link, keys: &Keys, place: fn(&str) -> Place) -> RedisResult<Survey> {
    let mut link = link.clone();
    let mut pipeline = redis::pipe();
    pipeline.cmd("TIME").cmd("HGET").arg(&keys.meta).arg("seq");
    for hash in [&keys.nodes, &keys.leases, &keys.owners, &keys.mirrors] {
        pipeline.cmd("HGETALL").arg(hash);
    }
    let answers: Vec<Value> = pipeline.query_async(&mut link).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let (seconds, micros): (i64, i64) = <(i64, i64)>::from_redis_value(next())?;
    let last_seq: Option<u64> = Option::from_redis_value(next())?;
    let last_seq = last_seq.unwrap_or(0);
    let mut hash = || BTreeMap::<String, String>::from_redis_value(next());
    let (nodes, leases, owners, mirrors) = (hash()?, hash()?, hash()?, hash()?);
    let now_millis = seconds * 1_000 + micros / 1_000;
    let held = holders(&leases);
    let nodes = nodes.iter().map(|(name, stored)| {
        let stored: StoredNode = serde_json::from_str(stored).unwrap_or_default();
        let mirrored = mirrors.get(name).and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        SurveyedNode {
            name: name.clone(),
            roles: stored.roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
            is_live: stored.ends >= now_millis,
            silent_millis: (now_millis - (stored.ends - stored.ttl)).max(0),
            partitions: held.values().filter(|holder| **holder == name.as_str()).count(),
            unmirrored: mirrored.map(|position| last_seq.saturating_sub(position)),
            info: stored.info,
        }
    });
    let partitions = Role::ALL.into_iter().flat_map(Partition::all).map(|partition| {
        let mine = || owners.iter().filter(|(owner, _)| place(owner).whose == Whose::Holder(partition));
        let read =
            mine().filter(|(owner, _)| place(owner).reads_log).filter_map(|(_, offset)| offset.parse::<u64>().ok());
        SurveyedPartition {
            partition,
            node: held.get(&partition).map(|node| (*node).to_owned()),
            owners: mine().map(|(owner, _)| owner.clone()).collect(),
            unread: read.min().map(|position| last_seq.saturating_sub(position)),
        }
    });
    Ok(Survey { last_seq, nodes: nodes.collect(), partitions: partitions.collect() })
}

fn holders(leases: &BTreeMap<String, String>) -> BTreeMap<Partition, &str> {
    let held = leases.iter().filter_map(|(partition, token)| {
        let (node, _epoch) = token.rsplit_once('/')?;
        Some((partition.parse().ok()?, node))
    });
    held.collect()
}
