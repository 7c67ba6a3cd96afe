//! The first word over a new connection: is this the server that we know, and does it still have everything?
//!
//! A server that was started again or promoted may have lost its last writes, or all. What it lost comes back from the
//! hosts' own files: by ids, so that nothing comes twice, and at new positions, because the old ones may be taken by then.

use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Value};

use super::core::{ANSWER_MILLIS, Core, Trouble, away, escaped};
use super::pack::{Unplaced, pack};
use super::script::{eval, load_unknown, make_known, unexpected};
use super::wire::EntryId;
use super::{Place, REDIS_OWNERS};
use crate::error::BusError;
use crate::record::{Commit, Entry, NewRecord, Replicated, StateChange};
use crate::{Bus as _, LOCAL_OWNERS, SqliteBus};

/// Positions that are left out after a server lost something: more than it can have lost.
const LEFT_OUT_POSITIONS: u64 = 1_000_000;

/// Records that are given back in one step.
const BATCH: usize = 512;

/// How long one host may fill an empty server before another one tries.
const FOUNDING_MILLIS: u64 = 60_000;

/// Owner, in the host's own file, of what is known of the server.
const RUN_OWNER: &str = "redis/run";

/// Who gives records back: nobody's step.
const RESTORED_OWNER: &str = "restored";

const RUN_KEY: &[u8] = b"run";

const LINEAGE_KEY: &[u8] = b"lineage";

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct Greeted {
    /// The connection over which it was last greeted.
    connection: Option<u64>,
    /// The server process whose losses are made good.
    run: Option<String>,
    /// The deployment that this host is part of.
    lineage: Option<String>,
    offset: Option<i64>,
}

impl Greeted {
    /// As the host's own file has it.
    pub(super) async fn open(mirror: &SqliteBus) -> Result<Self, BusError> {
        let loaded = mirror.load(RUN_OWNER).await?;
        let text = |key: &[u8]| {
            let value = loaded.state.iter().find(|(known, _)| known == key)?;
            String::from_utf8(value.1.clone()).ok()
        };
        Ok(Self { connection: None, run: text(RUN_KEY), lineage: text(LINEAGE_KEY), offset: loaded.offset })
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
    /// Nothing is there; this is what a new deployment would be called.
    Empty(String),
    Known(Known),
}

/// A deployment as a server has it.
struct Known {
    run: String,
    last_seq: u64,
    breaks: Vec<Break>,
    lineage: String,
    trimmed: u64,
}

impl Core {
    /// Makes sure that the server behind the connection was asked what it still has, and has back what it lost.
    pub(super) async fn greet(&self) -> Result<(), Trouble> {
        let number = self.link.number().await.map_err(|error| away(&error))?;
        let mut greeted = self.greeted.lock().await;
        if greeted.connection == Some(number) {
            return Ok(());
        }
        let mut known = match self.hello().await.map_err(|error| away(&error))? {
            Hello::Known(known) => known,
            Hello::Empty(offer) => self.found_and_greet(&mut greeted, offer).await?,
        };
        self.join(&greeted, &known).await?;
        make_known(&self.link).await.map_err(|error| away(&error))?;
        self.has_met(&known.run);
        if greeted.run.as_ref() != Some(&known.run) {
            if greeted.run.is_some() {
                self.forget_tail_until(known.last_seq);
                let breaks = std::mem::take(&mut known.breaks);
                self.give_back(breaks_since(greeted.run.as_deref(), breaks)).await?;
            }
            self.remember(&mut greeted, Some(known.run), known.lineage).await.map_err(Trouble::Refused)?;
        }
        greeted.connection = Some(number);
        Ok(())
    }

    async fn found_and_greet(&self, greeted: &mut Greeted, offer: String) -> Result<Known, Trouble> {
        self.found(greeted, offer).await?;
        match self.hello().await.map_err(|error| away(&error))? {
            // Whatever it lost was brought with everything else.
            Hello::Known(known) => Ok(Known { breaks: Vec::new(), ..known }),
            Hello::Empty(_) => Err(Trouble::Away("it forgot the deployment at once".to_owned())),
        }
    }

