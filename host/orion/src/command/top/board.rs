//! What is shown of a look: numbers as a person compares them, with what needs attention first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use orion_model::{Severity, Timestamp};
use serde_json::Value;

use super::look::Look;

/// How bad open incidents are called, the worst first.
const WORST_FIRST: [Severity; 4] = [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info];

/// All of it.
#[derive(Debug, PartialEq)]
pub struct Board {
    pub version: String,
    pub status: String,
    pub now: Option<Timestamp>,
    pub uptime_seconds: u64,
    pub generation: u64,
    pub groups: u64,
    pub rule_count: u64,
    pub correlations: u64,
    /// Parts that are not well, each with why.
    pub troubles: Vec<String>,
    /// How many incidents are open, the worst first.
    pub open: Vec<(Severity, u64)>,
    pub position: u64,
    /// Records a second since the look before; `None` for the first.
    pub rate: Option<f64>,
    /// Records that a stage has yet to read.
    pub unread: Vec<(String, u64)>,
    pub incidents: Vec<OpenIncident>,
    pub rules: Vec<Rule>,
    pub plugins: Vec<Plugin>,
}

/// An incident that is open.
#[derive(Debug, PartialEq)]
pub struct OpenIncident {
    pub id: String,
    pub severity: String,
    pub opened_at: Option<Timestamp>,
    pub events: u64,
    pub incident_type: String,
    pub summary: String,
}

/// A rule and its last evaluation.
#[derive(Debug, PartialEq)]
pub struct Rule {
    pub id: String,
    pub outcome: String,
    pub firing: u64,
    pub pending: u64,
    pub failures: u64,
    /// The instant of the last evaluation.
    pub evaluated: Option<Timestamp>,
    /// What the last evaluation of its whole group took.
    pub took_seconds: f64,
}

/// A plugin and what it did.
#[derive(Debug, PartialEq)]
pub struct Plugin {
    pub name: String,
    pub version: String,
    /// Units of fuel a second since the look before; in all for the first.
    pub fuel: f64,
    pub emitted: u64,
    pub dropped: u64,
    pub failures: u64,
    pub most_memory_bytes: f64,
    pub is_refused: bool,
}

impl Board {
    /// Of a look, and of the one before where there was one.
    pub fn of(look: &Look, before: Option<(&Look, Duration)>) -> Self {
        let position = number(&look.summary, "position");
        let rate = before.map(|(before, elapsed)| {
            per_second(position.saturating_sub(number(&before.summary, "position")) as f64, elapsed)
        });
        Self {
            version: text(&look.summary, "version"),
            status: text(&look.summary, "status"),
            now: time(&look.summary, "time"),
            uptime_seconds: number(&look.health, "uptime_seconds"),
            generation: number(&look.summary, "generation"),
            groups: number(&look.summary, "groups"),
            rule_count: number(&look.summary, "rules"),
            correlations: number(&look.summary, "correlations"),
            troubles: troubles(&look.health),
            open: open(&look.summary),
            position,
            rate,
            unread: unread(&look.persistence, position),
            incidents: look.incidents.iter().map(incident).collect(),
            rules: rules(&look.rules),
            plugins: plugins(look, before),
        }
    }
}

fn troubles(health: &Value) -> Vec<String> {
    let parts = health.get("components").and_then(Value::as_object).into_iter().flatten();
    let unwell = parts.filter(|(_, part)| text(part, "status") != "ok");
    unwell.map(|(name, part)| format!("{name} {}: {}", text(part, "status"), text(part, "message"))).collect()
}

fn open(summary: &Value) -> Vec<(Severity, u64)> {
    let counts = summary.get("incidents").and_then(|it| it.get("open"));
    let count = |severity: Severity| counts.map_or(0, |counts| number(counts, severity.as_str()));
    WORST_FIRST.iter().map(|severity| (*severity, count(*severity))).collect()
}

/// How far each stage is behind; of a stage in partitions, all of them together.
fn unread(persistence: &Value, position: u64) -> Vec<(String, u64)> {
    let mut behind: BTreeMap<String, u64> = BTreeMap::new();
    for stage in persistence.get("stages").and_then(Value::as_array).into_iter().flatten() {
        let unread = position.saturating_sub(number(stage, "position"));
        let most = behind.entry(text(stage, "stage")).or_default();
        *most = (*most).max(unread);
    }
    behind.into_iter().collect()
}

fn incident(value: &Value) -> OpenIncident {
    OpenIncident {
        id: text(value, "incident_id"),
        severity: text(value, "severity"),
        opened_at: time(value, "opened_at"),
        events: number(value, "event_count"),
        incident_type: text(value, "incident_type"),
        summary: text(value, "summary"),
    }
}

/// Those that cannot be evaluated first, then those that fire, then those that take longest.
fn rules(values: &[Value]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = values.iter().map(rule).collect();
    rules.sort_by(|a, b| {
        let rank = |rule: &Rule| Reverse((is_unwell(&rule.outcome), rule.firing, rule.pending));
        rank(a).cmp(&rank(b)).then(b.took_seconds.total_cmp(&a.took_seconds)).then_with(|| a.id.cmp(&b.id))
    });
    rules
}

