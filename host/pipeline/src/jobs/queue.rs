//! Which job comes next, and what becomes of one: a state machine without time and I/O. Whoever changes it works on a copy, keeps what
//! differs in one commit, and only then goes on with the copy; so no change is half there.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use orion_model::{FailureReason, IdBuilder, Job, JobFailure, JobRequest, JobState, RecordId, Timestamp};

use super::{Done, NotDone, Stop};

/// Jobs that wait at most. Each keeps its texts in the store, and whoever asks for more would wait for hours.
pub const MAX_QUEUED: usize = 16;

/// Jobs that are worked on at once: observing comes first, and on a small machine there is one core beside it.
pub const MAX_RUNNING: usize = 1;

/// Jobs that are over and still known. Each keeps its result in the store.
pub const MAX_FINISHED: usize = 20;

/// For how long a job is known that is over: who asked for it in the evening finds it in the morning, and on Monday what was asked on Friday.
pub const FINISHED_KEPT_MILLIS: i64 = 4 * 86_400_000;

/// How often a job is begun when the host dies with it. One that kills its host would kill every one that comes after.
pub const MAX_ATTEMPTS: u32 = 3;

/// The longest reason of a failure that is kept, in bytes: some hundred lines of a report. A text of four megabytes may have something wrong
/// in each of its lines, and every list of jobs tells the reason.
pub(super) const MAX_REASON_BYTES: usize = 16 * 1024;

/// All jobs that are known, by their numbers, which grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    jobs: BTreeMap<u64, Job>,
}

/// There are as many as may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_QUEUED} jobs wait already: ask again in a while, or cancel one of them")]
pub(super) struct Full;

impl Queue {
    pub(super) fn of(jobs: BTreeMap<u64, Job>) -> Self {
        Self { jobs }
    }

    /// By number.
    pub(super) fn jobs(&self) -> impl DoubleEndedIterator<Item = (u64, &Job)> {
        self.jobs.iter().map(|(number, job)| (*number, job))
    }

    pub(super) fn get(&self, id: RecordId) -> Option<&Job> {
        self.jobs.values().find(|job| job.id == id)
    }

    pub(super) fn count(&self, state: JobState) -> usize {
        self.jobs.values().filter(|job| job.state == state).count()
    }

    /// A job is asked for. `number` is higher than any before, also than those of jobs that are known no more.
    pub(super) fn ask(&mut self, request: &JobRequest, number: u64, at: Timestamp) -> Result<Job, Full> {
        if self.count(JobState::Queued) >= MAX_QUEUED {
            return Err(Full);
        }
        let job = Job {
            id: id_of(request, number, at),
            kind: request.spec.kind(),
            priority: request.priority,
            timeout_millis: request.timeout_millis,
            asked_at: at,
            asked_by: request.by.clone(),
            state: JobState::Queued,
            attempts: 0,
            began_at: None,
            ended_at: None,
            cancelled_by: None,
            progress: None,
            holds: None,
            result_bytes: None,
            failure: None,
        };
        self.jobs.insert(number, job.clone());
        Ok(job)
    }

    /// The next one begins: of the highest priority, and of those the one that was asked for first. None while others are worked on.
    pub(super) fn begin(&mut self, at: Timestamp) -> Option<Job> {
        if self.count(JobState::Running) >= MAX_RUNNING {
            return None;
        }
        let waiting = self.jobs.iter_mut().filter(|(_, job)| job.state == JobState::Queued);
        let (_, job) = waiting.max_by_key(|(number, job)| (job.priority, Reverse(**number)))?;
        job.state = JobState::Running;
        job.attempts = job.attempts.saturating_add(1);
        (job.began_at, job.progress) = (Some(at), None);
        Some(job.clone())
    }

