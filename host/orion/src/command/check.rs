//! `orion check`: everything that is wrong with rule files, said at once.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orion_pipeline::library::{Accepted, Checked, Shelf, check as check_text, read_rule_file, rule_files};
use serde_json::{Value, json};

use crate::cli::{CheckArgs, EXIT_BAD_RULE, Failure};
use crate::output::{form, print_list};
use crate::{setup, shipped};

/// Checks files and folders. Exits with 0 when all would be accepted.
pub fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let shelf = shelf(&args.rules.plugins)?;
    let paths = if args.paths.is_empty() { std::slice::from_ref(&args.rules.rules) } else { &args.paths };
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_at(path)?);
    }
    if files.is_empty() {
        return Err(Failure::Configuration("no rule file (*.yaml, *.yml) is there".to_owned()));
    }
    let defaults = setup::defaults(DEFAULT_INTERVAL_MILLIS);
    let checked: Vec<(PathBuf, Checked)> =
        files.into_iter().map(|path| (path.clone(), check_file(&path, &shelf, &defaults))).collect();
    let bad = checked.iter().filter(|(_, checked)| checked.accepted.is_none()).count();
    print_list(form(args.output), checked.iter().map(|(path, checked)| value(path, checked)).collect(), |_| {
        let mut text = String::new();
        for (path, checked) in &checked {
            text.push_str(&checked.report);
            if let Some(accepted) = &checked.accepted {
                text.push_str(&format!("{}: ok, {}\n", path.display(), accepted.counts()));
            }
        }
        if bad > 0 {
            text.push_str(&format!("{bad} of {} files would be refused\n", checked.len()));
        }
        text
    })?;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD_RULE) })
}

/// No rule depends on it; a group without `interval` gets the one of the deployment.
const DEFAULT_INTERVAL_MILLIS: i64 = 15_000;

/// The standard plugins and those of the folder.
fn shelf(plugins_dir: &Path) -> Result<Shelf, Failure> {
    let sandbox = setup::sandbox(None)?;
    let bad = |(name, why): (String, String)| Failure::BadRule(format!("plugin `{name}` does not load: {why}"));
    let mut shelf = Shelf::of_standard(&sandbox, &shipped::standard_plugins()).map_err(bad)?;
    shelf.add_folder(&sandbox, plugins_dir).map_err(Failure::BadRule)?;
    Ok(shelf)
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_dir() {
        return rule_files(path).map_err(Failure::configuration);
    }
    if !path.exists() {
        return Err(Failure::Configuration(format!(
            "{} does not exist: name a rule file or a folder of them",
            path.display()
        )));
    }
    Ok(vec![path.to_owned()])
}

fn check_file(path: &Path, shelf: &Shelf, defaults: &orion_pipeline::library::Defaults) -> Checked {
    let name = path.display().to_string();
    match read_rule_file(path) {
        Ok(text) => check_text(&name, &text, shelf, defaults),
        Err(why) => Checked::unreadable(&name, &why),
    }
}

fn value(path: &Path, checked: &Checked) -> Value {
    let diagnostics = checked.diagnostics.iter().map(|diagnostic| {
        json!({
            "level": format!("{:?}", diagnostic.level).to_lowercase(),
            "message": diagnostic.message,
            "line": diagnostic.span.as_ref().map(|span| span.line),
            "column": diagnostic.span.as_ref().map(|span| span.column),
            "help": diagnostic.help,
        })
    });
    json!({
        "file": path.display().to_string(),
        "ok": checked.accepted.is_some(),
        "counts": checked.accepted.as_ref().map(counts),
        "diagnostics": diagnostics.collect::<Vec<_>>(),
    })
}

fn counts(accepted: &Accepted) -> Value {
    json!({
        "alerts": accepted.file.groups.iter().map(|group| group.rules.len()).sum::<usize>(),
        "recording_rules": accepted.file.recording_rules,
        "correlations": accepted.file.correlations.len(),
    })
}
