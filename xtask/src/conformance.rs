//! Whether rule files that people have are taken as they are: those of the repository, and any folder of public ones.
//!
//! The judge is `orion check` as it is released, because that is what people run. The repository's own files are besides
//! shown to promtool where it is installed, so that they stay what they claim to be: files of Prometheus.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::{Failure, program, root};
use crate::released;

/// Corners of the format, each in a file of its own.
const OWN_RULES: &str = "host/rules/conformance";

/// Own files that promtool cannot judge: it knows no resources and nothing of Sigma, and the packaged one may be older than Prometheus 3.
const NOT_FOR_PROMTOOL: [&str; 3] = ["resources.yaml", "prometheus3.yaml", "sigma.yaml"];

/// The folder of public rules, for the build server.
const PUBLIC_RULES_VARIABLE: &str = "ORION_PUBLIC_RULES";

/// `cargo xtask conformance [--rules DIR]… [--output json]`.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut folders = Vec::new();
    let mut as_json = false;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match (argument, rest.next()) {
            ("--rules", Some(folder)) => folders.push(PathBuf::from(folder)),
            ("--output", Some(form @ ("json" | "table"))) => as_json = form == "json",
            _ => return Err(Failure::UnexpectedArgument("conformance", argument.to_owned())),
        }
    }
    say_without_promtool();
    check(&folders, as_json, &released::build()?)
}

/// With the folder that the build server names, by an orion that is built. Without one the own files alone are checked.
pub fn of_environment(orion: &Path) -> Result<(), Failure> {
    check(&Vec::from_iter(named_folder()), false, orion)
}

/// Says what [`of_environment`] will not check, whose own words are only read where it fails.
pub fn say_what_is_left_out() {
    if named_folder().is_none() {
        eprintln!(
            "NOT CHECKED: public rule files. {PUBLIC_RULES_VARIABLE} names no folder of them; only {OWN_RULES} is checked."
        );
    }
    say_without_promtool();
}

fn say_without_promtool() {
    if !has_promtool() {
        eprintln!("NOT CHECKED: {OWN_RULES} against Prometheus itself; promtool is not installed.");
    }
}

