//! A rule over a past, by the code that runs live: what it would have recorded, and what its detector would have taken for usual.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use orion_bus::{NewRecord, RecordKind};
use orion_model::{Event, Parameter, ParameterValue, Scalar, SeriesId, Timestamp};
use orion_pipeline::library::{Accepted, Defaults, Generation, check, read_rule_file};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_pipeline::watcher::GroupPlan;
use orion_rules::Group;
use orion_sandbox::Plugin;
use orion_source::Source;

use super::past::Past;
use crate::author::play;
use crate::cli::Failure;
use crate::input::Frames;
use orion_suite::suite::{Rules, SOURCE};

/// The file, the group and the rule that a plugin alone is made into.
const FILE: &str = "evaluate.yaml";
const GROUP: &str = "evaluate";
const ALERT: &str = "Evaluated";

/// Groups that say nothing of it; what counts here is the pace of the samples.
const DEFAULT_INTERVAL_MILLIS: i64 = 60_000;

/// A parameter of detectors that can tell of every sample what would have been usual, and its value.
const TELLS: (&str, &str) = ("tells", "everything");

/// The fields in which they do.
const NEAR: (&str, &str) = ("near_low", "near_high");

/// The one rule that is evaluated.
pub struct OneRule {
    generation: Generation,
    /// Its id.
    pub id: String,
    /// What it asks.
    pub expr: String,
    /// Its detector.
    pub plugin_name: String,
    plugin: Plugin,
    parameters: Vec<Parameter>,
    own_labels: BTreeSet<String>,
}

/// A plugin with parameters, as a rule that says nothing else.
pub fn of_plugin(rules: &Rules, plugin: &str, set: &[String], expr: &str) -> Result<OneRule, Failure> {
    let mut with = Vec::new();
    for pair in set {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| Failure::Configuration(format!("--set {pair}: write NAME=VALUE")))?;
        with.push(format!("{}: {}", quoted(name), yaml_of(value)));
    }
    let text = format!(
        "groups:\n- name: {GROUP}\n  rules:\n  - alert: {ALERT}\n    expr: {}\n    plugin: {}\n    with: {{ {} }}\n    labels: {{ severity: warning }}\n",
        quoted(expr),
        quoted(plugin),
        with.join(", ")
    );
    let checked = check(FILE, &text, rules.shelf(), &defaults(SOURCE));
    let accepted = checked.accepted.ok_or_else(|| {
        Failure::BadFile(format!("`{plugin}` cannot be evaluated so:\n{}", checked.report.trim_end()))
    })?;
    one_of(&Accepted::generation([&accepted]), ALERT)
}

/// The rule of this name in a file.
pub fn of_file(rules: &Rules, path: &Path, name: &str) -> Result<OneRule, Failure> {
    let text = read_rule_file(path)
        .map_err(|why| Failure::Configuration(format!("{} cannot be read: {why}", path.display())))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let checked = check(&file, &text, rules.shelf(), &defaults(SOURCE));
    let accepted = checked.accepted.ok_or_else(|| Failure::BadFile(checked.report.trim_end().to_owned()))?;
    one_of(&Accepted::generation([&accepted]), name)
}

