//! `orion healthcheck`: asks a running Orion whether it lives, for images in which there is nothing else that could.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use orion_api::Listen;

use crate::arguments::{ListenArgs, duration};
use crate::cli::{EXIT_DOES_NOT_HOLD, Failure};
use crate::itself::Itself;
use crate::output::print;

/// Arguments of `orion healthcheck`.
#[derive(Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Certificate that Orion shows over TLS, in PEM, where it serves with one
    #[arg(long, value_name = "FILE", env = "ORION_API__TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// Ask whether it observes and records, not only whether it lives
    #[arg(long)]
    pub ready: bool,
    /// How long it has to answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub timeout: i64,
}

/// Exits with 0 when the answer is yes, with 1 when it is no or there is none.
pub fn healthcheck(args: &HealthcheckArgs) -> Result<ExitCode, Failure> {
    let Listen::At(address) = args.listen.listen else {
        let what = "with `--listen none` nothing is served that could be asked; serve at a loopback address".to_owned();
        return Err(Failure::Configuration(what));
    };
    let path = if args.ready { "/-/ready" } else { "/-/healthy" };
    let timeout = Duration::from_millis(u64::try_from(args.timeout).unwrap_or(u64::MAX));
    let orion = Itself::at(address, args.tls_certificate.as_deref(), timeout)?;
    let (is_well, said) = match orion.ask(path) {
        Ok(answer) => answer,
        Err(error) => (false, format!("{} does not answer: {error}\n", orion.shown(path))),
    };
    print(&said)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DOES_NOT_HOLD) })
}
