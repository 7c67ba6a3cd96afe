//! The scripts of the leases: how they are called, and what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use redis::aio::ConnectionLike;
use redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, Script, Value};
use serde::Deserialize;

use super::settings::LeaseSettings;
use super::{Node, Token};
use crate::partition::{Partition, Role};

/// How long a node that died is still listed, so that a person who looks after lunch sees which one it was.
pub(super) const DEAD_LISTED_MILLIS: u64 = 60 * 60 * 1_000;

static TICK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tick.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("leave.lua")));

/// Which process of a node: the server gives one out with the first tick, and a younger process gets a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Incarnation(pub(super) u64);

/// What a host says of itself with a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) incarnation: Option<Incarnation>,
    pub(super) roles: &'a BTreeSet<Role>,
    pub(super) watermark: &'a str,
    pub(super) info: &'a str,
}

/// What the server says to a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The host lives.
    Alive(Alive),
    /// A younger process of the same name does.
    Replaced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alive {
    pub(super) incarnation: Incarnation,
    pub(super) server_millis: i64,
    pub(super) partitions: BTreeMap<Partition, Token>,
    pub(super) surplus: Vec<Partition>,
    pub(super) free: BTreeMap<Role, u16>,
    pub(super) nodes: Vec<Node>,
}

/// One tick of this host.
pub(super) async fn tick(
    connection: &mut impl ConnectionLike,
    settings: &LeaseSettings,
    said: &Said<'_>,
) -> RedisResult<Answer> {
    let incarnation = said.incarnation.map_or_else(String::new, |incarnation| incarnation.0.to_string());
    let mut call = TICK.prepare_invoke();
    call.key(settings.key("leases")).key(settings.key("nodes")).key(settings.key("epoch"));
    call.arg(settings.node()).arg(incarnation).arg(roles_text(said.roles)).arg(settings.lives_millis());
    call.arg(said.watermark).arg(said.info).arg(DEAD_LISTED_MILLIS);
    for role in Role::ALL {
        call.arg(role.as_str()).arg(role.partitions());
    }
    let answer: Vec<Value> = call.invoke_async(connection).await?;
    read_answer(answer)
}

/// Gives partitions back.
pub(super) async fn release(
    connection: &mut impl ConnectionLike,
    settings: &LeaseSettings,
    leases: &BTreeMap<Partition, Token>,
) -> RedisResult<()> {
    let mut call = RELEASE.prepare_invoke();
    call.key(settings.key("leases"));
    for (partition, token) in leases {
        call.arg(partition.to_string()).arg(token.as_str());
    }
    call.invoke_async(connection).await
}

/// Gives everything back, and is forgotten.
pub(super) async fn leave(
    connection: &mut impl ConnectionLike,
    settings: &LeaseSettings,
    incarnation: Incarnation,
) -> RedisResult<()> {
    let mut call = LEAVE.prepare_invoke();
    call.key(settings.key("leases")).key(settings.key("nodes")).arg(settings.node()).arg(incarnation.0);
    call.invoke_async(connection).await
}

fn roles_text(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

fn read_answer(answer: Vec<Value>) -> RedisResult<Answer> {
    let mut parts = answer.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    match read::<String>(next())?.as_str() {
        "OK" => {}
        "REPLACED" => return Ok(Answer::Replaced),
        _ => return Err(unexpected("a verdict")),
    }
    let incarnation = Incarnation(read(next())?);
    let server_millis = read(next())?;
    let held: Vec<(String, String)> = read(next())?;
    let surplus: Vec<String> = read(next())?;
    let free: Vec<u16> = read(next())?;
    let nodes: Vec<(String, String, bool)> = read(next())?;
    let mut nodes = nodes.into_iter().map(read_node).collect::<RedisResult<Vec<_>>>()?;
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Answer::Alive(Alive {
        incarnation,
        server_millis,
        partitions: held
            .into_iter()
            .map(|(partition, token)| Ok((read_partition(&partition)?, Token::new(token))))
            .collect::<RedisResult<_>>()?,
        surplus: surplus.iter().map(|partition| read_partition(partition)).collect::<RedisResult<_>>()?,
        free: Role::ALL.into_iter().zip(free).collect(),
        nodes,
    }))
}

fn read<T: FromRedisValue>(value: Value) -> RedisResult<T> {
    Ok(T::from_redis_value(value)?)
}

fn read_partition(text: &str) -> RedisResult<Partition> {
    text.parse().map_err(|_| unexpected("a partition"))
}

/// A node as the server keeps it.
#[derive(Deserialize)]
struct StoredNode {
    roles: String,
    ends: i64,
    ttl: i64,
    watermark: String,
    info: String,
}

fn read_node((name, stored, is_live): (String, String, bool)) -> RedisResult<Node> {
    let stored: StoredNode = serde_json::from_str(&stored).map_err(|_| unexpected("a node"))?;
    Ok(Node {
        name,
        // A role that only a newer Orion knows is none of ours.
        roles: stored.roles.split(',').filter_map(|role| role.parse().ok()).collect(),
        is_live,
        seen_millis: stored.ends.saturating_sub(stored.ttl),
        watermark: stored.watermark,
        info: stored.info,
    })
}

fn unexpected(what: &'static str) -> RedisError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the server answered a lease script with something else than",
        what.into(),
    ))
}
