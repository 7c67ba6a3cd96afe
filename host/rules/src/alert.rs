//! One item of `rules:`: an alerting rule, or a recording rule that is read and left alone.

use std::ops::Range;

use orion_model::Kind;

use crate::checker::Checker;
use crate::expr::{self, Facts, Names};
use crate::group::{ANNOTATIONS, DEFAULT_SOURCE, Inherited, LABELS, LOKI_SOURCE, labels};
use crate::key::{Form, Key, key, names_of};
use crate::keys::{Fields, Text, nearest};
use crate::logql;
use crate::parameters::Chosen;
use crate::rule::{AlertRule, NoData, OnEmpty};
use crate::template::Template;
use crate::tree::Node;

/// The detector of a rule that names none: every series of the answer is a finding, as in Prometheus.
pub(crate) const DEFAULT_PLUGIN: &str = "threshold";

/// What an item of `rules:` may have.
pub(crate) const KEYS: [Key; 12] = [
    key("alert", Form::Text, "Name of the alert."),
    key(
        "expr",
        Form::Text,
        "The query, in PromQL, or in LogQL for the source `loki`. Every series of its answer goes to the detector.",
    ),
    key("for", Form::Duration, "How long a finding must be there before it fires."),
    key("keep_firing_for", Form::Duration, "How long it fires on after the finding is gone."),
    key(
        "labels",
        Form::Templates,
        "Templates laid over the labels of the series; together they are the alert's identity. `severity` and `event_type` \
         mean something to Orion.",
    ),
    key("annotations", Form::Templates, "Templates for people, such as `summary` and `description`."),
    key(
        "plugin",
        Form::Plugin(Kind::Detector),
        "The detector: a name, name@version (1.2.0, or how it begins: 1), or a .wasm file of the plugin folder.",
    ),
    key("with", Form::Parameters, "Parameters of the detector."),
    key(
        "shadow",
        Form::Count,
        "How many evaluations a new version of the detector is tried beside the old one before it takes over.",
    ),
    key("missing_for", Form::Count, "How many evaluations an alert outlives without its data."),
    key("on_empty", Form::Word(&["keep", "resolve", "fire"]), "What an empty answer means."),
    key("record", Form::Text, "Makes it a recording rule, which is read and not evaluated."),
];

/// How many evaluations an alert outlives without its data where the rule says nothing: one lost scrape or restart of an
/// exporter is not the end of an outage, and a series that is gone for good does not stay for long.
const DEFAULT_MISSING_FOR: u32 = 2;

/// More would be `on_empty: keep` in other words.
const MOST_MISSING_FOR: u32 = 1_000;

/// A week of minutes: with more, the old version would never go.
const MOST_SHADOWED: u32 = 10_000;

/// What an item was.
pub(crate) enum Read {
    /// A rule Orion evaluates.
    Alert(Box<AlertRule>),
    /// A recording rule, and where it stands.
    Recording(Range<usize>),
}

/// Reads one item of `rules:`.
pub(crate) fn read(checker: &mut Checker<'_, '_>, node: &Node, inherited: &Inherited<'_>) -> Option<Read> {
    let fields = Fields::known(&mut checker.report, node, "a rule", &names_of(&KEYS))?;
    match (fields.key("alert"), fields.key("record")) {
        (None, Some(record)) => return Some(Read::Recording(record.bytes.clone())),
        (Some(_), Some(record)) => {
            checker
                .report
                .error(&record.bytes, "a rule is either an alert or a recording rule")
                .label("`alert` stands beside it");
            return None;
        }
        (None, None) => {
            checker.report.error(&fields.bytes, "a rule needs a name").label("no `alert`");
        }
        (Some(_), None) => {}
    }
    let name = required(checker, &fields, "alert");
    let expr = required(checker, &fields, "expr");
    let facts = expr.map(|expr| match inherited.source.as_str() {
        LOKI_SOURCE => logql::check(checker, expr),
        source => expr::check(checker, expr, source == DEFAULT_SOURCE),
    });
    let for_millis = fields.duration(&mut checker.report, "for").unwrap_or(0);
    let keep_firing_for_millis = fields.duration(&mut checker.report, "keep_firing_for").unwrap_or(0);
    let found = facts.as_ref().map_or(&Names::Any, |facts| &facts.labels);
    let own_labels = fields.get("labels").map(|node| labels(checker, node, LABELS, found)).unwrap_or_default();
    let annotations =
        fields.get("annotations").map(|node| labels(checker, node, ANNOTATIONS, found)).unwrap_or_default();
    let no_data = no_data(checker, &fields);
    let help = "how many evaluations a new version of the detector is tried beside the old one, such as `shadow: 10`";
    let shadow = evaluations(checker, &fields, "shadow", MOST_SHADOWED, help).unwrap_or(0);
    let chosen = checker.plugins.read(&mut checker.report, &fields, Kind::Detector, DEFAULT_PLUGIN, &[]);

    if let (Some(expr), Some(facts), Some(chosen)) = (expr, &facts, &chosen) {
        always_fires(checker, expr, facts, chosen);
    }

    let name = name?.as_str();
    let mut labels = inherited.labels.clone();
    labels.extend(own_labels);
    let chosen = chosen?;
    Some(Read::Alert(Box::new(AlertRule {
        id: checker.unique_id(format!("{}/{name}", inherited.id)),
        name: name.to_owned(),
        expr: expr?.as_str().to_owned(),
        for_millis,
        keep_firing_for_millis,
        no_data,
        labels: owned(labels),
        annotations: owned(annotations),
        plugin: chosen.plugin,
        parameters: chosen.parameters,
        shadow,
        line: checker.report.source.line(fields.bytes.start),
    })))
}

