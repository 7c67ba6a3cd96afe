//! The first word over a new connection: is this the server that we know, and does it still have everything?
//!
//! A server that was started again or promoted may have lost its last writes, or all. What it lost comes back from the
//! hosts' own files: by ids, so that nothing comes twice, and at new positions, because the old ones may be taken by then.

use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Value};

use super::Place;
use super::core::{ANSWER_MILLIS, Core, Trouble, away, escaped};
use super::script::{eval, make_known, unexpected};
use super::wire::{EntryId, record_bytes};
use crate::error::BusError;
use crate::record::{Commit, Entry, NewRecord, StateChange};
use crate::{Bus as _, SqliteBus};

/// Positions that are left out after a server lost something: more than it can have lost.
const LEFT_OUT_POSITIONS: u64 = 1_000_000;

/// Records that are given back in one step.
const BATCH: usize = 512;

/// How long one host may fill an empty server before another one tries.
const FOUNDING_MILLIS: u64 = 60_000;

/// Owner, in the host's own file, of what is known of the server.
const RUN_OWNER: &str = "redis/run";

/// What owners of this engine's own begin with in the host's file.
pub(super) const OWN_OWNERS: &str = "redis/";

/// Who gives records back: nobody's step.
const RESTORED_OWNER: &str = "restored";

const RUN_KEY: &[u8] = b"run";

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct Greeted {
    /// The connection over which it was last greeted.
    connection: Option<u64>,
    /// The server process whose losses are made good.
    run: Option<String>,
    offset: Option<i64>,
}

impl Greeted {
    /// As the host's own file has it.
    pub(super) async fn open(mirror: &SqliteBus) -> Result<Self, BusError> {
        let loaded = mirror.load(RUN_OWNER).await?;
        let run = loaded.state.into_iter().find(|(key, _)| key == RUN_KEY);
        let run = run.and_then(|(_, value)| String::from_utf8(value).ok());
        Ok(Self { connection: None, run, offset: loaded.offset })
    }
}

/// A moment at which a server lost something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Break {
    run: String,
    /// The last position that it had kept.
    survived: u64,
    /// Positions go on behind this one.
    resumed: u64,
}

enum Hello {
    Empty,
    Known { run: String, last_seq: u64, breaks: Vec<Break> },
}

impl Core {
    /// Makes sure that the server behind the connection was asked what it still has, and has back what it lost.
    pub(super) async fn greet(&self) -> Result<(), Trouble> {
        let number = self.link.number().await.map_err(|error| away(&error))?;
        let mut greeted = self.greeted.lock().await;
        if greeted.connection == Some(number) {
            return Ok(());
        }
        let (run, last_seq, breaks) = match self.hello().await.map_err(|error| away(&error))? {
            Hello::Known { run, last_seq, breaks } => (run, last_seq, breaks),
            Hello::Empty => {
                self.found().await?;
                match self.hello().await.map_err(|error| away(&error))? {
                    Hello::Known { run, last_seq, .. } => (run, last_seq, Vec::new()),
                    Hello::Empty => return Err(Trouble::Away("it forgot the deployment at once".to_owned())),
                }
            }
        };
        make_known(&self.link).await.map_err(|error| away(&error))?;
        if greeted.run.as_deref() != Some(&run) {
            if greeted.run.is_some() {
                self.forget_tail_until(last_seq);
                self.give_back(breaks_since(greeted.run.as_deref(), breaks)).await?;
            }
            self.remember_run(&mut greeted, run).await.map_err(Trouble::Refused)?;
        }
        greeted.connection = Some(number);
        Ok(())
    }

    /// The server is another one than it was: it is greeted again before anything else.
    pub(super) async fn forget_greeting(&self) {
        self.greeted.lock().await.connection = None;
    }

    async fn hello(&self) -> RedisResult<Hello> {
        let mut command = eval(include_str!("hello.lua"), &[&self.keys.meta, &self.keys.breaks, &self.keys.log]);
        let answer: Vec<Value> =
            command.arg(LEFT_OUT_POSITIONS).arg(self.seen()).query_async(&mut self.link.clone()).await?;
        let mut parts = answer.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        if String::from_redis_value(next())? == "EMPTY" {
            return Ok(Hello::Empty);
        }
        let (run, last_seq) = (String::from_redis_value(next())?, String::from_redis_value(next())?);
        let breaks: Vec<String> = Vec::from_redis_value(next())?;
        let last_seq = last_seq.parse().map_err(|_| unexpected("a position"))?;
        self.has_seen(last_seq);
        let breaks = breaks.iter().map(|text| read_break(text).ok_or_else(|| unexpected("a break")));
        Ok(Hello::Known { run, last_seq, breaks: breaks.collect::<RedisResult<_>>()? })
    }

