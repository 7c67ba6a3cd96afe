//! One validator for start, reload and `orion check`: a text becomes an accepted file, or a report of all that is wrong.
//!
//! Accepted means that it can run as it is: parsed, its sources known, its plugins found, and each plugin instance set up
//! with the rule's parameters once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use orion_model::{FileSaid, SaidAt};
use orion_rules::{
    Correlation, Diagnostic, Group, Level, LogEntry, LogSource, RuleFile, SetFile, check_set, parse_file, render,
    with_set,
};
use orion_sandbox::Plugin;

use super::shelf::Shelf;
use super::{Generation, UNNUMBERED};
use crate::logs::{LogPlan, folder_of};
use crate::schedule::Slots;
use crate::watcher::GroupPlan;

/// What a file that says nothing gets, and what it may name.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Time between instants of a group without `interval`.
    pub interval_millis: i64,
    /// Names of the sources there are.
    pub sources: BTreeSet<String>,
    /// Folders of logs; none where nobody reads any, and whatever files are named is taken.
    pub log_dirs: Option<Vec<PathBuf>>,
}

/// A file that can run.
#[derive(Clone)]
pub struct Accepted {
    /// The file.
    pub file: RuleFile,
    /// Its text, to be kept as last good.
    pub text: Arc<str>,
    groups: Vec<(Arc<Group>, Vec<Plugin>)>,
    correlations: Vec<CorrelationPlan>,
    default_interval_millis: i64,
}

/// A correlation and its plugin.
#[derive(Clone)]
pub struct CorrelationPlan {
    /// The correlation as the rule file has it.
    pub correlation: Arc<Correlation>,
    /// Its correlator.
    pub plugin: Plugin,
}

/// What became of a text.
pub struct Checked {
    /// The file, when nothing is wrong with it.
    pub accepted: Option<Accepted>,
    /// Everything there is to say.
    pub diagnostics: Vec<Diagnostic>,
    /// The same for a person; empty when there is nothing.
    pub report: String,
}

impl Checked {
    /// The verdict on a file that cannot be read.
    pub fn unreadable(name: &str, why: &str) -> Self {
        let diagnostics = vec![problem(format!("{name} cannot be read: {why}"), None)];
        let report = render(&diagnostics, name, "", false);
        Self { accepted: None, diagnostics, report }
    }

    /// The verdict as data, under the name of the file.
    pub fn said(&self, file: &str) -> FileSaid {
        let said = |diagnostic: &Diagnostic| SaidAt {
            level: format!("{:?}", diagnostic.level).to_lowercase(),
            message: diagnostic.message.clone(),
            line: diagnostic.span.as_ref().map(|span| span.line),
            column: diagnostic.span.as_ref().map(|span| span.column),
            help: diagnostic.help.clone(),
        };
        FileSaid {
            file: file.to_owned(),
            ok: self.accepted.is_some(),
            diagnostics: self.diagnostics.iter().map(said).collect(),
            report: self.report.clone(),
        }
    }
}

/// Judges a text under the name of its file.
pub fn check(name: &str, text: &str, shelf: &Shelf, defaults: &Defaults) -> Checked {
    let mut parsed = parse_file(name, text, shelf);
    let mut accepted = None;
    if let Some(file) = parsed.file {
        match Accepted::assemble(file, text, shelf, defaults) {
            Ok(whole) => accepted = Some(whole),
            Err(problems) => parsed.diagnostics.extend(problems),
        }
    }
    let report =
        if parsed.diagnostics.is_empty() { String::new() } else { render(&parsed.diagnostics, name, text, false) };
    Checked { accepted, diagnostics: parsed.diagnostics, report }
}

