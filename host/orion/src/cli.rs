//! The command line: what can be said, and what each way of failing exits with.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use orion_api::Listen;
use orion_model::{AutonomyLevel, parse_duration};

use crate::access::AccessArgs;
use crate::agent::AgentArgs;
use crate::command::apply::ApplyArgs;
use crate::command::aside::AsideArgs;
use crate::command::audit::AuditArgs;
use crate::command::config::ConfigArgs;
use crate::command::doctor::DoctorArgs;
use crate::command::explain::ExplainArgs;
use crate::command::get::GetArgs;
use crate::command::healthcheck::HealthcheckArgs;
use crate::command::job::JobArgs;
use crate::command::mark::{MarkArgs, MarksArgs};
use crate::command::migrate::MigrateArgs;
use crate::command::record::RecordArgs;
use crate::command::replay::ReplayArgs;
use crate::command::rule::RuleCommandArgs;
use crate::command::snapshot::SnapshotArgs;
use crate::command::top::TopArgs;
use crate::deployment::DeploymentArgs;
use crate::hooks::HookArgs;
use crate::keep::KeepArgs;
use crate::settings::CONFIG_VARIABLE;
use crate::source::{LOKI, LokiArgs, PROMETHEUS, PrometheusArgs};
use crate::telemetry::TelemetryArgs;

/// What was verified is not as promised.
pub const EXIT_DOES_NOT_HOLD: u8 = 1;
/// A rule or plugin is bad.
pub const EXIT_BAD_RULE: u8 = 2;
/// The configuration or an argument is wrong, or something needed cannot be reached or opened.
pub const EXIT_CONFIGURATION: u8 = 3;

const AFTER_HELP: &str = "\
Exit codes: 0 ok, 1 what is verified does not hold or something is wrong, 2 bad rule or plugin, 3 wrong configuration or arguments.
Orion observes and never acts: autonomy level N0 is the only one there is.";

/// Watches infrastructure and never touches it.
#[derive(Parser)]
#[command(name = "orion", version, about, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    /// Settings file, in the place of /etc/orion/orion.yaml, ~/.config/orion/orion.yaml and ./orion.yaml
    #[arg(long, global = true, value_name = "FILE", env = CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// How log lines look on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Auto, env = "ORION_LOG__FORMAT")]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere
    Auto,
    /// Text
    Text,
    /// One JSON object a line
    Json,
}

/// What `orion` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Observe: ask the sources, run detectors and correlators, record incidents and NO_ACTION
    Run(Box<RunArgs>),
    /// Check rule files and say everything that is wrong with them
    Check(CheckArgs),
    /// Push rule files to a control host, whose agents fetch and run them
    Apply(Box<ApplyArgs>),
    /// Print the JSON Schema of rule files, for editors
    Schema(SchemaArgs),
    /// Look at settings: what counts and where it comes from
    Config(ConfigArgs),
    /// Show Orion at work on a recorded outage, or on PROMETHEUS_URL when that is set
    Demo(DemoArgs),
    /// Print what was recorded last, and go on with --follow
    Tail(TailArgs),
    /// Show what a running Orion does, live: open incidents, rules that fail, fire or take long, plugins
    Top(TopArgs),
    /// Look at incidents, and mark them
    Incident(IncidentArgs),
    /// Ask a running Orion for work beside observing: replays, tests of rules, checks of what is promised
    Job(JobArgs),
    /// Look at plugins
    Plugin(PluginArgs),
    /// Look at rules
    Rule(RuleCommandArgs),
    /// Move a stopped deployment between a folder of its own and a Redis that hosts share
    Migrate(MigrateArgs),
    /// Look at the hosts of a deployment and at who does what, and at what a running Orion has
    Get(GetArgs),
    /// Ask a running Orion whether it lives, for supervisors without a shell
    Healthcheck(HealthcheckArgs),
    /// Look at inputs that plugins could not take
    Aside(AsideArgs),
    /// Show why something fired, or why it does not
    Explain(ExplainArgs),
    /// Show what rules would have made of the past, by the code that runs live
    Replay(ReplayArgs),
    /// Write down what Prometheus remembers of the rules' queries, for a replay without it
    Record(RecordArgs),
    /// Find what keeps `orion run` from working, with these settings, and say how to mend it
    Doctor(Box<DoctorArgs>),
    /// Show what is promised of a deployment and whether it holds: its N0 certificate
    Verify(VerifyArgs),
    /// Check, rebuild or export the audit trail
    Audit(AuditArgs),
    /// Take a copy of everything that Orion remembers, or put one back
    Snapshot(SnapshotArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

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

/// Arguments of `orion run`.
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub watch: WatchArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub agent: AgentArgs,
    #[command(flatten)]
    pub keep: KeepArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub hooks: HookArgs,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    #[command(flatten)]
    pub confinement: ConfinementArgs,
}

