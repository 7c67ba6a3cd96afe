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

use orion_bus::{Ownership, Reader, SqliteBus};
use orion_model::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

pub use statement::statement;
pub use text::text;

use crate::cli::{Failure, VerifyArgs};
use crate::finding::{Check, Verdict};

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

/// Looks at everything.
pub fn certify(args: &VerifyArgs, at: Timestamp) -> Result<Certificate, Failure> {
    let memory = args.data.memory_dir();
    let mut store = SqliteBus::open_read_only(&memory).map_err(Failure::configuration)?;
    let ownership = orion_bus::ownership(&memory).map_err(Failure::configuration)?;
    let (plugins, of_plugins) = plugins::check(args, &memory, &mut store)?;
    let checks = vec![
        autonomy(&mut store)?,
        of_plugins,
        process::confinement(ownership, &mut store)?,
        sockets::senders(ownership, args)?,
        prometheus::check(args)?,
        records::decisions(&memory, &mut store)?,
        records::chain(&memory, &mut store, ownership)?,
    ];
    Ok(Certificate {
        at,
        holds: checks
            .iter()
            .all(|check| check.verdict == Verdict::Holds || (check.verdict == Verdict::NotSeen && !args.strict)),
        orion: program(ownership),
        autonomy_level: "N0",
        plugins,
        limits: json!(orion_sandbox::Limits::default()),
        checks,
        memory,
    })
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