/// Adds what only shows when files are looked at together. `own` is the file of Orion's own correlations, where these files are all
/// that will run; then it is known which events there can be.
pub fn look_together(checked: &mut [(String, Checked)], own: Option<&RuleFile>) {
    let accepted = checked.iter().filter_map(|(_, checked)| checked.accepted.as_ref());
    let set: Vec<SetFile<'_>> = accepted.map(|it| SetFile { file: &it.file, text: &it.text }).collect();
    let said = check_set(&set, own);
    let files = checked.iter_mut().filter(|(_, checked)| checked.accepted.is_some());
    for ((name, checked), said) in files.zip(said) {
        if said.is_empty() {
            continue;
        }
        checked.diagnostics = with_set(std::mem::take(&mut checked.diagnostics), said);
        let text = checked.accepted.as_ref().map_or("", |accepted| &*accepted.text);
        checked.report = render(&checked.diagnostics, name, text, false);
    }
}

impl Accepted {
    /// The same with nothing but its correlations: the rest of it runs elsewhere.
    pub(super) fn only_correlations(mut self) -> Self {
        self.groups.clear();
        self.file.groups.clear();
        self.file.logs.clear();
        self
    }

    fn assemble(file: RuleFile, text: &str, shelf: &Shelf, defaults: &Defaults) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut groups = Vec::new();
        for group in &file.groups {
            if !defaults.sources.contains(&group.source) {
                problems.push(unknown_source(group, defaults));
            }
            let plugins = group.rules.iter().map(|rule| {
                let plugin = shelf.get(&rule.plugin)?;
                shelf.set_up(plugin, &rule.parameters)?;
                Ok(plugin.clone())
            });
            let named = group.rules.iter().map(|rule| (rule.name.as_str(), rule.line)).zip(plugins);
            groups.push((Arc::new(group.clone()), sort_out(named, &mut problems)));
        }
        let mut correlations = Vec::new();
        for correlation in &file.correlations {
            let plugin = shelf.get(&correlation.plugin).and_then(|plugin| {
                shelf.set_up(plugin, &correlation.parameters)?;
                Ok(plugin.clone())
            });
            let named = std::iter::once(((correlation.name.as_str(), correlation.line), plugin));
            let plugins = sort_out(named, &mut problems);
            let correlation = Arc::new(correlation.clone());
            correlations
                .extend(plugins.into_iter().map(|plugin| CorrelationPlan { correlation: correlation.clone(), plugin }));
        }
        let outside = file.logs.iter().flat_map(|entry| outside_files(entry, defaults));
        problems.extend(outside);
        problems.extend(file.logs.iter().filter_map(|entry| without_loki(entry, defaults)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let default_interval_millis = defaults.interval_millis;
        Ok(Self { file, text: text.into(), groups, correlations, default_interval_millis })
    }

    /// Whether any of its rules or correlations runs on this plugin.
    pub fn uses(&self, plugin: &Plugin) -> bool {
        let of_rules = self.groups.iter().flat_map(|(_, plugins)| plugins);
        let mut all = of_rules.chain(self.correlations.iter().map(|plan| &plan.plugin));
        all.any(|used| used.digest() == plugin.digest())
    }

    /// How much is in it, for a person: `12 rules, 1 correlation`.
    pub fn counts(&self) -> String {
        let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let rules = self.file.groups.iter().map(|group| group.rules.len()).sum();
        let logs = match self.file.logs.len() {
            0 => String::new(),
            count => format!(", {}", counted(count, "log")),
        };
        format!("{}, {}{logs}", counted(rules, "rule"), counted(self.correlations.len(), "correlation"))
    }

    /// The generation that all these files make together, for somebody who keeps no library: a replay.
    pub fn generation<'a>(files: impl IntoIterator<Item = &'a Self>) -> Generation {
        let mut generation = Generation {
            number: UNNUMBERED,
            groups: BTreeMap::new(),
            correlations: BTreeMap::new(),
            logs: BTreeMap::new(),
            ended_groups: Vec::new(),
        };
        for file in files {
            let groups = file.group_plans(UNNUMBERED).map(|plan| (plan.group.id.clone(), plan));
            generation.groups.extend(groups);
            let correlations = file.correlation_plans().map(|plan| (plan.correlation.id.clone(), plan));
            generation.correlations.extend(correlations);
            let logs = file.log_plans(UNNUMBERED).map(|plan| (plan.entry.id.clone(), plan));
            generation.logs.extend(logs);
        }
        generation
    }

