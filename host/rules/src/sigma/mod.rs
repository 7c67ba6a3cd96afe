//! Sigma correlation files, read as they are.
//!
//! Sigma's correlations count and order what its rules find, and Orion's correlators do the same with events; so a document
//! with `correlation:` becomes a [`Correlation`]. Where Sigma has a rule over logs, Orion has an alert: the rule `failed_logon`
//! is whatever makes events of the type `failed_logon`, such as the alert `FailedLogon`. The rules over logs themselves are
//! read for their names and left alone. What a correlation asks for and no correlator does is said, and that one is left out.

mod condition;
mod names;
mod terms;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use orion_model::{ParameterValue, Severity};

use crate::checker::Checker;
use crate::event_type::default_event_type;
use crate::group_by::GroupName;
use crate::key::{Form, Key, key, names_of};
use crate::keys::{Fields, Text, nearest, text_of, texts_of};
use crate::matcher::{Condition, EventMatcher};
use crate::parameters::{Chosen, Given};
use crate::rule::{Correlation, IncidentSpec};
use crate::template::Template;
use crate::tree::{Node, Value};
pub(crate) use names::Documents;
use names::SigmaRule;
use terms::Term;

/// Keys that only documents of Sigma have at their top.
pub(crate) const MARKS: [&str; 3] = ["correlation", "detection", "filter"];

/// What `correlation:` may have.
pub(crate) const KEYS: [Key; 8] = [
    key("type", Form::Word(&KIND_NAMES), "What is counted or waited for."),
    key("rules", Form::Texts, "The rules whose events are correlated: event types, in any spelling."),
    key("group-by", Form::Texts, "Events with equal values here belong together."),
    key("timespan", Form::Duration, "How far apart the events may be."),
    key("aliases", Form::Anything, "Names of `group-by` that stand for another field in events of each rule."),
    key("condition", Form::Anything, "What is compared with: `gte: 10`; of temporal ones also `a and (b or c)`."),
    key("field", Form::Texts, "The field whose values count; usually a part of `condition`."),
    key("generate", Form::Flag, "Changes nothing: alerts are events with and without a correlation."),
];

/// Comparisons of a condition, which the correlators have as parameters of the same names.
const COMPARISONS: [&str; 6] = ["gt", "gte", "lt", "lte", "eq", "neq"];

/// Whether a document is one of Sigma's.
pub(crate) fn is_document(document: &Node) -> bool {
    MARKS.iter().any(|mark| document.entry(mark).is_some_and(|value| matches!(value.value, Value::Map(_))))
}

/// Whether it correlates; the others are about logs.
pub(crate) fn is_correlation(document: &Node) -> bool {
    document.entry("correlation").is_some()
}

/// Reads a document with `correlation:`.
pub(crate) fn read<'n>(
    checker: &mut Checker<'_, '_>,
    document: &'n Node,
    documents: &Documents<'n>,
    names: &mut BTreeSet<&'n str>,
) -> Option<Correlation> {
    // Sigma lets everybody add keys of their own at the top.
    let head = Fields::any(&mut checker.report, document, "a Sigma rule")?;
    let title = title(checker, &head);
    let name = head.text(&mut checker.report, "name").or(title);
    let severity = severity(checker, &head);
    let body = Fields::known(&mut checker.report, head.get("correlation")?, "`correlation`", &names_of(&KEYS))?;
    let kind = kind(checker, &body);
    let rules = rules(checker, &body, documents);
    if body.get("timespan").is_none() {
        checker.report.error(&body.bytes, "a Sigma correlation needs `timespan`").label("no `timespan`");
    }
    let rules = rules?;
    let aliases = terms::aliases(checker, &body, &rules);
    let group_by = terms::group_by(checker, &body, &rules, &aliases);
    let chosen = chosen(checker, &body, kind?, &rules, &aliases);
    let (name, title) = (name?.as_str(), title?);
    if !names.insert(name) {
        let message = format!("the correlation `{name}` stands twice in this file");
        checker.report.error(title.bytes(), message).help("give each correlation of a file its own `name` or `title`");
    }
    let mut matcher = EventMatcher::default();
    matcher.add("event_type", rules.iter().flat_map(SigmaRule::event_types).map(Condition::Is).collect());
    let chosen = chosen?;
    Some(Correlation {
        id: checker.unique_id(format!("{}/{name}", checker.name)),
        name: name.to_owned(),
        matcher,
        group_by,
        plugin: chosen.plugin,
        parameters: chosen.parameters,
        incident: IncidentSpec {
            incident_type: default_event_type(name),
            severity,
            summary: Template::verbatim(title.as_str()),
        },
        line: checker.report.source.line(head.bytes.start),
    })
}

