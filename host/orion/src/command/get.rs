//! `orion get`: the hosts of a deployment, who does what, and what a running host has.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use orion_bus::{Ownership, Survey, SurveyedLock, SurveyedNode, SurveyedPartition, ownership, survey};
use orion_model::Clock;
use orion_pipeline::clock::SystemClock;
use orion_pipeline::shares;
use serde_json::{Value, json};

use super::listing::{self, RunningArgs};
use crate::agents;
use crate::arguments::{DataArgs, ListenArgs, Output};
use crate::cli::Failure;
use crate::deployment::RedisArgs;
use crate::output::{columns, form, print_list};
use crate::remote::RemoteArgs;
use crate::setup;
use crate::text::span;

/// Arguments of `orion get`.
#[derive(Args)]
pub struct GetArgs {
    #[command(subcommand)]
    pub command: GetCommand,
}

/// What can be looked at.
#[derive(Subcommand)]
pub enum GetCommand {
    /// List the hosts: whether they live, what they do, how much of the log they have yet to take over; with --url those that a running
    /// Orion knows
    Nodes(Box<NodesArgs>),
    /// List the partitions of the work: who holds each, what is in it, how busy it keeps its host, how much it has yet to read
    Partitions {
        #[command(flatten)]
        at: WhereArgs,
        /// Also those in which there is nothing to do
        #[arg(long)]
        all: bool,
    },
    /// List what one host alone may have at a time, who has it, and until when
    Locks(WhereArgs),
    /// List the rules of a running Orion: how they stand, and when they were evaluated
    Rules(RunningArgs),
    /// List the plugins that rules of a running Orion may name
    Plugins(RunningArgs),
    /// List the incidents of a running Orion, newest first
    Incidents {
        #[command(flatten)]
        at: RunningArgs,
        /// Only those that are not resolved
        #[arg(long)]
        open: bool,
    },
    /// List the rule sets that were applied to a control host, and which of its agents run them
    Sets(RunningArgs),
}

