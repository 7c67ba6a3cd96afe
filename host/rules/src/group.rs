//! Groups of alerting rules: Prometheus' format key by key, and what Orion adds to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use orion_model::Severity;

use crate::alert;
use crate::checker::Checker;
use crate::expr::Names;
use crate::key::{Form, Key, key};
use crate::keys::{Fields, Text, nearest, text_of};
use crate::rule::{AlertRule, Group};
use crate::template::{Template, TemplateError};
use crate::tree::{Node, Value};

/// The source a group asks when it names none.
pub(crate) const DEFAULT_SOURCE: &str = "prometheus";

/// The source that is asked in LogQL.
pub(crate) const LOKI_SOURCE: &str = "loki";

/// What messages call the labels of a rule or group.
pub(crate) const LABELS: &str = "`labels`";

/// What messages call annotations.
pub(crate) const ANNOTATIONS: &str = "`annotations`";

/// What an item of `groups:` may have.
pub(crate) const KEYS: [Key; 7] = [
    key("name", Form::Text, "Name of the group, unique within the file."),
    key("interval", Form::Duration, "Time between two evaluations."),
    key("query_offset", Form::Duration, "How far before the instant the data is asked for."),
    key("limit", Form::Count, "Most alerts that one rule may have; 0 or less is no limit."),
    key("labels", Form::Templates, "Templates laid under the labels of each rule."),
    key("source", Form::Text, "The source that is asked; `prometheus`, or `loki` for queries in LogQL."),
    key("rules", Form::ListOf("rule"), "The rules, evaluated at one instant."),
];

/// Keys that Thanos and Mimir put into groups; they change how those evaluate and mean nothing here.
pub(crate) const KEYS_OF_OTHERS: [Key; 2] = [
    key("partial_response_strategy", Form::Anything, "For Thanos; changes nothing here."),
    key("source_tenants", Form::Anything, "For Mimir; changes nothing here."),
];

/// What the rules of a group take from it.
pub(crate) struct Inherited<'n> {
    /// `file/group`.
    pub(crate) id: String,
    /// The source they ask.
    pub(crate) source: String,
    /// Labels that lie under their own.
    pub(crate) labels: BTreeMap<&'n str, Template>,
}

/// Reads one item of `groups:`.
pub(crate) fn read<'n>(checker: &mut Checker<'_, '_>, node: &'n Node, names: &mut BTreeSet<&'n str>) -> Option<Group> {
    let known: Vec<&str> = KEYS.iter().chain(&KEYS_OF_OTHERS).map(|key| key.name).collect();
    let fields = Fields::known(&mut checker.report, node, "a group", &known)?;
    for key in KEYS_OF_OTHERS.iter().filter_map(|other| fields.key(other.name)) {
        checker.report.note(&key.bytes, "this key is for other rulers and changes nothing here");
    }
    let name = name(checker, &fields, names);
    let interval = fields.duration(&mut checker.report, "interval").filter(|millis| *millis > 0);
    let query_offset_millis = fields.duration(&mut checker.report, "query_offset").unwrap_or(0);
    let limit = limit(checker, &fields);
    let source = fields.text(&mut checker.report, "source");
    if let Some(source) = source.filter(|source| source.as_str() == LOKI_SOURCE) {
        let message = "the queries of this group are LogQL, which only Loki itself checks";
        checker.report.note(source.bytes(), message);
    }
    let labels = fields.get("labels").map(|node| labels(checker, node, LABELS, &Names::Any)).unwrap_or_default();
    let inherited = Inherited {
        id: checker.unique_id(format!("{}/{}", checker.name, name.unwrap_or_default())),
        source: source.map_or(DEFAULT_SOURCE, |text| text.as_str()).to_owned(),
        labels,
    };
    let rules = rules(checker, &fields, &inherited);
    overridden_labels(checker, &fields);
    Some(Group {
        id: inherited.id,
        name: name?.to_owned(),
        interval_millis: interval,
        query_offset_millis,
        limit,
        source: inherited.source,
        rules,
    })
}

fn name<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, names: &mut BTreeSet<&'n str>) -> Option<&'n str> {
    let text = fields.text(&mut checker.report, "name");
    let Some(text) = text.filter(|text| !text.as_str().is_empty()) else {
        // What is no text at all has been spoken of already.
        if text.is_some() || fields.get("name").is_none() {
            checker.report.error(&fields.bytes, "a group needs a name").label("no `name`");
        }
        return None;
    };
    if !names.insert(text.as_str()) {
        let message = format!("the group `{}` stands twice in this file", text.as_str());
        checker.report.error(text.bytes(), message).help("give each group of a file its own name");
    }
    Some(text.as_str())
}

