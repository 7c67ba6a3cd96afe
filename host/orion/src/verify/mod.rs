//! `orion verify`: the N0 certificate of a deployment. What is promised is looked at where it can be seen, by somebody who
//! changes nothing: in the memory folder, in what the kernel says of the running process, and in the Prometheus it reads.
//!
//! Each check holds, fails, or has nothing to look at. One that fails says what is wrong and how to mend it. docs/verify.md shows
//! how to see the same without Orion.

mod plugins;
mod process;
mod prometheus;
mod records;
mod sockets;
mod statement;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orion_api::Listen;
use orion_bus::{Ownership, Reader, SqliteBus};
use orion_model::Timestamp;
use orion_sandbox::Sandbox;
use orion_source::{Loki, Prometheus};
use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use statement::statement;
pub use text::text;

use crate::arguments::PluginFolderArgs;
use crate::cli::{Failure, VerifyArgs};
use crate::finding::{Check, Verdict};
use crate::setup;

/// What is verified, and what was found.
#[derive(Serialize)]
pub struct Certificate {
    /// When it was looked at.
    pub at: Timestamp,
    /// The memory folder.
    pub memory: PathBuf,
    /// Whether everything that could be looked at is as promised.
    pub holds: bool,
    /// The program.
    pub orion: Program,
    /// The autonomy level: there is one.
    pub autonomy_level: &'static str,
    /// What each plugin is, what it can do and who vouches for it.
    pub plugins: Vec<plugins::Row>,
    /// What each plugin may use.
    pub limits: Value,
    /// One by one.
    pub checks: Vec<Check>,
}

/// The program that runs, or where none does the one that verifies.
#[derive(Serialize)]
pub struct Program {
    /// The version of the one that verifies.
    pub version: &'static str,
    /// sha256 of the file; none where it cannot be read.
    pub sha256: Option<String>,
    /// The process, when one runs that can be seen from here.
    pub pid: Option<u32>,
}

/// What is looked at, and with what.
#[derive(Clone)]
pub struct Subject {
    /// The memory folder.
    pub memory: PathBuf,
    /// Who runs on it.
    pub ownership: Ownership,
    /// Where plugins come from.
    pub plugins: PluginFolderArgs,
    /// What looks at them.
    pub sandbox: Arc<Sandbox>,
    /// Where the interface is served.
    pub listen: Listen,
    /// The Prometheus that is read.
    pub prometheus: Arc<Prometheus>,
    /// The Loki that is read, if one is.
    pub loki: Option<Arc<Loki>>,
    /// The control host, where the process is an agent.
    pub control: Option<Url>,
    /// Prometheus is not asked.
    pub offline: bool,
    /// What cannot be seen does not hold.
    pub strict: bool,
}

impl Subject {
    /// What a command is asked to look at, from outside.
    pub fn of(args: &VerifyArgs) -> Result<Self, Failure> {
        let memory = args.data.memory_dir();
        Ok(Self {
            ownership: orion_bus::ownership(&memory).map_err(Failure::configuration)?,
            plugins: args.plugins.clone(),
            sandbox: Arc::new(setup::sandbox(None)?),
            listen: args.listen.listen,
            prometheus: args.prometheus.source(args.prometheus_timeout)?,
            loki: args.loki.source(args.prometheus_timeout)?,
            control: control(args.agent, args.url.as_deref())?,
            offline: args.offline,
            strict: args.strict,
            memory,
        })
    }
}

/// The address of the control host, where the process is an agent.
pub fn control(is_agent: bool, url: Option<&str>) -> Result<Option<Url>, Failure> {
    let url = url.filter(|_| is_agent);
    url.map(|url| Url::parse(url).map_err(|error| Failure::Configuration(format!("--url {url}: {error}")))).transpose()
}

/// How many checks there are.
const CHECKS: u64 = 7;

/// Looks at everything. Before each check `goes_on` is asked with how many are done, of how many; when it does not, nothing comes of it.
pub fn certify(
    subject: &Subject,
    at: Timestamp,
    runtime: &Runtime,
    goes_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Certificate>, Failure> {
    let (memory, ownership) = (&subject.memory, subject.ownership);
    let mut store = SqliteBus::open_read_only(memory).map_err(Failure::configuration)?;
    let (mut checks, mut plugins) = (Vec::new(), Vec::new());
    for number in 0..CHECKS {
        if !goes_on(number, CHECKS) {
            return Ok(None);
        }
        checks.push(match number {
            0 => autonomy(&mut store)?,
            1 => {
                let (rows, check) = plugins::check(subject, &mut store)?;
                plugins = rows;
                check
            }
            2 => process::confinement(ownership, &mut store)?,
            3 => sockets::senders(subject),
            4 => prometheus::check(subject, runtime),
            5 => records::decisions(memory, &mut store)?,
            _ => records::chain(memory, &mut store, ownership)?,
        });
    }
    Ok(Some(Certificate {
        at,
        holds: checks
            .iter()
            .all(|check| check.verdict == Verdict::Holds || (check.verdict == Verdict::NotSeen && !subject.strict)),
        orion: program(ownership),
        autonomy_level: "N0",
        plugins,
        limits: json!(orion_sandbox::Limits::default()),
        checks,
        memory: memory.clone(),
    }))
}

/// The level is a type with one value, so there is nothing to look up; what was written with it is what `decisions` is about.
fn autonomy(store: &mut Reader) -> Result<Check, Failure> {
    let records = store.last_seq().map_err(Failure::configuration)?;
    let facts = json!({ "level": "N0", "levels": ["N0"], "records": records });
    Ok(Check::of(
        "autonomy",
        "level N0: Orion observes and people act; there is no other level".to_owned(),
        Vec::new(),
        facts,
    ))
}

fn program(ownership: Ownership) -> Program {
    let (file, pid) = match ownership {
        Ownership::Process(pid) => (PathBuf::from(format!("/proc/{pid}/exe")), Some(pid)),
        Ownership::Nobody | Ownership::Elsewhere => (std::env::current_exe().unwrap_or_default(), None),
    };
    Program { version: env!("CARGO_PKG_VERSION"), sha256: digest_of(&file), pid }
}

fn digest_of(file: &Path) -> Option<String> {
    let bytes = std::fs::read(file).ok()?;
    Some(orion_pipeline::library::digest_of(&bytes).to_string())
}
