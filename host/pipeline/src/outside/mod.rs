//! Programs that know nothing of Orion: they read its records from plain streams, and what they write there is correlated with
//! everything else.
//!
//! One host of a deployment does this, whoever holds the decisions. A record is published once, and an entry of others becomes
//! one event: its id follows from its place in the stream.
//!
//! Programs that deliver over HTTP do it at a [`hook`], to any host. Orions near other sources forward what they saw as an [`agent`].

pub mod agent;
mod entry;
mod fields;
pub mod hook;

use std::borrow::Cow;
use std::sync::Arc;

use orion_bus::{Bus, Entry, ForeignEntry, PlainStreams, Prepared, RecordKind};
use serde::Deserialize;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use tokio::sync::watch;

use self::entry::event_of;
pub(crate) use self::fields::is_in_time;
use crate::draft::Draft;
use crate::stage::{BATCH, QUIET_ENTRIES, StageError, StageLoop, behind_full};

/// Who publishes: it reads the log.
pub const OUT_OWNER: &str = "outside/out";

/// Who takes in.
pub const IN_OWNER: &str = "outside/in";

/// Where the state of [`IN_OWNER`] has the last entry that was looked at.
const LAST_KEY: &[u8] = b"last";

/// The first entry of a stream.
const BEGINNING: &str = "0-0";

/// What an entry may have in bytes: far more than anybody writes by hand, and no more than an event of Orion's own.
pub const MAX_ENTRY_BYTES: usize = 64 * 1024;

/// Publishes records until `shutdown` turns true and every record is published.
pub async fn run_out(bus: Arc<dyn Bus>, streams: Arc<PlainStreams>, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new(OUT_OWNER, bus.appended(), shutdown);
    while let Err(error) = publish_all(&*bus, &streams, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn publish_all(bus: &dyn Bus, streams: &Arc<PlainStreams>, stage: &mut StageLoop) -> Result<(), StageError> {
    let mut committed = bus.load(OUT_OWNER).await?.offset;
    let mut position = u64::try_from(committed.unwrap_or(0)).unwrap_or(0);
    let mut ahead = None;
    loop {
        let next = match ahead.take() {
            Some(ready) => Some(ready),
            None => Ready::behind(bus, streams, position).await?,
        };
        let behind = position.saturating_sub(u64::try_from(committed.unwrap_or(0)).unwrap_or(0));
        // The first one says that there is a reader whom the log has to wait for.
        let is_due = behind >= QUIET_ENTRIES || committed.is_none();
        if is_due || (next.is_none() && behind > 0 && stage.is_shut_down()) {
            let offset = i64::try_from(position).unwrap_or(i64::MAX);
            bus.commit(Draft::default().into_commit(OUT_OWNER, committed, offset)).await?;
            committed = Some(offset);
        }
        let Some(ready) = next else {
            if stage.is_shut_down() {
                return Ok(());
            }
            stage.wait().await;
            continue;
        };
        let (published, next) = tokio::join!(ready.publish(streams), ready.next(bus, streams));
        published?;
        (position, ahead) = (ready.last, next?);
        stage.succeeded();
    }
}

/// Records that are ready to be sent. Those behind them are made ready while they are on their way: the server would otherwise wait for the
/// host, and the host for the server.
struct Ready {
    last: u64,
    is_full: bool,
    prepared: Vec<Prepared>,
}

impl Ready {
    async fn behind(bus: &dyn Bus, to: &Arc<PlainStreams>, position: u64) -> Result<Option<Self>, StageError> {
        let entries = bus.read(position, BATCH).await?;
        let Some(last) = entries.last().map(|entry| entry.seq) else { return Ok(None) };
        let (is_full, to) = (behind_full(&entries, BATCH).is_some(), to.clone());
        let prepare = move || RecordKind::ALL.map(|kind| prepared(&to, kind, &entries)).into();
        let prepared = tokio::task::spawn_blocking(prepare).await?;
        Ok(Some(Self { last, is_full, prepared }))
    }

    /// Where there was as much as is read at once, there may be more.
    async fn next(&self, bus: &dyn Bus, to: &Arc<PlainStreams>) -> Result<Option<Self>, StageError> {
        match self.is_full {
            true => Self::behind(bus, to, self.last).await,
            false => Ok(None),
        }
    }

    async fn publish(&self, to: &PlainStreams) -> Result<(), StageError> {
        for prepared in &self.prepared {
            to.publish(prepared).await?;
        }
        Ok(())
    }
}

fn prepared(streams: &PlainStreams, kind: RecordKind, entries: &[Entry]) -> Prepared {
    let said: Vec<_> = entries.iter().filter(|entry| entry.kind == kind).map(|entry| (entry, heads(entry))).collect();
    let records: Vec<_> = said
        .iter()
        .map(|(entry, heads)| {
            let heads = heads.iter().map(|(name, value)| (*name, &**value));
            (entry.seq, heads.chain([("json", &*entry.body)]).collect())
        })
        .collect();
    streams.prepare(kind, &records)
}

/// The name of a field and what it says.
type Head<'a> = (&'static str, Cow<'a, str>);

/// What stands beside the whole of a record, so that a reader need not take it apart.
fn heads(entry: &Entry) -> Vec<Head<'_>> {
    let names: &[&str] = match entry.kind {
        RecordKind::Event => &["event_id", "event_type", "severity", "status"],
        RecordKind::Incident => &["incident_id", "incident_type", "severity", "status"],
        RecordKind::Decision => &["decision_id", "decision_type", "incident_id"],
    };
    texts_of(&entry.body, names)
}

/// Texts of an object by their names. They stand before everything long, and what comes behind the last of them is not read:
/// every record of a deployment comes through here.
fn texts_of<'a>(body: &'a str, names: &[&'static str]) -> Vec<Head<'a>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    struct UpToLast<'a, 'de>(&'a [&'static str], &'a mut Vec<Head<'de>>);

    impl<'de> Visitor<'de> for UpToLast<'_, 'de> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a record")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            let Self(names, found) = self;
            while found.len() < names.len()
                && let Some(name) = members.next_key::<&str>()?
            {
                match names.iter().find(|wanted| **wanted == name) {
                    Some(wanted) => found.push((*wanted, members.next_value::<Text<'de>>()?.0)),
                    None => drop(members.next_value::<IgnoredAny>()?),
                }
            }
            Ok(())
        }
    }

    let mut found = Vec::with_capacity(names.len());
    // The rest is left unread, which ends in an error that nobody looks at.
    let _ = serde_json::Deserializer::from_str(body).deserialize_map(UpToLast(names, &mut found));
    found
}

