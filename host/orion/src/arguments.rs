//! Arguments that several commands share, and how their values are written.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orion_api::Listen;
use orion_model::{AutonomyLevel, parse_duration};

use crate::cli::Failure;
use crate::source::{LOKI, LokiArgs, PROMETHEUS, PrometheusArgs};

/// Where rules and plugins come from.
#[derive(Args, Clone)]
pub struct RuleArgs {
    /// Folder of rule files (*.yaml, *.yml)
    #[arg(long, value_name = "DIR", default_value = "rules", env = "ORION_RULES__DIR")]
    pub rules: PathBuf,
    #[command(flatten)]
    pub plugins: PluginFolderArgs,
    /// Folders of log files that entries of `logs` may read, and nothing else may
    #[arg(long, value_name = "DIR", value_delimiter = ',', env = "ORION_LOGS__DIRS")]
    pub logs: Vec<PathBuf>,
}

/// Where plugins come from, and who has to vouch for them.
#[derive(Args, Clone)]
pub struct PluginFolderArgs {
    /// Folder of plugin files (*.wasm); need not exist
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "ORION_PLUGINS__DIR")]
    pub plugins: PathBuf,
    /// Folder of public keys (*.pub): a plugin file runs only when it is signed by one of them
    #[arg(long, value_name = "DIR", env = "ORION_PLUGINS__TRUSTED_KEYS")]
    pub trusted_keys: Option<PathBuf>,
}

/// Where records are kept.
#[derive(Args, Clone)]
pub struct DataArgs {
    /// Data folder; records lie in DIR/memory/
    #[arg(long, value_name = "DIR", default_value = ".", env = "ORION_DATA__DIR")]
    pub data: PathBuf,
}

impl DataArgs {
    /// Where records lie.
    pub fn memory_dir(&self) -> PathBuf {
        self.data.join("memory")
    }
}

/// What the process takes away from itself.
#[derive(Args, Clone)]
pub struct ConfinementArgs {
    /// How the process confines itself before it starts: which files, ports and system calls are left to it
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Confinement::Auto, env = "ORION_CONFINEMENT")]
    pub confinement: Confinement,
}

/// How much confinement is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Confinement {
    /// All of it, or no start
    Require,
    /// What the kernel can; what it cannot is said
    Auto,
    /// None
    Off,
}

/// How the sources are asked.
#[derive(Args, Clone)]
pub struct WatchArgs {
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
    #[command(flatten)]
    pub loki: LokiArgs,
    /// Time between two evaluations of a group that says nothing of it
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration, env = "ORION_POLL_INTERVAL")]
    pub poll_interval: i64,
    /// How far back instants are evaluated that were missed while Orion was down; 0 turns it off
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration_or_zero, env = "ORION_WATCHER__CATCH_UP")]
    pub catch_up: i64,
    /// How long Prometheus has to answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, env = "ORION_PROMETHEUS__TIMEOUT")]
    pub prometheus_timeout: i64,
    /// How long Loki has to answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, env = "ORION_LOKI__TIMEOUT")]
    pub loki_timeout: i64,
    /// How much Orion may do by itself: N0, it observes; there is no other level
    #[arg(long, value_name = "LEVEL", default_value = "N0", env = "ORION_AUTONOMY_LEVEL", value_parser = autonomy)]
    pub autonomy_level: AutonomyLevel,
}

impl WatchArgs {
    /// The names of what is asked.
    pub fn sources(&self) -> Vec<&'static str> {
        let loki = self.loki.is_named().then_some(LOKI);
        std::iter::once(PROMETHEUS).chain(loki).collect()
    }
}

/// Where the HTTP interface is served.
#[derive(Args, Clone)]
pub struct ListenArgs {
    /// Address and port of the HTTP interface, or `none`; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS", default_value = orion_api::DEFAULT_LISTEN, value_parser = listen, env = "ORION_API__LISTEN")]
    pub listen: Listen,
}

impl ListenArgs {
    /// Where an Orion with these settings can be asked.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        match self.listen {
            Listen::At(address) if address.port() != 0 => Ok(address),
            _ => Err(Failure::Configuration(
                "these settings do not say where an Orion serves: say it with --url, or with --listen".to_owned(),
            )),
        }
    }
}

/// How data is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line
    Ndjson,
    /// YAML
    Yaml,
}

pub fn listen(text: &str) -> Result<Listen, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn autonomy(text: &str) -> Result<AutonomyLevel, String> {
    text.parse().map_err(|error| format!("{error}"))
}

pub fn duration_or_zero(text: &str) -> Result<i64, String> {
    let seconds = || text.parse::<u32>().ok().map(|seconds| i64::from(seconds) * 1000);
    parse_duration(text).or_else(seconds).ok_or_else(|| "write it as 15s, 1m30s or 500ms".to_owned())
}

/// A length of time that is not nothing.
pub fn duration(text: &str) -> Result<i64, String> {
    match duration_or_zero(text)? {
        0 => Err("it must be longer than nothing".to_owned()),
        millis => Ok(millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_units_or_plain_seconds() {
        assert_eq!(duration("15s"), Ok(15_000));
        assert_eq!(duration("30"), Ok(30_000));
        assert_eq!(duration_or_zero("0"), Ok(0));
        assert!(duration("0").is_err());
        assert!(duration("soon").is_err());
    }

    #[test]
    fn only_n0_is_a_level() {
        assert_eq!(autonomy("N0"), Ok(AutonomyLevel::N0));
        assert!(autonomy("N1").unwrap_err().contains("does not exist"));
    }
}
