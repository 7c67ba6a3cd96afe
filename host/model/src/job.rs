//! Work that was asked of a host that runs, and how it stands.

use serde::{Deserialize, Serialize};

use crate::id::RecordId;
use crate::job_request::{JobKind, Priority};
use crate::time::Timestamp;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is worked on.
    Running,
    /// It has a result.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody wanted it no more.
    Cancelled,
    /// It did not end in its time.
    TimedOut,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much.
    pub total: u64,
    /// Of what.
    pub unit: ProgressUnit,
}

/// What progress is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgressUnit {
    /// Seconds of the past.
    Seconds,
    /// Tests.
    Tests,
    /// Checks.
    Checks,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// Of what kind the reason is.
    pub reason: FailureReason,
    /// What, where and what to do.
    pub message: String,
}

/// Of what kind a reason is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// A rule, a test or a plugin is bad.
    BadRule,
    /// Something that was needed is not there, or not as it was asked for.
    Configuration,
    /// The host died while it worked on it, again and again.
    HostDied,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity.
    pub id: RecordId,
    /// What kind of work.
    pub kind: JobKind,
    /// Before or after others.
    pub priority: Priority,
    /// How long it may take.
    pub timeout_millis: u64,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// By whom.
    pub asked_by: String,
    /// How it stands.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was begun last.
    pub began_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who wanted it no more.
    pub cancelled_by: Option<String>,
    /// How far it is; none before it begins.
    pub progress: Option<Progress>,
    /// Whether what was tested or verified is as it should be; of a replay that it went through. None without a result.
    pub holds: Option<bool>,
    /// Bytes of the result; none without one.
    pub result_bytes: Option<u64>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::TimedOut];

    /// The word for one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether nothing will become of it any more.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl ProgressUnit {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Tests => "tests",
            Self::Checks => "checks",
        }
    }
}

impl Progress {
    /// In whole hundredths.
    pub fn percent(&self) -> u64 {
        self.done.min(self.total).saturating_mul(100).checked_div(self.total).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_in_hundredths_is_never_more_than_all() {
        let percent = |done, total| Progress { done, total, unit: ProgressUnit::Tests }.percent();
        assert_eq!([percent(0, 3), percent(1, 3), percent(3, 3), percent(4, 3), percent(0, 0)], [0, 33, 100, 100, 100]);
    }
}
