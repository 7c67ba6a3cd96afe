//! The thread that does jobs, one after the other, with what the machine has left.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::{Course, Done, Jobs, JobsError, NotDone, Work};

/// How nice it is to everything else: what observes has ten times its share of a busy core.
const NICENESS: i32 = 10;

/// How long is waited after the store did not take a change, at first and at most.
const FIRST_RETRY_MILLIS: u64 = 200;
const MOST_RETRY_MILLIS: u64 = 15_000;

/// How long the end of the host waits for the step in hand. What does not end then is begun again by the next host.
const END_MILLIS: u64 = 5_000;

/// The thread, to be ended.
pub struct Runner {
    jobs: Arc<Jobs>,
    down: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

/// Starts it.
pub fn start(jobs: Arc<Jobs>, work: impl Work) -> std::io::Result<Runner> {
    // Its own: what waits for answers here must not wait behind a plugin, and nothing that observes behind this.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (down, is_down) = watch::channel(false);
    let (tell, ended) = oneshot::channel();
    let of_thread = jobs.clone();
    thread::Builder::new().name("orion-jobs".to_owned()).spawn(move || {
        be_nice();
        run(&of_thread, &work, &runtime, is_down);
        drop(of_thread);
        // Nobody may wait any more.
        let _ = tell.send(());
    })?;
    Ok(Runner { jobs, down, ended })
}

impl Runner {
    /// The jobs that it does.
    pub fn jobs(&self) -> Arc<Jobs> {
        self.jobs.clone()
    }

    /// Ends with the step in hand; what is not done waits in the store.
    pub async fn end(self) {
        self.down.send_replace(true);
        self.jobs.stop();
        if tokio::time::timeout(Duration::from_millis(END_MILLIS), self.ended).await.is_err() {
            tracing::warn!("a job does not come to its next step: the next start begins it again");
        }
    }
}

fn run(jobs: &Jobs, work: &impl Work, runtime: &Runtime, mut down: watch::Receiver<bool>) {
    while let Some((course, spec)) = runtime.block_on(next(jobs, &mut down)) {
        // The end may have come before there was anything to stop.
        if *down.borrow() {
            jobs.stop();
        }
        let outcome = match course.stopped() {
            Some(_) => Err(NotDone::Stopped),
            None => work.run(&spec, &course, runtime),
        };
        runtime.block_on(end(jobs, &course, &outcome, &mut down));
    }
}

/// Waits for one; `None` at the end.
async fn next(jobs: &Jobs, down: &mut watch::Receiver<bool>) -> Option<(Arc<Course>, orion_model::JobSpec)> {
    let mut pause = Pause::default();
    loop {
        if *down.borrow() {
            return None;
        }
        let wait = match jobs.begin().await {
            Ok(Some(begun)) => return Some(begun),
            Ok(None) => None,
            Err(error) => Some(pause.after(&error)),
        };
        tokio::select! {
            _ = down.wait_for(|down| *down) => return None,
            () = jobs.wake.notified(), if wait.is_none() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// Keeps what came of one, as soon as the store takes it.
async fn end(jobs: &Jobs, course: &Course, outcome: &Result<Done, NotDone>, down: &mut watch::Receiver<bool>) {
    let mut pause = Pause::default();
    while let Err(error) = jobs.end(course, outcome).await {
        let wait = pause.after(&error);
        if *down.borrow() {
            return;
        }
        tokio::select! {
            // Once more, and no more: the next start knows that it ran.
            _ = down.wait_for(|down| *down) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How long to wait, longer each time.
#[derive(Default)]
struct Pause(u64);

impl Pause {
    fn after(&mut self, error: &JobsError) -> Duration {
        self.0 = self.0.saturating_mul(2).clamp(FIRST_RETRY_MILLIS, MOST_RETRY_MILLIS);
        tracing::warn!(wait_millis = self.0, "jobs stand still: {error}");
        Duration::from_millis(self.0)
    }
}

/// On Linux this is about the calling thread alone, and about those that it starts.
fn be_nice() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!("jobs have the priority of everything else: {error}");
    }
}