fn named_folder() -> Option<PathBuf> {
    std::env::var_os(PUBLIC_RULES_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn has_promtool() -> bool {
    program("promtool").args(["--version"]).succeeds()
}

fn check(folders: &[PathBuf], as_json: bool, orion: &Path) -> Result<(), Failure> {
    please_promtool()?;
    let own = root().join(OWN_RULES);
    let mut sets = Vec::new();
    for folder in std::iter::once(&own).chain(folders) {
        sets.push(Set::judged(folder, orion)?);
    }
    let text = if as_json {
        format!("{:#}\n", Value::from_iter(sets.iter().map(Set::to_json)))
    } else {
        sets.iter().map(Set::to_text).collect()
    };
    // A reader that has seen enough (`| head`) is no failure.
    drop(std::io::stdout().write_all(text.as_bytes()));
    let refused: usize = sets.iter().map(|set| set.errors).sum();
    if refused > 0 { Err(Failure::Refused(refused)) } else { Ok(()) }
}

/// Shows Prometheus's own judge the own files, where it is installed.
fn please_promtool() -> Result<(), Failure> {
    if !has_promtool() {
        return Ok(());
    }
    let mut files = rule_files(&root().join(OWN_RULES))?;
    files.retain(|file| !NOT_FOR_PROMTOOL.iter().any(|name| file.ends_with(name)));
    program("promtool").args(["check", "rules"]).args(files).output().map(drop)
}

/// The files of one folder and what became of them.
#[derive(Debug, Default)]
struct Set {
    folder: PathBuf,
    files: usize,
    alerts: u64,
    recording_rules: u64,
    warnings: usize,
    errors: usize,
    problems: Vec<String>,
}

impl Set {
    fn judged(folder: &Path, orion: &Path) -> Result<Self, Failure> {
        let files = rule_files(folder)?;
        if files.is_empty() {
            return Err(Failure::Missing(format!("{} holds no rule file (*.yaml, *.yml)", folder.display())));
        }
        // A folder that is not there: no plugin but the standard ones takes part.
        let check = program(orion).args(["check", "--output", "json", "--plugins", "no-plugins"]).args(&files);
        let answer = check.answer()?;
        let report = serde_json::from_str(&answer).map_err(|_| not_understood("it is not JSON"))?;
        Self::of_report(folder, &report)
    }

    fn of_report(folder: &Path, report: &Value) -> Result<Self, Failure> {
        let mut set = Self { folder: folder.to_owned(), ..Self::default() };
        for file in report.as_array().ok_or_else(|| not_understood("it is not a list"))? {
            let name = file.get("file").and_then(Value::as_str).ok_or_else(|| not_understood("a file has no name"))?;
            set.files += 1;
            set.alerts += file.pointer("/counts/alerts").and_then(Value::as_u64).unwrap_or(0);
            set.recording_rules += file.pointer("/counts/recording_rules").and_then(Value::as_u64).unwrap_or(0);
            let diagnostics = file.get("diagnostics").and_then(Value::as_array);
            for diagnostic in diagnostics.ok_or_else(|| not_understood("a file has no diagnostics"))? {
                set.add(name, diagnostic);
            }
        }
        Ok(set)
    }

    fn add(&mut self, name: &str, diagnostic: &Value) {
        let text = |key| diagnostic.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("level") {
            "error" => self.errors += 1,
            "warning" => self.warnings += 1,
            _ => return,
        }
        let place = ["line", "column"].map(|key| diagnostic.get(key).and_then(Value::as_u64).unwrap_or(0));
        let [line, column] = place;
        self.problems.push(format!("{name}:{line}:{column}: {}: {}", text("level"), text("message")));
    }

    fn to_text(&self) -> String {
        let Self { files, alerts, recording_rules, warnings, errors, .. } = self;
        let problems: String = self.problems.iter().map(|problem| format!("{problem}\n")).collect();
        format!(
            "{problems}{}: {files} files, {alerts} alerts, {recording_rules} recording rules; {errors} errors, \
             {warnings} warnings\n",
            self.folder.display()
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "folder": self.folder.display().to_string(), "files": self.files, "alerts": self.alerts,
            "recording_rules": self.recording_rules, "errors": self.errors, "warnings": self.warnings,
            "problems": self.problems,
        })
    }
}

/// The rule files of a folder and all folders within, in order of name.
fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure::Missing(format!("{} cannot be read: {error}", folder.display()));
    let folder = folder.canonicalize().map_err(unreadable)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // Links are not followed into folders: they may lead round in a circle.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            files.extend(rule_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn not_understood(why: &'static str) -> Failure {
    Failure::NotUnderstood("orion check".to_owned(), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_what_is_said_of_them_are_counted() {
        let report = json!([
            {"file": "a.yml", "counts": {"alerts": 3, "recording_rules": 2, "correlations": 0}, "diagnostics": [
                {"level": "warning", "message": "odd", "line": 4, "column": 2},
                {"level": "note", "message": "nice", "line": null, "column": null},
            ]},
            {"file": "b.yml", "diagnostics": [{"level": "error", "message": "bad", "line": null, "column": null}]},
        ]);
        let set = Set::of_report(Path::new("rules"), &report).unwrap();
        assert_eq!(
            set.to_text(),
            "a.yml:4:2: warning: odd\nb.yml:0:0: error: bad\n\
             rules: 2 files, 3 alerts, 2 recording rules; 1 errors, 1 warnings\n"
        );
        assert_eq!(set.to_json()["errors"], 1);
        assert!(Set::of_report(Path::new("rules"), &json!([{"file": "a"}])).is_err());
    }

    #[test]
    fn rule_files_are_found_at_any_depth() {
        let names: Vec<_> = rule_files(&root().join("host/rules")).unwrap();
        assert!(names.iter().any(|path| path.ends_with("conformance/styles.yaml")), "{names:?}");
        assert!(rule_files(Path::new("there is no such folder")).is_err());
    }

    #[test]
    fn arguments_that_mean_nothing_are_told() {
        let said = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            run(&arguments).unwrap_err().to_string()
        };
        assert!(said(&["--rule", "x"]).contains("`--rule`"));
        assert!(said(&["--rules"]).contains("`--rules`"));
        assert!(said(&["--output", "csv"]).contains("`--output`"));
    }
}
