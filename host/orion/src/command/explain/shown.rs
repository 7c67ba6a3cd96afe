//! An explanation for people and for programs.

use orion_model::{Decision, Event, Incident, Labels, Timestamp, format_duration};
use orion_pipeline::watcher::{ActiveAlert, GroupPlan, Standing};
use orion_rules::AlertRule;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::subject::Subject;
use super::{Again, Defined};
use crate::source::LOKI;

/// All there is to say.
pub(super) struct Explanation {
    pub(super) subject: Subject,
    pub(super) rule: Option<Defined>,
    pub(super) again: Option<Again>,
}

impl Explanation {
    pub(super) fn value(&self) -> Value {
        let subject = match &self.subject {
            Subject::Event { event, incidents, decisions } => {
                json!({ "event": event, "incidents": incidents, "decisions": decisions })
            }
            Subject::Incident { revisions, events, decisions } => {
                json!({ "incident": revisions, "events": events, "decisions": decisions })
            }
            Subject::Rule(standing) => json!({ "rule": standing }),
        };
        let again = self.again.as_ref().map(|again| {
            let steps = again.steps.iter().map(|(instant, alerts)| {
                let alerts = alerts.iter().map(|alert| {
                    json!({ "labels": alert.labels, "state": state_of(alert), "since": alert.since, "value": alert.value })
                });
                json!({ "instant": instant, "alerts": alerts.collect::<Vec<_>>() })
            });
            json!({ "steps": steps.collect::<Vec<_>>(), "events": again.said })
        });
        json!({ "explained": subject, "definition": self.rule.as_ref().map(|it| definition_value(&it.rule)), "again": again })
    }

    pub(super) fn text(&self) -> String {
        let mut text = match &self.subject {
            Subject::Event { event, incidents, decisions } => event_text(event, incidents, decisions),
            Subject::Incident { revisions, events, decisions } => incident_text(revisions, events, decisions),
            Subject::Rule(standing) => rule_text(standing, self.rule.as_ref().map(|it| &it.rule)),
        };
        if let Some(Defined { rule, plan, .. }) = &self.rule {
            text.push_str(&definition_text(rule, plan));
        }
        if let Some(again) = &self.again {
            text.push_str(&again_text(again));
        }
        text
    }
}

fn facts(facts: &[(&str, String)]) -> String {
    facts.iter().map(|(name, value)| format!("  {name:10}  {value}\n")).collect()
}

fn event_text(event: &Event, incidents: &[Incident], decisions: &[Decision]) -> String {
    let mut text = format!("{} {} at {}\n", event.event_type, event.status.as_str(), event.ts);
    text.push_str(&facts(&[
        ("event", event.event_id.to_string()),
        ("rule", event.rule.clone()),
        ("severity", event.severity.to_string()),
        ("labels", event.labels.to_string()),
        ("generation", event.generation.to_string()),
    ]));
    text.push_str(&event.data.iter().map(|(name, value)| format!("  {name:10}  {value}\n")).collect::<String>());
    if let Some(evidence) = &event.evidence {
        text.push_str("\nwhat was asked and what looked at it\n");
        text.push_str(&facts(&[
            ("query", evidence.expr.trim().to_owned()),
            ("source", format!("{}, for {}", event.source, evidence.instant)),
            ("answer", evidence.input_id.to_string()),
            ("detector", format!("{} {} ({})", evidence.plugin, evidence.plugin_digest, evidence.contract)),
            ("fuel", evidence.fuel.to_string()),
            ("ask again", curl(&event.source, &evidence.expr, evidence.instant)),
        ]));
    }
    text.push_str("\nwhat followed\n");
    text.push_str(&followed(incidents, decisions));
    text
}

fn followed(incidents: &[Incident], decisions: &[Decision]) -> String {
    if incidents.is_empty() {
        return "  no correlation made an incident of it\n".to_owned();
    }
    let incident = |it: &Incident| {
        let (ts, status, kind, id) = (it.ts, it.status.as_str(), &it.incident_type, it.incident_id);
        format!("  {ts}  {kind} {status}: {} [{id}, by {}]\n", it.reason, it.correlation)
    };
    let decision = |it: &Decision| format!("  {}  NO_ACTION: {}\n", it.ts, it.reason);
    incidents.iter().map(incident).chain(decisions.iter().map(decision)).collect()
}

