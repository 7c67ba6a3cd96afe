//! The bus as the stages see it, and whether what they commit can be written.
//!
//! A full disk stops every stage that has something to say, and the one thing that none of them can say then is why. So what
//! fails is noted here: once in the log when it begins, and as two events, with the times at which it began and ended, as soon
//! as there is room for them. Stages do nothing of it but try again; an event that was not committed has not happened.

mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use orion_bus::{Bus, BusError, Commit, Committed, Front};
use orion_model::Clock;
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::TRACED;
use crate::draft::{Draft, NotWritable};
use crate::memory::MemoryError;
use crate::meters::Meters;
use trouble::{Failure, Part, Trouble, condition_of, restored};

const OWNER: &str = "store";

/// The stage that writes the files.
const MEMORY: &str = "memory";

/// Who failed so long ago and not again has given up what it wanted to write: stages try again after 15 s at the latest.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// A bus that knows whether it can be written.
pub struct StoreWatch {
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    /// What this host is called among others.
    host: String,
    generation: AtomicU64,
    /// Whether there is anything to end or to say: commits that go well ask nothing else.
    is_troubled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    offset: Option<i64>,
    troubles: BTreeMap<Part, Trouble>,
}

impl StoreWatch {
    /// As the store has it: what could not be written when Orion ended is over when it can be written now.
    pub async fn open(
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        meters: Arc<Meters>,
        host: String,
    ) -> Result<Self, BusError> {
        let loaded = bus.load(OWNER).await?;
        let state = State { offset: loaded.offset, troubles: restored(&loaded) };
        let is_troubled = AtomicBool::new(!state.troubles.is_empty());
        Ok(Self { bus, clock, meters, host, generation: AtomicU64::new(0), is_troubled, state: Mutex::new(state) })
    }

    /// The generation that runs.
    pub fn set_generation(&self, number: u64) {
        self.generation.store(number, Ordering::Relaxed);
    }

