//! `orion doctor`: says what is wrong with a deployment and how to mend it, and exits with 0 only when nothing is.

use std::process::ExitCode;

use clap::Args;
use orion_model::Clock;
use orion_pipeline::clock::SystemClock;
use serde_json::json;

use crate::arguments::Output;
use crate::cli::{EXIT_DOES_NOT_HOLD, Failure, RunArgs};
use crate::doctor::{examine, text};
use crate::finding::Verdict;
use crate::output::{form, print_list};
use crate::settings::Settings;

/// Arguments of `orion doctor`: those of `orion run`, as which it looks.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// How it looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Examines.
pub fn doctor(args: &DoctorArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let checks = examine(&args.run, settings, SystemClock.now())?;
    print_list(form(args.output), checks.iter().map(|check| json!(check)).collect(), |_| text(&checks))?;
    let is_well = checks.iter().all(|check| check.verdict != Verdict::Fails);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DOES_NOT_HOLD) })
}
