//! `orion audit`: the audit trail checked, written anew, and taken along.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use orion_bus::{FolderLock, Ownership, SqliteBus};
use orion_pipeline::memory::{self, Audit, Rebuilt};
use orion_trust::Keyring;
use serde_json::json;

use crate::arguments::{DataArgs, Output};
use crate::cli::{EXIT_DOES_NOT_HOLD, Failure};
use crate::export::{ExportArgs, export};
use crate::keep::RotateArgs;
use crate::output::{columns, form, print_value};
use crate::work::Work;

/// Arguments of `orion audit`.
#[derive(Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done with the audit trail.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check every line of every file, against the store and the checkpoints
    Verify {
        #[command(flatten)]
        data: DataArgs,
        /// Folder of public keys (*.pub): checkpoints must be signed by one of them
        #[arg(long, value_name = "DIR")]
        trusted_keys: Option<PathBuf>,
        /// How the result looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Write the files anew from the store, where no Orion runs
    Rebuild {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        rotate: RotateArgs,
        /// How the result looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Write records of all files, in their order, to a file or stdout
    Export(ExportArgs),
}

/// Runs `verify`, `rebuild` or `export`.
pub fn audit(args: &AuditArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        AuditCommand::Verify { data, trusted_keys, output } => verify(data, trusted_keys.as_ref(), *output),
        AuditCommand::Rebuild { data, rotate, output } => rebuild(data, rotate, *output),
        AuditCommand::Export(args) => export(args),
    }
}

fn verify(data: &DataArgs, trusted_keys: Option<&PathBuf>, output: Option<Output>) -> Result<ExitCode, Failure> {
    let keys = trusted_keys.map(|dir| {
        Keyring::read(dir).map_err(|faults| {
            let said: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
            Failure::Configuration(said.join("; "))
        })
    });
    let keys = keys.transpose()?;
    let memory = data.memory_dir();
    let mut store = SqliteBus::open_read_only(&memory).map_err(Failure::configuration)?;
    let ownership = orion_bus::ownership(&memory).map_err(Failure::configuration)?;
    let may_lag = ownership != Ownership::Nobody;
    let found = memory::audit(&memory, &mut store, may_lag, keys.as_ref()).map_err(Failure::configuration)?;
    print_value(form(output), &json!(found), || text(&found))?;
    Ok(if found.holds { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DOES_NOT_HOLD) })
}

fn text(found: &Audit) -> String {
    let rows: Vec<Vec<String>> = found
        .kinds
        .iter()
        .map(|kind| {
            let verdict = if kind.intact { "intact" } else { "BROKEN" };
            let numbers = [kind.files, kind.lines, kind.first_seq, kind.last_seq].map(|number| number.to_string());
            [vec![kind.name.to_owned(), verdict.to_owned()], numbers.to_vec(), vec![kind.head.clone()]].concat()
        })
        .collect();
    let mut text = columns(&["FILE", "CHAIN", "FILES", "LINES", "FIRST", "LAST", "HEAD"], &rows);
    text.push_str(&format!("\nstore: positions up to {}", found.position));
    if found.forgotten > 0 {
        text.push_str(&format!(", let go up to {}", found.forgotten));
    }
    let checkpoints = &found.checkpoints;
    text.push_str(&format!("\ncheckpoints: {}", checkpoints.count));
    if let Some(last) = checkpoints.last {
        text.push_str(&format!(", the last of {last}"));
    }
    if let Some(position) = checkpoints.vouched_for_up_to {
        text.push_str(&format!(", vouched for up to position {position} by {}", checkpoints.keys.join(", ")));
    }
    text.push_str("\n\n");
    for finding in &found.findings {
        text.push_str(&format!("{}\n→ {}\n", finding.what, finding.mend));
    }
    text.push_str(if found.holds { "The audit trail holds.\n" } else { "The audit trail does not hold.\n" });
    text
}

fn rebuild(data: &DataArgs, rotate: &RotateArgs, output: Option<Output>) -> Result<ExitCode, Failure> {
    let memory = data.memory_dir();
    // First what makes nothing: a folder that is not there stays so.
    let mut store = SqliteBus::open_read_only(&memory).map_err(Failure::configuration)?;
    let _lock = FolderLock::take(&memory).map_err(Failure::configuration)?;
    let work = Work::begin("rebuild", store.last_seq().map_err(Failure::configuration)?);
    let rebuilt = memory::rebuild(&memory, &mut store, rotate.rotate_bytes, |position| work.reached(position));
    let rebuilt = rebuilt.map_err(Failure::configuration)?;
    work.end();
    print_value(form(output), &json!(rebuilt), || told(&rebuilt))?;
    Ok(ExitCode::SUCCESS)
}

fn told(rebuilt: &Rebuilt) -> String {
    let Rebuilt { kept_up_to, written, position } = rebuilt;
    let kept = match kept_up_to {
        0 => String::new(),
        upto => format!("; up to position {upto} the store has let go, and the files are as they were"),
    };
    format!("{written} records written, up to position {position}{kept}\n")
}
