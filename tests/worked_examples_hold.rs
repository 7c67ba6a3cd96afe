//! Every standard plugin has a worked example beside its source, and Orion takes it as it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Deployment;

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")
}

/// The folders of plugins that have a manifest.
fn standard() -> BTreeSet<String> {
    let folders = std::fs::read_dir(plugins()).unwrap().map(|entry| entry.unwrap().path());
    let with_manifest = folders.filter(|folder| folder.join("plugin.toml").exists());
    with_manifest.map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// Older than the custom of an example for each; `rules/` is full of them.
const SHOWN_IN_RULES: [&str; 2] = ["absence", "threshold"];

#[test]
fn every_standard_plugin_is_shown_at_work_by_rules_that_are_accepted_without_a_warning() {
    let deployment = Deployment::new("");
    for plugin in standard() {
        let inspected = deployment.orion(&["plugin", "inspect", &plugin, "--output", "json"]);
        assert!(
            inspected.status.success(),
            "{plugin} is not in the binary: {}",
            String::from_utf8_lossy(&inspected.stderr)
        );
        if SHOWN_IN_RULES.contains(&plugin.as_str()) {
            continue;
        }
        let example = plugins().join(&plugin).join("rules.yaml");
        let text = std::fs::read_to_string(&example).unwrap();
        assert!(text.contains(&format!("plugin: {plugin}")), "{plugin}");
        let checked = deployment.orion(&["check", "--strict", "--output", "json", example.to_str().unwrap()]);
        let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert!(checked.status.success(), "{plugin}: {said:#}");
    }
}
