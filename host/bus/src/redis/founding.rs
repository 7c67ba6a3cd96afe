//! Filling an empty server: a new one, or one that has lost everything.
//!
//! One host brings what its own file holds: every owner with its state, the end of the log at its positions, and the ids of what came
//! before. Other programs and hosts see nothing of it before it is whole. What other hosts know besides is given back by them
//! ([`super::restoring`]).

use std::time::Duration;

use redis::{RedisResult, Value};
use tokio::time::Instant;

use super::core::{ANSWER_MILLIS, Core, Trouble, away, escaped};
use super::greeting::{Greeted, Hello, LEFT_OUT_POSITIONS};
use super::history::History;
use super::pack::{Unplaced, pack};
use super::restoring::RESTORED_OWNER;
use super::script::{REMEMBERED_IDS, eval};
use super::wire::EntryId;
use crate::Bus as _;
use crate::record::Entry;

/// Records or values that are brought in one step.
const BATCH: usize = 512;

/// Ids that are brought in one step: 16 bytes each.
const IDS_BATCH: usize = 10_000;

/// How long one host may fill an empty server before another one tries.
const FOUNDING_MILLIS: u64 = 60_000;

/// How long a host whose file is not whole lets others fill an empty server.
pub(super) const GIVE_WAY: Duration = Duration::from_secs(5);

/// Records at the end of the log that are brought though every stage has read them: other hosts may not have taken them over
/// into their files. They are behind by moments, so this is minutes of a busy deployment.
const FOUNDED_RECORDS: usize = 5_000;

impl Core {
    /// Brings a deployment to a server that holds none: owners with their state, and the end of the log. A new deployment has
    /// neither. Whether it was this host that did.
    pub(super) async fn found(&self, greeted: &mut Greeted, offer: String) -> Result<bool, Trouble> {
        self.give_way(greeted)?;
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
        // A lock of its own is one that this host left behind when it was killed.
        if lock.is_none() && !self.holds_founding().await.map_err(|error| away(&error))? {
            // The other host is at it; for a new deployment that is a moment.
            tokio::time::sleep(Duration::from_millis(ANSWER_MILLIS / 10)).await;
            return Err(Trouble::Away("another host is filling it".to_owned()));
        }
        // Another host may have been done with it between the question and the lock; what it founded must not be cleared away.
        let founded = match self.hello().await.map_err(|error| away(&error))? {
            Hello::Known(_) => Ok(false),
            Hello::Empty(_) => self.found_under_lock(greeted, offer).await.map(|()| true),
        };
        let unlocked: RedisResult<()> = redis::cmd("DEL").arg(&self.keys.founding).query_async(&mut link).await;
        let is_founder = founded?;
        unlocked.map_err(|error| away(&error))?;
        Ok(is_founder)
    }

    /// Whether the lock is this host's; then for as long as a new one.
    async fn holds_founding(&self) -> RedisResult<bool> {
        let mut link = self.link.clone();
        let holder: Option<String> = redis::cmd("GET").arg(&self.keys.founding).query_async(&mut link).await?;
        if holder.as_deref() != Some(self.node()) {
            return Ok(false);
        }
        redis::cmd("PEXPIRE").arg(&self.keys.founding).arg(FOUNDING_MILLIS).query_async(&mut link).await
    }

    /// A file that has yet to follow the log behind the last loss has owners that are further on than its records. Another host's may
    /// be whole, and better to begin from.
    fn give_way(&self, greeted: &mut Greeted) -> Result<(), Trouble> {
        if greeted.is_whole(self.mirrored()) {
            greeted.gives_way_since = None;
            return Ok(());
        }
        let since = *greeted.gives_way_since.get_or_insert_with(Instant::now);
        match since.elapsed() < greeted.gives_way_for {
            true => Err(Trouble::Away("it is empty, and another host may have more of what was there".to_owned())),
            false => Ok(()),
        }
    }

