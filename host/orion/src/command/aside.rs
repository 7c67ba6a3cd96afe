//! `orion aside`: inputs that plugins could not take.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use orion_bus::{Reader, SqliteBus};
use orion_pipeline::aside::{Aside, Input, asides_in};
use orion_pipeline::guardian::GUARDIAN_OWNERS;
use orion_pipeline::watcher::GROUP_OWNERS;
use orion_source::RecordingWriter;
use serde_json::json;

use crate::arguments::{DataArgs, Output};
use crate::cli::Failure;
use crate::output::{columns, form, print_list};

/// Time between the answers of a recording made of single ones: that of most rules. They are given for the instants they are of.
const INTERVAL_MILLIS: i64 = 15_000;

/// Arguments of `orion aside`.
#[derive(Args)]
pub struct AsideArgs {
    #[command(subcommand)]
    pub command: AsideCommand,
}

/// What can be done with inputs that were set aside: look, and take a copy.
#[derive(Subcommand)]
pub enum AsideCommand {
    /// List the inputs that plugins could not take, with how their calls ended
    List {
        #[command(flatten)]
        data: DataArgs,
        /// How the list looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Write the answers that the detector of a rule could not take as a recording, for `orion replay --recorded`
    Record {
        /// The rule, as `orion aside list` says it: `file/group/alert`
        rule: String,
        /// The recording; it must not be there
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Runs `list` or `record`.
pub fn aside(args: &AsideArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        AsideCommand::List { data, output } => {
            let asides = read(data)?;
            let values = asides.iter().map(|aside| json!(aside)).collect();
            print_list(form(*output), values, |_| table(&asides))?;
        }
        AsideCommand::Record { rule, to, data } => record(&read(data)?, rule, to)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(data: &DataArgs) -> Result<Vec<Aside>, Failure> {
    let mut reader: Reader = SqliteBus::open_read_only(&data.memory_dir()).map_err(Failure::configuration)?;
    let mut owners = reader.owners(GROUP_OWNERS).map_err(Failure::configuration)?;
    owners.extend(reader.owners(GUARDIAN_OWNERS).map_err(Failure::configuration)?);
    let mut asides = Vec::new();
    for owner in owners {
        asides.extend(asides_in(&reader.load(&owner).map_err(Failure::configuration)?));
    }
    Ok(asides)
}

fn record(asides: &[Aside], rule: &str, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        return Err(Failure::Configuration(format!("{} is there already: choose another name", to.display())));
    }
    let mut recording = RecordingWriter::new(to, rule, INTERVAL_MILLIS);
    let mut answers = 0_usize;
    for aside in asides.iter().filter(|aside| aside.of == rule) {
        if let Input::Answer { expr, body } = &aside.input {
            recording.push(expr, aside.at, body.to_string().as_bytes()).map_err(Failure::configuration)?;
            answers += 1;
        }
    }
    if answers == 0 {
        let help = "see `orion aside list`; an event that a correlator could not take stands there whole";
        return Err(Failure::Configuration(format!("no answer is set aside of the rule `{rule}`: {help}")));
    }
    recording.finish().map_err(Failure::configuration)?;
    Ok(())
}

fn table(asides: &[Aside]) -> String {
    if asides.is_empty() {
        return "nothing is set aside\n".to_owned();
    }
    let row = |aside: &Aside| {
        let input = match &aside.input {
            Input::Answer { expr, .. } => format!("answer to {expr}"),
            Input::Event { event, .. } => format!("event {}", event.event_id),
            Input::TooLarge { bytes } => format!("{bytes} bytes, not kept"),
        };
        let fault = aside.fault.lines().next().unwrap_or_default();
        vec![aside.at.to_string(), aside.of.clone(), aside.plugin.clone(), input, fault.to_owned()]
    };
    columns(&["WHEN", "RULE", "PLUGIN", "INPUT", "FAULT"], &asides.iter().map(row).collect::<Vec<_>>())
}