    /// What cannot be written, each with the reason; without one where it was so before the start.
    pub async fn troubles(&self) -> BTreeMap<&'static str, String> {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return BTreeMap::new();
        }
        let state = self.state.lock().await;
        let lasting = state.troubles.iter().filter(|(_, trouble)| trouble.ended.is_none());
        lasting.map(|(part, trouble)| (part.name(), trouble.message.clone())).collect()
    }

    /// What there is to be written.
    pub fn parts() -> impl Iterator<Item = &'static str> {
        Part::ALL.into_iter().map(Part::name)
    }

    /// The files were written, or not.
    pub async fn note_files(&self, written: Result<(), &MemoryError>) {
        match written {
            Ok(()) => self.works(Part::Files, MEMORY).await,
            Err(error) => self.fails(Part::Files, MEMORY, Failure::of_files(error)).await,
        }
    }

    async fn fails(&self, part: Part, who: &str, failure: Option<Failure>) {
        let Some(failure) = failure else { return };
        let mut state = self.state.lock().await;
        self.is_troubled.store(true, Ordering::Relaxed);
        let trouble = state.troubles.entry(part).or_insert_with(|| self.begin(part, failure));
        trouble.failing.insert(who.to_owned(), Instant::now());
        trouble.ended = None;
        if part == Part::Files {
            self.say(&mut state).await;
        }
    }

    fn begin(&self, part: Part, Failure { kind, message }: Failure) -> Trouble {
        tracing::error!(file = part.name(), "nothing is recorded until it can be written again: {message}");
        let (condition, began) = (condition_of(part, kind), self.clock.now());
        Trouble { condition, began, message, is_said: false, failing: BTreeMap::new(), ended: None }
    }

    async fn works(&self, part: Part, who: &str) {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock().await;
        if let Some(trouble) = state.troubles.get_mut(&part) {
            trouble.failing.retain(|failing, since| failing != who && since.elapsed() < GIVEN_UP);
            if trouble.failing.is_empty() {
                let now = self.clock.now();
                trouble.ended.get_or_insert(now);
            }
        }
        self.say(&mut state).await;
        self.is_troubled.store(!state.troubles.is_empty(), Ordering::Relaxed);
    }

    /// Puts on the bus what is not there yet. When that fails it is tried again with the next commit that goes well.
    async fn say(&self, state: &mut State) {
        match self.try_to_say(state).await {
            Ok(()) => {}
            Err(SayError::Bus(error)) => {
                tracing::debug!("that the store could not be written is not recorded yet: {error}");
                if let Ok(loaded) = self.bus.load(OWNER).await {
                    state.offset = loaded.offset;
                }
            }
            Err(SayError::NotWritable(error)) => tracing::error!("{error}"),
        }
    }

    async fn try_to_say(&self, state: &mut State) -> Result<(), SayError> {
        let generation = self.generation.load(Ordering::Relaxed);
        let mut draft = Draft::default();
        for trouble in state.troubles.values() {
            trouble.write(&mut draft, &self.host, generation)?;
        }
        if draft.is_empty() {
            return Ok(());
        }
        let offset = state.offset.map_or(0, |offset| offset.saturating_add(1));
        self.bus.commit(draft.into_commit(OWNER, state.offset, offset)).await?;
        state.offset = Some(offset);
        for (part, over) in state.troubles.iter().filter(|(_, trouble)| trouble.ended.is_some()) {
            tracing::info!(file = part.name(), "it can be written again: {} is over", over.condition.event_type);
        }
        state.troubles.retain(|_, trouble| trouble.ended.is_none());
        state.troubles.values_mut().for_each(|trouble| trouble.is_said = true);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum SayError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

#[async_trait]
impl Front for StoreWatch {
    fn behind(&self) -> &dyn Bus {
        &*self.bus
    }

    async fn hand_over(&self, commit: Commit) -> Result<Committed, BusError> {
        let who = commit.owner.clone();
        let began = Instant::now();
        let span = tracing::debug_span!(target: TRACED, "commit", owner = who, records = commit.records.len());
        let outcome = self.bus.commit(commit).instrument(span).await;
        self.meters.commits.note(began.elapsed(), &outcome);
        match &outcome {
            Ok(_) => {
                self.works(Part::Buffer, &who).await;
                self.works(Part::Log, &who).await;
                self.works(Part::Database, &who).await;
            }
            Err(error) => {
                let part = match error {
                    BusError::BufferFull { .. } => Part::Buffer,
                    error if error.is_away() => Part::Log,
                    _ => Part::Database,
                };
                self.fails(part, &who, Failure::of_bus(error)).await;
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicI64;

    use crate::fills::Fills;
    use orion_bus::SqliteBus;
    use orion_model::{Event, Timestamp};

    /// Each look is a second later.
    #[derive(Default)]
    struct Seconds(AtomicI64);

    impl Clock for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000 * (1 + self.0.fetch_add(1, Ordering::Relaxed)))
        }
    }

    struct Scene {
        bus: Arc<Fills>,
        watch: StoreWatch,
        _dir: tempfile::TempDir,
    }

    impl Scene {
        async fn open() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let bus = Arc::new(Fills::new(SqliteBus::open(dir.path()).unwrap(), "a"));
            let watch = StoreWatch::open(bus.clone(), Arc::new(Seconds::default()), Arc::default(), String::new())
                .await
                .unwrap();
            Self { bus, watch, _dir: dir }
        }

        async fn commit(&self, step: i64) -> bool {
            self.commit_as("a", step).await
        }

        async fn commit_as(&self, owner: &str, step: i64) -> bool {
            let expected = (step > 1).then_some(step - 1);
            let commit = Commit { owner: owner.to_owned(), expected, offset: step, ..Commit::default() };
            self.watch.commit(commit).await.is_ok()
        }

        async fn said(&self) -> Vec<String> {
            let entries = self.bus.read(0, 99).await.unwrap();
            let events = entries.iter().map(|entry| serde_json::from_str::<Event>(&entry.body).unwrap());
            let said = |event: Event| {
                let (file, at) = (event.labels.get("file").unwrap().to_owned(), event.ts.as_millis() / 1_000);
                format!("{at} {} {:?} {file}", event.event_type, event.status)
            };
            events.map(said).collect()
        }
    }

    #[tokio::test]
    async fn a_full_store_is_recorded_once_with_both_its_times_when_there_is_room_again() {
        let scene = Scene::open().await;
        assert!(scene.commit(1).await);
        scene.bus.fill(true);
        assert!(!scene.commit(2).await && !scene.commit(2).await && !scene.commit(2).await);
        scene.bus.fill(false);
        assert_eq!(scene.said().await, [""; 0]);
        assert!(scene.commit(2).await && scene.commit(3).await);
        assert_eq!(scene.said().await, ["1 store_full Firing orion.db", "2 store_full Resolved orion.db"]);
    }

    #[tokio::test]
    async fn it_is_not_over_while_who_failed_fails_and_small_commits_still_go_in() {
        let scene = Scene::open().await;
        scene.bus.fill(true);
        assert!(!scene.commit(1).await);
        assert!(scene.commit_as("b", 1).await && scene.commit_as("b", 2).await);
        assert!(!scene.commit(1).await);
        assert_eq!(scene.said().await.len(), 1, "that it began is said where there is room for it");
        scene.bus.fill(false);
        assert!(scene.commit(1).await);
        assert_eq!(scene.said().await, ["1 store_full Firing orion.db", "2 store_full Resolved orion.db"]);
    }

    #[tokio::test]
    async fn files_that_cannot_be_written_are_said_at_once_and_their_end_also_after_a_restart() {
        let scene = Scene::open().await;
        let full = MemoryError::StoreFull { path: PathBuf::from("events.jsonl") };
        scene.watch.note_files(Err(&full)).await;
        scene.watch.note_files(Err(&full)).await;
        assert_eq!(scene.said().await, ["1 store_full Firing *.jsonl"]);
        let again = StoreWatch::open(scene.bus.clone(), Arc::new(Seconds::default()), Arc::default(), String::new())
            .await
            .unwrap();
        again.note_files(Err(&full)).await;
        again.note_files(Ok(())).await;
        again.note_files(Ok(())).await;
        assert_eq!(scene.said().await, ["1 store_full Firing *.jsonl", "1 store_full Resolved *.jsonl"]);
    }

    #[tokio::test]
    async fn what_is_the_fault_of_a_commit_is_not_one_of_the_store() {
        let scene = Scene::open().await;
        assert!(!scene.commit(7).await, "a conflict");
        assert!(scene.commit(1).await);
        assert_eq!(scene.said().await, [""; 0]);
    }
}