    /// Makes sure that this host's file is part of the deployment, and holds every owner: from the log alone it would learn
    /// only what changes from now on.
    async fn join(&self, greeted: &Greeted, known: &Known) -> Result<(), Trouble> {
        let is_new = greeted.lineage.is_none();
        let is_foreign = match &greeted.lineage {
            Some(lineage) => *lineage != known.lineage,
            None => *self.mirror.appended().borrow() > 0,
        };
        if is_foreign {
            return Err(Trouble::Refused(BusError::OtherDeployment { server: self.settings.server.to_string() }));
        }
        if known.trimmed > self.mirrored() && !is_new {
            tracing::error!(
                "the log up to position {} was let go of while this host was away, and its audit trail ends at {}: the files \
                 of another host have what is between",
                known.trimmed,
                self.mirrored()
            );
        }
        if is_new || known.trimmed > self.mirrored() {
            self.copy_owners().await?;
            self.has_mirrored(known.trimmed);
        }
        Ok(())
    }

    async fn copy_owners(&self) -> Result<(), Trouble> {
        let names: Vec<String> = redis::cmd("HKEYS")
            .arg(&self.keys.owners)
            .query_async(&mut self.link.clone())
            .await
            .map_err(|error| away(&error))?;
        for name in names {
            let Some(owner) = self.local_name(&name) else { continue };
            let loaded = load_unknown(&self.link, &self.keys, &name).await.map_err(|error| away(&error))?;
            let Some((Some(offset), state)) = loaded else { continue };
            let puts = state.into_iter().map(|(key, value)| StateChange::Put { key, value });
            let copied = Replicated {
                owner: Some(owner.to_owned()),
                offset: Some(offset),
                records: Vec::new(),
                state: std::iter::once(StateChange::Clear).chain(puts).collect(),
            };
            self.mirror.replicate(vec![copied]).await.map_err(Trouble::Refused)?;
        }
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
            return Ok(Hello::Empty(String::from_redis_value(next())?));
        }
        let (run, last_seq) = (String::from_redis_value(next())?, String::from_redis_value(next())?);
        let breaks: Vec<String> = Vec::from_redis_value(next())?;
        let last_seq = last_seq.parse().map_err(|_| unexpected("a position"))?;
        self.has_seen(last_seq);
        let breaks = breaks.iter().map(|text| read_break(text).ok_or_else(|| unexpected("a break")));
        let breaks = breaks.collect::<RedisResult<_>>()?;
        let (lineage, trimmed) = (String::from_redis_value(next())?, String::from_redis_value(next())?);
        let trimmed = trimmed.parse().map_err(|_| unexpected("a position"))?;
        Ok(Hello::Known(Known { run, last_seq, breaks, lineage, trimmed }))
    }

    async fn remember(&self, greeted: &mut Greeted, run: Option<String>, lineage: String) -> Result<(), BusError> {
        let offset = greeted.offset.map_or(0, |offset| offset.wrapping_add(1));
        let put = |key: &[u8], value: &str| StateChange::Put { key: key.to_vec(), value: value.as_bytes().to_vec() };
        let known_run = run.as_ref().map(|run| put(RUN_KEY, run));
        let state = std::iter::once(put(LINEAGE_KEY, &lineage)).chain(known_run).collect();
        let commit =
            Commit { owner: RUN_OWNER.to_owned(), expected: greeted.offset, offset, records: Vec::new(), state };
        self.mirror.commit(commit).await?;
        greeted.run = run.or(greeted.run.take());
        (greeted.lineage, greeted.offset) = (Some(lineage), Some(offset));
        Ok(())
    }

