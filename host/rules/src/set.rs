//! What only shows when all files are looked at together: correlations that nothing can ever reach, and things said twice.
//!
//! None of it refuses a file. Files come and go by themselves, and one must not be judged by its neighbours.

use std::collections::{BTreeMap, BTreeSet};

use orion_model::Severity;

use crate::diagnostic::{Diagnostic, Level, Report};
use crate::event_type::default_event_type;
use crate::keys::nearest;
use crate::log_entry::LogEntry;
use crate::matcher::{Condition, EventMatcher};
use crate::rule::{AlertRule, Correlation, Group, RuleFile};
use crate::template::Template;

/// The detector whose findings have the severity of their rule.
const WITHOUT_SEVERITY: &str = "threshold";

/// A file of the set, and its text.
#[derive(Clone, Copy, Debug)]
pub struct SetFile<'a> {
    /// The file, accepted.
    pub file: &'a RuleFile,
    /// What it was read from.
    pub text: &'a str,
}

/// What there is to say about the set, for each file.
///
/// `own` is the file of Orion's own correlations: what they read is what Orion says of itself. `None` when the set is not
/// all that will run: then nobody can say that no rule makes an event.
pub fn check_set(files: &[SetFile<'_>], own: Option<&RuleFile>) -> Vec<Vec<Diagnostic>> {
    let mut reports: Vec<Report<'_>> = files.iter().map(|file| Report::new(file.text)).collect();
    same_alerts(files, &mut reports);
    same_correlations(files, &mut reports);
    if let Some(own) = own {
        unreachable_correlations(files, own, &mut reports);
    }
    reports.into_iter().map(Report::finish).collect()
}

/// Two alerts that are one: each of their alerts would be two events, and an incident would count it twice.
fn same_alerts<'a>(files: &[SetFile<'a>], reports: &mut [Report<'_>]) {
    let mut seen: BTreeMap<(&str, &str), Vec<(&'a Group, &'a AlertRule)>> = BTreeMap::new();
    for (file, report) in files.iter().zip(reports) {
        for (group, rule) in alerts(file.file) {
            let alike = seen.entry((&rule.name, &rule.expr)).or_default();
            let is_same = |(other_group, other): &&(&Group, &AlertRule)| {
                other.labels == rule.labels
                    && other.plugin == rule.plugin
                    && other.parameters == rule.parameters
                    && other_group.source == group.source
            };
            if let Some((_, other)) = alike.iter().find(is_same) {
                let message = format!("the alert `{}` is there already, as `{}`", rule.name, other.id);
                warn(report, rule.line, message, "give it labels of its own, or leave one of the two out");
            }
            alike.push((group, rule));
        }
    }
}

fn same_correlations<'a>(files: &[SetFile<'a>], reports: &mut [Report<'_>]) {
    let mut seen: BTreeMap<(&str, &str), Vec<&'a Correlation>> = BTreeMap::new();
    for (file, report) in files.iter().zip(reports) {
        for correlation in &file.file.correlations {
            let alike = seen.entry((&correlation.incident.incident_type, &correlation.plugin)).or_default();
            let is_same = |other: &&&Correlation| {
                other.matcher == correlation.matcher
                    && other.group_by == correlation.group_by
                    && other.parameters == correlation.parameters
            };
            if let Some(other) = alike.iter().find(is_same) {
                let message = format!("the correlation `{}` does what `{}` does", correlation.name, other.id);
                warn(
                    report,
                    correlation.line,
                    message,
                    "leave one of the two out: every incident would be there twice",
                );
            }
            alike.push(correlation);
        }
    }
}

fn unreachable_correlations(files: &[SetFile<'_>], own: &RuleFile, reports: &mut [Report<'_>]) {
    let own_types = own.correlations.iter().flat_map(|correlation| correlation.matcher.event_types());
    let mut events: Vec<Event<'_>> = own_types.map(Event::of_orion).collect();
    events.extend(files.iter().flat_map(|file| alerts(file.file)).map(|(group, rule)| Event::of_alert(group, rule)));
    events.extend(files.iter().flat_map(|file| &file.file.logs).map(Event::of_log));
    // Rules by the hundred make events of the same few kinds.
    events.sort_unstable();
    events.dedup();
    let types: BTreeSet<&str> = events.iter().filter_map(|event| event.event_type()).collect();
    let any_type = events.iter().any(|event| event.event_type().is_none());
    for (file, report) in files.iter().zip(reports) {
        for correlation in &file.file.correlations {
            let asked: BTreeSet<&str> = correlation.matcher.event_types().collect();
            // What is asked for in two spellings is there when it is there in one.
            let is_spelt_anew = |wanted: &str| {
                let usual = default_event_type(wanted);
                usual != wanted && asked.contains(usual.as_str())
            };
            let is_made = |wanted: &str| any_type || types.contains(wanted) || is_spelt_anew(wanted);
            let unmade: Vec<&str> = asked.iter().copied().filter(|wanted| !is_made(wanted)).collect();
            let help = unmade.iter().find_map(|wanted| Some((wanted, nearest(wanted, types.iter().copied())?)));
            let help = help.map(|(wanted, near)| format!("no rule makes `{wanted}`; did you mean `{near}`?"));
            if !events.iter().any(|event| may_match(&correlation.matcher, event)) {
                let message = format!("no event can match `{}`: no rule of the set makes such a one", correlation.name);
                let help = help.unwrap_or_else(|| match unmade.first() {
                    Some(wanted) => format!("no rule makes `{wanted}`"),
                    None => "look at the labels and the severity of the rules that make its event types".to_owned(),
                });
                warn(report, correlation.line, message, &help);
            } else if !unmade.is_empty() {
                let listed = unmade.iter().map(|wanted| format!("`{wanted}`")).collect::<Vec<_>>().join(", ");
                let message =
                    format!("`{}` waits for events that no rule of the set makes: {listed}", correlation.name);
                warn(
                    report,
                    correlation.line,
                    message,
                    &help.unwrap_or_else(|| "leave them out, or add the rules".into()),
                );
            }
        }
    }
}

