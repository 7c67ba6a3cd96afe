//! `orion snapshot`: everything that a deployment remembers, as one folder, and back.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use orion_model::{Clock, Timestamp};
use orion_pipeline::clock::SystemClock;
use orion_pipeline::snapshot::{self, Manifest};
use serde_json::json;

use crate::arguments::{DataArgs, Output};
use crate::cli::Failure;
use crate::output::{form, print_value};

/// Arguments of `orion snapshot`.
#[derive(Args)]
pub struct SnapshotArgs {
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// What can be done with snapshots.
#[derive(Subcommand)]
pub enum SnapshotCommand {
    /// Take one, while Orion runs or not
    Create {
        /// The folder to make; it must not be there [default: orion-snapshot-TIME]
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        #[command(flatten)]
        data: DataArgs,
        /// How the result looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
    /// Put one back, where no Orion runs
    Restore {
        /// The snapshot
        snapshot: PathBuf,
        #[command(flatten)]
        data: DataArgs,
        /// Put aside what is there
        #[arg(long)]
        replace: bool,
        /// How the result looks [default: table on a terminal, ndjson elsewhere]
        #[arg(long, value_enum)]
        output: Option<Output>,
    },
}

/// Runs `create` or `restore`.
pub fn snapshot(args: &SnapshotArgs) -> Result<ExitCode, Failure> {
    let now = SystemClock.now();
    match &args.command {
        SnapshotCommand::Create { to, data, output } => {
            let to = to.clone().unwrap_or_else(|| default_name(now));
            let manifest = snapshot::create(&data.memory_dir(), &to, now).map_err(Failure::configuration)?;
            let place = to.display().to_string();
            let value = json!({ "snapshot": place, "bytes": manifest.bytes(), "manifest": manifest });
            print_value(form(*output), &value, || format!("{place}: {}\n", told(&manifest)))?;
        }
        SnapshotCommand::Restore { snapshot: from, data, replace, output } => {
            let memory = data.memory_dir();
            let restored = snapshot::restore(from, &memory, *replace, now).map_err(Failure::configuration)?;
            let aside = restored.put_aside.map(|path| path.display().to_string());
            let place = memory.display().to_string();
            let value = json!({ "memory": place, "put_aside": aside, "manifest": restored.manifest });
            print_value(form(*output), &value, || {
                let aside = aside.map(|aside| format!("what was there lies in {aside}\n")).unwrap_or_default();
                format!("{place}: {}\n{aside}", told(&restored.manifest))
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(manifest: &Manifest) -> String {
    let Manifest { at, position, files, .. } = manifest;
    format!("{position} records as of {at}, {} files, {} bytes, checked", files.len(), manifest.bytes())
}

/// Sorts as time goes: `orion-snapshot-20261128T113000Z`.
fn default_name(now: Timestamp) -> PathBuf {
    let at = now.to_string();
    let to_the_second = at.split('.').next().unwrap_or_default();
    let kept: String = to_the_second.chars().filter(|letter| !matches!(letter, '-' | ':')).collect();
    PathBuf::from(format!("orion-snapshot-{kept}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_named_by_its_time() {
        let name = default_name(Timestamp::from_millis(1_732_174_269_123));
        assert_eq!(name, PathBuf::from("orion-snapshot-20241121T073109Z"));
    }
}
