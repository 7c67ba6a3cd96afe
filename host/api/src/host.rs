//! What the interface asks of the host that it speaks for.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orion_bus::{BusError, Reader};
use orion_metrics::Text;
use orion_model::{
    AgentName, Delivery, Event, FileSaid, Forwarded, Job, JobRequest, Looker, Mark, Marked, Push, Pushed, RecordId,
    SeriesAround, SetVersion, Taken,
};
use serde_json::{Map, Value};
use tokio::sync::{broadcast, watch};

use crate::agents::AgentNotTaken;
use crate::health::Health;
use crate::hook::NotTaken;

/// A host that observes. Nothing that is asked here changes what it observes; what correlates, and what agents observe, an applied rule
/// set changes.
#[async_trait]
pub trait Host: Send + Sync {
    /// How its parts are.
    async fn health(&self) -> Health;

    /// Writes down the numbers that it keeps of itself.
    async fn metrics(&self, text: &mut Text);

    /// Where its records lie.
    fn memory_dir(&self) -> &Path;

    /// The last position of its own file; changes with every record.
    fn appended(&self) -> watch::Receiver<u64>;

    /// What runs, as members of the summary.
    fn running(&self) -> Map<String, Value>;

    /// Rules in the order of their ids, each an object with its `rule`, up to one more than the page has room for: that tells
    /// whether there is another. May block.
    fn rules(&self, reader: &mut Reader, page: &RulePage) -> Result<Vec<Value>, BusError>;

    /// The text of a rule file that runs, and of the version before; `None` when no file of this name runs.
    fn rule_file(&self, name: &str) -> Option<Value>;

    /// Plugins that rules may name, and plugin files that are refused.
    fn plugins(&self) -> Vec<Value>;

    /// What is held against the plugins of rules and correlations, in the order of these. May block.
    fn quarantine(&self, reader: &mut Reader) -> Result<Vec<Value>, BusError>;

    /// Hosts of the deployment.
    async fn nodes(&self) -> Result<Vec<Value>, BusError>;

    /// Partitions of the deployment's work.
    async fn partitions(&self) -> Result<Vec<Value>, BusError>;

    /// What one host alone may have at a time, and who has it.
    async fn locks(&self) -> Result<Vec<Value>, BusError>;

    /// How far each stage has read, and what cannot be written.
    async fn persistence(&self) -> Map<String, Value>;

    /// Records that a client failed to say who it is too often, and is not heard for a while.
    async fn record_lock_out(&self, client: IpAddr, why: String);

    /// Takes what a program delivers to a hook, and returns when it is recorded. It is an observation like any other: nothing that is
    /// told changes what runs or what is observed.
    async fn take(&self, delivery: Delivery) -> Result<Taken, NotTaken>;

    /// Takes what an agent forwards, and returns when it is recorded, or knows where the agent is to go on.
    async fn take_from_agent(&self, agent: &AgentName, batch: Vec<u8>) -> Result<Forwarded, AgentNotTaken>;

    /// Takes what an agent says of itself.
    async fn note_agent(&self, agent: &AgentName, status: Vec<u8>) -> Result<(), AgentNotTaken>;

    /// Records what a person thought of an incident, behind the mark that stood there before. It survives power loss when this
    /// returns.
    async fn record_mark(&self, mark: Mark, before: Option<RecordId>) -> Result<Marked, String>;

    /// The rule sets that were applied here, in the order of their names.
    fn sets(&self) -> Vec<Value>;

    /// The version of a rule set that a node is to run; the newest, where none is named.
    fn set(&self, set: &str, node: Option<&str>) -> Option<SetVersion>;

    /// A version of a rule set that is still kept.
    async fn set_version(&self, set: &str, version: u64) -> Result<Option<SetVersion>, BusError>;

    /// Judges a rule set, and makes a version of it, which survives power loss when this returns.
    async fn apply(&self, push: Push) -> Result<Pushed, NotApplied>;

    /// Where jobs are asked for; none where a recording is played.
    fn jobs(&self) -> Option<Arc<dyn JobDesk>>;

    /// The series of an event around its moment, as its source remembers it now; or why there is none, in its `missing`. On failure,
    /// how long until sources are asked again.
    async fn series_around(&self, event: &Event, looker: Looker) -> Result<Arc<SeriesAround>, Duration>;

    /// The last lines of its own log, up to `limit` that are at least as bad as a level: the first ones behind a number, or the last ones; and
    /// the number of the newest line there is.
    fn log_lines(&self, after: Option<u64>, limit: usize, level: &str) -> (Vec<Value>, u64);

    /// What checks every line of the audit trail against the store.
    fn audit(&self) -> Audit;
}

/// Why a rule set is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// Files of it cannot run.
    Refused(Vec<FileSaid>),
    /// It is none.
    Malformed(String),
    /// Somebody else applied another version meanwhile.
    Overtaken(String),
    /// It cannot be recorded now.
    NotNow(String),
}

/// Where jobs of this host are asked for, looked at and cancelled. A job looks, and changes nothing of what runs.
#[async_trait]
pub trait JobDesk: Send + Sync {
    /// A job is asked for. It survives power loss when this returns.
    async fn ask(&self, request: JobRequest) -> Result<Job, JobRefused>;

    /// All that are known, the one that was asked for last first, each with a number that falls along the list.
    async fn list(&self) -> Result<Vec<(u64, Job)>, JobRefused>;

    /// One of them.
    async fn get(&self, id: RecordId) -> Result<Job, JobRefused>;

    /// What came of one: a JSON document.
    async fn result(&self, id: RecordId) -> Result<String, JobRefused>;

    /// Nobody wants one any more.
    async fn cancel(&self, id: RecordId, by: &str) -> Result<Job, JobRefused>;

    /// Every change of a job from now on.
    fn news(&self) -> broadcast::Receiver<Arc<Job>>;
}

/// Why something about a job is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobRefused {
    /// It is none.
    Bad(String),
    /// As many wait as may.
    Full(String),
    /// There is none of that id.
    Unknown(String),
    /// It does not stand so that this could be.
    Conflict(String),
    /// The store cannot be written or read now.
    NotNow(String),
}

/// A check of the audit trail. It takes as long as reading all of it does, and blocks; so it holds on to nothing of the host, which may
/// end meanwhile.
pub type Audit = Box<dyn FnOnce(&mut Reader) -> Result<Value, String> + Send>;

/// Which rules are asked for.
#[derive(Clone, Debug, Default)]
pub struct RulePage {
    /// Those behind this id.
    pub after: Option<String>,
    /// How many.
    pub limit: usize,
    /// Only those whose evaluations end in an error, or without whole data.
    pub unwell: bool,
    /// Only those whose id has this in it, in upper or lower case.
    pub mentions: Option<String>,
}