fn limit(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> usize {
    let Some(text) = fields.text(&mut checker.report, "limit") else { return 0 };
    match text.as_str().parse::<i64>() {
        // Prometheus takes a negative limit for none.
        Ok(limit) => usize::try_from(limit).unwrap_or(0),
        Err(_) => {
            let message = format!("`limit` must be a whole number, but is `{}`", text.as_str());
            checker.report.error(text.bytes(), message).help("0 means no limit");
            0
        }
    }
}

fn rules(checker: &mut Checker<'_, '_>, fields: &Fields<'_>, inherited: &Inherited<'_>) -> Vec<AlertRule> {
    let mut rules = Vec::new();
    let mut recording = Vec::new();
    for node in fields.list(&mut checker.report, "rules") {
        match alert::read(checker, node, inherited) {
            Some(alert::Read::Alert(rule)) => rules.push(*rule),
            Some(alert::Read::Recording(bytes)) => recording.push(bytes),
            None => {}
        }
    }
    checker.recording_rules += recording.len();
    // One sentence a group: files of hundreds of recording rules are common.
    if let Some(first) = recording.first() {
        let message = match recording.len() {
            1 => "this recording rule is not evaluated: Orion never writes metrics".to_owned(),
            count => format!("{count} recording rules of this group are not evaluated: Orion never writes metrics"),
        };
        checker.report.note(first, message);
    }
    rules
}

/// A label of the group that every one of its alerts has its own of is one nobody gets.
fn overridden_labels(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) {
    let Some(Value::Map(labels)) = fields.get("labels").map(|node| &node.value) else { return };
    let alerts: Vec<&Node> = match fields.get("rules").map(|node| &node.value) {
        Some(Value::List(rules)) => rules.iter().filter(|rule| rule.entry("alert").is_some()).collect(),
        _ => return,
    };
    let has_own = |rule: &&Node, name: &str| rule.entry("labels").and_then(|labels| labels.entry(name)).is_some();
    for (key, _) in labels {
        let Value::Scalar(name) = &key.value else { continue };
        if !alerts.is_empty() && alerts.iter().all(|rule| has_own(rule, &name.text)) {
            let message = format!("no alert of this group gets the label `{}`: each has its own", name.text);
            checker.report.warning(&key.bytes, message).label("has no effect");
        }
    }
}

/// Reads `labels:` or `annotations:`: names to templates. `found` are the labels that there can be to print.
pub(crate) fn labels<'n>(
    checker: &mut Checker<'_, '_>,
    node: &'n Node,
    what: &str,
    found: &Names,
) -> BTreeMap<&'n str, Template> {
    let mut labels = BTreeMap::new();
    let Some(fields) = Fields::any(&mut checker.report, node, what) else { return labels };
    for (name, key, value) in fields.iter() {
        label_name(checker, name, key, what);
        let Some(text) = text_of(&mut checker.report, value, &format!("`{name}`")) else { continue };
        let written = if value.is_null() { "" } else { text.as_str() };
        let template = match Template::parse(written) {
            Ok(template) => Some(template),
            Err(error) if error.is_refusal && what == ANNOTATIONS => Some(keep(checker, text, written, &error)),
            Err(error) => refuse(checker, text, &error),
        };
        let Some(template) = template else { continue };
        if (what, name) == (LABELS, "severity") {
            check_severity(checker, text, &template);
        }
        if (what, name) == (LABELS, "alertname") {
            let message = "this label has no effect: `alertname` is always the name of the alert";
            checker.report.warning(&key.bytes, message);
        }
        printed_labels(checker, text, &template, found);
        labels.insert(name, template);
    }
    labels
}

/// A label that the query takes away is printed as an empty text, which nobody notices before it matters.
fn printed_labels(checker: &mut Checker<'_, '_>, text: Text<'_>, template: &Template, found: &Names) {
    let Names::Only(there) = found else { return };
    for name in template.printed_labels().into_iter().filter(|name| !found.may_have(name)) {
        let written = [format!("$labels.{name}"), format!(".Labels.{name}")];
        let offset = written.iter().find_map(|written| text.as_str().find(written)).unwrap_or(0);
        let at = place(checker, text, offset);
        let help = match nearest(name, there.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if there.is_empty() => "the answer of this query has no labels at all".to_owned(),
            None => {
                format!("the answer of this query can have {}", there.iter().cloned().collect::<Vec<_>>().join(", "))
            }
        };
        let message = format!("the label `{name}` is always empty here: the query takes it away");
        checker.report.warning(&at, message).label("always empty").help(help);
    }
}

fn label_name(checker: &mut Checker<'_, '_>, name: &str, key: &Node, what: &str) {
    if name.is_empty() || name == "__name__" {
        let message = format!("`{name}` cannot be a name in {what}");
        checker.report.error(&key.bytes, message).help("names are letters, digits and underscores");
    } else if !is_classic_name(name) {
        checker
            .report
            .warning(&key.bytes, format!("`{name}` is a name that only Prometheus 3 takes"))
            .help("letters, digits and underscores are understood everywhere");
    }
}

/// A label name as every version of Prometheus takes it.
pub(crate) fn is_classic_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads a template; what is wrong with it is said at the very place.
pub(crate) fn template(checker: &mut Checker<'_, '_>, text: Text<'_>) -> Option<Template> {
    Template::parse(text.as_str()).map_or_else(|error| refuse(checker, text, &error), Some)
}

fn refuse(checker: &mut Checker<'_, '_>, text: Text<'_>, error: &TemplateError) -> Option<Template> {
    let at = place(checker, text, error.offset);
    checker.report.error(&at, error.message.as_str());
    None
}

/// The word at a place of a template, in the file.
fn place(checker: &Checker<'_, '_>, text: Text<'_>, offset: usize) -> Range<usize> {
    let rest = text.as_str().get(offset..).unwrap_or_default();
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
    let start = checker.place(text, offset);
    start..start + word
}

/// An annotation that asks for what Orion refuses is no reason to go without the alert: it stays as it is written.
/// A label would be: labels are the identity of what is observed.
fn keep(checker: &mut Checker<'_, '_>, text: Text<'_>, written: &str, error: &TemplateError) -> Template {
    let at = place(checker, text, error.offset);
    checker
        .report
        .warning(&at, error.message.as_str())
        .label("not evaluated")
        .help("this annotation is shown as it is written");
    Template::verbatim(written)
}

/// A severity that nobody knows counts as `warning`; better said at load than found out at night.
fn check_severity(checker: &mut Checker<'_, '_>, text: Text<'_>, template: &Template) {
    if let Some(Err(unknown)) = template.is_static().map(str::parse::<Severity>) {
        let near = nearest(&unknown.0, Severity::ALL.map(Severity::as_str));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        checker.report.warning(text.bytes(), unknown.to_string()).label("counts as `warning`").maybe_help(help);
    }
}
