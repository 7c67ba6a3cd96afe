//! The agents of a control host, as they are told of.

use std::path::Path;

use orion_api::AgentNotTaken;
use orion_bus::SqliteBus;
use orion_metrics::{FamilyType, Text};
use orion_model::Timestamp;
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

/// The numbers of agents.
pub fn write_metrics(agents: &[AgentSeen], text: &mut Text) {
    let help = "Whether an agent was heard of lately.";
    let mut family = text.family("orion_agent_live", FamilyType::Gauge, help);
    for agent in agents {
        family.sample(&[("agent", &agent.agent)], f64::from(u8::from(agent.is_live)));
    }
    let help = "When an agent was heard of last.";
    let mut family = text.family("orion_agent_heard_timestamp_seconds", FamilyType::Gauge, help);
    for agent in agents {
        family.sample(&[("agent", &agent.agent)], agent.heard_at.as_millis() as f64 / 1_000.0);
    }
    let help = "Events that wait at an agent, as it said last.";
    let mut family = text.family("orion_agent_reported_backlog_events", FamilyType::Gauge, help);
    for agent in agents {
        let waiting = agent.status.as_ref().map_or(0, |status| status.backlog_events);
        family.count(&[("agent", &agent.agent)], waiting);
    }
}
