//! The first word over a new connection: is this the server that we know, and does it still have everything?
//!
//! A server that was started again or promoted may have lost its last writes, or all. Then this host gives back what it has of it
//! ([`super::restoring`]), or brings everything ([`super::founding`]), and takes over from the server what its own file cannot learn
//! from the log. Only when the file has followed the log as far as that, the loss is over for this host: should the server lose
//! something before, or the host be killed, all of it is done again. What is given twice is known by its ids.

use std::time::Duration;

use redis::{FromRedisValue, RedisResult, Value};
use tokio::time::Instant;

use super::core::{Core, Trouble, away};
use super::follower::follow_again;
use super::founding::GIVE_WAY;
use super::restoring::{Break, breaks_since};
use super::script::{eval, make_known, unexpected};
use crate::error::BusError;
use crate::record::{Commit, StateChange};
use crate::{Bus as _, SqliteBus};

/// Positions that are left out after a server lost something where its clock is behind those it gave: more than it can have lost.
pub(super) const LEFT_OUT_POSITIONS: u64 = 1_000_000;

/// Owner, in the host's own file, of what is known of the server.
const RUN_OWNER: &str = "redis/run";

const RUN_KEY: &[u8] = b"run";

const LINEAGE_KEY: &[u8] = b"lineage";

const BREAKS_KEY: &[u8] = b"breaks";

const WHOLE_BREAKS_KEY: &[u8] = b"whole_breaks";

const WHOLE_AT_KEY: &[u8] = b"whole_at";

const WHOLE_UNTIL_KEY: &[u8] = b"whole_until";

const STAGED_KEY: &[u8] = b"staged";

const TAKING_OVER_KEY: &[u8] = b"taking_over";

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct Greeted {
    /// The connection over which it was last greeted.
    connection: Option<u64>,
    /// The server process whose losses are made good.
    run: Option<String>,
    /// The one whose losses are made good and over: this host's file has followed the log behind them.
    whole_run: Option<String>,
    /// Up to where the file has to follow the log for `run` to be that one.
    whole_at: Option<u64>,
    /// How far the file held the log when it was whole last; of no meaning while it is.
    whole_until: u64,
    /// Whether something is yet to be taken over from the server: the file is not whole before all of that is there, wherever the log
    /// goes on meanwhile.
    is_taking_over: bool,
    /// Whether what was taken over of owners, and what the log says of them since, is kept aside: it follows from records that the
    /// file does not hold yet ([`super::owners`]).
    pub(super) is_staged: bool,
    /// The deployment that this host is part of.
    pub(super) lineage: Option<String>,
    /// Every loss that is known. Whoever fills an empty server tells it of those of before: a host that was away has yet to
    /// give back what it holds of them.
    pub(super) breaks: Vec<Break>,
    /// Those that were known when the file was whole last. The server that is known now may know nothing of them: it was filled by a host
    /// that was away then.
    whole_breaks: Vec<Break>,
    /// For how long this host lets others fill an empty server while its file is not whole, and since when it has.
    pub(super) gives_way_for: Duration,
    pub(super) gives_way_since: Option<Instant>,
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
        let breaks = |key| text(key).unwrap_or_default().lines().filter_map(Break::read).collect();
        let run = text(RUN_KEY);
        Ok(Self {
            run: run.clone(),
            whole_run: run,
            lineage: text(LINEAGE_KEY),
            whole_at: text(WHOLE_AT_KEY).and_then(|position| position.parse().ok()).filter(|position| *position > 0),
            whole_until: text(WHOLE_UNTIL_KEY).and_then(|position| position.parse().ok()).unwrap_or(0),
            is_taking_over: text(TAKING_OVER_KEY).is_some_and(|taking_over| taking_over == "1"),
            is_staged: text(STAGED_KEY).is_some_and(|staged| staged == "1"),
            breaks: breaks(BREAKS_KEY),
            whole_breaks: breaks(WHOLE_BREAKS_KEY),
            gives_way_for: GIVE_WAY,
            offset: loaded.offset,
            ..Self::default()
        })
    }

    /// Up to where this host's file has yet to follow the log to be as the log has it.
    pub(super) fn is_whole_at(&self) -> u64 {
        self.whole_at.unwrap_or(0)
    }

    /// Whether it is, when it holds the log up to some position.
    pub(super) fn is_whole(&self, mirrored: u64) -> bool {
        !self.is_taking_over && mirrored >= self.is_whole_at()
    }

    /// Up to where the file surely lacks nothing of the log, when it holds it up to some position.
    pub(super) fn lacks_nothing_until(&self, mirrored: u64) -> u64 {
        if self.whole_at.is_some() { self.whole_until } else { mirrored }
    }

    /// The losses that are part of what the file has of owners.
    pub(super) fn breaks_of_owners(&self) -> &[Break] {
        if self.is_staged { &self.whole_breaks } else { &self.breaks }
    }

    /// The file is not whole from here on before it has followed the log that far, and what comes of owners is kept aside or not.
    pub(super) fn is_torn(&mut self, mirrored: u64, whole_at: u64, is_staged: bool) {
        self.whole_until = self.lacks_nothing_until(mirrored);
        (self.whole_at, self.is_taking_over, self.is_staged) = (Some(whole_at), false, is_staged);
    }

    /// The same, and something is to be taken over first.
    pub(super) fn takes_over(&mut self, mirrored: u64, whole_at: u64, is_staged: bool) {
        self.is_torn(mirrored, whole_at, is_staged);
        self.is_taking_over = true;
    }

    fn kept(&self) -> Commit {
        let put = |key: &[u8], value: String| StateChange::Put { key: key.to_vec(), value: value.into_bytes() };
        let breaks = |breaks: &[Break]| breaks.iter().map(|one| format!("{one}\n")).collect::<String>();
        let known = [
            (LINEAGE_KEY, self.lineage.clone()),
            (RUN_KEY, self.whole_run.clone()),
            (BREAKS_KEY, Some(breaks(&self.breaks))),
            (WHOLE_BREAKS_KEY, Some(breaks(&self.whole_breaks))),
            (WHOLE_AT_KEY, Some(self.is_whole_at().to_string())),
            (WHOLE_UNTIL_KEY, Some(self.whole_until.to_string())),
            (TAKING_OVER_KEY, Some(u8::from(self.is_taking_over).to_string())),
            (STAGED_KEY, Some(u8::from(self.is_staged).to_string())),
        ];
        Commit {
            owner: RUN_OWNER.to_owned(),
            expected: self.offset,
            offset: self.offset.map_or(0, |offset| offset.wrapping_add(1)),
            records: Vec::new(),
            state: known.into_iter().filter_map(|(key, value)| Some(put(key, value?))).collect(),
        }
    }
}