    /// Nobody wants one that waits. One that runs is stopped first, and ends by itself.
    pub(super) fn cancel(&mut self, id: RecordId, by: &str, at: Timestamp) -> Option<Job> {
        let job = self.find(id).filter(|job| !job.state.is_over())?;
        job.cancelled_by.get_or_insert_with(|| by.to_owned());
        if job.state == JobState::Queued {
            end(job, JobState::Cancelled, at);
        }
        Some(job.clone())
    }

    /// One that ran has ended.
    pub(super) fn end(&mut self, ran: &Job, outcome: &Result<Done, NotDone>, stop: Option<Stop>, at: Timestamp) {
        let Some(job) = self.find(ran.id).filter(|job| job.state == JobState::Running) else { return };
        job.progress = ran.progress;
        match (outcome, stop) {
            (Ok(done), _) => {
                job.holds = Some(done.holds);
                job.result_bytes = Some(done.result.len() as u64);
                end(job, JobState::Done, at);
            }
            (Err(NotDone::Stopped), Some(Stop::Cancelled)) => end(job, JobState::Cancelled, at),
            (Err(NotDone::Stopped), Some(Stop::TimedOut)) => end(job, JobState::TimedOut, at),
            // The end of the host is no fault of the job.
            (Err(NotDone::Stopped), _) if job.cancelled_by.is_none() => {
                job.state = JobState::Queued;
                job.attempts = job.attempts.saturating_sub(1);
                (job.began_at, job.progress) = (None, None);
            }
            (Err(NotDone::Stopped), _) => end(job, JobState::Cancelled, at),
            (Err(NotDone::BadRule(why)), _) => fail(job, FailureReason::BadRule, why.clone(), at),
            (Err(NotDone::Failed(why)), _) => fail(job, FailureReason::Configuration, why.clone(), at),
        }
    }

    /// The host has started: what was worked on when the one before died is begun again, unless that happened too often.
    pub(super) fn restart(&mut self, at: Timestamp) {
        for job in self.jobs.values_mut().filter(|job| job.state == JobState::Running) {
            if job.cancelled_by.is_some() {
                end(job, JobState::Cancelled, at);
            } else if job.attempts >= MAX_ATTEMPTS {
                let why = format!(
                    "the host ended {} times while it worked on this job: look into its log for why, and ask for a part of it",
                    job.attempts
                );
                fail(job, FailureReason::HostDied, why, at);
            } else {
                job.state = JobState::Queued;
                (job.began_at, job.progress) = (None, None);
            }
        }
    }

    /// Lets go of what was over long ago, and of more than are kept: those that ended first.
    pub(super) fn forget(&mut self, at: Timestamp) {
        self.jobs.retain(|_, job| job.ended_at.is_none_or(|ended| at.millis_since(ended) <= FINISHED_KEPT_MILLIS));
        let mut over: Vec<(Timestamp, u64)> =
            self.jobs.iter().filter_map(|(number, job)| Some((job.ended_at?, *number))).collect();
        over.sort_unstable();
        for (_, number) in over.iter().rev().skip(MAX_FINISHED) {
            self.jobs.remove(number);
        }
    }

    fn find(&mut self, id: RecordId) -> Option<&mut Job> {
        self.jobs.values_mut().find(|job| job.id == id)
    }
}

fn end(job: &mut Job, state: JobState, at: Timestamp) {
    job.state = state;
    job.ended_at = Some(at);
}

fn fail(job: &mut Job, reason: FailureReason, mut message: String, at: Timestamp) {
    if message.len() > MAX_REASON_BYTES {
        message.truncate(message.floor_char_boundary(MAX_REASON_BYTES));
        message.push_str("\n… and more: mend this first");
    }
    job.failure = Some(JobFailure { reason, message });
    end(job, JobState::Failed, at);
}

/// What a job is: two that ask for the same are two.
fn id_of(request: &JobRequest, number: u64, at: Timestamp) -> RecordId {
    let id = IdBuilder::new("job").number(number.cast_signed()).number(at.as_millis());
    id.text(request.spec.kind().as_str()).text(&request.by).finish()
}
