//! Plain streams, for programs that know nothing of Orion's log: `event`, `incident` and `decision` to read from, and `event` to
//! write to. They are a copy and a door; what counts is the log.

use std::time::Duration;

use redis::{RedisResult, Value};

use super::core::{ANSWER_MILLIS, away};
use super::link::Link;
use super::plain_stream::{OWN_FIELD, Part, PlainStream};
use super::{RedisServer, RedisSettings};
use crate::error::BusError;
use crate::record::RecordKind;

/// Entries that could not be taken in and are kept for whoever wrote them.
const KEPT_DEAD_ENTRIES: usize = 10_000;

/// Entries of others that are read at once.
const READ_ENTRIES: usize = 256;

/// How long a read waits for something to come: no longer than a handover may take.
const BLOCK_MILLIS: u64 = 200;

/// How long an entry of Orion's own is left alone before more is read: as long as the answer to who published it is on its way.
const OWN_MILLIS: u64 = 5;

/// The prefix with which the streams have the plain names.
const PLAIN_PREFIX: &str = "orion";

/// What somebody else wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignEntry {
    /// Its id in the stream.
    pub id: String,
    /// Its fields, in their order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Records of a kind, as they are sent.
pub struct Prepared {
    kind: RecordKind,
    parts: Vec<Part>,
}

/// The plain streams of a deployment.
pub struct PlainStreams {
    server: RedisServer,
    streams: [PlainStream; 3],
    reader: Link,
    dead: String,
    dead_link: Link,
}

impl PlainStreams {
    /// The streams of the deployment that a bus belongs to.
    pub fn of(settings: &RedisSettings) -> Self {
        let link = |millis| Link::new(settings.server.clone(), Some(Duration::from_millis(millis)));
        let name = |name: &str| match settings.prefix.as_str() {
            PLAIN_PREFIX => name.to_owned(),
            prefix => format!("{prefix}:{name}"),
        };
        Self {
            server: settings.server.clone(),
            streams: RecordKind::ALL.map(|kind| match kind {
                RecordKind::Event => PlainStream::of_all(name(kind.as_str()), link(ANSWER_MILLIS)),
                RecordKind::Incident | RecordKind::Decision => {
                    PlainStream::of_own(name(kind.as_str()), link(ANSWER_MILLIS))
                }
            }),
            reader: link(BLOCK_MILLIS + ANSWER_MILLIS),
            dead: format!("{{{}}}:dead", settings.prefix),
            dead_link: link(ANSWER_MILLIS),
        }
    }

    fn stream(&self, kind: RecordKind) -> &PlainStream {
        let [event, incident, decision] = &self.streams;
        match kind {
            RecordKind::Event => event,
            RecordKind::Incident => incident,
            RecordKind::Decision => decision,
        }
    }

    /// The name of the stream of a kind.
    pub fn name(&self, kind: RecordKind) -> &str {
        &self.stream(kind).name
    }

    /// What is to be sent for records of a kind, each with its position and the fields by which it is to be read.
    pub fn prepare(&self, kind: RecordKind, records: &[(u64, Vec<(&str, &str)>)]) -> Prepared {
        Prepared { kind, parts: self.stream(kind).prepare(records) }
    }

    /// Appends records. Those that are there are left out, so after an error the same ones can be given again.
    pub async fn publish(&self, Prepared { kind, parts }: &Prepared) -> Result<(), BusError> {
        self.stream(*kind).publish(parts).await.map_err(|error| self.away(&error))
    }

    /// What others wrote up to this entry is recorded. What they wrote behind it is not let go of.
    pub fn taken_in(&self, up_to: &str) {
        self.stream(RecordKind::Event).taken_in(up_to);
    }

    /// What others wrote behind an entry, in order; waits a moment when there is nothing. The id is that of the last entry looked at, which
    /// may be one of Orion's own.
    pub async fn read(&self, after: &str) -> Result<(String, Vec<ForeignEntry>), BusError> {
        let after = self.stream(RecordKind::Event).past_own(after);
        let Some(next) = self.read_entries(&after, 1, Some(BLOCK_MILLIS)).await?.pop() else {
            return Ok((after, Vec::new()));
        };
        if is_own(&next) {
            // Who publishes is about to know up to where. Without this the stream would be read a second time as it is written.
            tokio::time::sleep(Duration::from_millis(OWN_MILLIS)).await;
            let past = self.stream(RecordKind::Event).past_own(&after);
            if past != after {
                return Ok((past, Vec::new()));
            }
        }
        let entries = self.read_entries(&after, READ_ENTRIES, None).await?;
        let last = entries.last().map_or(after, |(id, _)| id.clone());
        let foreign = entries.into_iter().filter(|entry| !is_own(entry));
        Ok((last, foreign.map(|(id, fields)| ForeignEntry { id, fields }).collect()))
    }

    async fn read_entries(
        &self,
        after: &str,
        most: usize,
        block_millis: Option<u64>,
    ) -> Result<Vec<StreamEntry>, BusError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(most);
        if let Some(millis) = block_millis {
            command.arg("BLOCK").arg(millis);
        }
        command.arg("STREAMS").arg(self.name(RecordKind::Event)).arg(after);
        let answer: RedisResult<Option<Vec<ReadStream>>> = command.query_async(&mut self.reader.clone()).await;
        let streams = answer.map_err(|error| self.away(&error))?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    /// Keeps an entry that cannot be taken in, with why, for whoever wrote it.
    pub async fn bury(&self, entry: &ForeignEntry, reason: &str) -> Result<(), BusError> {
        let mut command = redis::cmd("XADD");
        command.arg(&self.dead).arg("MAXLEN").arg("~").arg(KEPT_DEAD_ENTRIES).arg("*");
        command.arg("reason").arg(reason).arg("stream").arg(self.name(RecordKind::Event)).arg("id").arg(&entry.id);
        for (name, value) in &entry.fields {
            command.arg(name).arg(value);
        }
        let buried: RedisResult<Value> = command.query_async(&mut self.dead_link.clone()).await;
        buried.map(drop).map_err(|error| self.away(&error))
    }

    fn away(&self, error: &redis::RedisError) -> BusError {
        let super::core::Trouble::Away(detail) = away(error) else { return BusError::Closed };
        BusError::Away { server: self.server.to_string(), detail }
    }
}

fn is_own((_, fields): &StreamEntry) -> bool {
    fields.iter().any(|(name, _)| name == OWN_FIELD.as_bytes())
}

type StreamEntry = (String, Vec<(Vec<u8>, Vec<u8>)>);

/// A stream's name and what was read of it.
type ReadStream = (Value, Vec<StreamEntry>);