    async fn found_under_lock(&self, greeted: &mut Greeted, offer: String) -> Result<(), Trouble> {
        let _still = self.intake.still().await?;
        let is_new = greeted.lineage.is_none();
        let lineage = greeted.lineage.get_or_insert(offer).clone();
        // First: after a crash in the middle this host has to know that the deployment is its own.
        self.keep(greeted).await.map_err(Trouble::Refused)?;
        self.clear_server().await.map_err(|error| away(&error))?;
        let held = self.mirrored().max(*self.mirror.appended().borrow());
        let survived = greeted.lacks_nothing_until(held);
        // Owners that go with less than the file holds are brought with that: the rest comes behind them.
        let until = if greeted.is_staged { survived } else { held };
        let history = History::until(&self.mirror, until).await.map_err(Trouble::Refused)?;
        let read_from = self.found_owners().await?;
        self.found_ids(&history).await?;
        let kept_from = self.mirror.before_newest(FOUNDED_RECORDS).await.map_err(Trouble::Refused)?;
        let after = read_from.map_or(kept_from, |position| position.min(kept_from));
        self.found_log(&history, after).await?;
        // A host that has taken over nothing yet is no new deployment: others hold what has those positions.
        let last = if is_new && held == 0 { String::new() } else { held.max(self.seen()).to_string() };
        let keys = [&self.keys.meta, &self.keys.log, &self.keys.breaks, &self.keys.founded_log];
        let mut command = eval(include_str!("found.lua"), &keys);
        command.arg(last).arg(&lineage).arg(survived).arg(after).arg(LEFT_OUT_POSITIONS);
        // Whoever has followed the log behind another loss follows again what this host brings.
        for one in greeted.breaks_of_owners() {
            command.arg(one.to_string());
        }
        let founded: RedisResult<Value> = command.query_async(&mut self.link.clone()).await;
        founded.map(drop).map_err(|error| away(&error))
    }

    /// What is left where no deployment lives does not count, and must not be taken for state.
    async fn clear_server(&self) -> RedisResult<()> {
        let mut link = self.link.clone();
        let [ids, before] = &self.keys.ids;
        redis::cmd("UNLINK")
            .arg(&[
                &self.keys.log,
                &self.keys.founded_log,
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
        for (owner, place) in self.mirrored_owners().await.map_err(Trouble::Refused)? {
            let loaded = self.mirror.load(&owner).await.map_err(Trouble::Refused)?;
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

    /// Brings the ids of what was recorded, so that nothing of it comes twice.
    async fn found_ids(&self, history: &History) -> Result<(), Trouble> {
        let mut after = self.mirror.before_newest(REMEMBERED_IDS).await.map_err(Trouble::Refused)?;
        while let Some((last, ids)) = history.ids(after, IDS_BATCH).await.map_err(Trouble::Refused)? {
            after = last;
            let mut remember = redis::cmd("SADD");
            remember.arg(&self.keys.ids[0]);
            for (_, id) in &ids {
                remember.arg(id.as_bytes().as_slice());
            }
            if !ids.is_empty() {
                remember.query_async::<()>(&mut self.link.clone()).await.map_err(|error| away(&error))?;
            }
        }
        Ok(())
    }

    /// Brings the records behind a position, at their positions.
    async fn found_log(&self, history: &History, mut after: u64) -> Result<(), Trouble> {
        loop {
            let entries = history.read(after, BATCH).await.map_err(Trouble::Refused)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            // The records of an entry have positions without a gap.
            for run in entries.chunk_by(|one, next| one.seq + 1 == next.seq) {
                self.found_entry(run).await.map_err(|error| away(&error))?;
            }
        }
    }

    async fn found_entry(&self, entries: &[Entry]) -> RedisResult<()> {
        let Some(last) = entries.last() else { return Ok(()) };
        let mut append = redis::cmd("XADD");
        append.arg(&self.keys.founded_log).arg(EntryId { position: last.seq, number: 0 }.to_string());
        append.arg("o").arg(format!("@{}/{RESTORED_OWNER}", escaped(self.node())));
        for pack in pack(entries.iter().map(Unplaced::from)) {
            append.arg("r").arg(pack);
        }
        append.query_async::<()>(&mut self.link.clone()).await
    }
}