fn defaults(source: &str) -> Defaults {
    Defaults { interval_millis: DEFAULT_INTERVAL_MILLIS, sources: BTreeSet::from([source.to_owned()]), log_dirs: None }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A number, a truth value, a list or a mapping is one; everything else is a text.
fn yaml_of(value: &str) -> String {
    let is_plain = value.parse::<f64>().is_ok() || matches!(value, "true" | "false") || value.starts_with(['[', '{']);
    if is_plain { value.to_owned() } else { quoted(value) }
}

/// A rule set of one rule, without correlations.
fn one_of(generation: &Generation, name: &str) -> Result<OneRule, Failure> {
    let all = || generation.groups.values().flat_map(|plan| plan.rules().map(move |rule| (plan, rule)));
    let mut found = all().filter(|(_, rule)| rule.rule.name == name || rule.rule.id == name);
    let (Some((plan, rule)), None) = (found.next(), found.next()) else {
        let ids: String = all().map(|(_, rule)| format!("\n  {}", rule.rule.id)).collect();
        return Err(Failure::Configuration(format!("`{name}` is not the name of one rule; these are there:{ids}")));
    };
    let group = Group { rules: vec![rule.rule.clone()], query_offset_millis: 0, ..(*plan.group).clone() };
    let only = GroupPlan { group: Arc::new(group), plugins: vec![rule.plugin.clone()], ..plan.clone() };
    let groups = BTreeMap::from([(only.group.id.clone(), only)]);
    Ok(OneRule {
        generation: Generation { groups, correlations: BTreeMap::new(), ..generation.clone() },
        id: rule.rule.id.clone(),
        expr: rule.rule.expr.clone(),
        plugin_name: format!("{} {}", rule.plugin.manifest().name, rule.plugin.manifest().version),
        plugin: rule.plugin.clone(),
        parameters: rule.plugin.manifest().complete(&rule.rule.parameters),
        own_labels: rule.rule.labels.iter().map(|(name, _)| name.clone()).collect(),
    })
}

/// What the rule would have recorded.
pub struct Played {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// What it was shown.
    pub frames: Frames,
    /// Labels that it lays over those of its series.
    pub own_labels: BTreeSet<String>,
}

struct Collected {
    events: Vec<Event>,
    progress: ProgressBar,
    from: Timestamp,
}

impl Observer for Collected {
    fn record(&mut self, record: &NewRecord) {
        if record.kind == RecordKind::Event {
            self.events.extend(serde_json::from_str::<Event>(&record.body));
        }
    }

    fn reached(&mut self, instant: Timestamp) -> bool {
        self.progress.set_position(u64::try_from(instant.millis_since(self.from)).unwrap_or(0));
        true
    }
}

/// Plays the rule.
pub fn played(rule: &OneRule, past: Past, span: (Timestamp, Timestamp), step_millis: i64) -> Result<Played, Failure> {
    let past = Arc::new(past);
    let sources = BTreeMap::from([(SOURCE.to_owned(), past.clone() as Arc<dyn Source>)]);
    let settings = ReplaySettings { from: span.0, to: span.1, pace: Pace::Aligned(step_millis) };
    let failed = |why: &dyn std::fmt::Display| Failure::Configuration(why.to_string());
    let replay = Replay::new(&rule.generation, &sources, settings).map_err(|why| failed(&why))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| failed(&why))?;
    let mut collected = Collected { events: Vec::new(), progress: bar(span), from: span.0 };
    runtime.block_on(replay.run(&mut collected)).map_err(|why| failed(&why))?;
    collected.progress.finish_and_clear();
    let (of_rule, others): (Vec<_>, Vec<_>) = collected.events.into_iter().partition(|event| event.rule == rule.id);
    // What Orion says of itself there is about this rule and no other.
    if let Some(fault) = others.first() {
        let message = fault.data.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
        return Err(Failure::BadFile(format!("the rule goes wrong at {}: {}: {message}", fault.ts, fault.event_type)));
    }
    Ok(Played { events: of_rule, frames: past.take_seen(), own_labels: rule.own_labels.clone() })
}

/// On a terminal; nothing where nobody looks.
fn bar(span: (Timestamp, Timestamp)) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(span.1.millis_since(span.0)).unwrap_or(0).max(1));
    let style = ProgressStyle::with_template("evaluating {wide_bar} {percent:>3} %  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Between which values a sample would have been usual, by series and instant.
pub type Usual = BTreeMap<(SeriesId, Timestamp), (f64, f64)>;

/// What the detector would have taken for usual at each sample: it is shown all of them once more, with the parameter by which it tells.
/// Nothing of detectors that cannot.
pub fn usual(rule: &OneRule, frames: &Frames) -> Result<Usual, Failure> {
    let can_tell = rule
        .plugin
        .manifest()
        .parameter(TELLS.0)
        .is_some_and(|spec| spec.accept(ParameterValue::Text(TELLS.1.to_owned())).is_ok());
    if !can_tell {
        return Ok(Usual::new());
    }
    let mut parameters = rule.parameters.clone();
    parameters.retain(|parameter| parameter.name != TELLS.0);
    parameters.push(Parameter { name: TELLS.0.to_owned(), value: ParameterValue::Text(TELLS.1.to_owned()) });
    let (findings, _) = play::frames(&rule.plugin, &parameters, frames)?;
    let near = |finding: &orion_model::Finding| {
        let number = |name: &str| {
            finding.fields.iter().find(|field| field.name == name).and_then(|field| match field.value {
                Scalar::Number(number) => Some(number),
                _ => None,
            })
        };
        Some(((finding.series?, finding.timestamp), (number(NEAR.0)?, number(NEAR.1)?)))
    };
    Ok(findings.iter().filter_map(near).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_a_number_a_truth_value_a_list_or_a_text() {
        for (value, written) in
            [("5", "5"), ("0.5", "0.5"), ("true", "true"), ("[a, b]", "[a, b]"), ("1d", "\"1d\""), ("low", "\"low\"")]
        {
            assert_eq!(yaml_of(value), written);
        }
    }
}
