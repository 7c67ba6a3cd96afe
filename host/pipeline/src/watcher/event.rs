//! Completes an alert's transition into the event that is recorded: labels, severity, annotations, evidence.

use orion_model::{
    CONTRACT, Event, Evidence, Field, Finding, IdBuilder, Labels, LabelsBuilder, RecordId, SeriesTable, Severity,
    Status, Timestamp,
};
use orion_rules::{AlertRule, TemplateData, default_event_type};
use orion_sandbox::Plugin;
use serde_json::Map;

use crate::lifecycle::{Alert, Ending, Transition};

/// The label that holds the name of an alert, as in Prometheus.
const ALERT_NAME: &str = "alertname";
/// The label that holds the name of a metric; no part of an alert's identity, as in Prometheus.
const METRIC_NAME: &str = "__name__";

/// What the events of one evaluation have in common.
#[derive(Clone, Copy)]
pub struct Facts {
    /// The instant.
    pub instant: Timestamp,
    /// The instant the data was asked for.
    pub data_instant: Timestamp,
    /// The live generation.
    pub generation: u64,
    /// Which of the evaluations of the instant it is.
    pub edition: u64,
    /// The identity of the answer.
    pub input_id: RecordId,
    /// The work of the detector's call.
    pub fuel: u64,
}

/// What an evaluation's changes came from, as it was then.
pub struct Origin<'a> {
    /// The rule.
    pub rule: &'a AlertRule,
    /// Its detector.
    pub plugin: &'a Plugin,
    /// What that found.
    pub findings: &'a [Finding],
    /// The source that was asked.
    pub source: &'a str,
    /// The series of the answer.
    pub table: &'a SeriesTable,
}

/// The identity of the alert that a finding makes: labels of the series, those of the rule laid over them, the name.
pub fn alert_labels(rule: &AlertRule, series: &Labels, value: f64) -> Labels {
    let mut labels = series.to_builder();
    labels.remove(METRIC_NAME);
    render_into(&mut labels, &rule.labels, series, value);
    labels.set(ALERT_NAME, rule.name.as_str());
    labels.build()
}

/// The annotations of an alert on a series.
pub fn annotations(rule: &AlertRule, series: &Labels, value: f64) -> Labels {
    let mut annotations = LabelsBuilder::new();
    render_into(&mut annotations, &rule.annotations, series, value);
    annotations.build()
}

/// Renders as Prometheus does: a template that fails says so in its place and stops nothing else.
fn render_into(into: &mut LabelsBuilder, templates: &[(String, orion_rules::Template)], labels: &Labels, value: f64) {
    let external_labels = &Labels::empty();
    for (name, template) in templates {
        let rendered = match template.is_static() {
            Some(text) => Ok(text.to_owned()),
            None => template.render(&TemplateData { labels, value, external_labels }),
        };
        into.set(name, rendered.unwrap_or_else(|why| format!("<error expanding template: {why}>")));
    }
}