/// What a server is.
pub(super) enum Hello {
    /// Nothing is there; this is what a new deployment would be called.
    Empty(String),
    /// A deployment is.
    Known(Known),
}

/// A deployment as a server has it.
pub(super) struct Known {
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
        let mut is_founder = false;
        let known = match self.hello().await.map_err(|error| away(&error))? {
            Hello::Known(known) => known,
            Hello::Empty(offer) => {
                is_founder = self.found(&mut greeted, offer).await?;
                match self.hello().await.map_err(|error| away(&error))? {
                    Hello::Known(known) => known,
                    Hello::Empty(_) => return Err(Trouble::Away("it forgot the deployment at once".to_owned())),
                }
            }
        };
        self.join(&mut greeted, &known).await?;
        // Before anything is taken over: nobody lets go of it from here on.
        self.say_mirrored().await.map_err(|error| away(&error))?;
        make_known(&self.link).await.map_err(|error| away(&error))?;
        self.has_met(&known.run, known.last_seq);
        if greeted.run.as_ref() != Some(&known.run) || greeted.is_taking_over {
            self.make_good(&mut greeted, known, is_founder).await?;
        }
        greeted.connection = Some(number);
        let met = self.met();
        self.settled.send_if_modified(|settled| std::mem::replace(settled, met.clone()) != met);
        self.intake.go_on();
        Ok(())
    }

    /// The server is another one than it was: what it has not is given back, and what this host's file has not is taken from it.
    async fn make_good(&self, greeted: &mut Greeted, known: Known, is_founder: bool) -> Result<(), Trouble> {
        let _still = self.intake.still().await?;
        if greeted.lineage.is_some() {
            self.forget_tail_until(known.last_seq);
            let lost = match is_founder {
                // As of when its file was whole it has brought everything.
                true => known.breaks.last().cloned().into_iter().collect(),
                false => breaks_since(greeted.whole_run.as_deref(), &known.breaks),
            };
            // First: what is given back follows from it.
            self.bring_own_owners().await?;
            self.give_back(&lost, &known.breaks).await?;
            if is_founder {
                // The server has of owners what the file has.
                greeted.takes_over(self.mirrored(), self.seen(), false);
                self.keep(greeted).await.map_err(Trouble::Refused)?;
            } else {
                self.take_over_owners(greeted, &lost, &known.run).await?;
            }
        }
        // Losses that the server knows nothing of: it was filled by a host that knew nothing of them, and what that one had followed in
        // between stands at positions that this one takes for passed.
        let unknown = greeted.breaks.iter().filter(|one| !known.breaks.contains(one));
        if let Some(parted) = unknown.map(|one| one.survived).min() {
            follow_again(&self.mirror, parted).await.map_err(Trouble::Refused)?;
            self.follow_again_from(parted);
        }
        (greeted.run, greeted.lineage, greeted.breaks) = (Some(known.run), Some(known.lineage), known.breaks);
        greeted.is_torn(self.mirrored(), self.seen(), greeted.is_staged);
        self.keep(greeted).await.map_err(Trouble::Refused)
    }

    async fn take_over_owners(&self, greeted: &mut Greeted, lost: &[Break], run: &str) -> Result<(), Trouble> {
        let is_filled = lost.iter().any(|one| one.is_filled);
        // Of commits without records some may be lost though their position is not. What is kept aside is of the server as it was.
        let copies = is_filled || greeted.is_staged || lost.iter().any(|one| self.mirrored() >= one.survived);
        // Known before it is so, also to the next process.
        greeted.takes_over(self.mirrored(), self.seen(), copies);
        self.keep(greeted).await.map_err(Trouble::Refused)?;
        if is_filled {
            self.bring_missing_owners().await?;
        }
        if copies { self.copy_owners(run).await } else { Ok(()) }
    }

    /// Makes sure that this host's file is part of the deployment, and holds every owner: from the log alone it would learn
    /// only what changes from now on.
    async fn join(&self, greeted: &mut Greeted, known: &Known) -> Result<(), Trouble> {
        let is_new = greeted.lineage.as_ref() != Some(&known.lineage);
        if is_new && (*self.mirror.appended().borrow() > 0 || self.mirrored() > 0) {
            return Err(Trouble::Refused(BusError::OtherDeployment { server: self.settings.server.to_string() }));
        }
        if is_new {
            // One of another name came to nothing before it had a record.
            greeted.lineage = None;
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
            let _still = self.intake.still().await?;
            greeted.takes_over(self.mirrored(), self.seen(), true);
            self.keep(greeted).await.map_err(Trouble::Refused)?;
            self.copy_owners(&known.run).await?;
            greeted.is_torn(self.mirrored(), self.seen(), true);
            self.has_mirrored(known.trimmed);
        }
        Ok(())
    }

    /// The server is another one than it was: it is greeted again before anything else.
    pub(super) async fn forget_greeting(&self) {
        self.greeted.lock().await.connection = None;
    }

    pub(super) async fn hello(&self) -> RedisResult<Hello> {
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
        let breaks = breaks.iter().map(|text| Break::read(text).ok_or_else(|| unexpected("a break")));
        let breaks = breaks.collect::<RedisResult<_>>()?;
        let (lineage, trimmed) = (String::from_redis_value(next())?, String::from_redis_value(next())?);
        let trimmed = trimmed.parse().map_err(|_| unexpected("a position"))?;
        Ok(Hello::Known(Known { run, last_seq, breaks, lineage, trimmed }))
    }

    /// Notes in the host's own file what is known, and that the last loss is over if it is.
    pub(super) async fn keep(&self, greeted: &mut Greeted) -> Result<(), BusError> {
        if greeted.whole_at.is_some() && greeted.is_whole(self.mirrored()) {
            if greeted.is_staged {
                self.adopt_staged().await?;
            }
            (greeted.whole_at, greeted.is_staged) = (None, false);
            greeted.whole_run.clone_from(&greeted.run);
            greeted.whole_breaks.clone_from(&greeted.breaks);
        }
        self.keep_as_it_is(greeted).await
    }

    async fn keep_as_it_is(&self, greeted: &mut Greeted) -> Result<(), BusError> {
        let kept = greeted.kept();
        let offset = kept.offset;
        self.mirror.commit(kept).await?;
        greeted.offset = Some(offset);
        self.stages_owners(greeted.is_staged);
        Ok(())
    }

    /// The file holds more of the log than it did: the last loss may be over.
    pub(super) async fn settle_when_whole(&self) -> Result<(), BusError> {
        // Who greets at this moment waits for the file, and looks by itself.
        let Ok(mut greeted) = self.greeted.try_lock() else { return Ok(()) };
        match greeted.whole_at.is_some() && greeted.is_whole(self.mirrored()) {
            true => self.keep(&mut greeted).await,
            false => Ok(()),
        }
    }
}
