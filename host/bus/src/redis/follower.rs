//! Follows the log: into memory at once, for the stages, and into the host's own file.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::sync::{Mutex, MutexGuard, Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::core::{ANSWER_MILLIS, Core, Trouble};
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

/// Who writes what says where a new history of the log begins: nobody.
const MARKER_OWNER: &str = "@/";

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

/// What is between the log and the host's own file.
///
/// Before a host makes good what a server lost, this has to stand still: an answer of the server as it was before, written to the
/// file after the host has looked what the file holds, would be in the file and given back by nobody.
pub(super) struct Intake {
    reading: Mutex<()>,
    stop: Notify,
    go_on: Notify,
    under_way: watch::Sender<usize>,
}

impl Default for Intake {
    fn default() -> Self {
        Self { reading: Mutex::default(), stop: Notify::new(), go_on: Notify::new(), under_way: watch::Sender::new(0) }
    }
}

impl Intake {
    /// Stops reading and waits until the file holds everything that was read. Reading goes on when what comes back is dropped.
    pub(super) async fn still(&self) -> Result<MutexGuard<'_, ()>, Trouble> {
        self.stop.notify_one();
        let still = self.reading.lock().await;
        let mut under_way = self.under_way.subscribe();
        let written = under_way.wait_for(|answers| *answers == 0);
        match tokio::time::timeout(Duration::from_millis(ANSWER_MILLIS), written).await {
            Ok(_) => Ok(still),
            Err(_) => Err(Trouble::Away("this host's own file does not take over what was read".to_owned())),
        }
    }

    /// The server is there: whoever waited for it need not wait longer.
    pub(super) fn go_on(&self) {
        self.go_on.notify_one();
    }

    fn is_read(&self) {
        self.under_way.send_modify(|answers| *answers += 1);
    }

    fn are_written(&self, written: usize) {
        self.under_way.send_modify(|answers| *answers = answers.saturating_sub(written));
    }
}

/// Reads entry after entry and tells the stages.
async fn read_log(core: Arc<Core>, read: mpsc::Sender<Vec<LogEntry>>, mut down: watch::Receiver<bool>) {
    let mut follower = Follower::new(core, Some(BLOCK_MILLIS));
    let mut wait_millis = RETRY_MILLIS.0;
    loop {
        let next = tokio::select! {
            _ = down.wait_for(|down| *down) => return,
            next = follower.next() => next,
        };
        match next {
            Ok(entries) => {
                wait_millis = RETRY_MILLIS.0;
                if !entries.is_empty() && read.send(entries).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!("the log cannot be followed: {error}");
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait_millis)) => {}
                    () = follower.core.intake.go_on.notified() => {}
                }
                wait_millis = (wait_millis * 2).min(RETRY_MILLIS.1);
            }
        }
    }
}

/// Where in the log this host reads.
pub(super) struct Follower {
    core: Arc<Core>,
    link: Link,
    cursor: EntryId,
    /// The last entry of a whole commit.
    whole_until: EntryId,
    /// What came after that.
    parts: Parts,
    block_millis: Option<u64>,
}

impl Follower {
    /// Goes on behind what the host's own file held when it was opened. A read waits so long for something to come, or not at all.
    pub(super) fn new(core: Arc<Core>, block_millis: Option<u64>) -> Self {
        let (link, cursor) = (Self::link(&core), core.cursor);
        Self { core, link, cursor, whole_until: cursor, parts: Parts::default(), block_millis }
    }

    fn link(core: &Core) -> Link {
        Link::new(core.settings.server.clone(), Some(Duration::from_millis(BLOCK_MILLIS + ANSWER_MILLIS)))
    }

    /// What comes next, told to the stages; nothing where nothing came. What is not nothing is to be written: [`take_over`].
    pub(super) async fn next(&mut self) -> Result<Vec<LogEntry>, BusError> {
        let core = self.core.clone();
        // A server that is new has to be greeted even where nobody commits.
        core.greet().await.map_err(|trouble| core.error(trouble))?;
        let reading = core.intake.reading.lock().await;
        // Kept whatever comes of this read: it is said once.
        let again_from = behind(core.take_follow_from());
        if again_from < self.cursor {
            self.whole_until = self.whole_until.min(again_from);
            self.go_back();
        }
        let entries = tokio::select! {
            entries = self.read() => entries?,
            () = core.intake.stop.notified() => {
                // The connection still waits for the answer that nobody wants any more.
                self.link = Self::link(&core);
                self.go_back();
                return Ok(Vec::new());
            }
        };
        if entries.iter().any(|entry| entry.owner == MARKER_OWNER && core.is_unmet(entry.id.position)) {
            drop(reading);
            return self.meet_again().await;
        }
        let Some(last) = entries.last() else { return Ok(entries) };
        self.cursor = last.id;
        let entries = self.parts.whole(entries);
        if let Some(last) = entries.last() {
            self.whole_until = last.id;
            core.tell(&entries);
            core.intake.is_read();
        }
        Ok(entries)
    }

