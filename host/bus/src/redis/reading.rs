//! The way of a read: the end of the log from memory, what is further back from the server, single records from the host's own file.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{RedisResult, Value};

use super::core::{Core, away};
use super::history::History;
use super::wire::{EntryId, LogEntry, read_entries};
use crate::error::BusError;
use crate::record::Entry;

/// How long a read waits for the follower: as long as an answer of a busy server takes.
const TELL_MILLIS: u64 = 500;

/// Entries of the log asked for at once: each holds a commit, so some thousand records.
const READ_ENTRIES: usize = 64;

impl Core {
    pub(super) async fn read(&self, after: u64, max: usize) -> Result<Vec<Entry>, BusError> {
        if let Some(entries) = self.read_tail(after, max).await {
            return Ok(entries);
        }
        // At the server and not in the host's own file: what Redis lost and got again has other positions there.
        let mut found = Vec::new();
        let mut from = EntryId { position: after + 1, number: 0 };
        while found.len() < max {
            let entries = self.read_log(from, max - found.len()).await?;
            let Some(last) = entries.last() else { break };
            from = EntryId { number: last.id.number + 1, ..last.id };
            found.extend(entries.into_iter().flat_map(|entry| entry.records).filter(|entry| entry.seq > after));
        }
        found.truncate(max);
        Ok(found)
    }

    /// Entries of the log from one on, of so many positions. An entry has the position of its last record: asked for by their
    /// number, entries would hold many times what is wanted, and be unpacked for nothing.
    async fn read_log(&self, from: EntryId, positions: usize) -> Result<Vec<LogEntry>, BusError> {
        let last = from.position.saturating_add(positions as u64 - 1);
        let wanted = self.read_range(from, &last.to_string(), READ_ENTRIES).await?;
        match wanted.is_empty() {
            false => Ok(wanted),
            // The next one is a large commit, or lies behind positions that were left out.
            true => self.read_range(from, "+", 1).await,
        }
    }

    async fn read_range(&self, from: EntryId, to: &str, entries: usize) -> Result<Vec<LogEntry>, BusError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.keys.log).arg(from.to_string()).arg(to).arg("COUNT").arg(entries);
        let answer: RedisResult<Value> = command.query_async(&mut self.link.clone()).await;
        let answer = answer.map_err(|error| self.error(away(&error)))?;
        read_entries(answer).map_err(|error| self.foreign(&error))
    }

    /// What this host knows to be in the log is waited for: a stage that committed something reads it, and one that reads
    /// less than it asked for has read everything.
    async fn read_tail(&self, after: u64, max: usize) -> Option<Vec<Entry>> {
        let seen = self.seen();
        let is_full = |found: &Vec<Entry>| found.len() == max;
        if let Some(found) = self.tail().read(after, max).filter(is_full) {
            return Some(found);
        }
        self.wait_until_told(seen).await;
        self.tail().read(after, max)
    }

    async fn wait_until_told(&self, position: u64) {
        let mut appended = self.appended.subscribe();
        let is_told = appended.wait_for(|told| *told >= position);
        // When Redis is away it comes later, and wakes the stage.
        let _ = tokio::time::timeout(Duration::from_millis(TELL_MILLIS), is_told).await;
    }

    pub(super) async fn read_at(&self, positions: &[u64]) -> Result<Vec<Entry>, BusError> {
        let seen = self.seen();
        let highest = positions.iter().copied().filter(|position| *position <= seen).max();
        self.wait_until_told(highest.unwrap_or(0)).await;
        let tailed = |position: &u64| self.tail().at(*position).cloned();
        let far: BTreeSet<u64> = positions.iter().copied().filter(|position| tailed(position).is_none()).collect();
        let far: Vec<_> = far.into_iter().collect();
        let mirrored = match far.is_empty() {
            true => Vec::new(),
            false => History::of(&self.mirror, &[]).await?.read_at(&far).await?,
        };
        let find = |position: &u64| {
            let at = mirrored.binary_search_by_key(position, |entry| entry.seq).ok()?;
            mirrored.get(at).cloned()
        };
        Ok(positions.iter().filter_map(|position| tailed(position).or_else(|| find(position))).collect())
    }
}