fn title<'n>(checker: &mut Checker<'_, '_>, head: &Fields<'n>) -> Option<Text<'n>> {
    let title = head.text(&mut checker.report, "title").filter(|title| !title.as_str().trim().is_empty());
    if title.is_none() {
        checker.report.error(&head.bytes, "a Sigma rule needs `title`").label("no `title`");
    }
    title
}

/// How bad it is, in Sigma's words.
pub(crate) const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// Sigma's levels are words that Orion knows for its severities.
fn severity(checker: &mut Checker<'_, '_>, head: &Fields<'_>) -> Option<Severity> {
    let text = head.text(&mut checker.report, "level")?;
    let severity = text.as_str().parse().ok().filter(|_| LEVELS.contains(&text.as_str()));
    if severity.is_none() {
        let message = format!("`{}` is no level of Sigma", text.as_str());
        let help = match nearest(text.as_str(), LEVELS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the levels are {}", LEVELS.join(", ")),
        };
        checker.report.error(text.bytes(), message).help(help);
    }
    severity
}

/// The rules it refers to. Nothing when there is none, or one of them is a correlation itself.
fn rules<'n>(
    checker: &mut Checker<'_, '_>,
    body: &Fields<'n>,
    documents: &Documents<'n>,
) -> Option<Vec<SigmaRule<'n>>> {
    let texts = match body.get("rules") {
        Some(node) => texts_of(&mut checker.report, node, "a rule in `rules`"),
        None => Vec::new(),
    };
    if texts.is_empty() {
        checker.report.error(&body.bytes, "a Sigma correlation needs `rules`").label("no `rules`");
        return None;
    }
    let mut rules = Vec::new();
    for text in texts {
        if documents.is_correlation(text.as_str()) {
            let message = format!("not evaluated: `{}` is a correlation, and an incident is no event", text.as_str());
            checker.report.warning(text.bytes(), message).help("correlate the rules themselves");
            return None;
        }
        let rule = documents.resolve(text);
        if names::is_uuid(rule.name) {
            checker
                .report
                .warning(text.bytes(), "no rule of this file has this id, so its events have no name to know them by")
                .help("refer to it by `name`, or put the rule into this file");
        }
        rules.push(rule);
    }
    Some(rules)
}

/// What kind of correlation it is: what it is called and which correlator does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Count,
    Distinct,
    Aggregate(&'static str),
    Temporal,
    Ordered,
}

const KIND_NAMES: [&str; 8] = [
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
    "temporal",
    "temporal_ordered",
];

/// In the order of their names.
const KINDS: [Kind; 8] = [
    Kind::Count,
    Kind::Distinct,
    Kind::Aggregate("sum"),
    Kind::Aggregate("avg"),
    Kind::Aggregate("percentile"),
    Kind::Aggregate("percentile"),
    Kind::Temporal,
    Kind::Ordered,
];

fn kind(checker: &mut Checker<'_, '_>, body: &Fields<'_>) -> Option<Kind> {
    let Some(text) = body.text(&mut checker.report, "type") else {
        if body.get("type").is_none() {
            checker.report.error(&body.bytes, "a Sigma correlation needs `type`").label("no `type`");
        }
        return None;
    };
    let found = KIND_NAMES.iter().zip(KINDS).find(|(name, _)| **name == text.as_str()).map(|(_, kind)| kind);
    if found.is_none() {
        let help = match nearest(text.as_str(), KIND_NAMES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known types: {}", KIND_NAMES.join(", ")),
        };
        checker.report.error(text.bytes(), format!("there is no correlation of type `{}`", text.as_str())).help(help);
    }
    found
}

/// The correlator and what it is told.
fn chosen<'n>(
    checker: &mut Checker<'_, '_>,
    body: &Fields<'n>,
    kind: Kind,
    rules: &[SigmaRule<'n>],
    aliases: &[terms::Alias<'n>],
) -> Option<Chosen> {
    let mut given = Vec::new();
    let plugin = match kind {
        Kind::Count | Kind::Distinct | Kind::Aggregate(_) => {
            let condition = comparisons(checker, body, &mut given)?;
            if kind != Kind::Count {
                let field = field(checker, body, &condition, aliases)?;
                given.push(("field", Given::Made(ParameterValue::Text(field))));
            }
            aggregate(body, &condition, kind, &mut given)
        }
        Kind::Temporal | Kind::Ordered => temporal(checker, body, kind, rules, &mut given)?,
    };
    if let Some(timespan) = body.get("timespan") {
        given.push(("window", Given::Written("timespan", timespan)));
    }
    checker.plugins.standard(&mut checker.report, &body.bytes, plugin, given)
}

/// The plugin, and what makes an aggregate of the values.
fn aggregate<'n>(
    body: &Fields<'n>,
    condition: &Fields<'n>,
    kind: Kind,
    given: &mut Vec<(&'static str, Given<'n>)>,
) -> &'static str {
    const MEDIAN: f64 = 50.0;
    let Kind::Aggregate(function) = kind else {
        return if kind == Kind::Count { "count" } else { "distinct" };
    };
    given.push(("function", Given::Made(ParameterValue::Text(function.to_owned()))));
    if body.get("type").is_some_and(|text| text.is_text("value_median")) {
        given.push(("percentile", Given::Made(ParameterValue::Number(MEDIAN))));
    } else if let Some(percentile) = condition.get("percentile") {
        given.push(("percentile", Given::Written("percentile", percentile)));
    }
    "aggregate"
}

