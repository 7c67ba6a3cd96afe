//! `orion rule`: how the rules stand.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use orion_bus::{Reader, SqliteBus};
use orion_pipeline::watcher::{GROUP_OWNERS, Standing, standings};
use serde_json::json;

use crate::arguments::{DataArgs, Output};
use crate::cli::Failure;
use crate::output::{columns, form, print_list};
use crate::told::is_unwell;

/// Arguments of `orion rule`.
#[derive(Args)]
pub struct RuleCommandArgs {
    #[command(subcommand)]
    pub command: RuleCommand,
}

/// What can be done with rules: look.
#[derive(Subcommand)]
pub enum RuleCommand {
    /// List the rules that are evaluated: what comes of it, since when, and how many alerts they have
    List {
        #[command(flatten)]
        data: DataArgs,
        /// Only those that are not well: whose evaluations end in an error, or without whole data
        #[arg(long)]
        unwell: bool,
        /// How the list looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
}

/// Runs `list`.
pub fn rule(args: &RuleCommandArgs) -> Result<ExitCode, Failure> {
    let RuleCommand::List { data, unwell, output } = &args.command;
    let mut standings: Vec<Standing> = read_standings(data)?.into_values().collect();
    standings.retain(|standing| !unwell || is_unwell(standing));
    let values = standings.iter().map(|standing| json!(standing)).collect();
    print_list(form(*output), values, |_| table(&standings))?;
    Ok(ExitCode::SUCCESS)
}

/// How all rules of a deployment stand, by their ids.
pub fn read_standings(data: &DataArgs) -> Result<BTreeMap<String, Standing>, Failure> {
    let mut reader: Reader = SqliteBus::open_read_only(&data.memory_dir()).map_err(Failure::configuration)?;
    let mut all = BTreeMap::new();
    for owner in reader.owners(GROUP_OWNERS).map_err(Failure::configuration)? {
        all.extend(standings(&reader.load(&owner).map_err(Failure::configuration)?));
    }
    Ok(all)
}

fn table(standings: &[Standing]) -> String {
    if standings.is_empty() {
        return "no rules\n".to_owned();
    }
    let row = |standing: &Standing| {
        let firing = standing.alerts.iter().filter(|alert| alert.fired_at.is_some()).count();
        let (outcome, since, message) = match &standing.health {
            Some(health) => {
                let late = if health.late { ", late" } else { "" };
                let message = health.message.as_deref().and_then(|message| message.lines().next());
                (format!("{}{late}", health.outcome.as_str()), health.since.to_string(), message.unwrap_or_default())
            }
            None => ("not evaluated".to_owned(), String::new(), ""),
        };
        let pending = standing.alerts.len() - firing;
        vec![outcome, since, firing.to_string(), pending.to_string(), standing.rule.clone(), message.to_owned()]
    };
    columns(
        &["OUTCOME", "SINCE", "FIRING", "PENDING", "RULE", "WHAT IS WRONG"],
        &standings.iter().map(row).collect::<Vec<_>>(),
    )
}
