//! What jobs do: the same that the commands do, by the same code, for who asks a running host over HTTP.
//!
//! What a job needs of the machine is opened before the process confines itself, as everything else. It looks at what runs, and what it
//! does with rules and plugins counts nowhere as what runs does.

mod desk;
mod replay;
mod test;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::Ownership;
use orion_model::JobSpec;
use orion_pipeline::jobs::{Course, Done, Jobs, NotDone, Runner, Work};
use orion_pipeline::observer::Observer;
use orion_sandbox::Sandbox;
use orion_source::Source;
use tokio::runtime::Runtime;

pub use desk::Desk;

use crate::arguments::PluginFolderArgs;
use crate::cli::{Failure, RunArgs};
use crate::setup::Pipeline;
use crate::source::{LOKI, PROMETHEUS, Sources};
use crate::verify::{Subject, control};

/// How long a source has for one answer: those about the past are long. The commands give it as long.
const ANSWER_MILLIS: i64 = 120_000;

/// What jobs need that a confined process could not open.
pub struct Needs {
    sources: Sources,
    prometheus: Arc<orion_source::Prometheus>,
    loki: Option<Arc<orion_source::Loki>>,
}

impl Needs {
    /// Opens it.
    pub fn of(args: &RunArgs) -> Result<Self, Failure> {
        // Of their own: answers about the past are waited for longer, and observing shares no connection with them.
        let prometheus = args.watch.prometheus.source(ANSWER_MILLIS)?;
        let loki = args.watch.loki.source(ANSWER_MILLIS)?;
        let mut sources = Sources::from([(PROMETHEUS.to_owned(), prometheus.clone() as Arc<dyn Source>)]);
        sources.extend(loki.clone().map(|loki| (LOKI.to_owned(), loki as Arc<dyn Source>)));
        Ok(Self { sources, prometheus, loki })
    }

    /// Starts to do jobs. It holds on to the bus, so it has to be ended before that is closed.
    pub async fn start(self, args: &RunArgs, pipeline: &Pipeline) -> Result<Runner, Failure> {
        let Self { sources, prometheus, loki } = self;
        let observer = pipeline.engine.observer();
        let subject = Subject {
            memory: pipeline.memory_dir().to_owned(),
            // Who does the job runs on it.
            ownership: Ownership::Process(std::process::id()),
            plugins: args.rules.plugins.clone(),
            sandbox: pipeline.sandbox.clone(),
            listen: args.listen.listen,
            prometheus,
            loki,
            control: control(args.agent.agent, args.agent.control.url.as_deref())?,
            offline: false,
            strict: false,
        };
        let bench = Bench {
            observer: observer.clone(),
            sources,
            subject,
            sandbox: pipeline.sandbox.clone(),
            rules_dir: args.rules.rules.clone(),
            plugins: args.rules.plugins.clone(),
            interval_millis: args.watch.poll_interval,
        };
        let jobs = Jobs::open(pipeline.bus(), &observer).await;
        let started = orion_pipeline::jobs::start(Arc::new(jobs), bench);
        started.map_err(|error| Failure::Configuration(format!("the thread of jobs cannot be started: {error}")))
    }
}

/// Where jobs are done.
struct Bench {
    observer: Observer,
    sources: Sources,
    subject: Subject,
    sandbox: Arc<Sandbox>,
    rules_dir: PathBuf,
    plugins: PluginFolderArgs,
    interval_millis: i64,
}

impl Work for Bench {
    fn run(&self, spec: &JobSpec, course: &Course, runtime: &Runtime) -> Result<Done, NotDone> {
        match spec {
            JobSpec::Replay { from, to, step_millis, rules } => {
                self.replay((*from, *to), *step_millis, rules, course, runtime)
            }
            JobSpec::Test { tests, rules, answers } => self.test(tests, rules, answers.as_ref(), course, runtime),
            JobSpec::Verify { offline, strict } => self.verify(*offline, *strict, course, runtime),
        }
    }
}

/// Why nothing came of it, as a command would say it.
fn not_done(failure: Failure) -> NotDone {
    match failure {
        Failure::BadRule(why) => NotDone::BadRule(why),
        Failure::Configuration(why) => NotDone::Failed(why),
    }
}