fn incident_text(revisions: &[Incident], events: &[Event], decisions: &[Decision]) -> String {
    let Some(last) = revisions.last() else { return String::new() };
    let mut text = format!("{}\n", last.summary);
    text.push_str(&facts(&[
        ("incident", last.incident_id.to_string()),
        ("made by", format!("{} with {} {}", last.correlation, last.plugin, last.plugin_digest)),
        ("group", last.key.to_string()),
    ]));
    text.push_str("\nbecause of\n");
    for event in events {
        let (ts, kind, status, rule) = (event.ts, &event.event_type, event.status.as_str(), &event.rule);
        text.push_str(&format!("  {ts}  {kind} {status} by {rule} [{}]\n", event.event_id));
    }
    text.push_str("\nwhat became of it\n");
    text.push_str(&followed(revisions, decisions));
    text
}

fn rule_text(standing: &Standing, rule: Option<&AlertRule>) -> String {
    let mut text = format!("{}\n", standing.rule);
    let until = standing.evaluated_until.map_or_else(|| "never".to_owned(), |until| until.to_string());
    text.push_str(&facts(&[("committed", until)]));
    match &standing.health {
        Some(health) => {
            let late = if health.late { ", from what the source remembers" } else { "" };
            text.push_str(&facts(&[("outcome", format!("{}{late}, since {}", health.outcome.as_str(), health.since))]));
            if let Some(message) = &health.message {
                text.push_str(&facts(&[("why", message.clone())]));
            }
        }
        None => text.push_str("  it was not evaluated yet\n"),
    }
    if standing.alerts.is_empty() {
        text.push_str("  nothing is pending or firing\n");
    }
    for alert in &standing.alerts {
        let state = match (alert.fired_at, rule) {
            (Some(at), _) => format!("fires since {at}"),
            (None, Some(rule)) => format!("pending, due at {}", alert.since.plus_millis(rule.for_millis)),
            (None, None) => "pending".to_owned(),
        };
        let missing = match alert.missing {
            0 => String::new(),
            count => format!(", without data for {count} evaluations"),
        };
        text.push_str(&format!("  {}  seen since {}, {state}{missing}\n", alert.labels, alert.since));
    }
    text
}

fn definition_text(rule: &AlertRule, plan: &GroupPlan) -> String {
    let mut text = format!("\nthe rule as it is now, line {}\n", rule.line);
    text.push_str(&facts(&[
        ("expr", rule.expr.trim().to_owned()),
        ("every", format_duration(plan.slots.interval_millis())),
        ("for", format_duration(rule.for_millis)),
        ("detector", format!("{} {}", rule.plugin, parameters(rule))),
    ]));
    text
}

/// Parameters as `with:` could have them.
fn parameters(rule: &AlertRule) -> Value {
    rule.parameters.iter().map(|it| (it.name.clone(), json!(it.value))).collect()
}

fn definition_value(rule: &AlertRule) -> Value {
    json!({
        "id": rule.id,
        "line": rule.line,
        "expr": rule.expr,
        "for_millis": rule.for_millis,
        "keep_firing_for_millis": rule.keep_firing_for_millis,
        "plugin": rule.plugin,
        "parameters": parameters(rule),
    })
}

fn again_text(again: &Again) -> String {
    let mut text = "\nevaluated again\n".to_owned();
    for (instant, alerts) in &again.steps {
        if alerts.is_empty() {
            text.push_str(&format!("  {instant}  nothing\n"));
        }
        for alert in alerts {
            let ActiveAlert { labels, value, since, .. } = alert;
            text.push_str(&format!(
                "  {instant}  {:7}  {}  value {value}, seen since {since}\n",
                state_of(alert),
                shown(labels)
            ));
        }
    }
    for event in &again.said {
        text.push_str(&format!("  would be said: {} {} at {}\n", event.event_type, event.status.as_str(), event.ts));
    }
    text
}

fn shown(labels: &Labels) -> String {
    labels.to_string()
}

fn state_of(alert: &ActiveAlert) -> &'static str {
    if alert.fired_at.is_some() { "firing" } else { "pending" }
}

/// A line for a shell that asks the same; only the address is left to whoever uses it.
fn curl(source: &str, expr: &str, instant: Timestamp) -> String {
    let path = match source {
        LOKI => "$LOKI_URL/loki/api/v1/query",
        _ => "$PROMETHEUS_URL/api/v1/query",
    };
    let query = utf8_percent_encode(expr.trim(), NON_ALPHANUMERIC);
    format!("curl \"{path}?query={query}&time={}\"", instant.as_prometheus())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_a_shell_holds_any_query() {
        let line = curl("prometheus", "up{job=\"a b\"} == 0", Timestamp::from_millis(1_500));
        assert_eq!(
            line,
            "curl \"$PROMETHEUS_URL/api/v1/query?query=up%7Bjob%3D%22a%20b%22%7D%20%3D%3D%200&time=1.500\""
        );
    }
}
