//! Which hosts follow the log, and how far each has taken it over into its file: what the log is kept for.
//!
//! Redis has it, and forgets it with everything else. So a host says it with its first word to a server, each host remembers what it saw
//! last, in its file as well, and brings what a server does not know: a host that is away is waited for whatever the server forgot
//! meanwhile, and whoever of the others was started again.

use std::sync::PoisonError;
use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Value};
use tokio::time::Instant;

use super::core::Core;
use super::script::eval;
use crate::error::BusError;
use crate::record::{Replicated, StateChange};
use crate::{Bus as _, SqliteBus};

/// How long a host that is gone is waited for: over a long weekend.
const AWAY_MILLIS: u64 = 4 * 24 * 3_600 * 1_000;

/// Owner, in the host's own file, of who followed the log.
const MIRRORS_OWNER: &str = "redis/mirrors";

/// How old what the file has of it may be: positions that are too low are log that is kept for nothing, and a host that was seen long ago
/// is waited for no more.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// A host that follows the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    /// Its name.
    pub(super) node: String,
    /// Up to where its file holds the log.
    pub(super) position: u64,
    /// When that was, as the server had it: `POSITION MILLISECONDS`.
    pub(super) text: String,
}

impl Followed {
    fn read(node: String, text: String) -> Option<Self> {
        let position = text.split(' ').next()?.parse().ok()?;
        Some(Self { node, position, text })
    }
}

/// Who followed the log when that was seen last.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    all: Vec<Followed>,
    /// When the file was told last, and of how many: one that came is told at once, one that came as another went within [`KEPT_FOR`].
    kept: Option<(Instant, usize)>,
}

impl Mirrors {
    /// As the host's own file has it.
    pub(super) async fn open(mirror: &SqliteBus) -> Result<Self, BusError> {
        let text = |bytes| String::from_utf8(bytes).ok();
        let state = mirror.load(MIRRORS_OWNER).await?.state.into_iter();
        let all = state.filter_map(|(node, value)| Followed::read(text(node)?, text(value)?)).collect();
        Ok(Self { all, kept: None })
    }

    /// What the file is to be told, where it knows less or what is old.
    fn take_due(&mut self, now: Instant) -> Option<Replicated> {
        if self.kept.is_some_and(|(at, count)| count == self.all.len() && now.duration_since(at) < KEPT_FOR) {
            return None;
        }
        self.kept = Some((now, self.all.len()));
        let put =
            |it: &Followed| StateChange::Put { key: it.node.clone().into_bytes(), value: it.text.clone().into_bytes() };
        Some(Replicated {
            owner: Some(MIRRORS_OWNER.to_owned()),
            offset: Some(0),
            records: Vec::new(),
            state: std::iter::once(StateChange::Clear).chain(self.all.iter().map(put)).collect(),
        })
    }
}

impl Core {
    /// Says how far this host's file holds the log, and what is known of others; remembers who follows it.
    pub(super) async fn say_mirrored(&self) -> RedisResult<()> {
        let mut command = eval(include_str!("mirrors.lua"), &[&self.keys.meta, &self.keys.mirrors]);
        command.arg(self.node()).arg(self.mirrored()).arg(AWAY_MILLIS);
        for other in self.others() {
            command.arg(other.node).arg(other.text);
        }
        let answer: Vec<Value> = command.query_async(&mut self.link.clone()).await?;
        let parts: Vec<String> = answer.into_iter().map(String::from_redis_value).collect::<Result<_, _>>()?;
        match parts.split_first() {
            Some((first, all)) if first == "OK" => self.remember_mirrors(all).await,
            // An empty server knows nobody; who was there before is what this host remembers.
            _ => {}
        }
        Ok(())
    }

    async fn remember_mirrors(&self, answer: &[String]) {
        let pairs = answer.chunks_exact(2).filter_map(|pair| match pair {
            [node, text] => Followed::read(node.clone(), text.clone()),
            _ => None,
        });
        let due = {
            let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
            mirrors.all = pairs.collect();
            mirrors.take_due(Instant::now())
        };
        if let Some(due) = due
            && let Err(error) = self.mirror.replicate(vec![due]).await
        {
            tracing::debug!("who follows the log is not in this host's file: {error}");
            self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).kept = None;
        }
    }

    /// The others, as they were seen last.
    pub(super) fn others(&self) -> Vec<Followed> {
        let mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.all.iter().filter(|followed| followed.node != self.node()).cloned().collect()
    }
}
