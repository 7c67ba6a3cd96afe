//! `orion healthcheck`: asks a running Orion whether it lives, for images in which there is nothing else that could.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use orion_api::Listen;

use crate::asked::{Request, exchange};
use crate::cli::{EXIT_DOES_NOT_HOLD, Failure, ListenArgs, duration};
use crate::output::print;

/// Arguments of `orion healthcheck`.
#[derive(Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
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
    let address = reachable(address);
    let path = if args.ready { "/-/ready" } else { "/-/healthy" };
    let timeout = Duration::from_millis(u64::try_from(args.timeout).unwrap_or(u64::MAX));
    let (is_well, said) = match ask(address, path, timeout) {
        Ok(answer) => answer,
        Err(error) => (false, format!("http://{address}{path} does not answer: {error}\n")),
    };
    print(&said)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DOES_NOT_HOLD) })
}

/// Who serves at every address is asked at the one of this machine.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the answer is 200, and its text.
pub fn ask(address: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<(bool, String)> {
    let host = address.to_string();
    let request = Request { method: "GET", path, host: &host, token: None, body: None };
    let answer = exchange(address, &request, timeout)?;
    Ok((answer.status == 200, answer.body))
}
