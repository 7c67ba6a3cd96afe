//! One plain stream, to which each record is appended once.
//!
//! In a transaction that watches how far the stream is published, and not in a script: a server appends what it was sent as
//! commands in two thirds of the time, and with every record of a deployment here this is most of what it does.
//!
//! What is old goes, but nothing that somebody else wrote and that is not taken in yet: in a flood of Orion's own a stream is cut
//! behind them within a second.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value};

use super::link::Link;
use super::wire::EntryId;

/// Entries that a plain stream keeps, about: an hour of five a second, for readers that were away. Some 20 MB, which the server writes
/// anew each time it rewrites its append-only file.
const KEPT_ENTRIES: usize = 20_000;

/// Entries that it may have besides before some go.
const SURPLUS_ENTRIES: usize = 2_000;

/// Records of one transaction: the server does nothing else for a millisecond or two.
const RECORDS_AT_ONCE: usize = 256;

/// How often a transaction is tried: another one is in the way only while the work goes from host to host.
const MOST_ATTEMPTS: usize = 3;

/// The field by which an entry is known as Orion's own: its position in the log.
pub(super) const OWN_FIELD: &str = "orion_seq";

/// A record to publish: its position, and the fields by which it is to be read.
pub(super) type Published<'a> = (u64, Vec<(&'a str, &'a str)>);

/// A plain stream. It has a connection of its own: on a Cluster the streams live on different masters.
pub(super) struct PlainStream {
    pub(super) name: String,
    published: String,
    link: Link,
    /// Held over a transaction: what one watches, another one would forget.
    turn: tokio::sync::Mutex<()>,
    own: Mutex<OwnRun>,
    /// Up to where what others wrote is taken in, from the beginning on; `None` where nobody writes but Orion.
    taken_in: Option<Mutex<EntryId>>,
}

/// The whole of a transaction, as long as none of its records is published.
pub(super) struct Part {
    positions: Vec<u64>,
    append: Pipeline,
}

/// What stands before the records in the transaction of a [`Part`].
const COMMANDS_BEFORE: usize = 1;

impl Part {
    /// What is left to do of it, when everything up to a position is published.
    fn behind(&self, published: u64) -> Option<Cow<'_, Pipeline>> {
        let known = self.positions.partition_point(|position| *position <= published);
        match known {
            0 => Some(Cow::Borrowed(&self.append)),
            _ if known == self.positions.len() => None,
            _ => {
                let mut left = redis::pipe();
                left.atomic();
                let is_left = |at: &usize| !(COMMANDS_BEFORE..COMMANDS_BEFORE + known).contains(at);
                for (_, command) in self.append.cmd_iter().enumerate().filter(|(at, _)| is_left(at)) {
                    left.add_command(command.clone());
                }
                Some(Cow::Owned(left))
            }
        }
    }
}

impl PlainStream {
    /// A stream to which Orion alone writes.
    pub(super) fn of_own(name: String, link: Link) -> Self {
        let published = format!("{{{name}}}:published");
        Self { name, published, link, turn: Default::default(), own: Default::default(), taken_in: None }
    }

    /// A stream to which others write as well. Until it is said that something of theirs is taken in, nothing is.
    pub(super) fn of_all(name: String, link: Link) -> Self {
        Self { taken_in: Some(Mutex::default()), ..Self::of_own(name, link) }
    }