    /// The groups as plans of a generation.
    pub fn group_plans(&self, generation: u64) -> impl Iterator<Item = GroupPlan> {
        self.groups.iter().map(move |(group, plugins)| GroupPlan {
            group: group.clone(),
            plugins: plugins.clone(),
            slots: Slots::new(&group.id, group.interval_millis.unwrap_or(self.default_interval_millis)),
            generation,
        })
    }

    /// The entries of logs as plans of a generation.
    pub fn log_plans(&self, generation: u64) -> impl Iterator<Item = LogPlan> {
        self.file.logs.iter().map(move |entry| LogPlan { entry: Arc::new(entry.clone()), generation })
    }

    /// The correlations with their plugins.
    pub fn correlation_plans(&self) -> impl Iterator<Item = CorrelationPlan> {
        self.correlations.iter().cloned()
    }
}

fn sort_out<'a>(
    plugins: impl Iterator<Item = ((&'a str, usize), Result<Plugin, String>)>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Plugin> {
    let mut good = Vec::new();
    for ((name, line), plugin) in plugins {
        match plugin {
            Ok(plugin) => good.push(plugin),
            Err(why) => problems.push(problem(format!("`{name}` in line {line} cannot be set up: {why}"), None)),
        }
    }
    good
}

fn unknown_source(group: &Group, defaults: &Defaults) -> Diagnostic {
    let known = defaults.sources.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("group `{}` asks the source `{}`, which is not configured", group.name, group.source);
    problem(message, Some(format!("configured: {known}")))
}

/// Files that no folder of logs holds would never be read.
fn outside_files<'a>(entry: &'a LogEntry, defaults: &'a Defaults) -> impl Iterator<Item = Diagnostic> + 'a {
    let patterns: &[String] = match &entry.from {
        LogSource::Files { patterns, .. } => patterns,
        LogSource::Loki { .. } => &[],
    };
    let dirs = defaults.log_dirs.as_deref();
    let is_outside = move |pattern: &&String| {
        let folder = folder_of(pattern);
        dirs.is_some_and(|dirs| {
            dirs.is_empty() || (folder.is_absolute() && !dirs.iter().any(|dir| folder.starts_with(dir)))
        })
    };
    patterns.iter().filter(is_outside).map(move |pattern| {
        let (id, line) = (&entry.id, entry.line);
        let message = format!("`{pattern}` of the entry `{id}` in line {line} is in no folder of logs");
        let named: Vec<String> = dirs.unwrap_or_default().iter().map(|dir| dir.display().to_string()).collect();
        let help = match named.is_empty() {
            true => "name the folders that may be read with --logs (ORION_LOGS__DIRS)".to_owned(),
            false => format!("folders that may be read: {}; --logs (ORION_LOGS__DIRS) names more", named.join(", ")),
        };
        problem(message, Some(help))
    })
}

/// Lines that nobody can be asked for.
fn without_loki(entry: &LogEntry, defaults: &Defaults) -> Option<Diagnostic> {
    let is_there = defaults.sources.contains(crate::logs::LOKI);
    let wants_it = matches!(entry.from, LogSource::Loki { .. });
    let message = format!("the entry `{}` in line {} asks Loki, which is not configured", entry.id, entry.line);
    let help = "say where it is with --loki-url (LOKI_URL)".to_owned();
    (wants_it && !is_there).then(|| problem(message, Some(help)))
}

fn problem(message: String, help: Option<String>) -> Diagnostic {
    Diagnostic { level: Level::Error, message, span: None, label: String::new(), help }
}
