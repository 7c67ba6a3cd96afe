//! The plugins that an author's rules may name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orion_pipeline::library::{Shelf, StandardPlugin};
use orion_sandbox::{Limits, Sandbox, Settings};
use orion_trust::Gate;

/// The standard plugins and those of a folder. Plugins are compiled once and kept in `cache_dir`.
pub fn shelf(plugins_dir: &Path, cache_dir: Option<PathBuf>) -> Result<Shelf, String> {
    let settings = Settings { cache_dir, limits: Limits::default() };
    let sandbox = Arc::new(Sandbox::new(settings).map_err(|error| error.to_string())?);
    let standard = orion_standard_plugins::STANDARD.iter();
    let standard: Vec<StandardPlugin> =
        standard.map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component }).collect();
    let mut shelf = Shelf::of_standard(&sandbox, &standard)
        .map_err(|(name, why)| format!("plugin `{name}` does not load: {why}"))?;
    // Who may run on a deployment is no question at an author's desk.
    shelf.add_folder(&sandbox, plugins_dir, &Gate::open())?;
    Ok(shelf)
}