    async fn remember_run(&self, greeted: &mut Greeted, run: String) -> Result<(), BusError> {
        let offset = greeted.offset.map_or(0, |offset| offset.wrapping_add(1));
        let state = vec![StateChange::Put { key: RUN_KEY.to_vec(), value: run.clone().into_bytes() }];
        let commit =
            Commit { owner: RUN_OWNER.to_owned(), expected: greeted.offset, offset, records: Vec::new(), state };
        self.mirror.commit(commit).await?;
        (greeted.run, greeted.offset) = (Some(run), Some(offset));
        Ok(())
    }

    /// Gives the server what it lost: first the commits that came from this host a moment ago, whole where they still fit; then
    /// every record that this host's file holds of the positions that are gone.
    async fn give_back(&self, breaks: Vec<Break>) -> Result<(), Trouble> {
        let unmirrored = self.journal().unmirrored();
        for commit in unmirrored {
            let place = self.place(&commit.owner);
            let fits = match place.reads_log {
                // Its state speaks of positions that are gone. What it said comes again from the log.
                true => false,
                false => self.give(&commit, &place, false).await.is_ok(),
            };
            if !fits {
                self.give(&commit, &place, true).await?;
            }
        }
        for lost in breaks {
            tracing::warn!(
                "Redis at {} lost what was behind position {}; this host gives back what it has of it",
                self.settings.server,
                lost.survived
            );
            self.give_back_behind(lost).await?;
        }
        Ok(())
    }

    async fn give_back_behind(&self, lost: Break) -> Result<(), Trouble> {
        let mut after = lost.survived;
        loop {
            let entries = self.mirror.read(after, BATCH).await.map_err(Trouble::Refused)?;
            let records: Vec<_> = entries.into_iter().take_while(|entry| entry.seq <= lost.resumed).collect();
            let Some(last) = records.last() else { return Ok(()) };
            after = last.seq;
            let records = records.iter().map(as_new).collect();
            let commit = Commit { owner: RESTORED_OWNER.to_owned(), records, ..Commit::default() };
            self.give(&commit, &Place { partition: None, reads_log: false }, true).await?;
        }
    }

    async fn give(&self, commit: &Commit, place: &Place, is_records_only: bool) -> Result<(), Trouble> {
        match self.send_once(commit, place, is_records_only).await? {
            Some(_) => Ok(()),
            None => Err(Trouble::Away("it loses everything while it is given back".to_owned())),
        }
    }

    /// Brings a deployment to a server that holds none: owners with their state, and of the log what is not read yet. A new
    /// deployment has neither.
    async fn found(&self) -> Result<(), Trouble> {
        let mut link = self.link.clone();
        let lock = redis::cmd("SET")
            .arg(&self.keys.founding)
            .arg(self.node())
            .arg("NX")
            .arg("PX")
            .arg(FOUNDING_MILLIS)
            .query_async::<Option<String>>(&mut link)
            .await
            .map_err(|error| away(&error))?;
        if lock.is_none() {
            // The other host is at it; for a new deployment that is a moment.
            tokio::time::sleep(Duration::from_millis(ANSWER_MILLIS / 10)).await;
            return Err(Trouble::Away("another host is filling it".to_owned()));
        }
        self.clear_server().await.map_err(|error| away(&error))?;
        let read_from = self.found_owners().await?;
        let last_seq = *self.mirror.appended().borrow();
        if let Some(after) = read_from {
            self.found_log(after, last_seq).await?;
        }
        let seq = if last_seq == 0 { 0 } else { last_seq.max(self.seen()) + LEFT_OUT_POSITIONS };
        let mut command = eval(include_str!("found.lua"), &[&self.keys.meta, &self.keys.log]);
        let founded: RedisResult<Value> = command.arg(seq).query_async(&mut link).await;
        let unlocked: RedisResult<()> = redis::cmd("DEL").arg(&self.keys.founding).query_async(&mut link).await;
        founded.and(unlocked).map_err(|error| away(&error))
    }