fn rule(value: &Value) -> Rule {
    let last = value.get("last_evaluation").unwrap_or(&Value::Null);
    let outcome = value.get("health").map(|health| text(health, "outcome")).unwrap_or_default();
    Rule {
        id: text(value, "rule"),
        outcome: if outcome.is_empty() { "not yet".to_owned() } else { outcome },
        firing: number(value, "firing"),
        pending: number(value, "pending"),
        failures: number(last, "failures"),
        evaluated: time(last, "instant"),
        took_seconds: last.get("group_seconds").and_then(Value::as_f64).unwrap_or(0.0),
    }
}

/// Whether an evaluation ended without an answer, or with a part of one.
pub fn is_unwell(outcome: &str) -> bool {
    matches!(outcome, "error" | "partial")
}

fn plugins(look: &Look, before: Option<(&Look, Duration)>) -> Vec<Plugin> {
    let fuel_before = |digest: &str| {
        let (before, elapsed) = before?;
        let same = before.plugins.iter().find(|plugin| self::digest(plugin) == digest)?;
        Some((number(same, "fuel"), elapsed))
    };
    let of = |value: &Value| {
        let fuel = number(value, "fuel");
        let fuel = match fuel_before(&digest(value)) {
            Some((before, elapsed)) => per_second(fuel.saturating_sub(before) as f64, elapsed),
            None => fuel as f64,
        };
        let manifest = value.get("certificate").and_then(|it| it.get("manifest")).unwrap_or(&Value::Null);
        let failures = value.get("failures").and_then(Value::as_object).into_iter().flatten();
        Plugin {
            name: match text(manifest, "name") {
                name if name.is_empty() => text(value, "file"),
                name => name,
            },
            version: text(manifest, "version"),
            fuel,
            emitted: number(value, "emitted"),
            dropped: number(value, "dropped"),
            failures: failures.filter_map(|(_, count)| count.as_u64()).sum(),
            most_memory_bytes: value.get("most_memory_bytes").and_then(Value::as_f64).unwrap_or(0.0),
            is_refused: value.get("refused").is_some_and(|why| !why.is_null()),
        }
    };
    let mut plugins: Vec<Plugin> = look.plugins.iter().map(of).collect();
    plugins.sort_by(|a, b| {
        let rank = |plugin: &Plugin| Reverse((plugin.is_refused, plugin.failures));
        rank(a).cmp(&rank(b)).then(b.fuel.total_cmp(&a.fuel)).then_with(|| a.name.cmp(&b.name))
    });
    plugins
}

fn digest(plugin: &Value) -> String {
    plugin.get("certificate").map(|it| text(it, "digest")).unwrap_or_default()
}

fn per_second(count: f64, elapsed: Duration) -> f64 {
    count / elapsed.as_secs_f64().max(0.001)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn time(value: &Value, name: &str) -> Option<Timestamp> {
    serde_json::from_value(value.get(name)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn look(position: u64, fuel: u64) -> Look {
        let rule = |id: &str, outcome: &str, firing: u64, seconds: f64| {
            json!({ "rule": id, "firing": firing, "pending": 0, "health": { "outcome": outcome },
                    "last_evaluation": { "instant": "2026-01-31T12:00:00Z", "group_seconds": seconds, "failures": 0 } })
        };
        let plugin = |name: &str, fuel: u64| {
            json!({ "file": null, "refused": null, "fuel": fuel, "emitted": 1, "dropped": 0, "failures": { "trap": 0 },
                    "certificate": { "digest": name, "manifest": { "name": name, "version": "1.0.0" } } })
        };
        Look {
            summary: json!({ "position": position, "incidents": { "open": { "critical": 1, "info": 2 } } }),
            health: json!({ "components": { "sources": { "status": "unavailable", "message": "no answer" }, "store": { "status": "ok" } } }),
            persistence: json!({ "stages": [
                { "stage": "guardian", "partition": "0", "position": 7 }, { "stage": "guardian", "partition": "1", "position": 3 },
            ] }),
            incidents: Vec::new(),
            rules: vec![
                rule("quick", "ok", 0, 0.1),
                rule("slow", "ok", 0, 2.0),
                rule("fires", "breach", 3, 0.0),
                rule("fails", "error", 0, 0.0),
                json!({ "rule": "new", "firing": 0, "pending": 0, "health": null, "last_evaluation": null }),
            ],
            plugins: vec![plugin("idle", 10), plugin("busy", fuel)],
        }
    }

    #[test]
    fn what_needs_attention_comes_first() {
        let board = Board::of(&look(8, 500), None);
        let ids: Vec<&str> = board.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["fails", "fires", "slow", "quick", "new"]);
        assert_eq!(board.rules[4].outcome, "not yet");
        assert_eq!(board.troubles, ["sources unavailable: no answer"]);
        assert_eq!(board.open[0], (Severity::Critical, 1));
        // The partition that is furthest behind is how far the stage is behind.
        assert_eq!(board.unread, [("guardian".to_owned(), 5)]);
        assert_eq!(board.plugins[0].name, "busy");
    }

    #[test]
    fn rates_are_of_the_time_between_two_looks_and_a_first_look_has_none() {
        let (first, second) = (look(8, 500), look(18, 1_500));
        assert_eq!(Board::of(&first, None).rate, None);
        let board = Board::of(&second, Some((&first, Duration::from_secs(2))));
        assert_eq!((board.rate, board.plugins[0].fuel, board.plugins[1].fuel), (Some(5.0), 500.0, 0.0));
    }
}
