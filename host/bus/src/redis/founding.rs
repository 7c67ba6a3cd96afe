//! Filling an empty server: a new one, or one that has lost everything.
//!
//! One host brings what its own file holds: every owner with its state, the end of the log at its positions, and the ids of what came
//! before. Other programs and hosts see nothing of it before it is whole. What other hosts know besides is given back by them
//! ([`super::restoring`]).

use std::time::Duration;

use redis::RedisResult;
use tokio::time::Instant;

use super::core::{ANSWER_MILLIS, Core, Trouble, away, escaped};
use super::filling::{Claim, Filling};
use super::greeting::{Greeted, LEFT_OUT_POSITIONS};
use super::history::History;
use super::outbox::MOST_ENTRIES;
use super::pack::{Unplaced, pack};
use super::restoring::RESTORED_OWNER;
use super::script::REMEMBERED_IDS;
use super::wire::EntryId;
use crate::Bus as _;
use crate::record::Entry;

/// Records or values that are brought in one step.
const BATCH: usize = 512;

/// Ids that are brought in one step, 16 bytes each: what fits on Lua's stack, with room to spare.
const IDS_BATCH: usize = 4_000;

/// How long a host whose file is not whole lets others fill an empty server.
pub(super) const GIVE_WAY: Duration = Duration::from_secs(5);

/// Records at the end of the log that are brought though every stage has read them: other hosts may not have taken them over
/// into their files. They are behind by moments, so this is minutes of a busy deployment.
const FOUNDED_RECORDS: usize = 5_000;

/// The same for a host that is known to be further behind: as many as the log has entries before it is not waited for any more.
const MOST_FOUNDED_RECORDS: usize = MOST_ENTRIES as usize;

