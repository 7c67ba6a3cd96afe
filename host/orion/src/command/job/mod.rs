//! `orion job`: work that is asked of a running host over its HTTP interface. Where it is done is where the sources and the records are;
//! here is who asks, looks and waits.

mod shown;
mod start;
mod wait;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use orion_model::{Job, JobState, RecordId};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use self::shown::{facts, table};
use self::start::StartArgs;
use self::wait::{WaitArgs, wait};
use crate::arguments::Output;
use crate::cli::Failure;
use crate::output::{form, print_list, print_value};
use crate::remote::Remote;
use crate::sender::{SenderArgs, There};
use crate::setup;

/// Where jobs are.
const JOBS: &str = "api/v1/jobs";

/// Arguments of `orion job`.
#[derive(Args)]
pub struct JobArgs {
    #[command(subcommand)]
    pub command: JobCommand,
}

/// What can be done with jobs.
#[derive(Subcommand)]
pub enum JobCommand {
    /// Ask for a job: a replay, tests of rules, or a check of what is promised
    Start(Box<StartArgs>),
    /// List jobs, the one that was asked for last first
    List(ListArgs),
    /// Show how a job stands
    Show(OneArgs),
    /// Print what came of a job
    Result(OneArgs),
    /// Cancel a job: one that waits is over, one that runs ends at its next step
    Cancel(CancelArgs),
    /// Wait until a job is over, and exit as the command would that does the same
    Wait(WaitArgs),
}

/// Arguments of `orion job list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only those that stand so
    #[arg(long, value_enum)]
    pub state: Option<StateName>,
    #[command(flatten)]
    pub there: There,
    /// How the list looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// How a job stands, as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum StateName {
    /// It waits for its turn
    Queued,
    /// It is worked on
    Running,
    /// It has a result
    Done,
    /// It could not be done
    Failed,
    /// Somebody wanted it no more
    Cancelled,
    /// It did not end in its time
    TimedOut,
}

/// Arguments of commands about one job.
#[derive(Args)]
pub struct OneArgs {
    /// Id of the job, or how it begins
    pub id: String,
    #[command(flatten)]
    pub there: There,
    /// How it looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Arguments of `orion job cancel`.
#[derive(Args)]
pub struct CancelArgs {
    /// Id of the job, or how it begins
    pub id: String,
    #[command(flatten)]
    pub sender: SenderArgs,
}

/// Does it.
pub fn job(args: &JobArgs) -> Result<ExitCode, Failure> {
    setup::runtime()?.block_on(async {
        match &args.command {
            JobCommand::Start(args) => start::start(args).await,
            JobCommand::List(args) => list(args).await,
            JobCommand::Show(args) => show(args).await,
            JobCommand::Result(args) => result(args).await,
            JobCommand::Cancel(args) => cancel(args).await,
            JobCommand::Wait(args) => wait(args).await,
        }
    })
}

async fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let jobs = all(&args.there.remote()?, args.state.map(StateName::state)).await?;
    let values = jobs.iter().map(|job| json!(job)).collect();
    print_list(form(args.output), values, |_| table(&jobs))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &OneArgs) -> Result<ExitCode, Failure> {
    let remote = args.there.remote()?;
    let job = find(&remote, &args.id).await?;
    print_value(form(args.output), &json!(job), || facts(&job))?;
    Ok(ExitCode::SUCCESS)
}

async fn result(args: &OneArgs) -> Result<ExitCode, Failure> {
    let remote = args.there.remote()?;
    let job = find(&remote, &args.id).await?;
    print_result(&remote, job.id, args.output).await?;
    Ok(ExitCode::SUCCESS)
}

async fn cancel(args: &CancelArgs) -> Result<ExitCode, Failure> {
    let (by, remote) = (args.sender.by()?, args.sender.there.remote()?);
    let job = find(&remote, &args.id).await?;
    let body = Map::from_iter(by.map(|by| ("by".to_owned(), by.into())));
    let answer = remote.post(&format!("{JOBS}/{}/cancel", job.id), &Value::Object(body)).await;
    let job: Job = read(answer)?;
    print_value(form(args.sender.output), &json!(job), || facts(&job))?;
    Ok(ExitCode::SUCCESS)
}

/// What came of a job. Nobody made a table of it: for people it is written as YAML, in which they find their way.
async fn print_result(remote: &Remote, id: RecordId, output: Option<Output>) -> Result<(), Failure> {
    let result: Value = read(remote.get(&format!("{JOBS}/{id}/result")).await)?;
    print_value(form(output), &result, || orion_print::yaml(&result))
}

/// All jobs that the host knows: fewer than a page has room for.
async fn all(remote: &Remote, state: Option<JobState>) -> Result<Vec<Job>, Failure> {
    let filter = state.map(|state| format!("&state={}", state.as_str())).unwrap_or_default();
    let mut page: Value = read(remote.get(&format!("{JOBS}?limit=500{filter}")).await)?;
    let items = page.get_mut("items").map(Value::take).unwrap_or_default();
    serde_json::from_value(items).map_err(Failure::configuration)
}

/// The one job whose id begins so.
async fn find(remote: &Remote, id: &str) -> Result<Job, Failure> {
    let all = all(remote, None).await?;
    let mut found = all.into_iter().filter(|job| !id.is_empty() && job.id.to_string().starts_with(id));
    match (found.next(), found.next()) {
        (Some(job), None) => Ok(job),
        (None, _) => Err(Failure::Configuration(format!("there is no job `{id}` there; see `orion job list`"))),
        (Some(_), Some(_)) => Err(Failure::Configuration(format!("several jobs begin with `{id}`: give more of it"))),
    }
}

fn read<T: DeserializeOwned>(answer: Result<Value, String>) -> Result<T, Failure> {
    serde_json::from_value(answer.map_err(Failure::Configuration)?).map_err(Failure::configuration)
}

impl StateName {
    const fn state(self) -> JobState {
        match self {
            Self::Queued => JobState::Queued,
            Self::Running => JobState::Running,
            Self::Done => JobState::Done,
            Self::Failed => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
            Self::TimedOut => JobState::TimedOut,
        }
    }
}
