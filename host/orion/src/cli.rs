//! The command line: what can be said, and what each way of failing exits with.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use orion_api::Listen;

use crate::access::AccessArgs;
use crate::agent::AgentArgs;
use crate::arguments::{
    ConfinementArgs, DataArgs, ListenArgs, Output, PluginFolderArgs, RuleArgs, WatchArgs, duration, listen,
};
use crate::command::apply::ApplyArgs;
use crate::command::aside::AsideArgs;
use crate::command::audit::AuditArgs;
use crate::command::config::ConfigArgs;
use crate::command::doctor::DoctorArgs;
use crate::command::explain::ExplainArgs;
use crate::command::get::GetArgs;
use crate::command::healthcheck::HealthcheckArgs;
use crate::command::job::JobArgs;
use crate::command::logs::LogsArgs;
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
use crate::source::{LokiArgs, PrometheusArgs};
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
    /// Show what a running Orion said last in its log, and go on with --follow
    Logs(LogsArgs),
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
    /// Say what you think of an incident, or that one was missed, or take it back: a record that changes nothing of what Orion does
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
