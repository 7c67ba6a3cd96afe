//! Plugins as they are told over HTTP: what was proven of them, what they may use, the worst that was seen, and what is held against
//! them.

use std::path::Path;

use orion_bus::{BusError, Reader};
use orion_model::Timestamp;
use orion_pipeline::guardian::GUARDIAN_OWNERS;
use orion_pipeline::library::Generation;
use orion_pipeline::observer::{Files, ShelvedPlugin};
use orion_pipeline::quarantine::{Held, held};
use orion_pipeline::watcher::GROUP_OWNERS;
use orion_sandbox::Plugin;
use serde_json::{Map, Value, json};

/// Rules and correlations that are told of: more is one defect and not so many.
const MAX_HELD: usize = 500;

/// Plugins that rules may name, and plugin files that are refused.
pub fn plugins(files: &Files) -> Vec<Value> {
    let loaded = files.plugins.iter().map(|shelved| plugin_value(shelved, files));
    let is_loaded = |file: &String| files.plugins.iter().any(|shelved| shelved.file.as_ref() == Some(file));
    let is_plugin = |file: &String| Path::new(file).extension().is_some_and(|extension| extension == "wasm");
    let refused = files.refused.iter().filter(|(file, _)| is_plugin(file) && !is_loaded(file));
    let refused = refused.map(|(file, why)| json!({ "file": file, "refused": why, "certificate": null }));
    loaded.chain(refused).collect()
}

fn plugin_value(shelved: &ShelvedPlugin, files: &Files) -> Value {
    let meter = shelved.plugin.meter();
    let failures: Map<String, Value> = meter.failures().map(|(kind, count)| (kind.to_owned(), count.into())).collect();
    json!({
        "file": shelved.file,
        "refused": shelved.file.as_ref().and_then(|file| files.refused.get(file)),
        "certificate": shelved.plugin.certificate(),
        "ceilings": ceilings(&shelved.plugin),
        "fuel": meter.fuel.get(),
        "emitted": meter.emitted.get(),
        "dropped": meter.dropped.get(),
        "failures": failures,
        "most_memory_bytes": meter.most_memory_bytes.get(),
        "most_fuel": meter.most_fuel.get(),
        "load_seconds": meter.load_seconds.get(),
    })
}

/// What one call, or one instance, may use; a call that wants more is ended.
fn ceilings(plugin: &Plugin) -> Value {
    let limits = plugin.limits();
    json!({
        "memory_bytes": plugin.memory_limit_bytes(),
        "stack_bytes": limits.stack_bytes,
        "call_fuel": limits.call_fuel,
        "item_fuel": limits.item_fuel,
        "call_millis": limits.call_millis,
        "emitted_bytes": limits.emitted_bytes,
        "item_emitted_bytes": limits.item_emitted_bytes,
    })
}

/// What is held against the plugins of rules and correlations, in the order of these. May block.
pub fn quarantine(reader: &mut Reader, generation: &Generation, now: Timestamp) -> Result<Vec<Value>, BusError> {
    let mut owners = reader.owners(GROUP_OWNERS)?;
    owners.extend(reader.owners(GUARDIAN_OWNERS)?);
    let mut told = Vec::new();
    for owner in owners {
        let all = held(&reader.load(&owner)?);
        told.extend(all.into_iter().map(|(of, held)| (held_value(&of, &held, generation, now), of)));
    }
    told.sort_by(|(_, a), (_, b)| a.cmp(b));
    told.truncate(MAX_HELD);
    Ok(told.into_iter().map(|(value, _)| value).collect())
}

fn held_value(of: &str, held: &Held, generation: &Generation, now: Timestamp) -> Value {
    let mut rules = generation.groups.values().flat_map(orion_pipeline::watcher::GroupPlan::rules);
    let rule = rules.find(|rule| rule.rule.id == of);
    let correlation = generation.correlations.get(of).map(|plan| &plan.plugin);
    let plugin = rule.map(|rule| rule.plugin).or(correlation);
    let until = held.faults.as_ref().and_then(|faults| faults.until).filter(|until| now < *until);
    json!({
        "of": of,
        "kind": if rule.is_some() { "rule" } else { "correlation" },
        "plugin": plugin.map(|plugin| &plugin.manifest().name),
        "plugin_digest": plugin.map(Plugin::digest),
        "strikes": held.faults.as_ref().map_or(0, |faults| faults.strikes),
        "quarantines": held.faults.as_ref().map_or(0, |faults| faults.rounds),
        "last_fault": held.faults.as_ref().map(|faults| faults.last.min(now)),
        "until": until,
        "why": held.aside.last().map(|aside| &aside.fault),
        "aside": held.aside,
    })
}