/// Arguments of `orion check`.
#[derive(Args)]
pub struct CheckArgs {
    /// Rule files, or folders of them [default: the rules folder]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Fail on warnings, too
    #[arg(long)]
    pub strict: bool,
    /// How the result looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Arguments of `orion schema`.
#[derive(Args)]
pub struct SchemaArgs {
    #[command(flatten)]
    pub plugins: PluginFolderArgs,
}

/// Arguments of `orion demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// End with the recording, show the incidents and where they are kept
    #[arg(long)]
    pub once: bool,
    /// How many times faster than it happened the recording is played
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub speed: u32,
    /// Data folder; must hold no records yet [default: a new folder among the temporary files]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Address and port of the HTTP interface, or `none`; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = listen)]
    pub listen: Listen,
    #[command(flatten)]
    pub confinement: ConfinementArgs,
}

/// Arguments of `orion tail`.
#[derive(Args)]
pub struct TailArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// How many records to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub lines: u64,
    /// Go on with what is recorded from now on
    #[arg(short, long)]
    pub follow: bool,
    /// How records look [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Arguments of `orion incident`.
#[derive(Args)]
pub struct IncidentArgs {
    #[command(subcommand)]
    pub command: IncidentCommand,
}

/// What can be done with incidents: look, and say what one thinks of them.
#[derive(Subcommand)]
pub enum IncidentCommand {
    /// List incidents, newest first
    List {
        #[command(flatten)]
        data: DataArgs,
        /// Only those that are not resolved
        #[arg(long)]
        open: bool,
        /// How the list looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Show one incident: its revisions, events and decisions
    Show {
        /// Id of the incident, or how it begins
        id: String,
        #[command(flatten)]
        data: DataArgs,
        /// How it looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Say what you think of an incident, or that one was missed: a record that changes nothing of what Orion does
    Mark(Box<MarkArgs>),
    /// List marks, newest first: the last of each incident, and what was missed
    Marks(MarksArgs),
}

/// Arguments of `orion plugin`.
#[derive(Args)]
pub struct PluginArgs {
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// What can be done with plugins: look.
#[derive(Subcommand)]
pub enum PluginCommand {
    /// Show what a plugin is and what it can do, without running it
    Inspect {
        /// A .wasm file, or the name of a standard plugin
        plugin: String,
        /// How it looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
}

/// Arguments of `orion verify`.
#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub plugins: PluginFolderArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
    /// How long Prometheus has to answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, env = "ORION_PROMETHEUS__TIMEOUT")]
    pub prometheus_timeout: i64,
    #[command(flatten)]
    pub loki: LokiArgs,
    /// It is an agent: it forwards to the control host at --url, and to nobody else
    #[arg(long, env = "ORION_AGENT__ENABLED")]
    pub agent: bool,
    /// The control host of an agent
    #[arg(long, value_name = "URL", env = "ORION_API_URL")]
    pub url: Option<String>,
    /// Do not ask Prometheus whether it alerts by itself
    #[arg(long)]
    pub offline: bool,
    /// Fail, too, when there was nothing to look at: no process that runs, no Prometheus that answers
    #[arg(long)]
    pub strict: bool,
    /// Print an in-toto statement (JSON)
    #[arg(long, conflicts_with = "output")]
    pub statement: bool,
    /// Sign the statement with this secret ed25519 key (PEM), and print it in an envelope (DSSE)
    #[arg(long, value_name = "FILE", requires = "statement")]
    pub key: Option<PathBuf>,
    /// How the certificate looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
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

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something about the configuration, the arguments or the surroundings.
    #[error("{0}")]
    Configuration(String),
    /// A rule or plugin.
    #[error("{0}")]
    BadRule(String),
}

impl Failure {
    /// From any error of what a command needs.
    pub fn configuration(error: impl std::fmt::Display) -> Self {
        Self::Configuration(error.to_string())
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => EXIT_CONFIGURATION,
            Self::BadRule(_) => EXIT_BAD_RULE,
        }
    }
}

/// Prints a completion script.
pub fn print_completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "orion", &mut std::io::stdout());
}

fn listen(text: &str) -> Result<Listen, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn autonomy(text: &str) -> Result<AutonomyLevel, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn duration_or_zero(text: &str) -> Result<i64, String> {
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
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

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
