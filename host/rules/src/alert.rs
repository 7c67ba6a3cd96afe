//! One item of `rules:`: an alerting rule, or a recording rule that is read and left alone.

use std::ops::Range;

use orion_model::Kind;

use crate::checker::Checker;
use crate::expr;
use crate::group::{ANNOTATIONS, DEFAULT_SOURCE, Inherited, LABELS, labels};
use crate::keys::{Fields, Text};
use crate::rule::AlertRule;
use crate::template::Template;
use crate::tree::Node;

/// The detector of a rule that names none: every series of the answer is a finding, as in Prometheus.
const DEFAULT_PLUGIN: &str = "threshold";

const KEYS: [&str; 9] =
    ["alert", "expr", "for", "keep_firing_for", "labels", "annotations", "plugin", "with", "record"];

/// What an item was.
pub(crate) enum Read {
    /// A rule Orion evaluates.
    Alert(Box<AlertRule>),
    /// A recording rule, and where it stands.
    Recording(Range<usize>),
}

/// Reads one item of `rules:`.
pub(crate) fn read(checker: &mut Checker<'_, '_>, node: &Node, inherited: &Inherited<'_>) -> Option<Read> {
    let fields = Fields::known(&mut checker.report, node, "a rule", &KEYS)?;
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
    if let Some(expr) = expr {
        expr::check(checker, expr, inherited.source == DEFAULT_SOURCE);
    }
    let for_millis = fields.duration(&mut checker.report, "for").unwrap_or(0);
    let keep_firing_for_millis = fields.duration(&mut checker.report, "keep_firing_for").unwrap_or(0);
    let own_labels = fields.get("labels").map(|node| labels(checker, node, LABELS)).unwrap_or_default();
    let annotations = fields.get("annotations").map(|node| labels(checker, node, ANNOTATIONS)).unwrap_or_default();
    let chosen = checker.plugins.read(&mut checker.report, &fields, Kind::Detector, DEFAULT_PLUGIN, &[]);

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
        labels: owned(labels),
        annotations: owned(annotations),
        plugin: chosen.plugin,
        parameters: chosen.parameters,
        line: checker.report.source.line(fields.bytes.start),
    })))
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
