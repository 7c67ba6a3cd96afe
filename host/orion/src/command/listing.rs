//! `orion get rules|plugins|incidents|sets`: what a running Orion has, asked over its HTTP interface, here or elsewhere.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::agents::agent_table;
use crate::arguments::{ListenArgs, Output};
use crate::cli::Failure;
use crate::output::{columns, form, print_list};
use crate::remote::{Remote, RemoteArgs};
use crate::setup;
use crate::text::{short_id, span};

/// Items of a list at most: more than any deployment that is known has rules. What is beyond is not shown, and that is said.
const MAX_ITEMS: usize = 20_000;

/// Which Orion is asked, and how the list looks.
#[derive(Args)]
pub struct RunningArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// How the list looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// A list that is served, and what is shown of each item in a table.
pub struct Listing {
    path: &'static str,
    nothing: &'static str,
    heads: &'static [&'static str],
    row: fn(&Value) -> Vec<String>,
}

/// Rules that run.
pub const RULES: Listing = Listing {
    path: "api/v1/rules?limit=500",
    nothing: "no rules",
    heads: &["RULE", "PLUGIN", "OUTCOME", "FIRING", "PENDING", "EVALUATED"],
    row: |rule| {
        let outcome = rule.pointer("/health/outcome").and_then(Value::as_str).unwrap_or("not yet").to_owned();
        let [rule, plugin, firing, pending, until] =
            ["rule", "plugin", "firing", "pending", "evaluated_until"].map(|name| text(rule, name));
        vec![rule, plugin, outcome, firing, pending, until]
    },
};

/// Plugins that rules may name.
pub const PLUGINS: Listing = Listing {
    path: "api/v1/plugins",
    nothing: "no plugins",
    heads: &["PLUGIN", "VERSION", "KIND", "FILE", "STATE"],
    row: |plugin| {
        let manifest = plugin.pointer("/certificate/manifest").cloned().unwrap_or_default();
        let [name, version, kind] = ["name", "version", "kind"].map(|name| text(&manifest, name));
        let file = plugin.get("file").and_then(Value::as_str).unwrap_or("in the binary").to_owned();
        let refused = plugin.get("refused").and_then(Value::as_str);
        let state = refused.map_or("loaded".to_owned(), |why| format!("refused: {}", why.lines().next().unwrap_or("")));
        vec![name, version, kind, file, state]
    },
};

/// Incidents, the newest first.
pub const INCIDENTS: Listing = Listing { path: "api/v1/incidents?limit=500", ..OPEN_INCIDENTS };

/// Those that are not resolved.
pub const OPEN_INCIDENTS: Listing = Listing {
    path: "api/v1/incidents?limit=500&state=open",
    nothing: "no incidents",
    heads: &["ID", "OPENED", "STATE", "SEVERITY", "TYPE", "EVENTS", "DECISION", "SUMMARY"],
    row: |incident| {
        let [id, opened, state, severity, kind, events, summary] =
            ["incident_id", "opened_at", "status", "severity", "incident_type", "event_count", "summary"]
                .map(|name| text(incident, name));
        let state = if state == "resolved" { state } else { "open".to_owned() };
        vec![short_id(&id), opened, state, severity, kind, events, "NO_ACTION".to_owned(), summary]
    },
};

/// Rule sets that were applied.
pub const SETS: Listing = Listing {
    path: "api/v1/sets",
    nothing: "no rule set was applied: `orion apply -f DIR` does",
    heads: &["SET", "VERSION", "APPLIED", "BY", "FILES", "RUN BY", "ROLLOUT"],
    row: |set| {
        let [name, version, at, by] = ["set", "version", "applied_at", "applied_by"].map(|name| text(set, name));
        let count = |name: &str| set.get(name).and_then(Value::as_array).map_or(0, Vec::len).to_string();
        let nodes = set.get("nodes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let run_it = nodes.iter().filter(|node| node.get("version") == set.get("version")).count();
        vec![name, version, at, by, count("files"), format!("{run_it} of {}", nodes.len()), rollout(set)]
    },
};

/// Hosts of a deployment, as one of them knows them.
const NODES: Listing = Listing {
    path: "api/v1/nodes",
    nothing: "no hosts",
    heads: &["NODE", "STATE", "HEARD OF", "PARTITIONS", "TO TAKE OVER", "ROLES"],
    row: |node| {
        // One that is alone has no name among others.
        let name = node.get("node").and_then(Value::as_str).unwrap_or("this one alone").to_owned();
        let state = match node.get("live").and_then(Value::as_bool) {
            Some(true) => "lives".to_owned(),
            Some(false) => "gone".to_owned(),
            None => text(node, "state"),
        };
        let heard = node.get("silent_millis").and_then(Value::as_i64);
        let heard = heard.map_or_else(String::new, |millis| format!("{} ago", span(millis)));
        let roles = node.get("roles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let roles: Vec<&str> = roles.iter().filter_map(Value::as_str).collect();
        vec![name, state, heard, text(node, "partitions"), text(node, "unmirrored"), roles.join(",")]
    },
};

/// Asks for a list and prints it.
pub fn list(args: &RunningArgs, listing: &Listing) -> Result<ExitCode, Failure> {
    let items = ask(&args.remote, &args.listen, listing)?;
    print_list(form(args.output), items, |items| listing.table(items))?;
    Ok(ExitCode::SUCCESS)
}

/// The hosts that a running one knows, and its agents.
pub fn nodes(remote: &RemoteArgs, listen: &ListenArgs, output: Option<Output>) -> Result<ExitCode, Failure> {
    print_list(form(output), ask(remote, listen, &NODES)?, |items| {
        let is_agent = |node: &Value| node.get("role").and_then(Value::as_str) == Some("agent");
        let (agents, hosts): (Vec<Value>, Vec<Value>) = items.iter().cloned().partition(is_agent);
        match agents.is_empty() {
            true => NODES.table(&hosts),
            false => format!("{}\n{}", NODES.table(&hosts), agent_table(&agents)),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn ask(remote: &RemoteArgs, listen: &ListenArgs, listing: &Listing) -> Result<Vec<Value>, Failure> {
    let remote = Remote::of(remote, listen)?;
    let items = setup::runtime()?.block_on(remote.items(listing.path, MAX_ITEMS)).map_err(Failure::Configuration)?;
    if items.len() == MAX_ITEMS {
        tracing::warn!("only the first {MAX_ITEMS} are shown");
    }
    Ok(items)
}

impl Listing {
    fn table(&self, items: &[Value]) -> String {
        match items {
            [] => format!("{}\n", self.nothing),
            items => columns(self.heads, &items.iter().map(self.row).collect::<Vec<_>>()),
        }
    }
}

fn rollout(set: &Value) -> String {
    let Some(rollout) = set.get("rollout").filter(|rollout| !rollout.is_null()) else { return String::new() };
    let given = rollout.get("given").and_then(Value::as_array).map_or(0, Vec::len);
    let nodes = set.get("nodes").and_then(Value::as_array).map_or(0, Vec::len);
    let from = text(rollout, "from");
    match rollout.get("halted").filter(|halted| !halted.is_null()) {
        Some(halted) => format!("halted by {}, others run {from}", text(halted, "node")),
        None => format!("given to {given} of {nodes}, others run {from}"),
    }
}

fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