    async fn read(&self) -> Result<Vec<LogEntry>, BusError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(READ_ENTRIES);
        if let Some(millis) = self.block_millis {
            command.arg("BLOCK").arg(millis);
        }
        let answer: RedisResult<Value> = command
            .arg("STREAMS")
            .arg(&self.core.keys.log)
            .arg(self.cursor.to_string())
            .query_async(&mut self.link.clone())
            .await;
        let answer = answer.map_err(|error| self.core.error(super::core::away(&error)))?;
        read_entries(entries_of_one_stream(answer)).map_err(|error| self.core.foreign(&error))
    }

    /// Where the rest of a commit may be lost, its parts are read again, if they are still there.
    fn go_back(&mut self) {
        self.cursor = self.whole_until;
        self.parts = Parts::default();
    }

    /// The server lost something since it was greeted. Nothing of what came after is taken before that is made good: it follows
    /// from what the server has now, and not from what this host's file has. It is read again then.
    async fn meet_again(&mut self) -> Result<Vec<LogEntry>, BusError> {
        self.core.forget_greeting().await;
        self.go_back();
        self.link = Self::link(&self.core);
        match self.core.greet().await {
            Ok(()) => Ok(Vec::new()),
            Err(trouble) => Err(self.core.error(trouble)),
        }
    }
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
    while let Some((entries, answers)) = next_to_write(&mut to_write).await {
        let mut retry = Retry::new("the log cannot be taken over into this host's file");
        while let Err(error) = take_over(&core, entries.clone(), answers).await {
            if !retry.after(&error, &mut down).await {
                return;
            }
        }
    }
}

/// Writes what [`Follower::next`] gave in so many answers.
pub(super) async fn take_over(core: &Core, entries: Vec<LogEntry>, answers: usize) -> Result<(), BusError> {
    let Some(last) = entries.last().map(|entry| entry.id) else { return Ok(()) };
    core.mirror.replicate(replicated(core, entries, last)).await?;
    core.journal().forget_until(last);
    core.has_mirrored(last.position);
    core.intake.are_written(answers);
    if let Err(error) = core.settle_when_whole().await {
        // The next batch tries it again.
        tracing::debug!("that a loss of Redis is over cannot be noted: {error}");
    }
    Ok(())
}

/// What was read meanwhile, together, and in how many answers: a transaction for each answer would have the disk wait for hundreds of syncs a second.
async fn next_to_write(to_write: &mut mpsc::Receiver<Vec<LogEntry>>) -> Option<(Vec<LogEntry>, usize)> {
    let mut answers = 1;
    let mut entries = to_write.recv().await?;
    let mut records: usize = entries.iter().map(|entry| entry.records.len()).sum();
    while records < RECORDS_OF_A_TRANSACTION
        && let Ok(more) = to_write.try_recv()
    {
        records += more.iter().map(|entry| entry.records.len()).sum::<usize>();
        entries.extend(more);
        answers += 1;
    }
    Some((entries, answers))
}

/// How far a file has followed the log.
pub(super) async fn stored_cursor(mirror: &SqliteBus) -> Result<EntryId, BusError> {
    let loaded = mirror.load(CURSOR_OWNER).await?;
    let cursor = loaded.state.into_iter().find(|(key, _)| key == CURSOR_KEY);
    let cursor = cursor.and_then(|(_, value)| EntryId::parse(std::str::from_utf8(&value).ok()?));
    let behind_its_own = match *mirror.appended().borrow() {
        0 => EntryId::default(),
        // A file that has a log and followed none brings it to the server, and goes on behind it.
        position => behind(position),
    };
    Ok(cursor.unwrap_or(behind_its_own))
}

/// Behind every entry of a position.
const fn behind(position: u64) -> EntryId {
    EntryId { position, number: u64::MAX }
}

/// The log behind a position is to be followed again, by the next process as well if this one ends before it has.
pub(super) async fn follow_again(mirror: &SqliteBus, position: u64) -> Result<(), BusError> {
    match stored_cursor(mirror).await? > behind(position) {
        true => mirror.replicate(vec![followed_until(behind(position))]).await.map(drop),
        false => Ok(()),
    }
}

fn followed_until(entry: EntryId) -> Replicated {
    Replicated {
        owner: Some(CURSOR_OWNER.to_owned()),
        offset: Some(i64::try_from(entry.position).unwrap_or(i64::MAX)),
        records: Vec::new(),
        state: vec![StateChange::Put { key: CURSOR_KEY.to_vec(), value: entry.to_string().into_bytes() }],
    }
}

fn replicated(core: &Core, entries: Vec<LogEntry>, last: EntryId) -> Vec<Replicated> {
    let mut commits: Vec<_> = entries
        .into_iter()
        .map(|entry| Replicated {
            owner: core.local_name(&entry.owner).map(|owner| core.name_in_file(owner)),
            offset: entry.offset,
            records: entry.records,
            state: entry.state,
        })
        .collect();
    commits.push(followed_until(last));
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
