//! `orion-kit check`: would a deployment load this file, and if not, what would have to be otherwise.

use std::process::ExitCode;

use orion_model::Kind;
use orion_sandbox::{LoadError, Plugin, Sandbox};

use super::{CheckArgs, explain, read, sandbox};
use crate::cli::Failure;
use crate::command::{plugin_cache, print};

/// Checks a file.
pub fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let bytes = read(&args.plugin)?;
    let plugin = admitted(&sandbox(plugin_cache())?, &bytes)?;
    let manifest = plugin.manifest();
    let imports = plugin.certificate().imports.join(", ");
    let calls =
        if imports.is_empty() { "calls nothing".to_owned() } else { format!("can call {imports} and nothing else") };
    let (kind, name, version) = (manifest.kind.as_str(), &manifest.name, &manifest.version);
    print(&format!("{} is the {kind} {name} {version}; it {calls}\n", args.plugin.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A plugin as a deployment would load it, or all that is wrong with it.
pub fn admitted(sandbox: &Sandbox, bytes: &[u8]) -> Result<Plugin, Failure> {
    sandbox.load(bytes).map_err(|error| {
        let kind = match &error {
            LoadError::Imports { kind, .. } | LoadError::Exports { kind, .. } => Some(*kind),
            LoadError::World(_) => sandbox.inspect(bytes).ok().map(|certificate| certificate.manifest.kind),
            _ => None,
        };
        Failure::BadFile(format!("{error}{}", advice(kind, bytes)))
    })
}

fn advice(kind: Option<Kind>, bytes: &[u8]) -> String {
    let lines = kind.map(|kind| explain::differences(bytes, kind)).unwrap_or_default();
    lines.iter().map(|line| format!("\n  {line}")).collect()
}
