//! What the log says of sources, and what hosts go on from.
//!
//! Hosts say together whether a source answers ([`super::health`]), and who says something changes with it what all go on from. Two
//! things come without that: what a host said while it was cut off, which it hands over behind what the others said meanwhile, and what a
//! Redis lost and is given back. Then the log may end with an outage of which nobody knows that it has to be ended, or with an end of one
//! that goes on. So whoever has the decisions follows the log and, where the two differ for long, lets the hosts go on from what the
//! log says. Nothing is said by that: whose queries all succeed says that it is over, and whose fail says that it is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::{Bus, Entry, RecordKind};
use orion_model::{Clock, Event, Fingerprint, Status};
use tokio::sync::watch;

use super::health::{Known, SOURCES_OWNER, does_not_answer, next_offset};
use crate::condition::{Condition, kind};
use crate::draft::{Draft, NotWritable};
use crate::stage::{LARGE_BATCH, QUIET_ENTRIES, StageError, StageLoop};
use crate::watermark::Reached;

/// Under which it is kept how far the log was followed, and the outages with which it ends.
pub const SAID_OWNER: &str = "sources/said";

/// How often the two are compared. What differs is changed when it was found so twice and nobody said anything in between: what a host says
/// is seen in the state first and in the log a moment later.
const COMPARE: Duration = Duration::from_secs(2);

/// What the stage works with.
pub struct Said {
    /// The log, and what hosts go on from.
    pub bus: Arc<dyn Bus>,
    /// Whether all that hosts committed was read here.
    pub reached: Reached,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
}

