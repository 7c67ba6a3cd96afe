//! Where jobs are asked for, looked at and cancelled, and where the queue is kept: in this host's own file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use orion_bus::{Bus, BusError, LOCAL_OWNERS, StateChange};
use orion_metrics::Text;
use orion_model::{BadJob, Clock, Job, JobRequest, JobSpec, JobState, RecordId, check_by};
use tokio::sync::{Mutex as Turn, Notify, broadcast};

use super::queue::{Full, Queue};
use super::{Course, Done, MAX_RESULT_BYTES, NotDone, Stop, audit, meters::Meters};
use crate::draft::{Draft, NotWritable};
use crate::observer::Observer;

/// What of jobs concerns the file of one host alone: a job belongs to the host that was asked.
const OWNER: &str = "jobs";

/// Messages that wait for one who listens. One that falls further behind asks how jobs stand.
const WAITING: usize = 256;

/// First parts of the keys under which jobs are kept.
const JOB: &str = "job/";
const SPEC: &str = "spec/";
const RESULT: &str = "result/";

/// Why something about a job could not be done.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// It is none.
    #[error(transparent)]
    Bad(#[from] BadJob),
    /// As many wait as may.
    #[error("{0}")]
    Full(String),
    /// Nobody knows it.
    #[error("there is no job {0}: it was never asked for here, or it ended long ago")]
    Unknown(RecordId),
    /// Nothing can become of it any more.
    #[error("the job {id} is {} already", state.as_str())]
    Over {
        /// Which.
        id: RecordId,
        /// How it ended.
        state: JobState,
    },
    /// It has none.
    #[error("the job {id} is {} and has no result", state.as_str())]
    NoResult {
        /// Which.
        id: RecordId,
        /// How it stands.
        state: JobState,
    },
    /// The store does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

impl From<Full> for JobsError {
    fn from(full: Full) -> Self {
        Self::Full(full.to_string())
    }
}

/// The jobs of this host.
pub struct Jobs {
    /// This host's own file.
    own: Arc<dyn Bus>,
    /// Where it is recorded who asks for what.
    log: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    /// The generation that runs.
    generation: Generations,
    kept: Turn<Kept>,
    /// Held by who records: each record counts from the one before.
    recording: Turn<()>,
    running: Mutex<Option<Arc<Course>>>,
    news: broadcast::Sender<Arc<Job>>,
    /// Something may be there to begin.
    pub(super) wake: Notify,
    meters: Meters,
}

/// Tells the number of the generation that runs.
pub(super) type Generations = Box<dyn Fn() -> u64 + Send + Sync>;

/// What was committed last.
#[derive(Default)]
struct Kept {
    queue: Queue,
    offset: Option<i64>,
    /// The last number that was given to a job, also to one that is recorded and not kept yet.
    number: u64,
    /// Whether this is what the store has. Not before it was read, and not after a commit failed: nobody knows whether it took place.
    is_fresh: bool,
}

impl Kept {
    async fn load(own: &dyn Bus) -> Result<Self, JobsError> {
        let loaded = own.load(&owner()).await?;
        let mut jobs = BTreeMap::new();
        for (key, value) in &loaded.state {
            let key = String::from_utf8_lossy(key);
            let Some(number) = key.strip_prefix(JOB) else { continue };
            match number.parse().ok().zip(serde_json::from_slice::<Job>(value).ok()) {
                Some((number, job)) => drop(jobs.insert(number, job)),
                // One of another version: observing does not wait for it.
                None => tracing::warn!(%key, "a job in the store cannot be read by this version, and is left alone"),
            }
        }
        let number = jobs.keys().next_back().copied().unwrap_or(0);
        Ok(Self { queue: Queue::of(jobs), offset: loaded.offset, number, is_fresh: true })
    }
}

impl Jobs {
    /// As they were when the host before ended; what was worked on waits again. A store that cannot be written now keeps no host from
    /// observing: what is asked of jobs is refused until it can.
    pub async fn open(own: Arc<dyn Bus>, observer: &Observer) -> Self {
        let generation = observer.generation.clone();
        let number = Box::new(move || generation.borrow().number);
        Self::with(own, observer.store.clone(), observer.context.clock.clone(), number).await
    }

    pub(super) async fn with(
        own: Arc<dyn Bus>,
        log: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        generation: Generations,
    ) -> Self {
        let (news, _) = broadcast::channel(WAITING);
        let jobs = Self {
            own,
            log,
            clock,
            generation,
            kept: Turn::default(),
            recording: Turn::default(),
            running: Mutex::default(),
            news,
            wake: Notify::new(),
            meters: Meters::default(),
        };
        if let Err(error) = jobs.fresh().await {
            tracing::warn!("jobs cannot be taken now: {error}");
        }
        jobs
    }

    /// A job is asked for. It is kept when this returns.
    pub async fn ask(&self, request: JobRequest) -> Result<Job, JobsError> {
        request.check()?;
        let at = self.clock.now();
        let mut kept = self.fresh().await?;
        kept.number = kept.number.saturating_add(1);
        let number = kept.number;
        let job = kept.queue.clone().ask(&request, number, at)?;
        // A log that hosts share may be away for long, and nobody else is to wait for it.
        drop(kept);
        // Who asks is on record before there is anything to do: a crash between the two leaves a record of what nobody was promised.
        let turn = self.recording.lock().await;
        audit::requested(&*self.log, &job, (self.generation)()).await?;
        drop(turn);
        let mut kept = self.fresh().await?;
        let mut queue = kept.queue.clone();
        let job = queue.ask(&request, number, at)?;
        queue.forget(at);
        let spec = StateChange::Put { key: key(SPEC, job.id), value: Draft::json(&request.spec)? };
        self.keep(&mut kept, queue, vec![spec]).await?;
        self.wake.notify_one();
        Ok(job)
    }

    /// All that are known, the one that was asked for last first, each with its number, which is where a page of them goes on.
    pub async fn list(&self) -> Result<Vec<(u64, Job)>, JobsError> {
        let kept = self.fresh().await?;
        let running = self.course().map(|course| course.job());
        let as_it_runs = |job: &Job| match &running {
            Some(on_its_way) if on_its_way.id == job.id && job.state == JobState::Running => {
                Job { progress: on_its_way.progress, ..job.clone() }
            }
            _ => job.clone(),
        };
        Ok(kept.queue.jobs().rev().map(|(number, job)| (number, as_it_runs(job))).collect())
    }

    /// One of them.
    pub async fn get(&self, id: RecordId) -> Result<Job, JobsError> {
        let found = self.list().await?.into_iter().find(|(_, job)| job.id == id);
        found.map(|(_, job)| job).ok_or(JobsError::Unknown(id))
    }

    /// What came of it: a JSON document.
    pub async fn result(&self, id: RecordId) -> Result<String, JobsError> {
        let job = self.get(id).await?;
        let result = self.piece(key(RESULT, id)).await?;
        let text = result.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        text.ok_or(JobsError::NoResult { id, state: job.state })
    }

    /// Nobody wants it any more. One that waits is over with this; one that runs ends at its next step.
    pub async fn cancel(&self, id: RecordId, by: &str) -> Result<Job, JobsError> {
        check_by(by)?;
        let at = self.clock.now();
        let before = self.get(id).await?;
        if before.state.is_over() {
            return Err(JobsError::Over { id, state: before.state });
        }
        if before.cancelled_by.is_none() {
            let _turn = self.recording.lock().await;
            audit::cancelled(&*self.log, &before, by, at, (self.generation)()).await?;
        }
        let mut kept = self.fresh().await?;
        let mut queue = kept.queue.clone();
        let Some(job) = queue.cancel(id, by, at) else {
            let state = kept.queue.get(id).map_or(before.state, |job| job.state);
            return Err(JobsError::Over { id, state });
        };
        self.keep(&mut kept, queue, Vec::new()).await?;
        if let Some(course) = self.course().filter(|course| course.job().id == id) {
            course.stop(Stop::Cancelled);
        }
        Ok(job)
    }

    /// Every change of a job from now on, and every hundredth of its way.
    pub fn news(&self) -> broadcast::Receiver<Arc<Job>> {
        self.news.subscribe()
    }

    /// Writes down the numbers.
    pub fn write(&self, text: &mut Text) {
        self.meters.write(text);
    }

    /// The next one begins; none when there is nothing to do.
    pub(super) async fn begin(&self) -> Result<Option<(Arc<Course>, JobSpec)>, JobsError> {
        let mut kept = self.fresh().await?;
        let (queue, job, spec) = loop {
            let mut queue = kept.queue.clone();
            let at = self.clock.now();
            let Some(job) = queue.begin(at) else { return Ok(None) };
            let spec = self.piece(key(SPEC, job.id)).await?;
            if let Some(spec) = spec.and_then(|spec| serde_json::from_slice(&spec).ok()) {
                break (queue, job, spec);
            }
            // The others do not wait for it.
            let why = "what it asks for cannot be read by this version: ask for it again".to_owned();
            queue.end(&job, &Err(NotDone::Failed(why)), None, at);
            self.keep(&mut kept, queue, Vec::new()).await?;
        };
        // Who cancels it from now on has to find it.
        let course = Arc::new(Course::new(job, self.news.clone()));
        self.set_course(Some(course.clone()));
        if let Err(error) = self.keep(&mut kept, queue, Vec::new()).await {
            self.set_course(None);
            return Err(error);
        }
        Ok(Some((course, spec)))
    }

    /// One that ran has ended.
    pub(super) async fn end(&self, course: &Course, outcome: &Result<Done, NotDone>) -> Result<(), JobsError> {
        let ran = course.job();
        let too_long = match outcome {
            Ok(done) if done.result.len() > MAX_RESULT_BYTES => Some(Err(NotDone::Failed(format!(
                "the result has {} bytes, and {MAX_RESULT_BYTES} are kept: ask for a shorter span or for fewer tests, or run the command on \
                 the host",
                done.result.len()
            )))),
            _ => None,
        };
        let outcome = too_long.as_ref().unwrap_or(outcome);
        let mut kept = self.fresh().await?;
        let mut queue = kept.queue.clone();
        let at = self.clock.now();
        queue.end(&ran, outcome, course.stopped(), at);
        queue.forget(at);
        let result = outcome
            .as_ref()
            .ok()
            .map(|done| StateChange::Put { key: key(RESULT, ran.id), value: done.result.clone().into_bytes() });
        self.keep(&mut kept, queue, result.into_iter().collect()).await?;
        self.set_course(None);
        Ok(())
    }

    /// The host ends: what is worked on is begun again by the next one.
    pub(super) fn stop(&self) {
        if let Some(course) = self.course() {
            course.stop(Stop::HostEnds);
        }
    }

    fn course(&self) -> Option<Arc<Course>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_course(&self, course: Option<Arc<Course>>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = course;
    }

    async fn fresh(&self) -> Result<tokio::sync::MutexGuard<'_, Kept>, JobsError> {
        let mut kept = self.kept.lock().await;
        if !kept.is_fresh {
            let number = kept.number;
            *kept = Kept::load(&*self.own).await?;
            kept.number = kept.number.max(number);
            self.meters.stand(kept.queue.count(JobState::Queued), kept.queue.count(JobState::Running));
            // The host before died with it, or a beginning was kept of which nobody knew.
            if self.course().is_none() {
                let (mut queue, at) = (kept.queue.clone(), self.clock.now());
                queue.restart(at);
                queue.forget(at);
                self.keep(&mut kept, queue, Vec::new()).await?;
            }
        }
        Ok(kept)
    }

    /// Commits what differs, with the pieces that belong to it, and goes on with it.
    async fn keep(&self, kept: &mut Kept, queue: Queue, pieces: Vec<StateChange>) -> Result<(), JobsError> {
        let changes = differences(&kept.queue, &queue)?;
        if changes.is_empty() && pieces.is_empty() {
            return Ok(());
        }
        let (expected, offset) = (kept.offset, kept.offset.unwrap_or(0).saturating_add(1));
        let state = pieces.into_iter().chain(changes).collect();
        let commit = orion_bus::Commit { owner: owner(), expected, offset, state, ..orion_bus::Commit::default() };
        if let Err(error) = self.own.commit(commit).await {
            kept.is_fresh = false;
            return Err(error.into());
        }
        let before = std::mem::replace(&mut kept.queue, queue);
        kept.offset = Some(offset);
        self.tell(&before, &kept.queue);
        Ok(())
    }

    /// Tells who listens, and counts.
    fn tell(&self, before: &Queue, now: &Queue) {
        for (_, job) in now.jobs().filter(|(_, job)| before.get(job.id) != Some(*job)) {
            let was_over = before.get(job.id).is_some_and(|before| before.state.is_over());
            if job.state.is_over() && !was_over {
                self.meters.note(job);
            }
            // That nobody listens is no error.
            let _ = self.news.send(Arc::new(job.clone()));
        }
        self.meters.stand(now.count(JobState::Queued), now.count(JobState::Running));
    }

    async fn piece(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, JobsError> {
        let loaded = self.own.load(&owner()).await?;
        Ok(loaded.state.into_iter().find(|(other, _)| *other == key).map(|(_, value)| value))
    }
}

/// Jobs that are new or other, and everything of those that are gone. Of one that is over nobody needs what it asked for.
fn differences(before: &Queue, now: &Queue) -> Result<Vec<StateChange>, JobsError> {
    let mut changes = Vec::new();
    for (number, job) in now.jobs().filter(|(_, job)| before.get(job.id) != Some(*job)) {
        changes.push(StateChange::Put { key: job_key(number), value: Draft::json(job)? });
        if job.state.is_over() {
            changes.push(StateChange::Delete { key: key(SPEC, job.id) });
        }
    }
    for (number, job) in before.jobs().filter(|(_, job)| now.get(job.id).is_none()) {
        let keys = [job_key(number), key(SPEC, job.id), key(RESULT, job.id)];
        changes.extend(keys.into_iter().map(|key| StateChange::Delete { key }));
    }
    Ok(changes)
}

pub(super) fn owner() -> String {
    format!("{LOCAL_OWNERS}{OWNER}")
}

fn job_key(number: u64) -> Vec<u8> {
    format!("{JOB}{number}").into_bytes()
}

fn key(room: &str, id: RecordId) -> Vec<u8> {
    format!("{room}{id}").into_bytes()
}