/// Which deployment: by its folder or its Redis, or by asking one of its hosts.
#[derive(Args)]
pub struct NodesArgs {
    #[command(flatten)]
    pub at: WhereArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Which deployment, and how the list looks.
#[derive(Args)]
pub struct WhereArgs {
    #[command(flatten)]
    pub redis: RedisArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// How the list looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Runs one of them.
pub fn get(args: &GetArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        GetCommand::Nodes(args) if args.remote.url.is_some() => {
            return listing::nodes(&args.remote, &args.listen, args.at.output);
        }
        GetCommand::Nodes(args) => match look(&args.at)? {
            Some(survey) => {
                let values = survey.nodes.iter().map(node_value).collect();
                print_list(form(args.at.output), values, |_| node_table(&survey.nodes))?;
            }
            None => print_alone(&args.at)?,
        },
        GetCommand::Partitions { at, all } => {
            let Survey { nodes, mut partitions, .. } = look(at)?.unwrap_or_default();
            partitions.retain(|partition| *all || !partition.owners.is_empty());
            let busy = Busy::of(&nodes);
            let values = partitions.iter().map(|partition| partition_value(partition, &busy)).collect();
            print_list(form(at.output), values, |_| partition_table(&partitions, &busy))?;
        }
        GetCommand::Locks(at) => {
            let values = match look(at)? {
                Some(survey) => survey.locks.iter().map(lock_value).collect(),
                None => folder_lock(&at.data.memory_dir())?,
            };
            print_list(form(at.output), values, lock_table)?;
        }
        GetCommand::Rules(at) => return listing::list(at, &listing::RULES),
        GetCommand::Plugins(at) => return listing::list(at, &listing::PLUGINS),
        GetCommand::Incidents { at, open: true } => return listing::list(at, &listing::OPEN_INCIDENTS),
        GetCommand::Incidents { at, open: false } => return listing::list(at, &listing::INCIDENTS),
        GetCommand::Sets(at) => return listing::list(at, &listing::SETS),
    }
    Ok(ExitCode::SUCCESS)
}

/// `None` for a host that is alone.
fn look(at: &WhereArgs) -> Result<Option<Survey>, Failure> {
    let Some(server) = at.redis.server()? else { return Ok(None) };
    let look = survey(&server, &at.redis.redis_prefix, shares::place);
    setup::runtime()?.block_on(look).map(Some).map_err(Failure::configuration)
}

/// The one host of a folder.
fn print_alone(at: &WhereArgs) -> Result<(), Failure> {
    let (state, pid) = match ownership(&at.data.memory_dir()).map_err(Failure::configuration)? {
        Ownership::Process(pid) => ("runs", Some(pid)),
        Ownership::Elsewhere => ("runs", None),
        Ownership::Nobody => ("stopped", None),
    };
    let agents = agents::agents_in(&at.data.memory_dir(), SystemClock.now())?;
    let values = std::iter::once(alone_value(state, pid, &at.data.memory_dir())).chain(agents.clone()).collect();
    print_list(form(at.output), values, |_| {
        let pid = pid.map_or_else(String::new, |pid| format!(", process {pid}"));
        let alone = format!(
            "alone on {} ({state}{pid}); hosts that share work meet at a Redis, see REDIS_URL\n",
            at.data.memory_dir().display()
        );
        match agents.is_empty() {
            true => alone,
            false => format!("{alone}\n{}", agents::agent_table(&agents)),
        }
    })
}

/// The one host of a folder.
pub fn alone_value(state: &str, pid: Option<u32>, memory_dir: &Path) -> Value {
    json!({ "alone": true, "state": state, "pid": pid, "memory": memory_dir })
}

/// The lock of a folder of records, if a process has it.
fn folder_lock(memory_dir: &Path) -> Result<Vec<Value>, Failure> {
    Ok(match ownership(memory_dir).map_err(Failure::configuration)? {
        Ownership::Process(pid) => vec![folder_lock_value(&format!("process {pid}"))],
        Ownership::Elsewhere => vec![folder_lock_value("a process elsewhere")],
        Ownership::Nobody => Vec::new(),
    })
}

/// The lock of the one host of a folder. It ends with its process.
pub fn folder_lock_value(holder: &str) -> Value {
    json!({ "lock": "folder", "holder": holder, "epoch": null, "ends_in_millis": null })
}

/// Something that one host alone may have.
pub fn lock_value(lock: &SurveyedLock) -> Value {
    json!({ "lock": lock.name, "holder": lock.holder, "epoch": lock.epoch, "ends_in_millis": lock.ends_in_millis })
}

fn lock_table(locks: &[Value]) -> String {
    if locks.is_empty() {
        return "nothing is locked\n".to_owned();
    }
    let row = |lock: &Value| {
        let text = |name: &str| lock.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| lock.get(name).and_then(Value::as_i64);
        let epoch = number("epoch").map_or_else(String::new, |epoch| epoch.to_string());
        let ends = match number("ends_in_millis") {
            None => "with its process".to_owned(),
            Some(0) => "over".to_owned(),
            Some(millis) => format!("in {}", span(millis)),
        };
        vec![text("lock"), text("holder"), epoch, ends]
    };
    columns(&["LOCK", "HOLDER", "EPOCH", "ENDS UNLESS RENEWED"], &locks.iter().map(row).collect::<Vec<_>>())
}

/// A host among others.
pub fn node_value(node: &SurveyedNode) -> Value {
    let about: Value = serde_json::from_str(&node.info).unwrap_or_default();
    json!({
        "node": node.name,
        "live": node.is_live,
        "roles": node.roles,
        "partitions": node.partitions,
        "silent_millis": node.silent_millis,
        "unmirrored": node.unmirrored,
        "about": about,
    })
}

fn node_table(nodes: &[SurveyedNode]) -> String {
    if nodes.is_empty() {
        return "no hosts\n".to_owned();
    }
    let row = |node: &SurveyedNode| {
        let state = if node.is_live { "lives" } else { "gone" };
        let heard = format!("{} ago", span(node.silent_millis));
        let behind = node.unmirrored.map_or_else(String::new, |records| records.to_string());
        vec![node.name.clone(), state.to_owned(), heard, node.partitions.to_string(), behind, node.roles.join(",")]
    };
    columns(
        &["NODE", "STATE", "HEARD OF", "PARTITIONS", "TO TAKE OVER", "ROLES"],
        &nodes.iter().map(row).collect::<Vec<_>>(),
    )
}

/// What hosts say of how busy they are: which part of the last minute the work of a partition took.
pub struct Busy(BTreeMap<String, Value>);

impl Busy {
    /// What these say.
    pub fn of(nodes: &[SurveyedNode]) -> Self {
        let live = nodes.iter().filter(|node| node.is_live);
        Self(live.map(|node| (node.name.clone(), serde_json::from_str(&node.info).unwrap_or_default())).collect())
    }

    /// `None` where nobody is at work.
    fn ratio(&self, partition: &SurveyedPartition) -> Option<f64> {
        let busy = self.0.get(partition.node.as_ref()?)?.get("busy")?;
        Some(busy.get(partition.partition.to_string()).and_then(Value::as_f64).unwrap_or(0.0))
    }
}

/// A partition of the work.
pub fn partition_value(partition: &SurveyedPartition, busy: &Busy) -> Value {
    json!({
        "partition": partition.partition.to_string(),
        "node": partition.node,
        "owners": partition.owners,
        "unread": partition.unread,
        "busy": busy.ratio(partition),
    })
}

fn partition_table(partitions: &[SurveyedPartition], busy: &Busy) -> String {
    if partitions.is_empty() {
        return "no partitions with work\n".to_owned();
    }
    let row = |partition: &SurveyedPartition| {
        let node = partition.node.clone().unwrap_or_else(|| "nobody".to_owned());
        let unread = partition.unread.map_or_else(String::new, |records| records.to_string());
        let busy = busy.ratio(partition).map_or_else(String::new, |ratio| format!("{:.1} %", ratio * 100.0));
        vec![partition.partition.to_string(), node, busy, unread, partition.owners.join(" ")]
    };
    columns(&["PARTITION", "NODE", "BUSY", "UNREAD", "OWNERS"], &partitions.iter().map(row).collect::<Vec<_>>())
}
