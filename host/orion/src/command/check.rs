//! `orion check`: everything that is wrong with rule files, said at once.
//!
//! Each file is judged as a start would judge it. Then all of them are looked at together, for what no file shows by itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use orion_pipeline::library::{Accepted, Checked, Defaults, Shelf, check as check_text, read_rule_file, rule_files};
use orion_rules::{Level, RuleFile, SetFile, check_set, count, parse_file, render, with_set};
use serde_json::{Value, json};

use crate::cli::{CheckArgs, EXIT_BAD_RULE, Failure};
use crate::output::{form, print_list};
use crate::source::{LOKI, PROMETHEUS};
use crate::{rule_set, setup, shipped};

/// Checks files and folders. Exits with 0 when all would be accepted, and with `--strict` only without a warning.
pub fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let paths = if args.paths.is_empty() { std::slice::from_ref(&args.rules.rules) } else { &args.paths };
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_at(path)?.into_iter().map(RuleText::read));
    }
    if files.is_empty() {
        return Err(Failure::Configuration("no rule file (*.yaml, *.yml) is there".to_owned()));
    }
    let shelf = rule_set::shelf(&args.rules.plugins)?;
    let judged = judge_all(&files, &shelf, &args.rules.logs);
    let mut checked: Vec<(&Path, Checked)> = files.iter().map(|file| file.path.as_path()).zip(judged).collect();
    // A single file may be one of many; a folder is what `orion run` would run.
    judge_together(&mut checked, paths.iter().any(|path| path.is_dir()), &shelf);
    let verdict = Verdict::of(&checked);
    print_list(form(args.output), checked.iter().map(|(path, checked)| value(path, checked)).collect(), |_| {
        let texts = checked.iter().map(|(path, checked)| shown(path, checked));
        texts.chain([verdict.shown(checked.len(), args.strict)]).collect()
    })?;
    Ok(if verdict.is_good(args.strict) { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD_RULE) })
}

/// No rule depends on it; a group without `interval` gets the one of the deployment.
const DEFAULT_INTERVAL_MILLIS: i64 = 15_000;

/// A rule file as it was read.
struct RuleText {
    path: PathBuf,
    text: Result<String, String>,
}

impl RuleText {
    fn read(path: PathBuf) -> Self {
        let text = read_rule_file(&path);
        Self { path, text }
    }
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

/// Every file by itself, on all cores, in the order of the files.
fn judge_all(files: &[RuleText], shelf: &Shelf, logs: &[PathBuf]) -> Vec<Checked> {
    // Rules are checked where no logs are, too.
    let defaults = match logs {
        [] => setup::defaults(DEFAULT_INTERVAL_MILLIS),
        logs => setup::defaults_of_run(DEFAULT_INTERVAL_MILLIS, [PROMETHEUS, LOKI].into_iter(), logs),
    };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else { return done };
            done.push((index, judge(file, shelf, &defaults)));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get).min(files.len());
    let mut judged = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut judged = work();
        for worker in others {
            judged.extend(worker.join().unwrap_or_else(|defect| std::panic::resume_unwind(defect)));
        }
        judged
    });
    judged.sort_by_key(|(index, _)| *index);
    judged.into_iter().map(|(_, checked)| checked).collect()
}

fn judge(file: &RuleText, shelf: &Shelf, defaults: &Defaults) -> Checked {
    let name = file.path.display().to_string();
    match &file.text {
        Ok(text) => check_text(&name, text, shelf, defaults),
        Err(why) => Checked::unreadable(&name, why),
    }
}

/// Adds what only shows when files are looked at together.
fn judge_together(checked: &mut [(&Path, Checked)], is_whole: bool, shelf: &Shelf) {
    // What a refused file would have made is not known.
    let is_whole = is_whole && checked.iter().all(|(_, checked)| checked.accepted.is_some());
    let own = is_whole.then(|| own_rules(shelf)).flatten();
    let accepted = checked.iter().filter_map(|(_, checked)| checked.accepted.as_ref());
    let set: Vec<SetFile<'_>> = accepted.map(|it| SetFile { file: &it.file, text: &it.text }).collect();
    let said = check_set(&set, own.as_ref());
    let files = checked.iter_mut().filter(|(_, checked)| checked.accepted.is_some());
    for ((path, checked), said) in files.zip(said) {
        if said.is_empty() {
            continue;
        }
        checked.diagnostics = with_set(std::mem::take(&mut checked.diagnostics), said);
        let text = checked.accepted.as_ref().map_or("", |accepted| &*accepted.text);
        checked.report = render(&checked.diagnostics, &path.display().to_string(), text, false);
    }
}

/// The correlations of what Orion says of itself; what they read is always there.
fn own_rules(plugins: &Shelf) -> Option<RuleFile> {
    shipped::BUILTIN_RULES.iter().find_map(|(name, text)| parse_file(name, text, plugins).file)
}

/// What became of all files together.
struct Verdict {
    refused: usize,
    warnings: usize,
}

impl Verdict {
    fn of(checked: &[(&Path, Checked)]) -> Self {
        Self {
            refused: checked.iter().filter(|(_, checked)| checked.accepted.is_none()).count(),
            warnings: checked.iter().map(|(_, checked)| count(&checked.diagnostics, Level::Warning)).sum(),
        }
    }

    fn is_good(&self, strict: bool) -> bool {
        self.refused == 0 && (self.warnings == 0 || !strict)
    }

    fn shown(&self, files: usize, strict: bool) -> String {
        let refused = match self.refused {
            0 => String::new(),
            refused => format!("{refused} of {files} files would be refused\n"),
        };
        let counted = |warnings| if warnings == 1 { "1 warning".to_owned() } else { format!("{warnings} warnings") };
        let warnings = match self.warnings {
            0 => String::new(),
            warnings if strict => format!("{}, and --strict allows none\n", counted(warnings)),
            warnings => format!("{}\n", counted(warnings)),
        };
        refused + &warnings
    }
}

fn shown(path: &Path, checked: &Checked) -> String {
    let accepted = checked.accepted.as_ref().map(|accepted| format!("{}: ok, {}\n", path.display(), accepted.counts()));
    format!("{}{}", checked.report, accepted.unwrap_or_default())
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
