//! `orion healthcheck`: asks a running Orion whether it lives, for images in which there is nothing else that could.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use orion_api::Listen;

use crate::cli::{EXIT_DOES_NOT_HOLD, Failure, ListenArgs, duration};
use crate::output::print;

/// More than an answer about health ever has.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

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
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_well = head.split_whitespace().nth(1) == Some("200");
    Ok((is_well, body.to_owned()))
}