/// Takes in what others write, until `shutdown` turns true.
pub async fn run_in(bus: Arc<dyn Bus>, streams: Arc<PlainStreams>, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new(IN_OWNER, bus.appended(), shutdown);
    while let Err(error) = take_in(&*bus, &streams, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn take_in(bus: &dyn Bus, streams: &PlainStreams, stage: &mut StageLoop) -> Result<(), StageError> {
    let loaded = bus.load(IN_OWNER).await?;
    let mut committed = loaded.offset;
    let last = loaded.state.into_iter().find(|(key, _)| key == LAST_KEY);
    let last = last.and_then(|(_, value)| String::from_utf8(value).ok());
    let mut last = last.unwrap_or_else(|| BEGINNING.to_owned());
    streams.taken_in(&last);
    while !stage.is_shut_down() {
        let (looked_at, entries) = streams.read(&last).await?;
        last = looked_at;
        if entries.is_empty() {
            streams.taken_in(&last);
            continue;
        }
        let mut draft = Draft::default();
        for entry in &entries {
            take_in_one(streams, entry, &mut draft).await?;
        }
        draft.put_bytes(LAST_KEY.to_vec(), last.clone().into_bytes());
        let offset = committed.map_or(0, |offset| offset + 1);
        bus.commit(draft.into_commit(IN_OWNER, committed, offset)).await?;
        committed = Some(offset);
        streams.taken_in(&last);
        stage.succeeded();
    }
    Ok(())
}

async fn take_in_one(streams: &PlainStreams, entry: &ForeignEntry, draft: &mut Draft) -> Result<(), StageError> {
    match event_of(entry, streams.name(RecordKind::Event)) {
        Ok(event) => Ok(draft.event(&event)?),
        Err(reason) => {
            tracing::warn!(id = entry.id, "an entry of others is no event and is put aside: {reason}");
            Ok(streams.bury(entry, &reason.to_string()).await?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_wherever_they_stand_and_what_is_behind_the_last_is_not_read() {
        let found = |body| texts_of(body, &["id", "status"]);
        let both = vec![("id", Cow::from("a")), ("status", Cow::from("\"b\""))];
        assert_eq!(found(r#"{"id":"a","status":"\"b\"","rest":[[{"#), both);
        assert_eq!(found(r#"{"id":"a","between":{"status":"no"},"status":"\"b\""}"#), both);
        assert_eq!(found(r#"{"id":"a","status":7}"#), both[..1]);
        assert_eq!(found(r#"{"n":1}"#), []);
        assert_eq!(found("[]"), []);
    }
}
