//! What lies inside the binary: rule files, standard plugins, the recording of the demonstration.

use orion_pipeline::library::StandardPlugin;

/// Loaded always; a file of the same name in the rules folder takes its place.
pub const BUILTIN_RULES: &[(&str, &str)] = &[("orion.yaml", include_str!("../../../rules/orion.yaml"))];

/// The rule files that ship and are about what the demonstration shows: a recording has answers to their queries and no others, and is
/// too short to learn from.
pub const ALL_RULES: &[(&str, &str)] = &[
    ("media-stack.yaml", include_str!("../../../rules/media-stack.yaml")),
    ("host.yaml", include_str!("../../../rules/host.yaml")),
    ("monitoring.yaml", include_str!("../../../rules/monitoring.yaml")),
    ("orion.yaml", include_str!("../../../rules/orion.yaml")),
];

/// An outage of a small media stack, as a real Prometheus answered it.
pub const RECORDING: &[u8] = include_bytes!("../recordings/media-outage.jsonl.gz");

/// Plugins inside the binary.
pub fn standard_plugins() -> Vec<StandardPlugin> {
    let standard = orion_standard_plugins::STANDARD.iter();
    standard.map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component }).collect()
}
