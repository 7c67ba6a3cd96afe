//! A new version of a plugin that keeps failing soon after it took over is taken back, by itself and visibly.

use crate::support::{self, Deployment, guests};
use orion_lab::Exporter;
use serde_json::Value;

const RULES: &str = "
groups:
  - name: swapped
    interval: 1s
    rules:
      - { alert: Swapped, expr: up, plugin: mine }
";

/// The versions of the plugin that may run, each shown to be there as it was accepted.
fn versions(deployment: &Deployment) -> Vec<String> {
    let output = deployment.orion(&["verify", "--offline", "--output", "json"]);
    let certificate: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = certificate["checks"].as_array().unwrap();
    let plugins = checks.iter().find(|check| check["name"] == "plugins").unwrap();
    assert_eq!(plugins["verdict"], "holds", "{plugins:#}");
    let rows = certificate["plugins"].as_array().unwrap().iter().filter(|row| row["file"] == "mine.wasm");
    rows.map(|row| row["manifest"]["version"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_version_that_keeps_failing_is_taken_back_and_a_mended_one_is_live() {
    let exporter = Exporter::start("app").unwrap();
    let prometheus = support::watching(&exporter, "up", "1");
    let deployment = Deployment::new(&prometheus.url());
    let install = |version: &str, observe: &str| {
        std::fs::write(deployment.path("plugins/mine.wasm"), guests::detector("mine", version, observe)).unwrap();
    };
    install("1.0.0", &guests::say("1"));
    deployment.rule("swapped.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("the alert", |it| !it.events_of("swapped", "firing").is_empty());
    install("1.1.0", "unreachable");
    deployment.wait_until("the refusal", |it| !it.events_of("plugin_refused", "firing").is_empty());
    let refused = deployment.events_of("plugin_refused", "firing").remove(0);
    let message = refused["data"]["message"].as_str().unwrap();
    let plain: Vec<&str> = message
        .split(' ')
        .map(|word| if word.starts_with('(') && word.len() > 64 { "(DIGEST)" } else { word })
        .collect();
    insta::assert_snapshot!(plain.join(" "), @"version 1.1.0 (DIGEST) failed 3 times soon after it took over: version 1.0.0 (DIGEST) runs again. Mend the plugin, see the `plugin_fault` events; the file is looked at again when it changes");
    deployment.wait_until("the old version at work", |it| !it.events_of("plugin_quarantined", "resolved").is_empty());
    // The new version was never heard, and the alert never touched.
    assert!(deployment.events_of("swapped", "resolved").is_empty());
    assert_eq!(versions(&deployment), ["1.0.0"]);
    install("1.2.0", &guests::say("2"));
    deployment.wait_until("the mended version", |it| !it.events_of("plugin_refused", "resolved").is_empty());
    assert!(orion.terminate().success());
    // The one before stays at hand for as long as the new one is on trial.
    assert_eq!(versions(&deployment), ["1.0.0", "1.2.0"]);
    assert_eq!(deployment.events_of("swapped", "firing").len(), 1);
    deployment.check_promises();
}
