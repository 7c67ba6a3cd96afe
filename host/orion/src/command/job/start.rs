//! `orion job start`: from files and flags to a request.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use orion_model::{Job, JobSpec, JobText, MAX_JOB_TEXT_BYTES, Priority};
use orion_pipeline::library::{read_rule_file, rule_files};
use orion_suite::run::Answers;
use serde_json::{Value, json};

use super::shown::facts;
use super::wait::{ended, until_over};
use super::{JOBS, read};
use crate::arguments::duration;
use crate::cli::Failure;
use crate::output::{form, print_value};
use crate::past::SpanArgs;
use crate::sender::SenderArgs;

/// Arguments of `orion job start`.
#[derive(Args)]
pub struct StartArgs {
    #[command(subcommand)]
    pub what: What,
}

/// What is asked for.
#[derive(Subcommand)]
pub enum What {
    /// The past through the rules that run there, or what differs with others
    Replay(ReplayJob),
    /// Tests of rules, over recorded answers
    Test(TestJob),
    /// What is promised of that deployment
    Verify(VerifyJob),
}

/// What is the same of all of them.
#[derive(Args)]
pub struct Asking {
    /// Before or after other jobs
    #[arg(long, value_enum, default_value_t = PriorityName::Normal)]
    pub priority: PriorityName,
    /// How long the job may take from when it begins
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub within: i64,
    /// Wait until it is over, and exit as the command would that does the same
    #[arg(long)]
    pub wait: bool,
    /// Print what came of it and not how it stands, when there is something
    #[arg(long, requires = "wait")]
    pub result: bool,
    #[command(flatten)]
    pub sender: SenderArgs,
}

/// Before or after others, as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PriorityName {
    /// After all others
    Low,
    /// As most
    Normal,
    /// Before all others
    High,
}

/// Arguments of `orion job start replay`.
#[derive(Args)]
pub struct ReplayJob {
    #[command(flatten)]
    pub span: SpanArgs,
    /// Evaluate every group this often [default: each group's own interval]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub step: Option<i64>,
    /// Rules of this machine (a folder or a file), to show what differs with them
    #[arg(long, value_name = "RULES")]
    pub diff: Option<PathBuf>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Arguments of `orion job start test`.
#[derive(Args)]
pub struct TestJob {
    /// Test files of this machine
    #[arg(required_unless_present = "named")]
    pub tests: Vec<PathBuf>,
    /// A test file of the rules folder there, by its name
    #[arg(long, value_name = "NAME")]
    pub named: Vec<String>,
    /// Rules of this machine (a folder or a file), in the place of those of the rules folder there
    #[arg(long, value_name = "RULES")]
    pub rules: Option<PathBuf>,
    /// What a Prometheus answered to these tests, as `orion-kit test --record` has written it
    #[arg(long, value_name = "FILE")]
    pub recorded: Option<PathBuf>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Arguments of `orion job start verify`.
#[derive(Args)]
pub struct VerifyJob {
    /// Do not ask Prometheus whether it alerts by itself
    #[arg(long)]
    pub offline: bool,
    /// Fail, too, when there was nothing to look at
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub asking: Asking,
}

/// Asks for it, and waits when that is wanted.
pub async fn start(args: &StartArgs) -> Result<ExitCode, Failure> {
    let (spec, asking) = args.what.spec()?;
    // What is wrong with it is said here as it would be there, before megabytes are sent.
    spec.check().map_err(Failure::configuration)?;
    let (by, remote) = (asking.sender.by()?, asking.sender.there.remote()?);
    let job: Job = read(remote.post(JOBS, &body(&spec, asking, by)).await)?;
    if asking.wait {
        let job = until_over(&remote, job).await?;
        return ended(&remote, &job, asking.result, asking.sender.output).await;
    }
    print_value(form(asking.sender.output), &json!(job), || facts(&job))?;
    Ok(ExitCode::SUCCESS)
}

/// A request as the interface takes it.
fn body(spec: &JobSpec, asking: &Asking, by: Option<String>) -> Value {
    let mut body = json!(spec);
    if let Some(members) = body.as_object_mut() {
        members.insert("priority".to_owned(), json!(asking.priority.priority()));
        members.insert("timeout_millis".to_owned(), json!(asking.within));
        members.extend(by.map(|by| ("by".to_owned(), by.into())));
    }
    body
}

impl What {
    fn spec(&self) -> Result<(JobSpec, &Asking), Failure> {
        match self {
            Self::Replay(args) => {
                let (from, to) = args.span.resolve()?;
                let rules = args.diff.as_deref().map(rules).transpose()?.unwrap_or_default();
                Ok((JobSpec::Replay { from, to, step_millis: args.step, rules }, &args.asking))
            }
            Self::Test(args) => {
                let here = args.tests.iter().map(|path| text(path)).collect::<Result<Vec<_>, _>>()?;
                let there = args.named.iter().map(|name| JobText { name: name.clone(), text: None });
                let rules = args.rules.as_deref().map(rules).transpose()?.unwrap_or_default();
                let answers = args.recorded.as_deref().map(answers).transpose()?;
                Ok((JobSpec::Test { tests: here.into_iter().chain(there).collect(), rules, answers }, &args.asking))
            }
            Self::Verify(args) => Ok((JobSpec::Verify { offline: args.offline, strict: args.strict }, &args.asking)),
        }
    }
}

fn rules(path: &Path) -> Result<Vec<JobText>, Failure> {
    let files = match path.is_dir() {
        true => rule_files(path).map_err(Failure::configuration)?,
        false => vec![path.to_owned()],
    };
    files.iter().map(|file| text(file)).collect()
}

fn text(path: &Path) -> Result<JobText, Failure> {
    let text = read_rule_file(path)
        .map_err(|why| Failure::Configuration(format!("{} cannot be read: {why}", path.display())))?;
    Ok(JobText { name: name_of(path), text: Some(text) })
}

fn answers(path: &Path) -> Result<JobText, Failure> {
    let text = Answers::text_of(path, MAX_JOB_TEXT_BYTES).map_err(Failure::Configuration)?;
    // The name says what is in it, wherever it was written to.
    Ok(JobText { name: "answers.gz".to_owned(), text: Some(text) })
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl PriorityName {
    const fn priority(self) -> Priority {
        match self {
            Self::Low => Priority::Low,
            Self::Normal => Priority::Normal,
            Self::High => Priority::High,
        }
    }
}
