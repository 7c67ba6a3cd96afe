//! The lab by hand: `orion-lab watch` keeps a small media stack and a Prometheus running to point Orion at, and
//! `orion-lab record` makes the recording that demonstrations replay.

mod queries;
mod record;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How often the lab's Prometheus scrapes: three samples in each of the usual intervals of a rule group.
const SCRAPE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(Parser)]
#[command(name = "orion-lab", about = "A media stack and a real Prometheus, to try Orion with")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the stack, let a container die and come back, and record what Prometheus answers to the rules' queries
    Record(record::Settings),
    /// Start the stack and stay until Ctrl-C; `kill NAME` and `revive NAME` on standard input move containers
    Watch,
}

/// What the lab ends with when it cannot go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Lab(#[from] orion_lab::LabError),
    #[error(transparent)]
    Recording(#[from] orion_source::RecordingError),
    #[error("{}: {why}", file.display())]
    File { file: PathBuf, why: String },
    #[error("{0}")]
    Usage(String),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Record(settings) => record::run(&settings),
        Command::Watch => watch::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("orion-lab: {failure}");
            ExitCode::FAILURE
        }
    }
}
