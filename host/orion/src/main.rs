//! `orion`, the binary that is deployed: it observes, correlates, records `NO_ACTION` and does nothing else.
//!
//! It contains no code that starts a process, fetches code, writes to a source or notifies anyone.

mod access;
mod agent;
mod agents;
mod arguments;
mod cli;
mod command;
mod confinement;
mod deployment;
mod doctor;
mod export;
mod feed;
mod finding;
mod hooks;
mod itself;
mod jobs;
mod keep;
mod kept_lines;
mod left_out;
mod log;
mod output;
mod past;
mod plugin_values;
mod remote;
mod replayed;
mod rule_set;
mod rule_text;
mod sender;
mod serving;
mod settings;
mod setup;
mod shipped;
mod source;
mod telemetry;
mod text;
mod told;
mod verify;
mod work;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tikv_jemallocator::Jemalloc;

use crate::cli::{Cli, Command, Failure};
use crate::settings::{Places, Settings};
use crate::telemetry::Telemetry;

/// An event is some dozens of small allocations, made in one thread and freed in another: what the C library's allocator is slow at.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(failure) => {
            // Nothing sensible is left to do when nobody can be told; the exit code says it too.
            drop(writeln!(std::io::stderr(), "orion: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Reads the settings files, then the arguments over them, and does what these say.
fn start() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect();
    let places = Places::of(&arguments, |name| std::env::var(name).ok());
    let settings = Settings::read(&places, &Cli::command()).map_err(Failure::Configuration)?;
    let matches = settings.applied(Cli::command()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return Ok(usage(&error)),
    };
    let telemetry = match &cli.command {
        Command::Run(args) => Telemetry::of(&args.telemetry)?,
        _ => Telemetry::none(),
    };
    log::start(cli.log_format, &telemetry);
    // Whoever looks at settings is shown what is wrong with them; everything else would do something other than was set.
    if !matches!(cli.command, Command::Config(_)) {
        command::config::refuse(&settings)?;
    }
    run(cli.command, telemetry, &places, &settings)
}

fn run(command: Command, telemetry: Telemetry, places: &Places, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        Command::Config(args) => command::config::config(&args, places, settings),
        Command::Run(args) => command::run::run(&args, telemetry),
        Command::Check(args) => command::check::check(&args),
        Command::Apply(args) => command::apply::apply(&args),
        Command::Schema(args) => command::schema::schema(&args),
        Command::Demo(args) => command::demo::demo(&args),
        Command::Tail(args) => command::tail::tail(&args),
        Command::Logs(args) => command::logs::logs(&args),
        Command::Top(args) => command::top::top(&args),
        Command::Incident(args) => command::incident::incident(&args),
        Command::Job(args) => command::job::job(&args),
        Command::Plugin(args) => command::plugin::plugin(&args),
        Command::Migrate(args) => command::migrate::migrate(&args),
        Command::Get(args) => command::get::get(&args),
        Command::Healthcheck(args) => command::healthcheck::healthcheck(&args),
        Command::Aside(args) => command::aside::aside(&args),
        Command::Rule(args) => command::rule::rule(&args),
        Command::Explain(args) => command::explain::explain(&args),
        Command::Replay(args) => command::replay::replay(&args),
        Command::Record(args) => command::record::record(&args),
        Command::Doctor(args) => command::doctor::doctor(&args, settings),
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