/// The condition of a count or an aggregate: each comparison is a parameter of that name.
fn comparisons<'n>(
    checker: &mut Checker<'_, '_>,
    body: &Fields<'n>,
    given: &mut Vec<(&'static str, Given<'n>)>,
) -> Option<Fields<'n>> {
    const CONDITION_KEYS: [&str; 8] = ["gt", "gte", "lt", "lte", "eq", "neq", "field", "percentile"];
    let Some(node) = body.get("condition") else {
        checker.report.error(&body.bytes, "this type of correlation needs `condition`").label("no `condition`");
        return None;
    };
    let condition = Fields::known(&mut checker.report, node, "`condition`", &CONDITION_KEYS)?;
    let before = given.len();
    for comparison in COMPARISONS {
        if let Some(bound) = condition.get(comparison) {
            given.push((comparison, Given::Written(comparison, bound)));
        }
    }
    if given.len() == before {
        let message = "`condition` compares with nothing";
        checker.report.error(&condition.bytes, message).help(format!("say one of {}", COMPARISONS.join(", ")));
        return None;
    }
    Some(condition)
}

/// The field whose values count.
fn field(
    checker: &mut Checker<'_, '_>,
    body: &Fields<'_>,
    condition: &Fields<'_>,
    aliases: &[terms::Alias<'_>],
) -> Option<String> {
    let Some(node) = condition.get("field").or_else(|| body.get("field")) else {
        checker.report.error(&condition.bytes, "this type of correlation needs `field` in its `condition`");
        return None;
    };
    let fields = texts_of(&mut checker.report, node, "`field`");
    let [field] = fields.as_slice() else {
        let message = "not evaluated: values of several fields together are not counted";
        checker.report.warning(&node.bytes, message).help("count one field, or group by the others");
        return None;
    };
    match aliases.iter().find(|alias| alias.name == field.as_str()) {
        None => Some(field.as_str().to_owned()),
        Some(alias) => alias.only_field().map(str::to_owned).or_else(|| {
            let message = "not evaluated: the values of one field are counted, and this alias stands for several";
            checker.report.warning(field.bytes(), message);
            None
        }),
    }
}

/// The selectors of what must come together.
fn temporal<'n>(
    checker: &mut Checker<'_, '_>,
    body: &Fields<'n>,
    kind: Kind,
    rules: &[SigmaRule<'n>],
    given: &mut Vec<(&'static str, Given<'n>)>,
) -> Option<&'static str> {
    let whole = || (0..rules.len()).map(|rule| Term::from([rule])).collect::<Vec<_>>();
    let terms = match body.get("condition") {
        None => whole(),
        Some(node) if matches!(node.value, Value::Map(_)) => {
            let least = terms::least_kinds(checker, node, rules.len(), kind == Kind::Ordered)?;
            if least < rules.len() {
                let least = i64::try_from(least).unwrap_or(i64::MAX);
                given.push(("at_least", Given::Made(ParameterValue::Integer(least))));
            }
            whole()
        }
        Some(node) => {
            let text = text_of(&mut checker.report, node, "`condition`")?;
            condition::terms(checker, text, rules, kind == Kind::Ordered)?
        }
    };
    let selectors = terms.iter().map(|term| names::selector(term.iter().filter_map(|rule| rules.get(*rule))));
    given.push(("events", Given::Made(ParameterValue::Texts(selectors.collect()))));
    Some(if kind == Kind::Ordered { "sequence" } else { "temporal" })
}

impl GroupName {
    /// A name that an alias stands for.
    fn of_alias(alias: &terms::Alias<'_>) -> Self {
        let of_rule = |(rule, field): &(SigmaRule<'_>, Text<'_>)| {
            let field = field.as_str().to_owned();
            rule.event_types().map(move |event_type| (event_type, field.clone())).collect::<Vec<_>>()
        };
        Self { name: alias.name.to_owned(), fields: alias.fields.iter().flat_map(of_rule).collect() }
    }
}
