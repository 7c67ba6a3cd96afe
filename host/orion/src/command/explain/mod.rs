//! `orion explain`: why something fired, and why something does not.
//!
//! Of an event or incident the records tell it: what was asked, what looked at the answer, what followed. Of a rule the store
//! tells how it stands; and with `--again` the very code that runs live evaluates it once more, over what the source
//! remembers, and shows each instant.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use orion_bus::{NewRecord, RecordKind, SqliteBus};
use orion_model::{Clock, Decision, Event, Incident, Labels, RecordId, Timestamp, format_duration};
use orion_pipeline::clock::SystemClock;
use orion_pipeline::library::Generation;
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_pipeline::watcher::{ActiveAlert, Group, GroupPlan, Standing};
use orion_rules::AlertRule;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::rule::read_standings;
use crate::cli::{DataArgs, Failure, Output, RuleArgs};
use crate::output::{form, print_value};
use crate::past::MemoryArgs;
use crate::source::LOKI;
use crate::{rule_set, setup};

/// Records read at once.
const BATCH: usize = 1_024;

/// Instants that are shown before the one in question, beside those that `for` and `keep_firing_for` need.
const INSTANTS_BEFORE: i64 = 10;

/// Arguments of `orion explain`.
#[derive(Args)]
pub struct ExplainArgs {
    /// Id of an event or incident or how it begins, the id of a rule, or the name of an alert
    pub id: String,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Evaluate the rule again over what Prometheus remembers, and show each instant
    #[arg(long)]
    pub again: bool,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// How it looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Explains an event, an incident or a rule.
pub fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let records = Records::about(args)?;
    let standings = read_standings(&args.data)?;
    let subject = records.subject(&args.id, &standings)?;
    let rule = definition(args, subject.rule());
    let again = match &rule {
        Ok(rule) if args.again => Some(evaluate_again(args, rule, &subject)?),
        Err(why) if args.again => return Err(Failure::Configuration(why.clone())),
        _ => None,
    };
    let explanation = Explanation { subject, rule: rule.ok(), again };
    print_value(form(args.output), &explanation.value(), || explanation.text())?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be explained.
enum Subject {
    Event { event: Box<Event>, incidents: Vec<Incident>, decisions: Vec<Decision> },
    Incident { revisions: Vec<Incident>, events: Vec<Event>, decisions: Vec<Decision> },
    Rule(Standing),
}

impl Subject {
    /// The rule it is about; the first one of an incident.
    fn rule(&self) -> &str {
        match self {
            Self::Event { event, .. } => &event.rule,
            Self::Incident { events, .. } => events.first().map_or("", |event| &event.rule),
            Self::Rule(standing) => &standing.rule,
        }
    }

    /// The instant in question; now for a rule.
    fn instant(&self) -> Timestamp {
        match self {
            Self::Event { event, .. } => event.ts,
            Self::Incident { events, .. } => events.first().map_or_else(|| SystemClock.now(), |event| event.ts),
            Self::Rule(_) => SystemClock.now(),
        }
    }
}

/// All that the bus has.
struct Records {
    events: Vec<Event>,
    incidents: Vec<Incident>,
    decisions: Vec<Decision>,
}

impl Records {
    fn about(args: &ExplainArgs) -> Result<Self, Failure> {
        let mut reader = SqliteBus::open_read_only(&args.data.memory_dir()).map_err(Failure::configuration)?;
        let mut records = Self { events: Vec::new(), incidents: Vec::new(), decisions: Vec::new() };
        let mut after = 0;
        loop {
            let entries = reader.read(after, BATCH).map_err(Failure::configuration)?;
            let Some(last) = entries.last() else { return Ok(records) };
            after = last.seq;
            for entry in &entries {
                let body = &entry.body;
                match entry.kind {
                    RecordKind::Event => records.events.push(read(body)?),
                    RecordKind::Incident => records.incidents.push(read(body)?),
                    RecordKind::Decision => records.decisions.push(read(body)?),
                }
            }
        }
    }

