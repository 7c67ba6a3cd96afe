//! Follows the log: into memory at once, for the stages, and into the host's own file.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::core::{ANSWER_MILLIS, Core};
use super::link::Link;
use super::outbox::{run_outbox, run_trim};
use super::parts::Parts;
use super::wire::{EntryId, LogEntry, read_entries};
use crate::error::BusError;
use crate::record::{Replicated, StateChange};
use crate::{Bus as _, SqliteBus};

/// How long a read waits at the server for something to come.
const BLOCK_MILLIS: u64 = 1_000;

/// Entries read at once: each is a commit of up to some hundred records.
const READ_ENTRIES: usize = 32;

/// Answers that are read and not yet in the host's file: reading goes on while the disk works. In a flood each holds a commit or two.
const AHEAD: usize = 16;

/// Records that are taken over in one transaction, and those of one answer more: enough that they share a sync and the pages they
/// touch, few enough that others wait for the file some ten milliseconds at most.
const RECORDS_OF_A_TRANSACTION: usize = 4_096;

/// First and longest wait after an error.
const RETRY_MILLIS: (u64, u64) = (100, 2_000);

/// Owner, in the host's own file, of how far it has followed.
const CURSOR_OWNER: &str = "redis/log";

const CURSOR_KEY: &[u8] = b"entry";

/// Starts the tasks: one reads, one writes, one hands over what waits.
pub(super) fn start(core: &Arc<Core>, down: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let (read, to_write) = mpsc::channel(AHEAD);
    vec![
        tokio::spawn(read_log(core.clone(), read, down.clone())),
        tokio::spawn(write_log(core.clone(), to_write, down.clone())),
        tokio::spawn(run_outbox(core.clone(), down.clone())),
        tokio::spawn(run_trim(core.clone(), down.clone())),
    ]
}

/// Reads entry after entry and tells the stages.
async fn read_log(core: Arc<Core>, read: mpsc::Sender<Vec<LogEntry>>, mut down: watch::Receiver<bool>) {
    let link = Link::new(core.settings.server.clone(), Some(Duration::from_millis(BLOCK_MILLIS + ANSWER_MILLIS)));
    let mut cursor = core.cursor;
    let mut parts = Parts::default();
    let mut wait_millis = RETRY_MILLIS.0;
    loop {
        let next = tokio::select! {
            _ = down.wait_for(|down| *down) => return,
            next = next_entries(&core, &link, cursor) => next,
        };
        match next {
            Ok(entries) => {
                wait_millis = RETRY_MILLIS.0;
                let Some(last) = entries.last() else { continue };
                cursor = last.id;
                let entries = parts.whole(entries);
                core.tell(&entries);
                if read.send(entries).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!("the log cannot be followed: {error}");
                tokio::time::sleep(Duration::from_millis(wait_millis)).await;
                wait_millis = (wait_millis * 2).min(RETRY_MILLIS.1);
            }
        }
    }
}

async fn next_entries(core: &Core, link: &Link, after: EntryId) -> Result<Vec<LogEntry>, BusError> {
    // A server that is new has to be greeted even where nobody commits.
    core.greet().await.map_err(|trouble| core.error(trouble))?;
    let answer: RedisResult<Value> = redis::cmd("XREAD")
        .arg("COUNT")
        .arg(READ_ENTRIES)
        .arg("BLOCK")
        .arg(BLOCK_MILLIS)
        .arg("STREAMS")
        .arg(&core.keys.log)
        .arg(after.to_string())
        .query_async(&mut link.clone())
        .await;
    let answer = answer.map_err(|error| core.error(super::core::away(&error)))?;
    read_entries(entries_of_one_stream(answer)).map_err(|error| core.foreign(&error))
}

/// XREAD answers for each stream with its name and its entries.
fn entries_of_one_stream(answer: Value) -> Value {
    let Value::Array(streams) = answer else { return Value::Nil };
    match streams.into_iter().next() {
        Some(Value::Array(parts)) => parts.into_iter().nth(1).unwrap_or(Value::Nil),
        _ => Value::Nil,
    }
}

/// Writes what was read into the host's own file.
async fn write_log(core: Arc<Core>, mut to_write: mpsc::Receiver<Vec<LogEntry>>, mut down: watch::Receiver<bool>) {
    while let Some(entries) = next_to_write(&mut to_write).await {
        let Some(last) = entries.last().map(|entry| entry.id) else { continue };
        let commits = replicated(&core, entries, last);
        let mut retry = Retry::new("the log cannot be taken over into this host's file");
        while let Err(error) = core.mirror.replicate(commits.clone()).await {
            if !retry.after(&error, &mut down).await {
                return;
            }
        }
        core.journal().forget_until(last);
        core.has_mirrored(last.position);
    }
}

/// What was read meanwhile, together: a transaction for each answer would have the disk wait for hundreds of syncs a second.
async fn next_to_write(to_write: &mut mpsc::Receiver<Vec<LogEntry>>) -> Option<Vec<LogEntry>> {
    let mut entries = to_write.recv().await?;
    let mut records: usize = entries.iter().map(|entry| entry.records.len()).sum();
    while records < RECORDS_OF_A_TRANSACTION
        && let Ok(more) = to_write.try_recv()
    {
        records += more.iter().map(|entry| entry.records.len()).sum::<usize>();
        entries.extend(more);
    }
    Some(entries)
}

/// How far a file has followed the log.
pub(super) async fn stored_cursor(mirror: &SqliteBus) -> Result<EntryId, BusError> {
    let loaded = mirror.load(CURSOR_OWNER).await?;
    let cursor = loaded.state.into_iter().find(|(key, _)| key == CURSOR_KEY);
    let cursor = cursor.and_then(|(_, value)| EntryId::parse(std::str::from_utf8(&value).ok()?));
    let behind_its_own = match *mirror.appended().borrow() {
        0 => EntryId::default(),
        // A file that has a log and followed none brings it to the server, and goes on behind it.
        position => EntryId { position, number: u64::MAX },
    };
    Ok(cursor.unwrap_or(behind_its_own))
}

fn replicated(core: &Core, entries: Vec<LogEntry>, last: EntryId) -> Vec<Replicated> {
    let mut commits: Vec<_> = entries
        .into_iter()
        .map(|entry| Replicated {
            owner: core.local_name(&entry.owner).map(str::to_owned),
            offset: entry.offset,
            records: entry.records,
            state: entry.state,
        })
        .collect();
    commits.push(Replicated {
        owner: Some(CURSOR_OWNER.to_owned()),
        offset: Some(i64::try_from(last.position).unwrap_or(i64::MAX)),
        records: Vec::new(),
        state: vec![StateChange::Put { key: CURSOR_KEY.to_vec(), value: last.to_string().into_bytes() }],
    });
    commits
}

/// Waits longer after each error.
struct Retry {
    what: &'static str,
    wait_millis: u64,
}

impl Retry {
    fn new(what: &'static str) -> Self {
        Self { what, wait_millis: RETRY_MILLIS.0 }
    }

    /// Says the error and waits; `false` when the end came first.
    async fn after(&mut self, error: &BusError, down: &mut watch::Receiver<bool>) -> bool {
        tracing::error!("{}: {error}", self.what);
        tokio::select! {
            _ = down.wait_for(|down| *down) => return false,
            () = tokio::time::sleep(Duration::from_millis(self.wait_millis)) => {}
        }
        self.wait_millis = (self.wait_millis * 2).min(RETRY_MILLIS.1);
        true
    }
}
