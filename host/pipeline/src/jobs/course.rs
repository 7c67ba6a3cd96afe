//! The way of one job from its beginning to its end: how far it is, and whether it is to go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orion_model::{Job, JobState, Progress, ProgressUnit};
use tokio::sync::{broadcast, watch};

/// Why a job is to end before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody wants it no more.
    Cancelled,
    /// Its time is over.
    TimedOut,
    /// The host ends; the next one begins it again.
    HostEnds,
}

/// A job that is worked on.
pub struct Course {
    job: Mutex<Job>,
    ends_at: Option<Instant>,
    stop: watch::Sender<Option<Stop>>,
    news: broadcast::Sender<Arc<Job>>,
}

impl Course {
    /// From now on, for as long as the job may take.
    pub(super) fn new(job: Job, news: broadcast::Sender<Arc<Job>>) -> Self {
        let ends_at = Instant::now().checked_add(Duration::from_millis(job.timeout_millis));
        Self { job: Mutex::new(job), ends_at, stop: watch::Sender::new(None), news }
    }

    /// The job as it stands on its way.
    pub(super) fn job(&self) -> Job {
        self.job.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is to end. What was said first counts.
    pub(super) fn stop(&self, why: Stop) {
        self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(why);
            is_first
        });
    }

    /// Whether it is to end, and why. Asked at every step.
    pub fn stopped(&self) -> Option<Stop> {
        if self.ends_at.is_some_and(|end| Instant::now() >= end) {
            self.stop(Stop::TimedOut);
        }
        *self.stop.borrow()
    }

    /// Waits until it is to end: for work that waits for others itself.
    pub async fn until_stopped(&self) -> Stop {
        let mut stop = self.stop.subscribe();
        let timed_out = async {
            match self.ends_at {
                Some(end) => tokio::time::sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // The sender is this very course.
            said = stop.wait_for(Option::is_some) => said.ok().and_then(|said| *said).unwrap_or(Stop::HostEnds),
            () = timed_out => {
                self.stop(Stop::TimedOut);
                (*self.stop.borrow()).unwrap_or(Stop::TimedOut)
            }
        }
    }

    /// So much is done. Who listens hears of every hundredth, so that a job of a million steps is a hundred messages.
    pub fn reached(&self, done: u64, total: u64, unit: ProgressUnit) {
        let progress = Progress { done: done.min(total), total, unit };
        let mut job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = job.progress.is_none_or(|before| before.percent() != progress.percent());
        job.progress = Some(progress);
        if is_news && job.state == JobState::Running {
            // That nobody listens is no error.
            let _ = self.news.send(Arc::new(job.clone()));
        }
    }
}