    /// What is left where no deployment lives does not count, and must not be taken for state.
    async fn clear_server(&self) -> RedisResult<()> {
        let mut link = self.link.clone();
        let [ids, before] = &self.keys.ids;
        redis::cmd("UNLINK")
            .arg(&[&self.keys.log, &self.keys.owners, ids, before, &self.keys.breaks])
            .query_async::<()>(&mut link)
            .await?;
        let pattern = self.keys.state("*");
        let mut cursor = 0_u64;
        loop {
            let (next, names): (u64, Vec<Vec<u8>>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(1_000)
                .query_async(&mut link)
                .await?;
            if !names.is_empty() {
                redis::cmd("UNLINK").arg(names).query_async::<()>(&mut link).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Brings the owners; the position behind which one of them has yet to read.
    async fn found_owners(&self) -> Result<Option<u64>, Trouble> {
        let mut read_from = None;
        for owner in self.mirror.owners("").await.map_err(Trouble::Refused)? {
            if owner.starts_with(OWN_OWNERS) {
                continue;
            }
            let (place, loaded) = (self.place(&owner), self.mirror.load(&owner).await.map_err(Trouble::Refused)?);
            let Some(offset) = loaded.offset else { continue };
            if place.reads_log {
                let position = u64::try_from(offset).unwrap_or(0);
                read_from = Some(read_from.map_or(position, |from: u64| from.min(position)));
            }
            let name = self.server_name(&owner, &place);
            self.found_owner(&name, offset, &loaded.state).await.map_err(|error| away(&error))?;
        }
        Ok(read_from)
    }

    async fn found_owner(&self, name: &str, offset: i64, state: &[(Vec<u8>, Vec<u8>)]) -> RedisResult<()> {
        let mut link = self.link.clone();
        for part in state.chunks(BATCH) {
            redis::cmd("HSET").arg(self.keys.state(name)).arg(part).query_async::<()>(&mut link).await?;
        }
        redis::cmd("HSET").arg(&self.keys.owners).arg(name).arg(offset).query_async(&mut link).await
    }

    /// Brings the records behind a position, at their positions.
    async fn found_log(&self, mut after: u64, last_seq: u64) -> Result<(), Trouble> {
        while after < last_seq {
            let entries = self.mirror.read(after, BATCH).await.map_err(Trouble::Refused)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            // The records of an entry have positions without a gap.
            for run in entries.chunk_by(|one, next| one.seq + 1 == next.seq) {
                self.found_entry(run).await.map_err(|error| away(&error))?;
            }
        }
        Ok(())
    }

    async fn found_entry(&self, entries: &[Entry]) -> RedisResult<()> {
        let Some(last) = entries.last() else { return Ok(()) };
        let mut link = self.link.clone();
        let mut remember = redis::cmd("SADD");
        remember.arg(&self.keys.ids[0]);
        let mut append = redis::cmd("XADD");
        append.arg(&self.keys.log).arg(EntryId { position: last.seq, number: 0 }.to_string());
        append.arg("o").arg(format!("@{}/{RESTORED_OWNER}", escaped(self.node())));
        for entry in entries {
            remember.arg(entry.id.as_bytes().as_slice());
            append.arg("r").arg(record_bytes(&as_new(entry)));
        }
        remember.query_async::<()>(&mut link).await?;
        append.query_async::<()>(&mut link).await
    }
}

fn as_new(entry: &Entry) -> NewRecord {
    NewRecord { kind: entry.kind, id: entry.id, ts: entry.ts, body: entry.body.to_string() }
}

fn read_break(text: &str) -> Option<Break> {
    let mut parts = text.split(' ');
    let (run, survived, resumed) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Break { run: run.to_owned(), survived: survived.parse().ok()?, resumed: resumed.parse().ok()? })
}

/// The breaks that came after those of a known server process; all when it is not among them.
fn breaks_since(run: Option<&str>, breaks: Vec<Break>) -> Vec<Break> {
    let known = breaks.iter().rposition(|one| Some(one.run.as_str()) == run);
    breaks.into_iter().skip(known.map_or(0, |at| at + 1)).collect()
}