impl Core {
    /// Brings a deployment to a server that holds none: owners with their state, and the end of the log. A new deployment has
    /// neither. Whether it was this host that did.
    pub(super) async fn found(&self, greeted: &mut Greeted, offer: String) -> Result<bool, Trouble> {
        self.give_way(greeted)?;
        let filling = match Filling::claim(self, &offer).await? {
            Claim::Ours(filling) => filling,
            Claim::Known => return Ok(false),
            Claim::Held => {
                // For a new deployment that is a moment.
                tokio::time::sleep(Duration::from_millis(ANSWER_MILLIS / 10)).await;
                return Err(Trouble::Away("another host is filling it".to_owned()));
            }
        };
        let filled = self.fill(greeted, offer, &filling).await;
        match filled {
            Ok(last_words) => filling.finish(&last_words).await.map(|()| true),
            Err(trouble) => {
                filling.give_up().await;
                Err(trouble)
            }
        }
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

    /// Brings everything, and gives what is to be said of it in the end.
    pub(super) async fn fill(
        &self,
        greeted: &mut Greeted,
        offer: String,
        filling: &Filling<'_>,
    ) -> Result<Vec<String>, Trouble> {
        let _still = self.intake.still().await?;
        let is_new = greeted.lineage.is_none();
        let lineage = greeted.lineage.get_or_insert(offer).clone();
        // First: after a crash in the middle this host has to know that the deployment is its own.
        self.keep(greeted).await.map_err(Trouble::Refused)?;
        self.clear_server(filling).await?;
        let held = self.mirrored().max(*self.mirror.appended().borrow());
        let survived = greeted.lacks_nothing_until(held);
        // Owners that go with less than the file holds are brought with that: the rest comes behind them.
        let until = if greeted.is_staged { survived } else { held };
        let history =
            History::until(&self.mirror, until, greeted.breaks_of_owners()).await.map_err(Trouble::Refused)?;
        let read_from = self.fill_owners(filling).await?;
        self.fill_ids(filling, &history).await?;
        let kept_from = self.kept_from(filling).await?;
        let after = read_from.map_or(kept_from, |position| position.min(kept_from));
        self.fill_log(filling, &history, after).await?;
        // A host that has taken over nothing yet is no new deployment: others hold what has those positions.
        let last = if is_new && held == 0 { String::new() } else { held.max(self.seen()).to_string() };
        let words = [last, lineage, survived.to_string(), after.to_string(), LEFT_OUT_POSITIONS.to_string()];
        // Whoever has followed the log behind another loss follows again what this host brings.
        Ok(words.into_iter().chain(greeted.breaks_of_owners().iter().map(ToString::to_string)).collect())
    }

    /// What is left where no deployment lives does not count, and must not be taken for state.
    async fn clear_server(&self, filling: &Filling<'_>) -> Result<(), Trouble> {
        let keys = &self.keys;
        let [ids, before] = &keys.ids;
        let left =
            [&keys.log, &keys.founded_log, &keys.owners, &keys.readers, &keys.mirrors, ids, before, &keys.breaks];
        filling.remove(&left.map(Clone::clone)).await?;
        let mut cursor = 0_u64;
        loop {
            let (next, names) = self.states_from(cursor).await.map_err(|error| away(&error))?;
            if !names.is_empty() {
                filling.remove(&names).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Some of the keys under which states lie, and from where to look on; 0 at the end.
    async fn states_from(&self, cursor: u64) -> RedisResult<(u64, Vec<String>)> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(self.keys.state("*")).arg("COUNT").arg(BATCH);
        let (next, names): (u64, Vec<Vec<u8>>) = scan.query_async(&mut self.link.clone()).await?;
        // A name of other bytes is of no owner.
        Ok((next, names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect()))
    }

    /// Brings who follows the log; the position behind which it is brought for them. Those that this host does not know of may be behind,
    /// too.
    async fn kept_from(&self, filling: &Filling<'_>) -> Result<u64, Trouble> {
        let newest = self.mirror.before_newest(FOUNDED_RECORDS).await.map_err(Trouble::Refused)?;
        let others = self.others();
        for followed in &others {
            let field = (&followed.node, &followed.text);
            filling.write("HSET", std::slice::from_ref(&self.keys.mirrors), field).await?;
        }
        let Some(slowest) = others.iter().map(|followed| followed.position).min().filter(|it| *it < newest) else {
            return Ok(newest);
        };
        let most = self.mirror.before_newest(MOST_FOUNDED_RECORDS).await.map_err(Trouble::Refused)?;
        Ok(slowest.max(most))
    }

    /// Brings the owners; the position behind which one of them has yet to read.
    async fn fill_owners(&self, filling: &Filling<'_>) -> Result<Option<u64>, Trouble> {
        let mut read_from = None;
        for (owner, place) in self.mirrored_owners().await.map_err(Trouble::Refused)? {
            let loaded = self.mirror.load(&owner).await.map_err(Trouble::Refused)?;
            let Some(offset) = loaded.offset else { continue };
            let name = self.server_name(&owner, &place);
            for part in loaded.state.chunks(BATCH) {
                filling.write("HSET", &[self.keys.state(&name)], part).await?;
            }
            if place.reads_log {
                let position = u64::try_from(offset).unwrap_or(0);
                read_from = Some(read_from.map_or(position, |from: u64| from.min(position)));
                filling.write("HSET", std::slice::from_ref(&self.keys.readers), (&name, offset)).await?;
            }
            filling.write("HSET", std::slice::from_ref(&self.keys.owners), (&name, offset)).await?;
        }
        Ok(read_from)
    }

    /// Brings the ids of what was recorded, so that nothing of it comes twice.
    async fn fill_ids(&self, filling: &Filling<'_>, history: &History) -> Result<(), Trouble> {
        let mut after = self.mirror.before_newest(REMEMBERED_IDS).await.map_err(Trouble::Refused)?;
        while let Some((last, ids)) = history.ids(after, IDS_BATCH).await.map_err(Trouble::Refused)? {
            after = last;
            let ids: Vec<&[u8]> = ids.iter().map(|(_, id)| id.as_bytes().as_slice()).collect();
            if !ids.is_empty() {
                filling.write("SADD", std::slice::from_ref(&self.keys.ids[0]), ids).await?;
            }
        }
        Ok(())
    }

    /// Brings the records behind a position, at their positions.
    async fn fill_log(&self, filling: &Filling<'_>, history: &History, mut after: u64) -> Result<(), Trouble> {
        loop {
            let entries = history.read(after, BATCH).await.map_err(Trouble::Refused)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            // The records of an entry have positions without a gap.
            for run in entries.chunk_by(|one, next| one.seq + 1 == next.seq) {
                self.fill_entry(filling, run).await?;
            }
        }
    }

    async fn fill_entry(&self, filling: &Filling<'_>, entries: &[Entry]) -> Result<(), Trouble> {
        let Some(last) = entries.last() else { return Ok(()) };
        let at = EntryId { position: last.seq, number: 0 }.to_string();
        let mut arguments = vec![at.into_bytes(), b"o".to_vec(), self.restorer().into_bytes()];
        for pack in pack(entries.iter().map(Unplaced::from)) {
            arguments.extend([b"r".to_vec(), pack]);
        }
        filling.write("XADD", std::slice::from_ref(&self.keys.founded_log), arguments).await
    }

    /// In whose name the log is brought: it is nobody's step.
    fn restorer(&self) -> String {
        format!("@{}/{RESTORED_OWNER}", escaped(self.node()))
    }
}
