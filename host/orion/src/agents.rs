//! The agents of a control host, as they are told of.

use std::path::Path;

use orion_api::AgentNotTaken;
use orion_bus::SqliteBus;
use orion_metrics::{FamilyType, Text};
use orion_model::{SetReport, Timestamp};
use orion_pipeline::outside::agent::{AgentSeen, NotTaken, seen_in};
use serde_json::{Value, json};

use crate::agent::DEFAULT_SILENCE_MILLIS;
use crate::cli::Failure;
use crate::output::columns;
use crate::text::span;

/// What was not taken, as the interface says it.
pub fn not_taken(why: &NotTaken) -> AgentNotTaken {
    let said = why.to_string();
    match why {
        NotTaken::Malformed(_) => AgentNotTaken::Malformed(said),
        NotTaken::TooMany(_) => AgentNotTaken::TooLarge(said),
        NotTaken::TooManyAgents | NotTaken::NotNow(_) => AgentNotTaken::NotNow(said),
    }
}

/// An agent among the nodes.
pub fn agent_value(agent: &AgentSeen, now: Timestamp) -> Value {
    let status = agent.status.as_ref();
    let rules = status.and_then(|status| status.rules.as_ref());
    json!({
        "node": agent.agent,
        "role": "agent",
        "live": agent.is_live,
        "heard_at": agent.heard_at,
        "silent_millis": now.millis_since(agent.heard_at).max(0),
        "version": status.map(|status| &status.orion),
        "set": rules.map(|rules| &rules.set),
        "rules_version": rules.and_then(|rules| rules.version),
        "rules_digest": status.and_then(|status| status.digest),
        "rules_refused": rules.and_then(|rules| rules.refused.as_ref()),
        "generation": status.map(|status| status.generation),
        "refused": status.map(|status| &status.refused),
        "backlog_events": status.map(|status| status.backlog_events),
        "backlog_bytes": status.map(|status| status.backlog_bytes),
        "taken": agent.taken,
    })
}

/// The agents of the control host that has this folder, whether it runs or not.
pub fn agents_in(memory_dir: &Path, now: Timestamp) -> Result<Vec<Value>, Failure> {
    if !memory_dir.join(orion_bus::DATABASE_FILE).exists() {
        return Ok(Vec::new());
    }
    let mut store = SqliteBus::open_read_only(memory_dir).map_err(Failure::configuration)?;
    let seen = seen_in(&mut store, DEFAULT_SILENCE_MILLIS, now).map_err(Failure::configuration)?;
    Ok(seen.iter().map(|agent| agent_value(agent, now)).collect())
}

/// Agents as a table.
pub fn agent_table(agents: &[Value]) -> String {
    let row = |agent: &Value| {
        let text = |name: &str| agent.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| agent.get(name).and_then(Value::as_u64).map_or_else(String::new, |it| it.to_string());
        let is_live = agent.get("live").and_then(Value::as_bool).unwrap_or_default();
        let silent = agent.get("silent_millis").and_then(Value::as_i64).unwrap_or_default();
        let is_refused = agent.get("rules_refused").is_some_and(|refused| !refused.is_null());
        let rules = match (number("rules_version"), is_refused) {
            (version, false) => version,
            (version, true) if version.is_empty() => "refused".to_owned(),
            (version, true) => format!("{version}, newer refused"),
        };
        vec![
            text("node"),
            if is_live { "lives" } else { "silent" }.to_owned(),
            format!("{} ago", span(silent)),
            text("version"),
            text("set"),
            rules,
            number("backlog_events"),
        ]
    };
    columns(
        &["AGENT", "STATE", "HEARD OF", "VERSION", "SET", "RULES", "WAITING"],
        &agents.iter().map(row).collect::<Vec<_>>(),
    )
}

/// A number of each agent.
type Number = fn(&AgentSeen) -> f64;

/// The numbers of agents.
const NUMBERS: [(&str, &str, Number); 6] = [
    ("orion_agent_live", "Whether an agent was heard of lately.", |it| f64::from(u8::from(it.is_live))),
    ("orion_agent_heard_timestamp_seconds", "When an agent was heard of last.", |it| seconds(Some(it.heard_at))),
    (
        "orion_agent_reached_timestamp_seconds",
        "Up to when everything that an agent saw is here, as it said last; 0 while it did not since this host began.",
        |it| seconds(it.reached),
    ),
    (
        "orion_agent_taken_position",
        "Up to where in an agent's log everything is taken; another line of it begins anew.",
        |it| it.taken.map_or(0.0, |taken| taken.place.position as f64),
    ),
    ("orion_agent_reported_backlog_events", "Events that wait at an agent, as it said last.", |it| {
        it.status.as_ref().map_or(0.0, |status| status.backlog_events as f64)
    }),
    ("orion_agent_reported_backlog_bytes", "Their bytes.", |it| {
        it.status.as_ref().map_or(0.0, |status| status.backlog_bytes as f64)
    }),
];

/// Writes down the numbers of agents.
pub fn write_metrics(agents: &[AgentSeen], text: &mut Text) {
    for (name, help, number) in NUMBERS {
        let mut family = text.family(name, FamilyType::Gauge, help);
        agents.iter().for_each(|agent| family.sample(&[("agent", &agent.agent)], number(agent)));
    }
    let rules = || {
        let of = |agent: &'_ AgentSeen| Some((agent.agent.clone(), agent.status.as_ref()?.rules.clone()?));
        agents.iter().filter_map(of)
    };
    let help = "The version of its rule set that runs at an agent, as it said last; 0 for none.";
    let mut family = text.family("orion_agent_reported_rules_version", FamilyType::Gauge, help);
    for (agent, SetReport { set, version, .. }) in rules() {
        family.count(&[("agent", &agent), ("set", &set)], version.unwrap_or_default());
    }
    let help = "The version of its rule set that an agent was given and cannot run, as it said last; 0 for none.";
    let mut family = text.family("orion_agent_reported_rules_refused_version", FamilyType::Gauge, help);
    for (agent, SetReport { set, refused, .. }) in rules() {
        family.count(&[("agent", &agent), ("set", &set)], refused.map_or(0, |refused| refused.version));
    }
}

/// As Prometheus counts time; 0 for never.
fn seconds(at: Option<Timestamp>) -> f64 {
    at.map_or(0.0, |at| at.as_millis() as f64 / 1_000.0)
}
