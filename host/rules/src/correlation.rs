//! One item of `correlations:`: which events, how they are grouped, and the incident they make.

use std::collections::BTreeSet;

use orion_model::{Kind, Severity};

use crate::checker::Checker;
use crate::group::template;
use crate::group_by::{GroupName, in_order};
use crate::key::{Form, Key, key, names_of};
use crate::keys::{Fields, Text, nearest, text_of, texts_of};
use crate::match_check;
use crate::matcher::{self, EventMatcher};
use crate::rule::{Correlation, IncidentSpec};
use crate::tree::{Node, Value};

/// The correlator of a correlation that names none.
pub(crate) const DEFAULT_PLUGIN: &str = "grouping";

/// Parameters of correlators that read better beside `group_by` than inside `with`.
pub(crate) const SUGAR: [&str; 4] = ["window", "lateness", "idle", "max"];

/// What an item of `correlations:` may have.
pub(crate) const KEYS: [Key; 10] = [
    key("name", Form::Text, "Name of the correlation, unique within the file."),
    key("match", Form::Conditions, "Which events it reads: every name must hold; `{}` is all of them."),
    key("group_by", Form::Texts, "Events with equal values here belong together."),
    key("window", Form::Duration, "The correlator's parameter of this name."),
    key("lateness", Form::Duration, "The correlator's parameter of this name."),
    key("idle", Form::Duration, "The correlator's parameter of this name."),
    key("max", Form::Duration, "The correlator's parameter of this name."),
    key(
        "plugin",
        Form::Plugin(Kind::Correlator),
        "The correlator: a name, name@version (1.2.0, or how it begins: 1), or a .wasm file of the plugin folder.",
    ),
    key("with", Form::Parameters, "Parameters of the correlator."),
    key("incident", Form::Defined("incident"), "What its incidents are called."),
];

/// What `incident:` may have.
pub(crate) const INCIDENT_KEYS: [Key; 3] = [
    key("type", Form::Text, "What kind of incident it is, in snake case: `service_outage`."),
    key(
        "severity",
        Form::Word(&["info", "warning", "error", "critical"]),
        "Severity of every incident; without it the highest of its events.",
    ),
    key("summary", Form::Text, "A template: one line for a person."),
];

/// Reads one item of `correlations:`.
pub(crate) fn read<'n>(
    checker: &mut Checker<'_, '_>,
    node: &'n Node,
    names: &mut BTreeSet<&'n str>,
) -> Option<Correlation> {
    let fields = Fields::known(&mut checker.report, node, "a correlation", &names_of(&KEYS))?;
    let name = name(checker, &fields, names);
    let matcher = matcher(checker, &fields);
    let group_by = group_by(checker, &fields);
    let chosen = checker.plugins.read(&mut checker.report, &fields, Kind::Correlator, DEFAULT_PLUGIN, &SUGAR);
    let incident = incident(checker, &fields, name);
    let name = name?.as_str();
    let chosen = chosen?;
    Some(Correlation {
        id: checker.unique_id(format!("{}/{name}", checker.name)),
        name: name.to_owned(),
        matcher: matcher?,
        group_by,
        plugin: chosen.plugin,
        parameters: chosen.parameters,
        incident: incident?,
        line: checker.report.source.line(fields.bytes.start),
    })
}

fn name<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, names: &mut BTreeSet<&'n str>) -> Option<Text<'n>> {
    let name = required(checker, fields, "name", "a correlation")?;
    if !names.insert(name.as_str()) {
        let message = format!("the correlation `{}` stands twice in this file", name.as_str());
        checker.report.error(name.bytes(), message).help("give each correlation of a file its own name");
    }
    Some(name)
}

fn required<'n>(checker: &mut Checker<'_, '_>, fields: &Fields<'n>, key: &str, what: &str) -> Option<Text<'n>> {
    let text = fields.text(&mut checker.report, key);
    let empty = text.is_some_and(|text| text.as_str().trim().is_empty());
    if empty || fields.get(key).is_none() {
        let at = fields.key(key).map_or(&fields.bytes, |key| &key.bytes);
        checker.report.error(at, format!("{what} needs `{key}`")).label(format!("no `{key}`"));
    }
    text.filter(|_| !empty)
}

fn matcher(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<EventMatcher> {
    let Some(node) = fields.get("match") else {
        checker
            .report
            .error(&fields.bytes, "a correlation needs `match`")
            .label("no `match`")
            .help("say which events it reads, `match: { event_type: service_down }`; `match: {}` reads all of them");
        return None;
    };
    let conditions = Fields::any(&mut checker.report, node, "`match`")?;
    let mut matcher = EventMatcher::default();
    let mut sound = true;
    for (name, _, value) in conditions.iter() {
        let texts = match &value.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![value],
        };
        let of_list = matches!(&value.value, Value::List(_));
        let mut alternatives = Vec::new();
        for node in texts {
            let Some(text) = text_of(&mut checker.report, node, &format!("`{name}`")) else {
                sound = false;
                continue;
            };
            match matcher::condition(name, text.as_str(), of_list) {
                Ok(condition) => alternatives.push((text, condition)),
                Err(refusal) => {
                    sound = false;
                    checker.report.error(text.bytes(), refusal.message).maybe_help(refusal.help);
                }
            }
        }
        match_check::check(checker, name, &alternatives);
        matcher.add(name, alternatives.into_iter().map(|(_, condition)| condition).collect());
    }
    sound.then_some(matcher)
}

fn group_by(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Vec<GroupName> {
    let Some(node) = fields.get("group_by") else { return Vec::new() };
    let mut names: Vec<GroupName> = Vec::new();
    for text in texts_of(&mut checker.report, node, "a name in `group_by`") {
        if names.iter().any(|known| known.name == text.as_str()) {
            let message = format!("`{}` stands twice in `group_by`", text.as_str());
            checker.report.warning(text.bytes(), message).label("has no effect");
        } else {
            names.push(GroupName::plain(text.as_str()));
        }
    }
    in_order(names)
}

fn incident(checker: &mut Checker<'_, '_>, outer: &Fields<'_>, name: Option<Text<'_>>) -> Option<IncidentSpec> {
    let Some(node) = outer.get("incident") else {
        checker
            .report
            .error(&outer.bytes, "a correlation needs `incident`")
            .label("no `incident`")
            .help("say what it makes: `incident: { type: service_outage, severity: critical, summary: … }`");
        return None;
    };
    let fields = Fields::known(&mut checker.report, node, "`incident`", &names_of(&INCIDENT_KEYS))?;
    let incident_type = required(checker, &fields, "type", "an incident");
    let severity = severity(checker, &fields);
    // Without a summary the correlation's name says what it is about.
    let summary = match fields.text(&mut checker.report, "summary").or(name) {
        Some(text) => template(checker, text),
        None => None,
    };
    Some(IncidentSpec { incident_type: incident_type?.as_str().to_owned(), severity: severity?, summary: summary? })
}

/// The severity, if one is given; nothing when it is wrong.
fn severity(checker: &mut Checker<'_, '_>, fields: &Fields<'_>) -> Option<Option<Severity>> {
    let Some(text) = fields.text(&mut checker.report, "severity") else { return Some(None) };
    match text.as_str().parse() {
        Ok(severity) => Some(Some(severity)),
        Err(unknown) => {
            let near = nearest(text.as_str(), Severity::ALL.map(Severity::as_str));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            checker.report.error(text.bytes(), unknown.to_string()).maybe_help(help);
            None
        }
    }
}
