//! The plugins that ship with Orion, as components, manifests included.

/// A plugin as the sandbox loads it.
#[derive(Clone, Copy, Debug)]
pub struct StandardPlugin {
    /// What rules call it.
    pub name: &'static str,
    /// The component's bytes.
    pub component: &'static [u8],
}

/// All of them, by name.
pub static STANDARD: &[StandardPlugin] = include!(concat!(env!("OUT_DIR"), "/standard.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_plugin_is_there_once_in_order_and_knows_no_path_of_the_machine_it_was_built_on() {
        let names: Vec<_> = STANDARD.iter().map(|plugin| plugin.name).collect();
        let want = [
            "absence",
            "aggregate",
            "anomaly",
            "count",
            "counter-reset",
            "distinct",
            "distribution-change",
            "error-budget",
            "flapping",
            "flatline",
            "forecast",
            "grouping",
            "missing-event",
            "outlier-among-peers",
            "rate-of-change",
            "sequence",
            "suppression",
            "temporal",
            "threshold",
            "topology",
        ];
        assert_eq!(names, want);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let paths = [root.to_str().unwrap().as_bytes(), b"/.cargo/"];
        for plugin in STANDARD {
            for path in paths {
                let found = plugin.component.windows(path.len()).any(|window| window == path);
                assert!(!found, "{} holds {}", plugin.name, String::from_utf8_lossy(path));
            }
        }
    }
}