    /// Gives the server what it lost, the oldest first, because who reads one key reads it in this order: every record that this
    /// host's file holds of the positions that are gone, then the commits of this host which the file does not hold yet, whole
    /// where they still fit. What waits in the outbox is younger than all of it.
    async fn give_back(&self, breaks: Vec<Break>) -> Result<(), Trouble> {
        for lost in breaks {
            tracing::warn!(
                "Redis at {} lost what was behind position {}; this host gives back what it has of it",
                self.settings.server,
                lost.survived
            );
            self.give_back_behind(lost).await?;
        }
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
    async fn found(&self, greeted: &mut Greeted, offer: String) -> Result<(), Trouble> {
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
        // Another host may have been done with it between the question and the lock; what it founded must not be cleared away.
        let founded = match self.hello().await.map_err(|error| away(&error))? {
            Hello::Known(_) => Ok(()),
            Hello::Empty(_) => self.found_under_lock(greeted, offer).await,
        };
        let unlocked: RedisResult<()> = redis::cmd("DEL").arg(&self.keys.founding).query_async(&mut link).await;
        founded.and(unlocked.map_err(|error| away(&error)))
    }

    async fn found_under_lock(&self, greeted: &mut Greeted, offer: String) -> Result<(), Trouble> {
        let lineage = greeted.lineage.clone().unwrap_or(offer);
        // First: after a crash in the middle this host has to know that the deployment is its own.
        self.remember(greeted, None, lineage.clone()).await.map_err(Trouble::Refused)?;
        self.clear_server().await.map_err(|error| away(&error))?;
        let read_from = self.found_owners().await?;
        let last_seq = *self.mirror.appended().borrow();
        if let Some(after) = read_from {
            self.found_log(after, last_seq).await?;
        }
        let seq = if last_seq == 0 { 0 } else { last_seq.max(self.seen()) + LEFT_OUT_POSITIONS };
        let held = last_seq.max(self.mirrored());
        let mut command = eval(include_str!("found.lua"), &[&self.keys.meta, &self.keys.log, &self.keys.breaks]);
        let founded: RedisResult<Value> =
            command.arg(seq).arg(&lineage).arg(held).query_async(&mut self.link.clone()).await;
        founded.map(drop).map_err(|error| away(&error))
    }

    /// What is left where no deployment lives does not count, and must not be taken for state.
    async fn clear_server(&self) -> RedisResult<()> {
        let mut link = self.link.clone();
        let [ids, before] = &self.keys.ids;
        redis::cmd("UNLINK")
            .arg(&[
                &self.keys.log,
                &self.keys.owners,
                &self.keys.readers,
                &self.keys.mirrors,
                ids,
                before,
                &self.keys.breaks,
            ])
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
            if owner.starts_with(REDIS_OWNERS) || owner.starts_with(LOCAL_OWNERS) {
                continue;
            }
            let (place, loaded) = (self.place(&owner), self.mirror.load(&owner).await.map_err(Trouble::Refused)?);
            let Some(offset) = loaded.offset else { continue };
            if place.reads_log {
                let position = u64::try_from(offset).unwrap_or(0);
                read_from = Some(read_from.map_or(position, |from: u64| from.min(position)));
            }
            let name = self.server_name(&owner, &place);
            self.found_owner(&name, offset, &loaded.state, place.reads_log).await.map_err(|error| away(&error))?;
        }
        Ok(read_from)
    }

    async fn found_owner(
        &self,
        name: &str,
        offset: i64,
        state: &[(Vec<u8>, Vec<u8>)],
        reads_log: bool,
    ) -> RedisResult<()> {
        let mut link = self.link.clone();
        for part in state.chunks(BATCH) {
            redis::cmd("HSET").arg(self.keys.state(name)).arg(part).query_async::<()>(&mut link).await?;
        }
        if reads_log {
            redis::cmd("HSET").arg(&self.keys.readers).arg(name).arg(offset).query_async::<()>(&mut link).await?;
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
        }
        for pack in pack(entries.iter().map(Unplaced::from)) {
            append.arg("r").arg(pack);
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
