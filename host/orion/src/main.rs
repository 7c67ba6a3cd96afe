//! `orion`, the binary that is deployed: it observes, correlates, records `NO_ACTION` and does nothing else.
//!
//! It contains no code that starts a process, fetches code, writes to a source or notifies anyone.

mod access;
mod cli;
mod command;
mod confinement;
mod deployment;
mod export;
mod feed;
mod keep;
mod log;
mod output;
mod past;
mod rule_set;
mod serving;
mod setup;
mod shipped;
mod text;
mod told;
mod verify;
mod work;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log::start(cli.log_format);
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            // Nothing sensible is left to do when nobody can be told; the exit code says it too.
            drop(writeln!(std::io::stderr(), "orion: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Run(args) => command::run::run(&args),
        Command::Check(args) => command::check::check(&args),
        Command::Schema(args) => command::schema::schema(&args),
        Command::Demo(args) => command::demo::demo(&args),
        Command::Tail(args) => command::tail::tail(&args),
        Command::Incident(args) => command::incident::incident(&args),
        Command::Plugin(args) => command::plugin::plugin(&args),
        Command::Migrate(args) => command::migrate::migrate(&args),
        Command::Get(args) => command::get::get(&args),
        Command::Healthcheck(args) => command::healthcheck::healthcheck(&args),
        Command::Aside(args) => command::aside::aside(&args),
        Command::Rule(args) => command::rule::rule(&args),
        Command::Explain(args) => command::explain::explain(&args),
        Command::Replay(args) => command::replay::replay(&args),
        Command::Record(args) => command::record::record(&args),
        Command::Verify(args) => command::verify::verify(&args),
        Command::Audit(args) => command::audit::audit(&args),
        Command::Snapshot(args) => command::snapshot::snapshot(&args),
        Command::Completions { shell } => {
            cli::print_completions(shell);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Wrong arguments are wrong configuration: exit code 3, and 0 for `--help` and `--version`.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing sensible is left to do when the terminal is gone.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(cli::EXIT_CONFIGURATION) } else { ExitCode::SUCCESS }
}
