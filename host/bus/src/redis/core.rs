//! What the bus and its tasks share, and the way of a commit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::watch;

use super::HOSTS_OWNERS;
use super::follower::{Intake, stored_cursor};
use super::greeting::Greeted;
use super::journal::{Journal, OUTBOX_OWNER, size_of_commit};
use super::keys::Keys;
use super::lease::Held;
use super::link::Link;
use super::mirrors::Mirrors;
use super::script::{self, Sending, Verdict};
use super::tail::Tail;
use super::wire::{EntryId, LogEntry};
use super::{Place, RedisSettings, Whose};
use crate::error::BusError;
use crate::record::{Commit, Committed, Loaded};
use crate::{Bus as _, SqliteBus};

/// How long a command may take. A server that syncs each write to a slow disk answers within this; one that hangs is away.
pub(super) const ANSWER_MILLIS: u64 = 3_000;

/// How often a commit is tried when the server turns out to be another one than it was.
const MOST_GREETINGS: usize = 3;

/// What the bus and its tasks share.
pub(super) struct Core {
    pub(super) link: Link,
    pub(super) keys: Keys,
    pub(super) settings: RedisSettings,
    pub(super) mirror: Arc<SqliteBus>,
    pub(super) appended: watch::Sender<u64>,
    pub(super) greeted: tokio::sync::Mutex<Greeted>,
    pub(super) intake: Intake,
    /// Held while the outbox is written, so that its offsets follow each other.
    pub(super) outbox: tokio::sync::Mutex<()>,
    /// Whoever hands over what waits.
    pub(super) handing_over: tokio::sync::Mutex<()>,
    /// What the host's own file held of the log when it was opened.
    pub(super) cursor: EntryId,
    pub(super) held: watch::Receiver<Held>,
    journal: Mutex<Journal>,
    tail: Mutex<Tail>,
    /// The server process that was asked last what it still has.
    met: Mutex<Arc<str>>,
    /// The server process whose losses this host has made good; empty before the first.
    pub(super) settled: watch::Sender<Arc<str>>,
    /// Behind this position nothing is known of what the server lost.
    met_until: AtomicU64,
    /// From where the log is to be followed again; the highest there is for nowhere.
    follow_from: AtomicU64,
    seen: AtomicU64,
    mirrored: AtomicU64,
    /// Who followed the log when that was seen last.
    pub(super) mirrors: Mutex<Mirrors>,
    /// Whether what the log says of owners is kept aside.
    owners_are_staged: AtomicBool,
}

/// Why a commit did not come to stand.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may stand or not; ask again when the server answers.
    Away(String),
    /// It does not stand, and never will.
    Refused(BusError),
}

/// A commit that stands.
pub(super) struct Stands {
    pub(super) committed: Committed,
    pub(super) entry: Option<EntryId>,
}

impl Core {
    pub(super) async fn open(
        settings: RedisSettings,
        mirror: Arc<SqliteBus>,
        held: watch::Receiver<Held>,
    ) -> Result<Self, BusError> {
        let (journal, unreadable) = Journal::open(mirror.load(OUTBOX_OWNER).await?);
        for key in unreadable {
            tracing::error!("commit {key:?} that waited for Redis cannot be read and is left in the file");
        }
        let link = Link::new(settings.server.clone(), Some(Duration::from_millis(ANSWER_MILLIS)));
        let (cursor, greeted) = (stored_cursor(&mirror).await?, Greeted::open(&mirror).await?);
        let mirrors = Mirrors::open(&mirror).await?;
        Ok(Self {
            link,
            keys: Keys::of(&settings.prefix),
            seen: AtomicU64::new(cursor.position.max(greeted.is_whole_at())),
            owners_are_staged: AtomicBool::new(greeted.is_staged),
            greeted: tokio::sync::Mutex::new(greeted),
            intake: Intake::default(),
            outbox: tokio::sync::Mutex::default(),
            handing_over: tokio::sync::Mutex::default(),
            held,
            journal: Mutex::new(journal),
            cursor,
            tail: Mutex::new(Tail::starting_after(cursor.position)),
            appended: watch::Sender::new(cursor.position),
            met: Mutex::new(Arc::from("")),
            settled: watch::Sender::new(Arc::from("")),
            met_until: AtomicU64::new(0),
            follow_from: AtomicU64::new(u64::MAX),
            mirrored: AtomicU64::new(cursor.position),
            mirrors: Mutex::new(mirrors),
            settings,
            mirror,
        })
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        // A panic elsewhere leaves it whole: every change of it is one call.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn node(&self) -> &str {
        self.settings.lease.node()
    }

    pub(super) fn place(&self, owner: &str) -> Place {
        match is_of_one_host(owner) {
            true => Place { whose: Whose::Own, reads_log: false },
            false => (self.settings.place)(owner),
        }
    }

    /// An owner's name at the server: what is this host's own is told apart from that of others.
    pub(super) fn server_name(&self, owner: &str, place: &Place) -> String {
        match place.whose {
            Whose::Own if !is_of_one_host(owner) => format!("@{}/{owner}", escaped(self.node())),
            _ => owner.to_owned(),
        }
    }

