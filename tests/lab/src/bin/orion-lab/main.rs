//! The lab by hand: `orion-lab watch` keeps a small media stack and a Prometheus running to point Orion at, and
//! `orion-lab record` makes the recording that demonstrations replay.

mod queries;
mod record;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

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
    #[error("ended by a signal before the recording was complete; nothing was written")]
    Interrupted,
    #[error("{0}")]
    Other(String),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("orion-lab: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    let failed = |why| Failure::Other(format!("the lab cannot wait for time and signals: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let work = async {
            match command {
                Command::Record(settings) => record::run(settings).await,
                Command::Watch => watch::run().await,
            }
        };
        // What is not awaited further is dropped, and with it the servers and their folders: dying of the signal would
        // leave them behind.
        tokio::select! {
            done = work => done,
            ended = signalled() => match command {
                Command::Record(_) => Err(ended.map_or_else(failed, |()| Failure::Interrupted)),
                Command::Watch => ended.map_err(failed),
            },
        }
    })
}

/// Ctrl-C, or a polite end from outside.
async fn signalled() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminated.recv() => Ok(()),
    }
}
