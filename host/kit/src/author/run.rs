//! `orion-kit run`: shows a plugin frames or events in the sandbox of a deployment, and says what came of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use orion_model::{Kind, Parameter, Timestamp, parse_duration};
use orion_sandbox::{Plugin, Sandbox};
use serde_json::json;

use super::show::{change_line, change_value, cost_line, cost_value, finding_line, finding_value};
use super::{RunArgs, given, play, plugin, sandbox};
use crate::cli::{Failure, Output};
use crate::command::{plugin_cache, print};
use crate::input::{self, Frames};

/// Runs a plugin once.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    print(&said(args, &sandbox(plugin_cache())?)?)?;
    Ok(ExitCode::SUCCESS)
}

/// What the plugin makes of its input, and in the last line what that cost.
pub fn said(args: &RunArgs, sandbox: &Sandbox) -> Result<String, Failure> {
    let (file, plugin) = plugin(sandbox, &args.plugin)?;
    let parameters = given::parameters(plugin.manifest(), &args.with)?;
    match plugin.manifest().kind {
        Kind::Detector => detector(args, &file, &plugin, &parameters),
        Kind::Correlator => correlator(args, &file, &plugin, &parameters),
    }
}

fn detector(args: &RunArgs, file: &Path, plugin: &Plugin, parameters: &[Parameter]) -> Result<String, Failure> {
    let input = frames(args, file)?;
    let (findings, cost) = play::frames(plugin, parameters, &input)?;
    if args.output == Output::Json {
        let all: Vec<_> = findings.iter().map(|finding| finding_value(finding, &input)).collect();
        return Ok(format!("{:#}\n", json!({ "findings": all, "cost": cost_value(&cost) })));
    }
    let lines: String = findings.iter().map(|finding| finding_line(finding, &input)).collect();
    let count = findings.len();
    Ok(format!(
        "{lines}{count} finding{} in {}",
        if count == 1 { "" } else { "s" },
        cost_line(&cost, "frames", "samples")
    ))
}

fn correlator(args: &RunArgs, file: &Path, plugin: &Plugin, parameters: &[Parameter]) -> Result<String, Failure> {
    let path = args.input.clone().unwrap_or_else(|| file.with_file_name("input.jsonl"));
    if args.source.is_some() {
        return Err(Failure::Configuration("a correlator reads events; --input names a file of them".to_owned()));
    }
    let afterwards = parse_duration(&args.afterwards).ok_or_else(|| {
        Failure::Configuration(format!("--afterwards {}: write a duration such as 15m", args.afterwards))
    })?;
    let events = input::events(&path, &args.group_by).map_err(Failure::BadFile)?;
    let (changes, cost) = play::events(plugin, parameters, &events, afterwards)?;
    if args.output == Output::Json {
        let all: Vec<_> = changes.iter().map(change_value).collect();
        return Ok(format!("{:#}\n", json!({ "changes": all, "cost": cost_value(&cost) })));
    }
    let lines: String = changes.iter().map(change_line).collect();
    let count = changes.len();
    Ok(format!(
        "{lines}{count} change{} in {}",
        if count == 1 { "" } else { "s" },
        cost_line(&cost, "batches", "events")
    ))
}

fn frames(args: &RunArgs, file: &Path) -> Result<Frames, Failure> {
    if let (Some(url), Some(expr)) = (&args.source, &args.expr) {
        return input::from_source(url, expr, now()).map_err(Failure::Configuration);
    }
    let path: PathBuf = args.input.clone().unwrap_or_else(|| file.with_file_name("input.csv"));
    input::from_file(&path, args.expr.as_deref()).map_err(Failure::BadFile)
}

/// A person asks what there is now; nothing of this is recorded anywhere.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
