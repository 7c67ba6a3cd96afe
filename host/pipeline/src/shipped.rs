//! For tests: the standard plugins, as the binary has them, and rules that are checked with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use orion_sandbox::{Limits, Sandbox, Settings};

use crate::library::{Accepted, Defaults, Generation, Shelf, StandardPlugin, check};

/// What holds where a rule says nothing else.
pub fn defaults() -> Defaults {
    Defaults { interval_millis: 15_000, sources: BTreeSet::from(["prometheus".to_owned()]), log_dirs: None }
}

/// The standard plugins.
pub fn shelf() -> Shelf {
    let sandbox = Arc::new(Sandbox::new(Settings { cache_dir: None, limits: Limits::default() }).unwrap());
    let standard: Vec<StandardPlugin> = orion_standard_plugins::STANDARD
        .iter()
        .map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component })
        .collect();
    Shelf::of_standard(&sandbox, &standard).unwrap()
}

/// The rules of the file `f.yaml` with this text.
pub fn generation(rules: &str) -> Generation {
    let checked = check("f.yaml", rules, &shelf(), &defaults());
    Accepted::generation([&checked.accepted.unwrap_or_else(|| panic!("{}", checked.report))])
}
