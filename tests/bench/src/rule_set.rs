//! A rule text as it runs, in this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use orion_pipeline::library::{Accepted, Defaults, Generation, Shelf, StandardPlugin, check};
use orion_sandbox::Sandbox;
use orion_standard_plugins::STANDARD;

use crate::error::BenchError;

/// What rules ask that name no source.
pub const SOURCE: &str = "prometheus";

/// Of a group that does not say.
const INTERVAL_MILLIS: i64 = 60_000;

/// All standard plugins.
pub fn shelf(sandbox: &Arc<Sandbox>) -> Result<Shelf, BenchError> {
    let standard = STANDARD.iter().map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component });
    let refused = |(name, why): (String, String)| BenchError::Failed { what: format!("load the plugin {name}"), why };
    Shelf::of_standard(sandbox, &standard.collect::<Vec<_>>()).map_err(refused)
}

/// The generation that a rule file makes.
pub fn generation(shelf: &Shelf, text: &str) -> Result<Generation, BenchError> {
    let defaults =
        Defaults { interval_millis: INTERVAL_MILLIS, sources: BTreeSet::from([SOURCE.to_owned()]), log_dirs: None };
    let checked = check("bench.yaml", text, shelf, &defaults);
    let refused = || BenchError::Failed { what: "accept the rules".to_owned(), why: checked.report.clone() };
    Ok(Accepted::generation([&checked.accepted.ok_or_else(refused)?]))
}
