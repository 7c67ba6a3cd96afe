//! What can be said to `orion-kit evaluate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orion_model::{Timestamp, parse_duration};

use super::when::when;

/// Arguments of `orion-kit evaluate`.
#[derive(Args)]
pub struct EvaluateArgs {
    /// A rule file whose rule is evaluated; without one it is a plugin, as a rule that says nothing else
    #[arg(requires = "rule")]
    pub rule_file: Option<PathBuf>,
    /// The name of the rule
    #[arg(long, value_name = "NAME", requires = "rule_file")]
    pub rule: Option<String>,
    /// The detector
    #[arg(long, value_name = "NAME", default_value = "anomaly", conflicts_with = "rule_file")]
    pub plugin: String,
    /// A parameter of it, as a rule says it under `with:`; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", conflicts_with = "rule_file")]
    pub set: Vec<String>,
    /// Samples: columns with a time and a value, or with a time and a column for each series; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "prometheus")]
    pub csv: Vec<PathBuf>,
    /// Take the samples from this Prometheus
    #[arg(long, value_name = "URL", requires = "from")]
    pub prometheus: Option<String>,
    /// What it is asked, where no rule says it
    #[arg(long, value_name = "PROMQL", requires = "prometheus", conflicts_with = "rule_file")]
    pub query: Option<String>,
    /// The first instant: 2026-01-31T12:00:00Z, or how long ago, as 30d
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "prometheus")]
    pub from: Option<Moment>,
    /// The last instant [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "prometheus")]
    pub to: Option<Moment>,
    /// Time between two evaluations [default: that between the samples of a file; 1m for a Prometheus]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub step: Option<i64>,
    /// When something was wrong: windows of the Numenta benchmark (.json), or `series,start,end,note` as a list (.yaml) or columns (.csv)
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// The data folder of a deployment: incidents that people marked. Alone its incidents are judged; with samples they are labels
    #[arg(long, value_name = "DIR")]
    pub marks: Option<PathBuf>,
    /// How long a series is only learned and not judged [default: as the benchmark has it, 15 % of it, at most 750 samples]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub learn: Option<i64>,
    /// Folder of plugin files (*.wasm); need not exist
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "ORION_PLUGINS__DIR")]
    pub plugins: PathBuf,
    /// Draw it into this page, which needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Exit with 1 when a smaller part of the alarms is right
    #[arg(long, value_name = "PART", value_parser = part)]
    pub min_precision: Option<f64>,
    /// Exit with 1 when a smaller part of the windows is found
    #[arg(long, value_name = "PART", value_parser = part)]
    pub min_recall: Option<f64>,
    /// Exit with 1 when there are more alarms a day
    #[arg(long, value_name = "N")]
    pub max_alarms_per_day: Option<f64>,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Form::Table)]
    pub output: Form,
}

/// How the result looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line: each series, then all of them
    Ndjson,
    /// YAML
    Yaml,
}

/// A point in time, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// That instant.
    At(Timestamp),
    /// So many milliseconds ago.
    Ago(i64),
}

impl Moment {
    /// The instant, when it is `now`.
    pub const fn as_of(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(millis) => now.plus_millis(-millis),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    match parse_duration(text) {
        Some(millis) => Ok(Moment::Ago(millis)),
        None => when(text).map(Moment::At),
    }
}

fn duration(text: &str) -> Result<i64, String> {
    match parse_duration(text) {
        Some(millis @ 1..) => Ok(millis),
        _ => Err("write it as 15s, 5m or 1d".to_owned()),
    }
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("it is a part of one, as 0.9".to_owned()),
    }
}