    fn subject(mut self, id: &str, standings: &BTreeMap<String, Standing>) -> Result<Subject, Failure> {
        if let Some(standing) = standings.get(id) {
            return Ok(Subject::Rule(standing.clone()));
        }
        let named: Vec<&Standing> =
            standings.values().filter(|standing| standing.rule.rsplit('/').next() == Some(id)).collect();
        match named.as_slice() {
            [one] => return Ok(Subject::Rule((*one).clone())),
            [_, _, ..] => {
                let ids: Vec<&str> = named.iter().map(|standing| standing.rule.as_str()).collect();
                return Err(Failure::Configuration(format!("several rules are called `{id}`: {}", ids.join(", "))));
            }
            [] => {}
        }
        let begins = |record: RecordId| record.to_string().starts_with(id);
        let mut events: Vec<usize> = Vec::new();
        events.extend((0..).zip(&self.events).filter(|(_, event)| begins(event.event_id)).map(|(index, _)| index));
        let mut incidents: Vec<RecordId> =
            self.incidents.iter().map(|it| it.incident_id).filter(|it| begins(*it)).collect();
        incidents.dedup();
        match (events.as_slice(), incidents.as_slice()) {
            ([index], []) => {
                let event = Box::new(self.events.swap_remove(*index));
                let incidents: Vec<Incident> =
                    self.incidents.into_iter().filter(|it| it.event_ids.contains(&event.event_id)).collect();
                let is_about = |it: &Decision| incidents.iter().any(|incident| incident.incident_id == it.incident_id);
                let decisions = self.decisions.into_iter().filter(is_about).collect();
                Ok(Subject::Event { event, incidents, decisions })
            }
            ([], [incident_id]) => {
                let revisions: Vec<Incident> =
                    self.incidents.into_iter().filter(|it| it.incident_id == *incident_id).collect();
                let is_part = |event: &Event| revisions.iter().any(|it| it.event_ids.contains(&event.event_id));
                let events = self.events.into_iter().filter(is_part).collect();
                let decisions = self.decisions.into_iter().filter(|it| it.incident_id == *incident_id).collect();
                Ok(Subject::Incident { revisions, events, decisions })
            }
            ([], []) => Err(Failure::Configuration(format!(
                "`{id}` is no rule, event or incident here; see `orion rule list`, `orion tail` and `orion incident list`"
            ))),
            _ => Err(Failure::Configuration(format!("several ids begin with `{id}`: give more of it"))),
        }
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(Failure::configuration)
}

/// The rule as the rules folder has it now, with the plan of its group alone.
struct Defined {
    generation: Generation,
    plan: GroupPlan,
    rule: AlertRule,
}

fn definition(args: &ExplainArgs, id: &str) -> Result<Defined, String> {
    let loaded = rule_set::load(&args.rules.rules, &args.rules.plugins, args.memory.poll_interval);
    let mut generation = loaded.map_err(|why| why.to_string())?;
    let plans = generation.groups.values();
    let found =
        plans.flat_map(|plan| plan.group.rules.iter().map(move |rule| (plan, rule))).find(|(_, rule)| rule.id == id);
    let Some((plan, rule)) = found.map(|(plan, rule)| (plan.clone(), rule.clone())) else {
        return Err(format!("there is no rule `{id}` in {}", args.rules.rules.display()));
    };
    generation.groups.retain(|group, _| *group == plan.group.id);
    generation.correlations.clear();
    Ok(Defined { generation, plan, rule })
}

/// What an evaluation over the past showed.
struct Again {
    steps: Vec<(Timestamp, Vec<ActiveAlert>)>,
    said: Vec<Event>,
}

struct Trace<'a> {
    rule: &'a str,
    again: Again,
}

impl Observer for Trace<'_> {
    fn record(&mut self, record: &NewRecord) {
        let event = serde_json::from_str::<Event>(&record.body).ok();
        self.again
            .said
            .extend(event.filter(|event| event.rule == self.rule || event.labels.get("rule") == Some(self.rule)));
    }

    fn evaluated(&mut self, group: &Group, instant: Timestamp) {
        let alerts = group.alerts().into_iter().filter(|alert| alert.rule_id == self.rule).collect();
        self.again.steps.push((instant, alerts));
    }
}

fn evaluate_again(args: &ExplainArgs, defined: &Defined, subject: &Subject) -> Result<Again, Failure> {
    let Defined { generation, plan, rule } = defined;
    let to = subject.instant();
    let before = rule.for_millis + rule.keep_firing_for_millis + INSTANTS_BEFORE * plan.slots.interval_millis();
    let settings = ReplaySettings { from: to.plus_millis(-before), to, pace: Pace::AsLive };
    let sources = args.memory.live()?;
    let mut trace = Trace { rule: &rule.id, again: Again { steps: Vec::new(), said: Vec::new() } };
    let replay = Replay::new(generation, &sources, settings).map_err(Failure::configuration)?;
    setup::runtime()?.block_on(replay.run(&mut trace)).map_err(Failure::configuration)?;
    Ok(trace.again)
}

struct Explanation {
    subject: Subject,
    rule: Option<Defined>,
    again: Option<Again>,
}

impl Explanation {
    fn value(&self) -> Value {
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

    fn text(&self) -> String {
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
