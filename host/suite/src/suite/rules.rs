//! The rule files of a suite, judged as Orion judges them before it runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use orion_pipeline::library::{Accepted, Defaults, Generation, Shelf, check, read_rule_file};
use orion_rules::{Diagnostic, Level, render};

use super::recording::{self, RecordingRule};
use super::{InputEvent, SOURCE, Suite};

/// No test depends on it: groups are evaluated at the interval of the suite.
const DEFAULT_INTERVAL_MILLIS: i64 = 60_000;

/// The rule file that [`InputEvent`]s are made into.
pub const INPUT_EVENTS: &str = "input_events";

/// Judges rule files with the plugins there are.
pub struct Rules {
    shelf: Shelf,
    defaults: Defaults,
}

/// The text of one rule file: as what it is judged, and as what it is shown where it is refused.
struct RuleText {
    name: String,
    shown: String,
    text: String,
}

/// Rule files that would run.
#[derive(Default)]
pub struct LoadedRules {
    /// The files.
    pub files: Vec<Accepted>,
    /// What they record, in file order.
    pub recordings: Vec<RecordingRule>,
    /// Patterns that no file fits.
    pub unmatched: Vec<String>,
}

impl LoadedRules {
    /// All of them together.
    pub fn generation(&self) -> Generation {
        Accepted::generation(&self.files)
    }
}

impl Rules {
    /// With these plugins.
    pub fn new(shelf: Shelf) -> Self {
        let sources = BTreeSet::from([SOURCE.to_owned()]);
        Self { shelf, defaults: Defaults { interval_millis: DEFAULT_INTERVAL_MILLIS, sources, log_dirs: None } }
    }

    /// The plugins that rules may name.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The rule files of a suite, found beside it. The error is a report for a person.
    pub fn load(&self, suite: &Suite) -> Result<LoadedRules, String> {
        let (mut paths, mut unmatched) = (Vec::new(), Vec::new());
        for pattern in &suite.rule_files {
            let found = matching(suite.path.parent().unwrap_or(Path::new("")), pattern)?;
            if found.is_empty() {
                unmatched.push(pattern.clone());
            }
            paths.extend(found);
        }
        let mut texts = Vec::new();
        for path in &paths {
            let text = read_rule_file(path).map_err(|why| format!("{} cannot be read: {why}\n", path.display()))?;
            texts.push(RuleText { name: name_of(path, &paths), shown: path.display().to_string(), text });
        }
        self.judge(texts, unmatched)
    }

    /// The same of texts by their names, in the place of files.
    pub fn load_given(&self, suite: &Suite, given: &BTreeMap<String, String>) -> Result<LoadedRules, String> {
        let (mut texts, mut unmatched) = (Vec::new(), Vec::new());
        for pattern in &suite.rule_files {
            let fits = glob::Pattern::new(pattern).map_err(|why| format!("`{pattern}` is no pattern: {why}\n"))?;
            let found = given.iter().filter(|(name, _)| fits.matches(name));
            let before = texts.len();
            texts.extend(found.map(|(name, text)| RuleText {
                name: name.clone(),
                shown: name.clone(),
                text: text.clone(),
            }));
            if texts.len() == before {
                unmatched.push(pattern.clone());
            }
        }
        self.judge(texts, unmatched)
    }

    fn judge(&self, texts: Vec<RuleText>, unmatched: Vec<String>) -> Result<LoadedRules, String> {
        let mut loaded = LoadedRules { unmatched, ..LoadedRules::default() };
        let mut refused = String::new();
        for RuleText { name, shown, text } in texts {
            let checked = check(&name, &text, &self.shelf, &self.defaults);
            match checked.accepted {
                Some(accepted) => loaded.files.push(accepted),
                None => refused.push_str(&errors(checked.diagnostics, &shown, &text)),
            }
            loaded.recordings.extend(recording::of_text(&text));
        }
        if refused.is_empty() { Ok(loaded) } else { Err(refused) }
    }

    /// The rule file in which every event of a test is an alert with a query of its own.
    pub fn of_events(&self, events: &[InputEvent]) -> Result<Accepted, String> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut text = format!("groups:\n- name: {INPUT_EVENTS}\n  rules:\n");
        for (index, event) in events.iter().enumerate() {
            text.push_str(&format!("  - alert: {}\n", quoted(&event.event_type)));
            text.push_str(&format!("    expr: {}\n    labels:\n", query_of_event(index)));
            let own = [("event_type", &event.event_type), ("severity", &event.severity)];
            let labels = event.labels.iter().map(|(name, value)| (name.as_str(), value));
            for (name, value) in own.into_iter().chain(labels) {
                text.push_str(&format!("      {}: {}\n", quoted(name), quoted(&value.replace("{{", "{{`{{`}}"))));
            }
        }
        let checked = check(INPUT_EVENTS, &text, &self.shelf, &self.defaults);
        checked.accepted.ok_or(format!("`input_events` make no rules:\n{}", checked.report))
    }
}

/// The query that stands for an event that a test makes; no Prometheus is asked for it.
pub fn query_of_event(index: usize) -> String {
    format!("orion_input_event_{index}")
}

/// Only what refuses a file: the rest is for `orion check`.
fn errors(mut diagnostics: Vec<Diagnostic>, name: &str, text: &str) -> String {
    diagnostics.retain(|diagnostic| diagnostic.level == Level::Error);
    render(&diagnostics, name, text, false)
}

/// As in the rules folder: the name of the file, unless two have the same.
fn name_of(path: &Path, all: &[PathBuf]) -> String {
    let name = path.file_name();
    let is_unique = all.iter().filter(|other| other.file_name() == name).count() == 1;
    let shown = if is_unique { name.map(Path::new).unwrap_or(path) } else { path };
    shown.display().to_string()
}

fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = folder.join(pattern);
    let paths = glob::glob(&whole.to_string_lossy()).map_err(|why| format!("`{pattern}` is no pattern: {why}\n"))?;
    paths.map(|path| path.map_err(|why| format!("{why}\n"))).collect()
}
