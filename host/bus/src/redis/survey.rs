//! A look at a deployment from outside, for people: who lives, who does what, how far everybody is. Changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Value};
use serde::Deserialize;

use super::core::ANSWER_MILLIS;
use super::filling::founder_of;
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
    /// What is held of what one host alone may have.
    pub locks: Vec<SurveyedLock>,
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

/// Something that one host alone may have at a time, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedLock {
    /// What is locked: a partition, or the filling of an empty server.
    pub name: String,
    /// The host that has it.
    pub holder: String,
    /// How often it went from one host to another, where that is counted: what is committed under an older number is refused.
    pub epoch: Option<u64>,
    /// How long it is held at least, in milliseconds by the server's clock; 0 when it has run out and nobody has taken it yet.
    pub ends_in_millis: i64,
}

/// What the lock is called under which one host fills an empty server.
const FOUNDING_LOCK: &str = "founding";

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
    pipeline.cmd("GET").arg(&keys.founding).cmd("PTTL").arg(&keys.founding);
    let answers: Vec<Value> = pipeline.query_async(&mut link).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let (seconds, micros): (i64, i64) = <(i64, i64)>::from_redis_value(next())?;
    let last_seq: Option<u64> = Option::from_redis_value(next())?;
    let last_seq = last_seq.unwrap_or(0);
    let mut hash = || BTreeMap::<String, String>::from_redis_value(next());
    let (nodes, leases, owners, mirrors) = (hash()?, hash()?, hash()?, hash()?);
    let founding = founding_lock(Option::from_redis_value(next())?, i64::from_redis_value(next())?);
    let now_millis = seconds * 1_000 + micros / 1_000;
    let stored = |text: &String| serde_json::from_str::<StoredNode>(text).unwrap_or_default();
    let nodes: BTreeMap<String, StoredNode> = nodes.iter().map(|(name, text)| (name.clone(), stored(text))).collect();
    let held = held(&leases, &nodes, now_millis);
    let nodes = nodes.into_iter().map(|(name, stored)| {
        let mirrored = mirrors.get(&name).and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        SurveyedNode {
            roles: stored.roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
            is_live: stored.ends >= now_millis,
            silent_millis: (now_millis - (stored.ends - stored.ttl)).max(0),
            partitions: held.values().filter(|lock| lock.holder == name).count(),
            unmirrored: mirrored.map(|position| last_seq.saturating_sub(position)),
            info: stored.info,
            name,
        }
    });
    let nodes = nodes.collect();
    let partitions = Role::ALL.into_iter().flat_map(Partition::all).map(|partition| {
        let mine = || owners.iter().filter(|(owner, _)| place(owner).whose == Whose::Holder(partition));
        let read =
            mine().filter(|(owner, _)| place(owner).reads_log).filter_map(|(_, offset)| offset.parse::<u64>().ok());
        SurveyedPartition {
            partition,
            node: held.get(&partition).map(|lock| lock.holder.clone()),
            owners: mine().map(|(owner, _)| owner.clone()).collect(),
            unread: read.min().map(|position| last_seq.saturating_sub(position)),
        }
    });
    let partitions = partitions.collect();
    Ok(Survey { last_seq, nodes, partitions, locks: founding.into_iter().chain(held.into_values()).collect() })
}

/// Leases, by what they are of.
fn held(
    leases: &BTreeMap<String, String>,
    nodes: &BTreeMap<String, StoredNode>,
    now_millis: i64,
) -> BTreeMap<Partition, SurveyedLock> {
    let held = leases.iter().filter_map(|(partition, token)| {
        let (node, epoch) = token.rsplit_once('/')?;
        let partition: Partition = partition.parse().ok()?;
        // A host renews all that it holds at once.
        let ends = nodes.get(node).map_or(0, |node| node.ends);
        let lock = SurveyedLock {
            name: partition.to_string(),
            holder: node.to_owned(),
            epoch: epoch.parse().ok(),
            ends_in_millis: (ends - now_millis).max(0),
        };
        Some((partition, lock))
    });
    held.collect()
}

fn founding_lock(lock: Option<String>, left_millis: i64) -> Option<SurveyedLock> {
    let (holder, ends_in_millis) = (founder_of(&lock?).to_owned(), left_millis.max(0));
    Some(SurveyedLock { name: FOUNDING_LOCK.to_owned(), holder, epoch: None, ends_in_millis })
}
