//! Jobs: work that is asked of this host while it observes. It looks, and changes nothing of what runs.
//!
//! The queue is a state machine without time and without I/O. The desk ([`Jobs`]) keeps it in this host's own file, each change in one
//! commit, so that it survives a restart; a job that was worked on when the host died is begun again. The runner ([`start`]) is one thread of
//! low priority that does one job after the other. What a job does is the [`Work`] of whoever starts it.

mod audit;
mod course;
mod desk;
#[cfg(test)]
mod desk_tests;
mod meters;
mod queue;
#[cfg(test)]
mod queue_tests;
mod runner;

use orion_model::JobSpec;
use tokio::runtime::Runtime;

pub use course::{Course, Stop};
pub use desk::{Jobs, JobsError};
pub use queue::{FINISHED_KEPT_MILLIS, MAX_ATTEMPTS, MAX_FINISHED, MAX_QUEUED, MAX_RUNNING};
pub use runner::{Runner, start};

/// The longest result that is kept, in bytes: of a replay some thousands of events. All that are kept together are [`MAX_FINISHED`] of them.
pub const MAX_RESULT_BYTES: usize = 2 * 1024 * 1024;

/// What jobs do. It blocks, on the thread of jobs alone.
pub trait Work: Send + 'static {
    /// Does one. It looks at the course at every step, and ends when that is stopped; nothing of what it did is kept then.
    fn run(&self, spec: &JobSpec, course: &Course, runtime: &Runtime) -> Result<Done, NotDone>;
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// A JSON document.
    pub result: String,
    /// Whether what was tested or verified is as it should be.
    pub holds: bool,
}

/// Why nothing came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// Its course was stopped.
    Stopped,
    /// A rule, a test or a plugin is bad.
    BadRule(String),
    /// Something that was needed is not there.
    Failed(String),
}