impl Origin<'_> {
    /// The event of a transition. Annotations speak of the series of the finding that made it, as in Prometheus, and of the alert's own
    /// labels when it ends.
    pub fn event(&self, facts: Facts, transition: Transition, alert: &Alert) -> Event {
        let finding = match transition {
            Transition::Fired => self.findings.get(alert.sighting as usize),
            Transition::Resolved(_) => None,
        };
        let series = finding.and_then(|finding| self.table.labels(finding.series?));
        let labels = series.unwrap_or(&alert.labels);
        let status = match transition {
            Transition::Fired => Status::Firing,
            Transition::Resolved(_) => Status::Resolved,
        };
        // The value at which it fired also when it resolves: it is part of the state, so a restart does not change it.
        let value = alert.fired.map_or(alert.value, |(_, value)| value);
        let mut event = Event {
            event_id: event_id(&self.rule.id, facts.instant, alert, status, facts.edition),
            event_type: event_type(alert),
            severity: finding.and_then(|finding| finding.severity).unwrap_or_else(|| severity(alert)),
            status,
            ts: facts.instant,
            rule: self.rule.id.clone(),
            source: self.source.to_owned(),
            generation: facts.generation,
            fingerprint: alert.fingerprint,
            labels: alert.labels.clone(),
            annotations: annotations(self.rule, labels, value),
            data: Map::new(),
            evidence: Some(self.evidence(facts)),
        };
        event.put_number("value", value);
        event.data.insert("active_since".to_owned(), alert.since.to_string().into());
        match transition {
            Transition::Fired => match finding {
                Some(finding) => put_finding(&mut event, finding),
                // The rule has it that no data are a finding.
                None => drop(event.data.insert("reason".to_owned(), "empty".into())),
            },
            Transition::Resolved(ending) => put_ending(&mut event, alert, ending),
        }
        event
    }

    fn evidence(&self, facts: Facts) -> Evidence {
        Evidence {
            expr: self.rule.expr.clone(),
            instant: facts.data_instant,
            input_id: facts.input_id,
            plugin: self.plugin.manifest().name.clone(),
            plugin_digest: self.plugin.digest(),
            contract: CONTRACT.to_owned(),
            fuel: facts.fuel,
        }
    }
}

/// The event that ends an alert whose rule is gone.
pub fn removed(rule_id: &str, alert: &Alert, at: Timestamp, generation: u64) -> Event {
    let mut event = Event {
        event_id: event_id(rule_id, at, alert, Status::Resolved, generation),
        event_type: event_type(alert),
        severity: severity(alert),
        status: Status::Resolved,
        ts: at,
        rule: rule_id.to_owned(),
        source: "orion".to_owned(),
        generation,
        fingerprint: alert.fingerprint,
        labels: alert.labels.clone(),
        annotations: Labels::empty(),
        data: Map::new(),
        evidence: None,
    };
    event.data.insert("active_since".to_owned(), alert.since.to_string().into());
    event.data.insert("reason".to_owned(), "the rule was removed".into());
    event
}

/// Of (rule, instant, identity, transition, edition): a repeat after a crash, or by another host, has the same id, and a rule that two
/// edits within one interval make fire twice at one instant has two.
fn event_id(rule_id: &str, at: Timestamp, alert: &Alert, status: Status, edition: u64) -> RecordId {
    IdBuilder::new("event")
        .text(rule_id)
        .number(at.as_millis())
        .bytes(alert.fingerprint.as_bytes())
        .number(i64::from(status.rank()))
        .number(edition.cast_signed())
        .finish()
}

fn event_type(alert: &Alert) -> String {
    match alert.labels.get("event_type") {
        Some(event_type) => event_type.to_owned(),
        None => default_event_type(alert.labels.get(ALERT_NAME).unwrap_or_default()),
    }
}

fn severity(alert: &Alert) -> Severity {
    alert.labels.get("severity").and_then(|word| word.parse().ok()).unwrap_or(Severity::Warning)
}

fn put_ending(event: &mut Event, alert: &Alert, ending: Ending) {
    if let Some((at, _)) = alert.fired {
        event.data.insert("fired_at".to_owned(), at.to_string().into());
    }
    let reason = match ending {
        // What everybody expects of an end needs no reason.
        Ending::Recovered => return,
        Ending::Missing => "missing",
        Ending::Demoted => "the rule's `for` was raised",
        Ending::Removed => "the rule was removed",
    };
    event.data.insert("reason".to_owned(), reason.into());
}

fn put_finding(event: &mut Event, finding: &Finding) {
    for Field { name, value } in &finding.fields {
        event.data.insert(name.clone(), value.to_json());
    }
    if !finding.message.is_empty() {
        event.data.insert("message".to_owned(), (*finding.message).into());
    }
    if let Some(score) = finding.score {
        event.put_number("score", score);
    }
}