/// `bool` turns a comparison that keeps what meets it into one that keeps everything, as 0 or 1. Without a bound every
/// sample is a finding, as in Prometheus.
fn always_fires(checker: &mut Checker<'_, '_>, expr: Text<'_>, facts: &Facts, chosen: &Chosen) {
    if facts.is_truth && chosen.plugin == DEFAULT_PLUGIN && chosen.parameters.is_empty() {
        checker
            .report
            .warning(expr.bytes(), "this alert fires for every series: `bool` gives 0 or 1, and each is a sample")
            .help("leave `bool` out, so that only what meets the comparison is left");
    }
}

fn no_data(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> NoData {
    let help = "how many evaluations an alert outlives without its data, such as `missing_for: 2`";
    let given = evaluations(checker, fields, "missing_for", MOST_MISSING_FOR, help);
    let absent_is_missing = given.is_some() || fields.key("plugin").is_some();
    let unsaid = if absent_is_missing { OnEmpty::Missing } else { OnEmpty::Resolve };
    let on_empty = on_empty(checker, fields).unwrap_or(unsaid);
    NoData { missing_for: given.unwrap_or(DEFAULT_MISSING_FOR), absent_is_missing, on_empty }
}

fn evaluations(checker: &mut Checker<'_, '_>, fields: &Fields<'_>, key: &str, most: u32, help: &str) -> Option<u32> {
    let text = fields.text(&mut checker.report, key)?;
    let count = text.as_str().parse().ok().filter(|count| *count <= most);
    if count.is_none() {
        let message = format!("`{key}` counts evaluations, 0 to {most}, but is `{}`", text.as_str());
        checker.report.error(text.bytes(), message).help(help);
    }
    count
}

fn on_empty(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<OnEmpty> {
    const WORDS: [(&str, OnEmpty); 3] =
        [("keep", OnEmpty::Keep), ("resolve", OnEmpty::Resolve), ("fire", OnEmpty::Fire)];
    let text = fields.text(&mut checker.report, "on_empty")?;
    let found = WORDS.iter().find(|(word, _)| *word == text.as_str());
    if found.is_none() {
        let near = nearest(text.as_str(), WORDS.map(|(word, _)| word));
        checker
            .report
            .error(text.bytes(), format!("`on_empty` is `keep`, `resolve` or `fire`, but here `{}`", text.as_str()))
            .maybe_help(near.map(|near| format!("did you mean `{near}`?")));
    }
    found.map(|(_, meaning)| *meaning)
}

/// A text that must be there and not be empty.
fn required<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, name: &str) -> Option<Text<'n>> {
    let text = fields.text(&mut checker.report, name);
    let missing = match text {
        Some(text) => text.as_str().trim().is_empty(),
        None => fields.get(name).is_none(),
    };
    match fields.key(name) {
        _ if !missing => {}
        Some(key) => {
            checker.report.error(&key.bytes, format!("`{name}` is empty"));
        }
        None if name == "alert" => {}
        None => {
            checker.report.error(&fields.bytes, format!("a rule needs `{name}`")).label(format!("no `{name}`"));
        }
    }
    text.filter(|_| !missing)
}

fn owned(labels: std::collections::BTreeMap<&str, Template>) -> Vec<(String, Template)> {
    labels.into_iter().map(|(name, template)| (name.to_owned(), template)).collect()
}