fn warn(report: &mut Report<'_>, line: usize, message: String, help: &str) {
    let at = report.source.line_bytes(line);
    report.warning(&at, message).help(help);
}

fn alerts(file: &RuleFile) -> impl Iterator<Item = (&Group, &AlertRule)> {
    file.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
}

/// What is known beforehand of the events of one rule, by the names a `match` may use. A name that is not in it may be
/// anything: it is a label of the series, or what a detector says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event<'a> {
    known: BTreeMap<&'a str, String>,
    severity: Option<Severity>,
    is_alert: bool,
}

impl<'a> Event<'a> {
    fn of_orion(event_type: &'a str) -> Self {
        Self { known: BTreeMap::from([("event_type", event_type.to_owned())]), severity: None, is_alert: false }
    }

    fn of_alert(group: &'a Group, rule: &'a AlertRule) -> Self {
        let mut known = BTreeMap::from([("event_type", default_event_type(&rule.name))]);
        for (name, template) in &rule.labels {
            match template.is_static() {
                Some(text) if !text.is_empty() => known.insert(name.as_str(), text.to_owned()),
                // An empty label is none, and what is looked up then may stand in the data.
                _ => known.remove(name.as_str()),
            };
        }
        // A detector may say how bad a finding is; the one that never does leaves it to the label.
        let said = known.remove("severity");
        let is_said = rule.plugin == WITHOUT_SEVERITY;
        let severity = said.filter(|_| is_said).map(|word| word.parse().unwrap_or(Severity::Warning));
        known.insert("alertname", rule.name.clone());
        known.insert("rule", rule.id.clone());
        known.insert("source", group.source.clone());
        Self { known, severity, is_alert: true }
    }

    fn of_log(entry: &'a LogEntry) -> Self {
        let mut known = BTreeMap::from([("event_type", entry.event_type.clone()), ("rule", entry.id.clone())]);
        let fixed = |(name, template): &'a (String, Template)| {
            Some((name.as_str(), template.is_static().filter(|text| !text.is_empty())?.to_owned()))
        };
        known.extend(entry.labels.iter().filter_map(fixed));
        let severity = entry.severity.is_static().and_then(|word| word.parse().ok());
        Self { known, severity, is_alert: false }
    }

    fn event_type(&self) -> Option<&str> {
        self.known.get("event_type").map(String::as_str)
    }
}

fn may_match(matcher: &EventMatcher, event: &Event<'_>) -> bool {
    matcher.fields().all(|(name, conditions)| conditions.iter().any(|condition| may_hold(condition, name, event)))
}

fn may_hold(condition: &Condition, name: &str, event: &Event<'_>) -> bool {
    if let Condition::Severity(comparison, bound) = condition {
        return event.severity.is_none_or(|severity| comparison.holds(severity.cmp(bound)));
    }
    if let (Condition::Is(status), "status", true) = (condition, name, event.is_alert) {
        return status != "occurred";
    }
    let Some(text) = event.known.get(name) else { return true };
    match condition {
        Condition::Is(wanted) => wanted == text,
        Condition::IsNot(unwanted) => unwanted != text,
        Condition::Number(comparison, bound) => text
            .parse::<f64>()
            .is_ok_and(|number| number.partial_cmp(bound).is_some_and(|order| comparison.holds(order))),
        Condition::Severity(..) => true,
    }
}

/// Puts what is said of the set among what was said of the file, in file order.
pub fn with_set(mut of_file: Vec<Diagnostic>, of_set: Vec<Diagnostic>) -> Vec<Diagnostic> {
    of_file.extend(of_set);
    of_file.sort_by_key(|diagnostic| diagnostic.span.as_ref().map_or(usize::MAX, |span| span.bytes.start));
    of_file
}

/// How many diagnostics there are of a level.
pub fn count(diagnostics: &[Diagnostic], level: Level) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.level == level).count()
}
