//! What authors of plugins can say on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orion_model::Kind;

use crate::cli::Output;

/// Arguments of `orion-kit new`.
#[derive(Args)]
pub struct NewArgs {
    /// What rules will call the plugin, and the folder that is made: lower-case letters, digits, hyphens
    pub name: String,
    /// The language: rust, c, cpp, zig, go, javascript, typescript, python, assemblyscript
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: String,
    /// Whether it reads frames or events
    #[arg(long, value_enum, default_value_t = KindOf::Detector)]
    pub kind: KindOf,
}

/// What a plugin reads and emits.
#[derive(Clone, Copy, ValueEnum)]
pub enum KindOf {
    /// Frames to findings
    Detector,
    /// Events to changes of incidents
    Correlator,
}

impl From<KindOf> for Kind {
    fn from(kind: KindOf) -> Self {
        match kind {
            KindOf::Detector => Self::Detector,
            KindOf::Correlator => Self::Correlator,
        }
    }
}

/// Arguments of `orion-kit build`.
#[derive(Args)]
pub struct BuildArgs {
    /// The project's folder: plugin.toml is in it
    #[arg(default_value = ".")]
    pub project: PathBuf,
}

/// Arguments of `orion-kit check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The plugin, a .wasm file
    pub plugin: PathBuf,
}

/// Arguments of `orion-kit inspect`.
#[derive(Args)]
pub struct InspectArgs {
    /// The plugin, a .wasm file
    pub plugin: PathBuf,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Arguments of `orion-kit annotate`.
#[derive(Args)]
pub struct AnnotateArgs {
    /// A component for the contract, made by another toolchain
    pub component: PathBuf,
    /// What the plugin says of itself
    #[arg(long, value_name = "FILE", default_value = "plugin.toml")]
    pub manifest: PathBuf,
    /// Where the plugin goes [default: NAME.wasm, by the manifest's name]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of `orion-kit run`.
#[derive(Args)]
pub struct RunArgs {
    /// The plugin, a .wasm file, or the folder of a project that was built
    #[arg(default_value = ".")]
    pub plugin: PathBuf,
    /// What it is shown: frames (.csv), an answer of the Prometheus API (.json), a recording (.gz), or events (.jsonl) [default:
    /// input.csv or input.jsonl beside the plugin]
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub input: Option<PathBuf>,
    /// Ask this Prometheus once, and show it the answer
    #[arg(long, value_name = "URL", requires = "expr")]
    pub source: Option<String>,
    /// The query, for a Prometheus or for a recording of several
    #[arg(long, value_name = "PROMQL")]
    pub expr: Option<String>,
    /// A parameter, as a rule says it under `with:`; may be given several times
    #[arg(long = "with", value_name = "NAME=VALUE")]
    pub with: Vec<String>,
    /// Labels by which events are grouped for a correlator, with commas between
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// How much time passes after the last event
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub afterwards: String,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Arguments of `orion-kit dev`.
#[derive(Args)]
pub struct DevArgs {
    /// What it is shown, as for `orion-kit run`; PLUGIN is the project's folder
    #[command(flatten)]
    pub run: RunArgs,
    /// Put each plugin that was built into this folder as well: the plugin folder of an Orion that runs
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

/// Arguments of `orion-kit bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// The plugin, a .wasm file, or the folder of a project that was built
    #[arg(default_value = ".")]
    pub plugin: PathBuf,
    /// Samples of a frame, or events of a batch
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub items: usize,
    /// Frames or batches
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub calls: usize,
    /// A parameter, as a rule says it under `with:`; may be given several times
    #[arg(long = "with", value_name = "NAME=VALUE")]
    pub with: Vec<String>,
    /// What was measured before. Exit with 1 when fuel, memory or size grew by more than a twentieth. Is written when it is not there
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}
