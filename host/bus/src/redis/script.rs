//! The scripts: everything that has to be atomic happens in one of these, on the server.
//!
//! They are loaded only after the server was asked what it still has ([`super::greeting`]): a server process that does not know a
//! script is one that nobody has asked yet.

use std::sync::LazyLock;

use redis::{Cmd, FromRedisValue, RedisResult, Script, Value};

use super::keys::Keys;
use super::link::Link;
use super::pack::{Unplaced, pack};
use super::wire::{EntryId, change_fields};
use crate::record::Commit;

/// Ids that are remembered in each of two halves. A record that comes again is known as such while its id is among them;
/// behind that it is the offset of its owner that keeps it from coming again. Some 80 bytes each.
pub(super) const REMEMBERED_IDS: usize = 500_000;

static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("commit.lua")));
static LOAD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("load.lua")));

/// What became of a commit at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stands.
    Done { last_seq: u64, appended: usize, entry: Option<EntryId> },
    /// No deployment lives there.
    Empty,
    /// The server has lost writes that this host knows of.
    Regressed,
    /// Another host holds the partition.
    Fenced,
    /// The owner stands elsewhere.
    Conflict(Option<i64>),
}

/// A commit on its way.
pub(super) struct Sending<'a> {
    pub(super) commit: &'a Commit,
    /// The owner's name at the server.
    pub(super) owner: &'a str,
    /// Partition and token, for an owner that hosts share.
    pub(super) lease: Option<(&'a str, &'a str)>,
    /// Whether the owner reads the log.
    pub(super) reads_log: bool,
    /// Whether only the records are added, by nobody, expecting nothing.
    pub(super) is_records_only: bool,
    /// The highest position this host knows of.
    pub(super) seen: u64,
    /// The server process that was asked what it still has.
    pub(super) run: &'a str,
}

impl Sending<'_> {
    fn command(&self, keys: &Keys) -> Cmd {
        let mut command = evalsha(&COMMIT, &keys.of_commit(self.owner));
        let (partition, token) = self.lease.unwrap_or(("", ""));
        let shown = |offset: Option<i64>| offset.map_or_else(String::new, |offset| offset.to_string());
        let (expected, offset) = match self.is_records_only {
            true => (String::new(), String::new()),
            false => (shown(self.commit.expected), shown(Some(self.commit.offset))),
        };
        command
            .arg(format!("{} {}", self.seen, self.run))
            .arg(partition)
            .arg(token)
            .arg(self.owner)
            .arg(expected)
            .arg(offset);
        let records = &self.commit.records;
        let ids: Vec<u8> = records.iter().flat_map(|record| *record.id.as_bytes()).collect();
        let packs = pack(records.iter().map(Unplaced::from));
        command.arg(REMEMBERED_IDS).arg(u8::from(self.reads_log)).arg(ids).arg(packs.len());
        for pack in packs {
            command.arg(pack);
        }
        if !self.is_records_only {
            for change in &self.commit.state {
                let (name, value) = change_fields(change);
                command.arg(name).arg(value);
            }
        }
        command
    }

    /// Hands the commit to the server.
    pub(super) async fn send(&self, link: &Link, keys: &Keys) -> RedisResult<Verdict> {
        let answer: Vec<Value> = self.command(keys).query_async(&mut link.clone()).await?;
        verdict(answer)
    }
}

fn verdict(answer: Vec<Value>) -> RedisResult<Verdict> {
    let mut parts = answer.into_iter();
    let mut text = || parts.next().map_or(Ok(String::new()), String::from_redis_value);
    Ok(match text()?.as_str() {
        "OK" => {
            let (last_seq, appended, entry) = (text()?, text()?, text()?);
            Verdict::Done {
                last_seq: last_seq.parse().map_err(|_| unexpected("a position"))?,
                appended: appended.parse().map_err(|_| unexpected("a count"))?,
                entry: EntryId::parse(&entry),
            }
        }
        "EMPTY" => Verdict::Empty,
        "REGRESSED" => Verdict::Regressed,
        "FENCED" => Verdict::Fenced,
        "CONFLICT" => Verdict::Conflict(text()?.parse().ok()),
        _ => return Err(unexpected("a verdict")),
    })
}

/// An owner's offset and state; `None` where the server is not, or not any more, what it was when it was asked.
pub(super) type Stored = Option<(Option<i64>, Vec<(Vec<u8>, Vec<u8>)>)>;

/// Loads an owner from this server process.
pub(super) async fn load(link: &Link, keys: &Keys, owner: &str, run: &str) -> RedisResult<Stored> {
    load_by(evalsha(&LOAD, &[&keys.meta, &keys.owners, &keys.state(owner)]), link, owner, run).await
}

/// The same, from a server that does not know the scripts yet.
pub(super) async fn load_unknown(link: &Link, keys: &Keys, owner: &str, run: &str) -> RedisResult<Stored> {
    load_by(eval(include_str!("load.lua"), &[&keys.meta, &keys.owners, &keys.state(owner)]), link, owner, run).await
}

/// The names of all owners of this server process; `None` like [`Stored`].
pub(super) async fn names(link: &Link, keys: &Keys, run: &str) -> RedisResult<Option<Vec<String>>> {
    let mut command = eval(include_str!("names.lua"), &[&keys.meta, &keys.owners]);
    let answer: Vec<Value> = command.arg(run).query_async(&mut link.clone()).await?;
    let mut parts = answer.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    match String::from_redis_value(next())?.as_str() {
        "OK" => Ok(Some(Vec::from_redis_value(next())?)),
        "OTHER" => Ok(None),
        _ => Err(unexpected("names of owners")),
    }
}

async fn load_by(mut command: Cmd, link: &Link, owner: &str, run: &str) -> RedisResult<Stored> {
    let answer: Vec<Value> = command.arg(owner).arg(run).query_async(&mut link.clone()).await?;
    let mut parts = answer.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    match String::from_redis_value(next())?.as_str() {
        "OK" => {}
        "EMPTY" | "OTHER" => return Ok(None),
        _ => return Err(unexpected("an owner")),
    }
    let offset = String::from_redis_value(next())?;
    let offset = match offset.as_str() {
        "" => None,
        number => Some(number.parse().map_err(|_| unexpected("an offset"))?),
    };
    let mut state: Vec<(Vec<u8>, Vec<u8>)> = Vec::from_redis_value(next())?;
    state.sort_unstable();
    Ok(Some((offset, state)))
}

/// Makes the scripts known to the server.
pub(super) async fn make_known(link: &Link) -> RedisResult<()> {
    for text in [include_str!("commit.lua"), include_str!("load.lua")] {
        redis::cmd("SCRIPT").arg("LOAD").arg(text).query_async::<()>(&mut link.clone()).await?;
    }
    Ok(())
}

fn evalsha<K: AsRef<str>>(script: &Script, keys: &[K]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(keys.len());
    for key in keys {
        command.arg(key.as_ref());
    }
    command
}

/// A script runs once and is not kept by the server.
pub(super) fn eval<K: AsRef<str>>(text: &str, keys: &[K]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(keys.len());
    for key in keys {
        command.arg(key.as_ref());
    }
    command
}

pub(super) fn unexpected(what: &'static str) -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::UnexpectedReturnType, "a script did not answer with", what.to_owned()))
}
