//! `orion plugin`: what a plugin is and what it can do, read from its bytes.

use std::process::ExitCode;

use orion_model::ParameterSpec;
use orion_sandbox::Certificate;

use crate::cli::{Failure, PluginArgs, PluginCommand};
use crate::output::{columns, form, print_value};
use crate::{setup, shipped};

/// Runs `inspect`.
pub fn plugin(args: &PluginArgs) -> Result<ExitCode, Failure> {
    let PluginCommand::Inspect { plugin, output } = &args.command;
    let bytes = bytes_of(plugin)?;
    let inspected = setup::sandbox(None)?.inspect(&bytes);
    let certificate = inspected.map_err(|error| Failure::BadRule(format!("{plugin}: {error}")))?;
    let value = serde_json::to_value(&certificate).map_err(Failure::configuration)?;
    print_value(form(*output), &value, || describe(&certificate))?;
    Ok(ExitCode::SUCCESS)
}

fn bytes_of(plugin: &str) -> Result<Vec<u8>, Failure> {
    let standard = shipped::standard_plugins().into_iter().find(|standard| standard.name == plugin);
    if let Some(standard) = standard {
        return Ok(standard.component.to_vec());
    }
    std::fs::read(plugin).map_err(|error| {
        let names: Vec<&str> = shipped::standard_plugins().iter().map(|standard| standard.name).collect();
        let known = names.join(", ");
        Failure::Configuration(format!("`{plugin}` is neither a file that can be read ({error}) nor one of {known}"))
    })
}

fn describe(certificate: &Certificate) -> String {
    let manifest = &certificate.manifest;
    let mut text = format!("{} {}: {}\n\n", manifest.name, manifest.version, manifest.summary);
    let state = manifest.state_version.map_or_else(|| "none".to_owned(), |version| format!("version {version}"));
    let facts = [
        ("kind", manifest.kind.as_str().to_owned()),
        ("contract", manifest.contract.clone()),
        ("digest", format!("sha256:{}", certificate.digest)),
        ("size", format!("{} bytes", certificate.size_bytes)),
        ("state", state),
        ("imports", certificate.imports.join(", ")),
        ("exports", certificate.exports.join(", ")),
    ];
    for (name, value) in facts {
        text.push_str(&format!("{name:8}  {value}\n"));
    }
    if !manifest.parameters.is_empty() {
        text.push('\n');
        let rows: Vec<Vec<String>> = manifest.parameters.iter().map(parameter_row).collect();
        text.push_str(&columns(&["PARAMETER", "TYPE", "DEFAULT", "MEANING"], &rows));
    }
    text
}

fn parameter_row(spec: &ParameterSpec) -> Vec<String> {
    let default = spec.default.as_ref().and_then(|default| serde_json::to_string(default).ok());
    vec![spec.name.clone(), spec.type_.described().to_owned(), default.unwrap_or_default(), spec.doc.clone()]
}
