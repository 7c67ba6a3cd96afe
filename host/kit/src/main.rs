//! `orion-kit`, the author's binary. It starts compilers and a Prometheus, makes secret keys, and is never
//! deployed.

use std::process::ExitCode;

use clap::Parser;
use orion_kit::cli::{self, Cli, Command, Failure};
use orion_kit::{author, command, evaluate, fetch, trust};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(&cli) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("orion-kit: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::New(args) => author::new(args),
        Command::Build(args) => author::build(args),
        Command::Check(args) => author::check(args),
        Command::Inspect(args) => author::inspect(args),
        Command::Annotate(args) => author::annotate(args),
        Command::Run(args) => author::run(args),
        Command::Dev(args) => author::dev(args),
        Command::Bench(args) => author::bench(args),
        Command::Contract => author::contract(),
        Command::Test(args) => command::test(args),
        Command::Evaluate(args) => evaluate::evaluate(args),
        Command::Key(args) => trust::key(args),
        Command::Sign(args) => trust::sign(args),
        Command::Token(args) => trust::token(args),
        Command::Lock(args) => trust::lock(args),
        Command::Fetch(args) => fetch::fetch(args),
        Command::Completions { shell } => {
            cli::print_completions(*shell);
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
