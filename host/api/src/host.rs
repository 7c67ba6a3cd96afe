//! What the interface asks of the host that it speaks for.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orion_bus::{BusError, Reader};
use orion_metrics::Text;
use orion_model::{Delivery, Event, Looker, Mark, Marked, RecordId, SeriesAround, Taken};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::health::Health;
use crate::hook::NotTaken;

/// A host that observes. Nothing that is asked here changes what it observes or what it does.
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

    /// Records what a person thought of an incident, behind the mark that stood there before. It survives power loss when this
    /// returns.
    async fn record_mark(&self, mark: Mark, before: Option<RecordId>) -> Result<Marked, String>;

    /// The series of an event around its moment, as its source remembers it now; or why there is none, in its `missing`. On failure,
    /// how long until sources are asked again.
    async fn series_around(&self, event: &Event, looker: Looker) -> Result<Arc<SeriesAround>, Duration>;

    /// What checks every line of the audit trail against the store.
    fn audit(&self) -> Audit;
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