    /// What is to be sent for records, in their order. This is most of the work, and needs no server.
    pub(super) fn prepare(&self, records: &[Published<'_>]) -> Vec<Part> {
        records.chunks(RECORDS_AT_ONCE).map(|part| self.part(part)).collect()
    }

    fn part(&self, records: &[Published<'_>]) -> Part {
        let mut append = redis::pipe();
        // What is last before: all behind it is Orion's own.
        append.atomic().cmd("XREVRANGE").arg(&self.name).arg("+").arg("-").arg("COUNT").arg(1);
        for record in records {
            append.add_command(self.xadd(record));
        }
        append.cmd("XLEN").arg(&self.name);
        append.cmd("SET").arg(&self.published).arg(records.last().map_or(0, |(position, _)| *position));
        Part { positions: records.iter().map(|(position, _)| *position).collect(), append }
    }

    fn xadd(&self, (position, fields): &Published<'_>) -> Cmd {
        /// What stands before the fields, and the own one behind them.
        const MORE_ARGUMENTS: usize = 5;
        const MORE_BYTES: usize = 64;
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut xadd = Cmd::with_capacity(MORE_ARGUMENTS + 2 * fields.len(), MORE_BYTES + self.name.len() + bytes);
        xadd.arg("XADD").arg(&self.name).arg("*");
        for (name, value) in fields {
            xadd.arg(name).arg(value);
        }
        xadd.arg(OWN_FIELD).arg(position);
        xadd
    }

    /// Appends records. Those that are there are left out, so after an error the same ones can be given again.
    pub(super) async fn publish(&self, parts: &[Part]) -> RedisResult<()> {
        let _turn = self.turn.lock().await;
        for part in parts {
            self.publish_part(part).await?;
        }
        Ok(())
    }

    async fn publish_part(&self, part: &Part) -> RedisResult<()> {
        for _ in 0..MOST_ATTEMPTS {
            let (mut connection, number) = self.link.pinned().await?;
            match self.transact(&mut connection, part).await {
                Ok(Some(Appended { run, length })) => {
                    self.own.lock().unwrap_or_else(PoisonError::into_inner).add(run);
                    return self.let_go(&mut connection, length).await;
                }
                // Somebody else published meanwhile.
                Ok(None) => {}
                Err(error) if self.link.learn(number, &error).await => {}
                Err(error) => return Err(error),
            }
        }
        Err(RedisError::from((ErrorKind::Client, "others publish to the stream at the same time", self.name.clone())))
    }

    /// `None` when nothing was done because somebody else published in between.
    async fn transact(&self, connection: &mut MultiplexedConnection, part: &Part) -> RedisResult<Option<Appended>> {
        let mut look = redis::pipe();
        look.cmd("WATCH").arg(&self.published).ignore().cmd("GET").arg(&self.published);
        let (published,): (Option<u64>,) = look.query_async(connection).await?;
        let Some(append) = part.behind(published.unwrap_or(0)) else { return Ok(Some(Appended::default())) };
        let answers: Option<Vec<Value>> = append.query_async(connection).await?;
        answers.map(appended).transpose()
    }

    /// Lets go of the oldest entries where there are too many, whole blocks of them as the server keeps them.
    async fn let_go(&self, connection: &mut MultiplexedConnection, length: usize) -> RedisResult<()> {
        if length <= KEPT_ENTRIES + SURPLUS_ENTRIES {
            return Ok(());
        }
        let mut trim = redis::cmd("XTRIM");
        trim.arg(&self.name).arg("MINID").arg("~").arg(self.needed_from().to_string());
        trim.arg("LIMIT").arg(length - KEPT_ENTRIES).query_async::<Value>(connection).await.map(drop)
    }

    /// Nothing before this entry is needed: it is taken in, or Orion's own.
    fn needed_from(&self) -> EntryId {
        let own = *self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let taken_in = self.taken_in.as_ref().map(|up_to| *up_to.lock().unwrap_or_else(PoisonError::into_inner));
        match taken_in {
            Some(taken_in) if taken_in < own.behind => taken_in,
            _ => own.up_to,
        }
    }

    /// What others wrote up to this entry is taken in, and what comes later will be.
    pub(super) fn taken_in(&self, up_to: &str) {
        if let (Some(taken_in), Some(up_to)) = (&self.taken_in, EntryId::parse(up_to)) {
            *taken_in.lock().unwrap_or_else(PoisonError::into_inner) = up_to;
        }
    }

    /// From where to read on behind an entry: what this host is known to have published there is passed over.
    pub(super) fn past_own(&self, after: &str) -> String {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).past(after)
    }
}

/// What a transaction did.
#[derive(Debug, Default)]
struct Appended {
    run: OwnRun,
    /// Entries of the stream with it.
    length: usize,
}

/// The last stretch of a stream in which everything is Orion's own: behind one entry, up to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OwnRun {
    behind: EntryId,
    up_to: EntryId,
}

impl OwnRun {
    /// Goes on with what was published next, or begins anew where somebody else wrote in between.
    fn add(&mut self, next: Self) {
        if next.behind == next.up_to {
            return;
        }
        match self.up_to == next.behind {
            true => self.up_to = next.up_to,
            false => *self = next,
        }
    }

    fn past(&self, after: &str) -> String {
        match EntryId::parse(after) {
            Some(id) if self.behind <= id && id < self.up_to => self.up_to.to_string(),
            _ => after.to_owned(),
        }
    }
}

/// From the answers to a transaction: the entry that was last, the ids of those that were appended, how many there are, and that it is noted.
fn appended(answers: Vec<Value>) -> RedisResult<Appended> {
    let mut answers = answers.into_iter();
    let before: Vec<(String, Value)> = Vec::from_redis_value(answers.next().unwrap_or(Value::Nil))?;
    let id_of = |text: &str| {
        let unexpected = || RedisError::from((ErrorKind::UnexpectedReturnType, "no id of an entry", text.to_owned()));
        EntryId::parse(text).ok_or_else(unexpected)
    };
    let behind = before.first().map_or(Ok(EntryId::default()), |(id, _)| id_of(id))?;
    let (_noted, length) = (answers.next_back(), answers.next_back());
    let length = usize::from_redis_value(length.unwrap_or(Value::Int(0)))?;
    let last = answers.next_back().map(String::from_redis_value).transpose()?;
    let up_to = last.map_or(Ok(behind), |id| id_of(&id))?;
    Ok(Appended { run: OwnRun { behind, up_to }, length })
}