    /// The owner of an entry as it is called here; `None` where nobody's step made it. Another host's own is kept under the name it has
    /// at the server: whoever gives back a record has to give back what went with it, or that host would not know that it said it.
    pub(super) fn local_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        let Some(own) = name.strip_prefix('@') else { return Some(name) };
        match own.strip_prefix(&escaped(self.node())).and_then(|own| own.strip_prefix('/')) {
            Some(own) => Some(own),
            None => (!own.starts_with('/')).then_some(name),
        }
    }

    /// This server process is asked what it still has: it told of every loss up to this position of the log.
    pub(super) fn has_met(&self, run: &str, position: u64) {
        *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from(run);
        self.met_until.fetch_max(position, Ordering::Relaxed);
    }

    /// What the log has behind this position is not what this host has followed. Nobody lets go of it meanwhile.
    pub(super) fn follow_again_from(&self, position: u64) {
        self.follow_from.fetch_min(position, Ordering::Relaxed);
        self.mirrored.fetch_min(position, Ordering::Relaxed);
    }

    /// From where the log is to be followed again, said once.
    pub(super) fn take_follow_from(&self) -> u64 {
        self.follow_from.swap(u64::MAX, Ordering::Relaxed)
    }

    /// Whether a loss of which the log speaks at this position is one that this host has not been told of.
    pub(super) fn is_unmet(&self, position: u64) -> bool {
        position > self.met_until.load(Ordering::Relaxed)
    }

    pub(super) fn met(&self) -> Arc<str> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The highest position this host knows of.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) fn has_seen(&self, position: u64) {
        self.seen.fetch_max(position, Ordering::Relaxed);
    }

    /// Up to which position the host's own file holds the log.
    pub(super) fn mirrored(&self) -> u64 {
        self.mirrored.load(Ordering::Relaxed)
    }

    pub(super) fn has_mirrored(&self, position: u64) {
        self.mirrored.fetch_max(position, Ordering::Relaxed);
    }

    /// Whether what the log says of owners is kept aside.
    pub(super) fn are_owners_staged(&self) -> bool {
        self.owners_are_staged.load(Ordering::Relaxed)
    }

    /// What the log says of owners is kept aside from here on, or no more. Nothing is taken over meanwhile.
    pub(super) fn stages_owners(&self, are_staged: bool) {
        self.owners_are_staged.store(are_staged, Ordering::Relaxed);
    }

    /// The server lost what it had behind some position up to this one.
    pub(super) fn forget_tail_until(&self, position: u64) {
        self.tail().forget_until(position);
    }

    /// Takes in what comes next in the log, and wakes who waits for it.
    pub(super) fn tell(&self, entries: &[LogEntry]) {
        let Some(last) = entries.last() else { return };
        let mut tail = self.tail();
        entries.iter().for_each(|entry| tail.push(&entry.records));
        drop(tail);
        let position = last.id.position;
        self.has_seen(position);
        self.appended.send_if_modified(|seq| std::mem::replace(seq, position.max(*seq)) < position);
    }

    pub(super) async fn load(&self, owner: &str) -> Result<Loaded, BusError> {
        let place = self.place(owner);
        match self.load_from_server(owner, &place).await {
            Ok(loaded) => Ok(self.with_waiting(owner, loaded)),
            Err(Trouble::Away(_)) if !place.reads_log => {
                let mirrored = self.mirror.load(owner).await?;
                let known = self.journal().over_mirror(owner, mirrored);
                Ok(self.with_waiting(owner, known))
            }
            Err(trouble) => Err(self.error(trouble)),
        }
    }

    /// What is known of an owner, with the commits that wait done. Those that do not follow from it are in nobody's way any more.
    fn with_waiting(&self, owner: &str, known: Loaded) -> Loaded {
        // Who hands over meets them by itself, and must find first in the row what it has in hand.
        if let Ok(_nobody) = self.handing_over.try_lock() {
            self.journal().hold_back_broken(owner, known.offset);
        }
        self.journal().over_server(owner, known)
    }

    async fn load_from_server(&self, owner: &str, place: &Place) -> Result<Loaded, Trouble> {
        let name = self.server_name(owner, place);
        let mut is_first_loss = true;
        for _ in 0..MOST_GREETINGS {
            self.greet().await?;
            match script::load(&self.link, &self.keys, &name, &self.met()).await {
                Ok(Some((offset, state))) => return Ok(Loaded { offset, state }),
                Ok(None) => self.forget_greeting().await,
                Err(error) if is_no_script(&error) => self.forget_greeting().await,
                // The connection was of a server that is gone; another one may be there.
                Err(error) if error.is_connection_dropped() && is_first_loss => is_first_loss = false,
                Err(error) => return Err(away(&error)),
            }
        }
        Err(Trouble::Away("it lost everything again and again".to_owned()))
    }

    pub(super) async fn commit(&self, commit: Commit) -> Result<Committed, BusError> {
        self.require_room(size_of_commit(&commit))?;
        let place = self.place(&commit.owner);
        if place.reads_log || self.journal().waiting() == 0 {
            let met = self.met();
            match self.send(&commit, &place, false).await {
                Ok(Stands { committed, entry }) => {
                    if let Some(entry) = entry {
                        self.journal().taken(commit, entry);
                        self.give_back_if_forgotten(&met).await.map_err(|trouble| self.error(trouble))?;
                    }
                    return Ok(committed);
                }
                Err(Trouble::Away(detail)) if !place.reads_log => self.say_away(&detail),
                Err(trouble) => return Err(self.error(trouble)),
            }
        }
        self.let_wait(commit).await
    }

    fn require_room(&self, bytes: usize) -> Result<(), BusError> {
        let kept = self.journal().bytes();
        let limit = self.settings.outbox_bytes;
        if kept == 0 || kept + bytes <= limit {
            return Ok(());
        }
        Err(BusError::OutboxFull { server: self.settings.server.to_string(), kept, limit })
    }

    /// Hands a commit to the server. Its records alone when `is_records_only`: by nobody, expecting nothing.
    pub(super) async fn send(&self, commit: &Commit, place: &Place, is_records_only: bool) -> Result<Stands, Trouble> {
        for _ in 0..MOST_GREETINGS {
            self.greet().await?;
            match self.send_once(commit, place, is_records_only).await? {
                Some(stands) => return Ok(stands),
                None => self.forget_greeting().await,
            }
        }
        Err(Trouble::Away("it lost everything again and again".to_owned()))
    }

    /// `None` when the server has to be asked again what it still has.
    pub(super) async fn send_once(
        &self,
        commit: &Commit,
        place: &Place,
        is_records_only: bool,
    ) -> Result<Option<Stands>, Trouble> {
        let owner = self.server_name(&commit.owner, place);
        let fenced = || Trouble::Refused(BusError::Fenced { owner: commit.owner.clone() });
        let token = match &place.whose {
            Whose::Holder(partition) if !is_records_only => {
                let token = self.held.borrow().partitions.get(partition).cloned().ok_or_else(fenced)?;
                Some((partition.to_string(), token))
            }
            _ => None,
        };
        let lease = token.as_ref().map(|(partition, token)| (partition.as_str(), token.as_str()));
        let (reads_log, seen, met) = (place.reads_log, self.seen(), self.met());
        let sending = Sending { commit, owner: &owner, lease, reads_log, is_records_only, seen, run: &met };
        match sending.send(&self.link, &self.keys).await {
            Ok(Verdict::Done { last_seq, appended, entry }) => {
                self.has_seen(last_seq);
                let positions = last_seq + 1 - appended as u64..last_seq + 1;
                let committed =
                    Committed { positions, appended, duplicates: commit.records.len().saturating_sub(appended) };
                Ok(Some(Stands { committed, entry }))
            }
            Ok(Verdict::Empty | Verdict::Regressed) => Ok(None),
            Ok(Verdict::Fenced) => Err(fenced()),
            Ok(Verdict::Conflict(found)) => {
                let (owner, expected) = (commit.owner.clone(), commit.expected);
                Err(Trouble::Refused(BusError::Conflict { owner, expected, found }))
            }
            Err(error) if is_no_script(&error) => Ok(None),
            Err(error) => Err(away(&error)),
        }
    }

    pub(super) fn error(&self, trouble: Trouble) -> BusError {
        match trouble {
            Trouble::Away(detail) => BusError::Away { server: self.settings.server.to_string(), detail },
            Trouble::Refused(error) => error,
        }
    }

    pub(super) fn foreign(&self, error: &impl std::fmt::Display) -> BusError {
        BusError::ForeignLog { server: self.settings.server.to_string(), detail: error.to_string() }
    }

    fn say_away(&self, detail: &str) {
        if self.journal().waiting() == 0 {
            tracing::error!(
                "Redis at {} does not answer ({detail}); what is observed waits in this host's file",
                self.settings.server
            );
        }
    }
}

/// Whether an owner is named as one host's own is at the server: `@NODE/OWNER`.
fn is_of_one_host(owner: &str) -> bool {
    owner.starts_with(HOSTS_OWNERS)
}

/// The name of a node in front of an owner's, where a slash ends it.
pub(super) fn escaped(node: &str) -> String {
    node.replace('%', "%25").replace('/', "%2F")
}

/// What an error of the client means for a commit or a load.
pub(super) fn away(error: &RedisError) -> Trouble {
    let detail = match error.code() {
        Some("OOM") => "it is full (`maxmemory`): give it more memory".to_owned(),
        Some("MISCONF") => "it takes no writes because it cannot save to its disk".to_owned(),
        Some("NOAUTH" | "WRONGPASS") => "it wants another password: see --redis-password-file".to_owned(),
        _ => error.to_string(),
    };
    Trouble::Away(detail)
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
