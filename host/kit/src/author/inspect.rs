//! `orion-kit inspect`: everything that is proven and measured about a plugin before a deployment takes it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use orion_model::{Frame, Kind, SeriesTable};
use orion_sandbox::{Limits, Plugin, Report};
use serde_json::{Value, json};

use super::play::{self, Cost};
use super::{InspectArgs, check, given, read, sandbox};
use crate::cli::{Failure, Output};
use crate::command::print;
use crate::input::Frames;

/// Shows a plugin's certificate and what it needs.
pub fn inspect(args: &InspectArgs) -> Result<ExitCode, Failure> {
    let bytes = read(&args.plugin)?;
    // Without a cache: what is shown is what compiling takes, and not what finding it takes.
    let sandbox = sandbox(None)?;
    let began = Instant::now();
    let plugin = check::admitted(&sandbox, &bytes)?;
    let compile = began.elapsed();
    let idle = idle(&plugin);
    print(&match args.output {
        Output::Json => format!("{:#}\n", value(&plugin, compile, idle)?),
        Output::Text => text(&plugin, compile, idle),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What it holds and does when there is nothing to do. One that needs parameters is not asked.
fn idle(plugin: &Plugin) -> Option<Report> {
    let parameters = given::parameters(plugin.manifest(), &[]).ok()?;
    let cost: Cost = match plugin.manifest().kind {
        Kind::Detector => {
            let mut nothing = Frames::default();
            nothing.push(Frame::default(), &SeriesTable::new());
            play::frames(plugin, &parameters, &nothing).ok()?.1
        }
        Kind::Correlator => play::events(plugin, &parameters, &[], 0).ok()?.1,
    };
    Some(Report { fuel: cost.fuel, memory_bytes: cost.memory_bytes })
}

fn memory_limit(kind: Kind) -> usize {
    let limits = Limits::default();
    match kind {
        Kind::Detector => limits.memory_bytes,
        Kind::Correlator => limits.correlator_memory_bytes,
    }
}

fn value(plugin: &Plugin, compile: Duration, idle: Option<Report>) -> Result<Value, Failure> {
    let unwritable = |why: serde_json::Error| Failure::Configuration(why.to_string());
    let mut value = serde_json::to_value(plugin.certificate()).map_err(unwritable)?;
    if let Value::Object(members) = &mut value {
        let millis = u64::try_from(compile.as_millis()).unwrap_or(u64::MAX);
        members.insert("compile_millis".to_owned(), json!(millis));
        members.insert("idle_memory_bytes".to_owned(), json!(idle.map(|idle| idle.memory_bytes)));
        members.insert("idle_call_fuel".to_owned(), json!(idle.map(|idle| idle.fuel)));
        members.insert("memory_limit_bytes".to_owned(), json!(memory_limit(plugin.manifest().kind)));
    }
    Ok(value)
}

fn text(plugin: &Plugin, compile: Duration, idle: Option<Report>) -> String {
    let (manifest, certificate) = (plugin.manifest(), plugin.certificate());
    let limits = Limits::default();
    let memory = |idle: Report| {
        format!("{} KiB of {} MiB when idle", idle.memory_bytes / 1024, memory_limit(manifest.kind) / 1024 / 1024)
    };
    let facts = [
        ("kind", manifest.kind.as_str().to_owned()),
        ("contract", certificate.contract.to_owned()),
        ("digest", format!("sha256:{}", certificate.digest)),
        ("size", format!("{} bytes of {} MiB", certificate.size_bytes, limits.component_bytes / 1024 / 1024)),
        ("state", manifest.state_version.map_or_else(|| "none".to_owned(), |version| format!("version {version}"))),
        ("labels", if manifest.reads_labels { "read" } else { "not read" }.to_owned()),
        (
            "answers",
            if manifest.needs_series { "those with series" } else { "all, also those without series" }.to_owned(),
        ),
        ("imports", certificate.imports.join(", ")),
        ("exports", certificate.exports.join(", ")),
        ("memory", idle.map_or_else(|| "not known: it needs parameters".to_owned(), memory)),
        (
            "fuel",
            idle.map_or_else(
                || "not known: it needs parameters".to_owned(),
                |idle| format!("{} for a call about nothing", idle.fuel),
            ),
        ),
        ("compiles", format!("in {} ms, once for each version", compile.as_millis())),
    ];
    let mut text = format!("{} {}: {}\n\n", manifest.name, manifest.version, manifest.summary);
    for (name, fact) in facts {
        text.push_str(&format!("{name:8}  {fact}\n"));
    }
    for spec in &manifest.parameters {
        let default = spec.default.as_ref().and_then(|default| serde_json::to_string(default).ok());
        let default = default.map_or_else(String::new, |default| format!(" (default {default})"));
        text.push_str(&format!("with      {}: {}{default}. {}\n", spec.name, spec.type_.described(), spec.doc));
    }
    text
}