#[cfg(test)]
mod tests {
    use orion_lab::{RedisOptions, RedisServer as Server};

    use super::*;
    use crate::RedisServer;

    fn link(server: &Server) -> Link {
        Link::new(RedisServer::parse(&server.url()).unwrap(), None)
    }

    fn plain_stream(server: &Server) -> PlainStream {
        PlainStream::of_all("event".to_owned(), link(server))
    }

    async fn publish(stream: &PlainStream, positions: std::ops::RangeInclusive<u64>) {
        let records: Vec<_> = positions.map(|position| (position, vec![("json", "{}")])).collect();
        stream.publish(&stream.prepare(&records)).await.unwrap();
    }

    fn positions(server: &Server) -> Vec<u64> {
        let answer = server.command(&["XRANGE", "event", "-", "+"]).unwrap();
        let lines: Vec<_> = answer.lines().collect();
        lines.windows(2).filter(|pair| pair[0] == OWN_FIELD).map(|pair| pair[1].parse().unwrap()).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_record_is_there_once_however_often_and_by_however_many_it_is_published() {
        let server = Server::start(&RedisOptions::default()).unwrap();
        let (one, two) = (plain_stream(&server), plain_stream(&server));
        publish(&one, 1..=600).await;
        publish(&one, 550..=700).await;
        publish(&two, 1..=710).await;
        publish(&two, 1..=710).await;
        assert_eq!(positions(&server), (1..=710).collect::<Vec<_>>());
        // A host that does not know yet that another one does this now.
        for round in 0..20 {
            let next = 711 + round * 10..=720 + round * 10;
            tokio::join!(publish(&one, next.clone()), publish(&two, next));
        }
        assert_eq!(positions(&server), (1..=910).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_passed_over_is_all_of_it_orions_own() {
        let server = Server::start(&RedisOptions::default()).unwrap();
        let stream = plain_stream(&server);
        let last = || {
            server.command(&["XREVRANGE", "event", "+", "-", "COUNT", "1"]).unwrap().lines().next().unwrap().to_owned()
        };
        publish(&stream, 1..=3).await;
        let own = last();
        assert_eq!(stream.past_own("0-0"), own);
        publish(&stream, 2..=300).await;
        assert_eq!((stream.past_own("0-0"), stream.past_own(&own)), (last(), last()));
        let foreign = server.command(&["XADD", "event", "*", "event_type", "x"]).unwrap();
        let before = stream.past_own("0-0");
        assert!(EntryId::parse(&before) < EntryId::parse(&foreign));
        publish(&stream, 301..=302).await;
        assert_eq!(stream.past_own(&before), before, "the next one is somebody else's");
        assert_eq!((stream.past_own(&foreign), stream.past_own(&last())), (last(), last()));
        assert_eq!(stream.past_own("no id"), "no id");
    }

    fn length(server: &Server) -> usize {
        server.command(&["XLEN", "event"]).unwrap().parse().unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_old_goes_and_nothing_of_others_that_is_not_taken_in() {
        let server = Server::start(&RedisOptions::default()).unwrap();
        let stream = plain_stream(&server);
        let foreign = || server.command(&["XADD", "event", "*", "event_type", "x"]).unwrap();
        let is_there = |id: &str| !server.command(&["XRANGE", "event", id, id]).unwrap().is_empty();
        let most = KEPT_ENTRIES + SURPLUS_ENTRIES + RECORDS_AT_ONCE;
        let many = most as u64;
        let early = foreign();
        publish(&stream, 1..=many).await;
        let late = foreign();
        publish(&stream, many + 1..=2 * many).await;
        assert!(is_there(&early) && is_there(&late));
        assert_eq!(length(&server), 2 * most + 2, "nothing is taken in");
        stream.taken_in(&early);
        publish(&stream, 2 * many + 1..=2 * many + 1).await;
        assert!(is_there(&late), "one of two is taken in");
        stream.taken_in(&late);
        publish(&stream, 2 * many + 2..=3 * many).await;
        assert!(!is_there(&early) && !is_there(&late));
        assert!((KEPT_ENTRIES..=most).contains(&length(&server)), "{}", length(&server));
        // Where nobody else writes.
        publish(&PlainStream::of_own("decision".to_owned(), link(&server)), 1..=2 * many).await;
        let left: usize = server.command(&["XLEN", "decision"]).unwrap().parse().unwrap();
        assert!((KEPT_ENTRIES..=most).contains(&left), "{left}");
    }
}
