//! `orion job wait`: how far a job is, on a terminal, and in the end an exit code as that of the command that does the same.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use orion_model::{FailureReason, Job, JobState, Progress};
use serde_json::json;

use super::shown::facts;
use super::{JOBS, OneArgs, find, print_result, read};
use crate::arguments::Output;
use crate::cli::{EXIT_BAD_RULE, EXIT_CONFIGURATION, EXIT_DOES_NOT_HOLD, Failure};
use crate::output::{form, print_value};
use crate::remote::Remote;

/// Time between two looks. Jobs take minutes; who waits for a short one waits half of this too long.
const LOOK_MILLIS: u64 = 250;

/// Looks in vain, one after the other, before that is an error: a host that starts anew begins its jobs again, and takes seconds to.
const MOST_VAIN_LOOKS: u32 = 120;

/// Arguments of `orion job wait`.
#[derive(Args)]
pub struct WaitArgs {
    #[command(flatten)]
    pub one: OneArgs,
    /// Print what came of it and not how it stands, when there is something
    #[arg(long)]
    pub result: bool,
}

/// Waits.
pub async fn wait(args: &WaitArgs) -> Result<ExitCode, Failure> {
    let remote = args.one.there.remote()?;
    let job = find(&remote, &args.one.id).await?;
    let job = until_over(&remote, job).await?;
    ended(&remote, &job, args.result, args.one.output).await
}

/// Looks again and again until it is over.
pub async fn until_over(remote: &Remote, mut job: Job) -> Result<Job, Failure> {
    let bar = Bar::new(&job);
    let mut vain_looks = 0;
    while !job.state.is_over() {
        tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
        match remote.get(&format!("{JOBS}/{}", job.id)).await {
            Err(_) if vain_looks < MOST_VAIN_LOOKS => vain_looks += 1,
            answer => {
                job = read(answer)?;
                vain_looks = 0;
                bar.show(&job);
            }
        }
    }
    bar.finish();
    Ok(job)
}

/// Prints how it ended, or what came of it, and says it with the exit code, too.
pub async fn ended(remote: &Remote, job: &Job, result: bool, output: Option<Output>) -> Result<ExitCode, Failure> {
    match result && job.state == JobState::Done {
        true => print_result(remote, job.id, output).await?,
        false => print_value(form(output), &json!(job), || facts(job))?,
    }
    Ok(exit_code(job))
}

/// As the command would exit that does the same.
fn exit_code(job: &Job) -> ExitCode {
    let reason = job.failure.as_ref().map(|failure| failure.reason);
    match (job.state, job.holds, reason) {
        (JobState::Done, Some(true), _) => ExitCode::SUCCESS,
        (JobState::Done, _, _) => ExitCode::from(EXIT_DOES_NOT_HOLD),
        (_, _, Some(FailureReason::BadRule)) => ExitCode::from(EXIT_BAD_RULE),
        _ => ExitCode::from(EXIT_CONFIGURATION),
    }
}

/// How far it is, on a terminal; nothing where nobody looks.
struct Bar(ProgressBar);

impl Bar {
    fn new(job: &Job) -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(job.kind.as_str());
        let bar = Self(bar);
        bar.show(job);
        bar
    }

    fn show(&self, job: &Job) {
        let Progress { done, total, unit } = match job.progress {
            Some(progress) => progress,
            None => return self.0.set_message(job.state.as_str()),
        };
        self.0.set_length(total);
        self.0.set_position(done);
        self.0.set_message(format!("{done} of {total} {}", unit.as_str()));
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
