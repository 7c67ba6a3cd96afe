//! The command line: what can be said, and what each way of ending exits with.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::author::{AnnotateArgs, BenchArgs, BuildArgs, CheckArgs, DevArgs, InspectArgs, NewArgs, RunArgs};
use crate::evaluate::EvaluateArgs;

/// A test failed, a lock is not what it should be, a plugin costs more than before, or a rule is not as good as it has to be.
pub const EXIT_FAILED: u8 = 1;
/// A test file, rule file or plugin is bad.
pub const EXIT_BAD_FILE: u8 = 2;
/// An argument is wrong, or something needed is not there.
pub const EXIT_CONFIGURATION: u8 = 3;

const AFTER_HELP: &str = "\
Exit codes: 0 ok, 1 a test failed, a lock differs, a plugin costs more or a rule is not as good as asked, 2 bad test file, rule file or plugin, 3 wrong arguments
or surroundings.
This is for authors of rules and plugins; it starts compilers and a Prometheus, makes secret keys, and is never deployed.";

/// What authors of rules and plugins do at their desks.
#[derive(Parser)]
#[command(name = "orion-kit", version, about, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `orion-kit` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Begin a plugin: a folder with source, SDK, test, rule and recorded input
    New(NewArgs),
    /// Make a plugin of a project: compile it, take WASI out, put the manifest in, prove that it can only emit
    Build(BuildArgs),
    /// Say whether a deployment would load a plugin file, and if not, what is wrong with it
    Check(CheckArgs),
    /// Show what is proven and measured about a plugin file
    Inspect(InspectArgs),
    /// Put a manifest into a component that another toolchain made
    Annotate(AnnotateArgs),
    /// Show a plugin frames or events, and say what it makes of them
    Run(RunArgs),
    /// Build a project whenever it is saved, run it, and show what it says otherwise than before
    Dev(DevArgs),
    /// Measure what a plugin costs, and compare it with what it cost before
    Bench(BenchArgs),
    /// Print the plugin contract: what each function and type is, and what a core module calls it
    Contract,
    /// Play rule files over made-up data, and say what came of them that should not have
    Test(TestArgs),
    /// Measure how good a rule is on samples of which you say when something was wrong, and draw it
    Evaluate(Box<EvaluateArgs>),
    /// Make a pair of keys that plugins are signed with, or look at one
    Key(KeyArgs),
    /// Stand behind a plugin file: write NAME.wasm.sig beside it
    Sign(SignArgs),
    /// Issue a token for the HTTP interface of hosts that know the public part of a key
    Token(TokenArgs),
    /// Write down which plugin files a folder is meant to hold: plugins.lock
    Lock(LockArgs),
    /// Bring plugin files into a plugin folder, and pin them in its plugins.lock
    Fetch(FetchArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Arguments of `orion-kit test`.
#[derive(Args)]
pub struct TestArgs {
    /// Test files, or folders of them (*.test.yaml, *.test.yml) with the folders within [default: rules]
    pub paths: Vec<PathBuf>,
    /// Only tests whose name has this in it
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Folder of plugin files (*.wasm); need not exist
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "ORION_PLUGINS__DIR")]
    pub plugins: PathBuf,
    /// Keep what Prometheus answers in FILE
    #[arg(long, value_name = "FILE", conflicts_with = "recorded")]
    pub record: Option<PathBuf>,
    /// Start no Prometheus; take the answers from FILE
    #[arg(long, value_name = "FILE")]
    pub recorded: Option<PathBuf>,
    /// Show which rules are tested, and which changes of state
    #[arg(long)]
    pub coverage: bool,
    /// Change rules here and there, and show the changes that no test notices
    #[arg(long)]
    pub mutate: bool,
    /// Write the results as JUnit does, to FILE
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// How the results look on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Arguments of `orion-kit key`.
#[derive(Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// What can be done with keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a new pair: NAME.key, which signs and is for you alone, and NAME.pub, which checks and is for everybody
    New {
        /// Where, and how the two files begin
        name: PathBuf,
        /// What the files say of the key [default: its name]
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// How the result looks on stdout
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Show the id and the public part of a key
    Show {
        /// A .key or a .pub file
        file: PathBuf,
        /// How the result looks on stdout
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

/// Arguments of `orion-kit sign`.
#[derive(Args)]
pub struct SignArgs {
    /// The plugin, a .wasm file
    pub plugin: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Arguments of `orion-kit token`.
#[derive(Args)]
pub struct TokenArgs {
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Who is to have it
    #[arg(long, value_name = "NAME")]
    pub subject: String,
    /// What that one may
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = TokenRole::Viewer)]
    pub role: TokenRole,
    /// For how long, as 12h or 30d
    #[arg(long = "for", value_name = "DURATION", value_parser = token_duration)]
    pub valid_for: i64,
}

/// What the bearer of a token may; each what those before it may, but for agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TokenRole {
    /// Forward what an agent saw, and fetch its rules; the subject is the name of the agent, and nothing of the others is in it
    Agent,
    /// Read
    Viewer,
    /// And ask for work that changes nothing of what is observed
    Operator,
    /// And change what runs
    Admin,
}

impl TokenRole {
    /// The word that tokens have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

fn token_duration(text: &str) -> Result<i64, String> {
    match orion_model::parse_duration(text) {
        Some(millis @ 1_000..) => Ok(millis),
        _ => Err("write it as 12h or 30d, a second at least".to_owned()),
    }
}

/// Arguments of `orion-kit lock`.
#[derive(Args)]
pub struct LockArgs {
    /// Folder of plugin files (*.wasm)
    pub plugins: PathBuf,
    /// Write nothing; exit with 1 when the lock is not what it would be
    #[arg(long)]
    pub check: bool,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Arguments of `orion-kit fetch`.
#[derive(Args)]
pub struct FetchArgs {
    /// A .wasm file, a folder of them, https://HOST/FILE.wasm@sha256:DIGEST or oci://HOST/NAME@sha256:DIGEST
    /// [default: what the folder's lock holds and the folder does not]
    pub sources: Vec<String>,
    /// The plugin folder
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "ORION_PLUGINS__DIR")]
    pub into: PathBuf,
    /// Certificate authorities for https and oci, in PEM [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Who asks the registry
    #[cfg(feature = "oci")]
    #[arg(long, value_name = "NAME", requires = "registry_password_file")]
    pub registry_user: Option<String>,
    /// A file with the password for the registry
    #[cfg(feature = "oci")]
    #[arg(long, value_name = "FILE", requires = "registry_user")]
    pub registry_password_file: Option<PathBuf>,
    /// How the result looks on stdout
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How results look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something about the arguments or the surroundings.
    #[error("{0}")]
    Configuration(String),
    /// A test file, rule file or plugin. A report that was printed already leaves nothing to say.
    #[error("{0}")]
    BadFile(String),
}

impl Failure {
    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => EXIT_CONFIGURATION,
            Self::BadFile(_) => EXIT_BAD_FILE,
        }
    }
}

/// Prints a completion script.
pub fn print_completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "orion-kit", &mut std::io::stdout());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