/// Runs until `shutdown` turns true.
pub async fn run_said(said: Said, shutdown: watch::Receiver<bool>) {
    let mut stage = StageLoop::new(SAID_OWNER, said.bus.appended(), shutdown);
    while let Err(error) = work(&said, &mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

async fn work(said: &Said, stage: &mut StageLoop) -> Result<(), StageError> {
    let mut progress = Progress::open(&*said.bus).await?;
    let mut compared = Instant::now();
    let mut before = None;
    loop {
        let entries = said.bus.read(progress.position, LARGE_BATCH).await?;
        if !entries.is_empty() {
            progress.step(&*said.bus, &entries).await?;
            stage.succeeded();
            continue;
        }
        if stage.is_shut_down() {
            return Ok(());
        }
        if compared.elapsed() >= COMPARE {
            compared = Instant::now();
            let is_known = said.reached.at(said.clock.now()).is_some();
            before = if is_known { progress.compare(&*said.bus, before).await? } else { None };
        }
        // A wait that is cut short has missed nothing: what was appended is read first.
        let _ = tokio::time::timeout(COMPARE, stage.wait()).await;
    }
}

/// Where hosts have to go on otherwise, and behind which offset of theirs that was found.
type Difference = (Option<i64>, BTreeMap<Fingerprint, Condition>);

/// How far the log was followed.
struct Progress {
    position: u64,
    committed: Option<i64>,
    /// Outages of which the log says no end.
    lasting: BTreeMap<Fingerprint, Condition>,
}

impl Progress {
    async fn open(bus: &dyn Bus) -> Result<Self, StageError> {
        let loaded = bus.load(SAID_OWNER).await?;
        let committed = loaded.offset;
        let position = u64::try_from(committed.unwrap_or(0)).unwrap_or(0);
        let kept = loaded.state.iter().filter_map(|(_, value)| serde_json::from_slice::<Condition>(value).ok());
        let mut lasting: BTreeMap<_, _> = kept.map(|outage| (outage.fingerprint(), outage)).collect();
        if committed.is_none() {
            // The log may go back less far than an outage.
            let known = Known::load(bus).await?;
            lasting.extend(known.conditions.iter().map(|outage| (outage.fingerprint(), outage.clone())));
        }
        Ok(Self { position, committed, lasting })
    }

    async fn step(&mut self, bus: &dyn Bus, entries: &[Entry]) -> Result<(), StageError> {
        let mut draft = Draft::default();
        for entry in entries {
            if let Some((outage, status)) = outage_in(entry) {
                self.take_in(outage, status, &mut draft)?;
            }
        }
        self.position = entries.last().map_or(self.position, |last| last.seq);
        let behind = self.position.saturating_sub(u64::try_from(self.committed.unwrap_or(0)).unwrap_or(0));
        // The first one says that there is a reader whom the log has to wait for.
        if self.committed.is_none() {
            self.lasting.values().try_for_each(|outage| draft.put(outage.key(), outage))?;
        } else if draft.is_empty() && behind < QUIET_ENTRIES {
            return Ok(());
        }
        let offset = i64::try_from(self.position).unwrap_or(i64::MAX);
        bus.commit(draft.into_commit(SAID_OWNER, self.committed, offset)).await?;
        self.committed = Some(offset);
        Ok(())
    }

    fn take_in(&mut self, outage: Condition, status: Status, draft: &mut Draft) -> Result<(), NotWritable> {
        match status {
            Status::Resolved => {
                if self.lasting.remove(&outage.fingerprint()).is_some() {
                    draft.delete(outage.key());
                }
            }
            Status::Firing | Status::Occurred => {
                draft.put(outage.key(), &outage)?;
                self.lasting.insert(outage.fingerprint(), outage);
            }
        }
        Ok(())
    }

    /// Compares what hosts go on from with the log. What differed before, too, is changed; else it is what differs now.
    async fn compare(&self, bus: &dyn Bus, before: Option<Difference>) -> Result<Option<Difference>, StageError> {
        let known = Known::load(bus).await?;
        let held: BTreeMap<_, _> = known.conditions.iter().map(|it| (it.fingerprint(), it.clone())).collect();
        if held.keys().eq(self.lasting.keys()) {
            return Ok(None);
        }
        let found = Some((known.offset, self.lasting.clone()));
        if before != found {
            return Ok(found);
        }
        let mut draft = Draft::default();
        for over in held.iter().filter(|(it, _)| !self.lasting.contains_key(it)).map(|(_, outage)| outage) {
            tracing::info!(source = over.source, "the log says that its outage is over, and hosts did not know it");
            draft.delete(over.key());
        }
        for lasting in self.lasting.iter().filter(|(it, _)| !held.contains_key(it)).map(|(_, outage)| outage) {
            tracing::info!(source = lasting.source, "the log says that it does not answer, and hosts did not know it");
            draft.put(lasting.key(), lasting)?;
        }
        bus.commit(draft.into_commit(SOURCES_OWNER, known.offset, next_offset(known.offset))).await?;
        Ok(None)
    }
}

/// What an entry of the log says of a source of this deployment: an agent's, or what others wrote, has another identity.
fn outage_in(entry: &Entry) -> Option<(Condition, Status)> {
    // Far cheaper than to read it, and there are many.
    if entry.kind != RecordKind::Event || !entry.body.contains(kind::EXTERNAL_API_FAILURE) {
        return None;
    }
    let event: Event = serde_json::from_str(&entry.body).ok()?;
    let outage = does_not_answer(&event.source);
    let is_it = event.event_type == outage.event_type && event.fingerprint == outage.fingerprint();
    is_it.then_some((outage, event.status))
}

#[cfg(test)]
mod tests {
    use orion_bus::{Body, Commit, NewRecord, SqliteBus};
    use orion_model::{Severity, Timestamp};
    use orion_source::SourceError;

    use super::*;
    use crate::clock::SystemClock;
    use crate::fills::Fills;
    use crate::watcher::{Report, SourceHealth};
    use crate::watermark::Watermark;

    /// More than it ever takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    const GENERATION: u64 = 1;

    /// A log that others may write to, with the stage that follows it.
    struct Scene {
        bus: Arc<dyn Bus>,
        _down: watch::Sender<bool>,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let bus: Arc<dyn Bus> = Arc::new(Fills::new(SqliteBus::open(folder.path()).unwrap(), "nobody"));
            let (down, shutdown) = watch::channel(false);
            let reached = Reached::Own(Arc::new(Watermark::default()));
            tokio::spawn(run_said(Said { bus: bus.clone(), reached, clock: Arc::new(SystemClock) }, shutdown));
            Self { bus, _down: down, _folder: folder }
        }

        async fn host(&self) -> SourceHealth {
            SourceHealth::open(self.bus.clone(), self.bus.clone()).await.unwrap()
        }

        /// An event alone, as it is given back to a Redis that lost it.
        async fn give_back(&self, event: &Event) {
            let owner = format!("restored/{}", event.event_id);
            let body = Body::of(event).unwrap();
            let records = vec![NewRecord { kind: RecordKind::Event, id: event.event_id, ts: event.ts, body }];
            self.bus.commit(Commit { owner, records, ..Commit::default() }).await.unwrap();
        }

        async fn said(&self) -> Vec<(Status, i64)> {
            let entries = self.bus.read(0, 99).await.unwrap();
            let events = entries.iter().map(|entry| serde_json::from_str::<Event>(&entry.body).unwrap());
            events.map(|event| (event.status, event.ts.as_millis())).collect()
        }

        /// The host asks once more and again, until this many things were said.
        async fn ask_until(&self, host: &SourceHealth, error: Option<&SourceError>, at: i64, count: usize) {
            let asked = async {
                while self.said().await.len() < count {
                    host.report(report(at), error).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, asked).await.expect("nobody says it");
        }
    }

    fn report(at: i64) -> Report<'static> {
        let instant = Timestamp::from_millis(at);
        Report { source: "prometheus", group: "a", expr: "up", instant, generation: GENERATION }
    }

    fn refused() -> SourceError {
        SourceError::Unreachable { url: "http://prometheus:9090".to_owned(), why: "connection refused".to_owned() }
    }

    fn outage(status: Status, at: i64) -> Event {
        does_not_answer("prometheus").event(status, Timestamp::from_millis(at), GENERATION, "as it was said before")
    }

    #[tokio::test]
    async fn an_outage_that_comes_late_behind_its_end_is_ended_once_more_by_whose_queries_succeed() {
        let scene = Scene::new().await;
        let host = scene.host().await;
        host.report(report(1), Some(&refused())).await.unwrap();
        host.report(report(5), None).await.unwrap();
        scene.give_back(&outage(Status::Firing, 2)).await;
        scene.ask_until(&host, None, 9, 4).await;
        let expected = [(Status::Firing, 1), (Status::Resolved, 5), (Status::Firing, 2), (Status::Resolved, 9)];
        assert_eq!(scene.said().await, expected);
    }

    #[tokio::test]
    async fn an_outage_that_goes_on_behind_an_end_that_comes_late_is_said_once_more_by_whose_queries_fail() {
        let scene = Scene::new().await;
        let host = scene.host().await;
        host.report(report(1), Some(&refused())).await.unwrap();
        scene.give_back(&outage(Status::Resolved, 0)).await;
        scene.ask_until(&host, Some(&refused()), 9, 3).await;
        host.report(report(10), None).await.unwrap();
        let expected = [(Status::Firing, 1), (Status::Resolved, 0), (Status::Firing, 9), (Status::Resolved, 10)];
        assert_eq!(scene.said().await, expected);
    }

    #[tokio::test]
    async fn what_an_agent_says_of_its_source_and_what_is_as_it_should_be_changes_nothing() {
        let scene = Scene::new().await;
        let host = scene.host().await;
        let of_agent = Condition::new(
            kind::EXTERNAL_API_FAILURE,
            Severity::Error,
            "prometheus",
            [("agent", "edge"), ("source", "prometheus"), ("service", "prometheus")],
        );
        scene.give_back(&of_agent.event(Status::Firing, Timestamp::from_millis(1), GENERATION, "it said so")).await;
        host.report(report(2), Some(&refused())).await.unwrap();
        tokio::time::sleep(3 * COMPARE).await;
        let state = scene.bus.load(SOURCES_OWNER).await.unwrap();
        assert_eq!((state.offset, state.state.len()), (Some(0), 1));
    }
}
