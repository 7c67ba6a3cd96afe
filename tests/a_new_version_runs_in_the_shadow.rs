//! With `shadow` a new version of a detector is tried beside the old one, which is heard; what they say differently is told,
//! and one that fails never takes over.

use crate::support::{self, Deployment, guests};
use orion_lab::Exporter;
use serde_json::Value;

const RULES: &str = "
groups:
  - name: shadowed
    interval: 1s
    rules:
      - { alert: Shadowed, expr: up, plugin: mine, shadow: 3 }
";

/// The runs that have ended, by severity and what was said of them.
fn ended(deployment: &Deployment) -> Vec<(String, String)> {
    let words = |event: &Value| (text(&event["severity"]), text(&event["data"]["message"]));
    deployment.events_of("shadow_ended", "occurred").iter().map(words).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What depends on the time and on how a plugin is built is left out.
fn plain(message: &str) -> String {
    let word = |word: &str| {
        match word {
            word if word.starts_with("20") => "TIME",
            word if word.starts_with('(') && word.len() > 20 => "(DIGEST)",
            word => word,
        }
        .to_owned()
    };
    message.lines().next().unwrap_or_default().split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_new_version_is_tried_beside_the_old_one_and_takes_over_unless_it_fails() {
    let exporter = Exporter::start("app").unwrap();
    let prometheus = support::watching(&exporter, "up", "1");
    let deployment = Deployment::new(&prometheus.url());
    let install = |version: &str, observe: &str| {
        std::fs::write(deployment.path("plugins/mine.wasm"), guests::detector("mine", version, observe)).unwrap();
    };
    install("1.0.0", &guests::say("1"));
    deployment.rule("shadowed.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("the alert", |it| !it.events_of("shadowed", "firing").is_empty());
    let told = |observe: &str, version: &str, count: usize| {
        install(version, observe);
        deployment.wait_until("the end of a run", |it| ended(it).len() == count);
        let (severity, message) = ended(&deployment).pop().unwrap();
        format!("{severity}: {}", plain(&message))
    };
    insta::assert_snapshot!(told(&guests::say("1"), "1.0.1", 1), @"info: mine 1.0.1 (DIGEST) said the same of all 3 frames and takes over");
    insta::assert_snapshot!(told(&guests::say("2"), "1.1.0", 2), @"warning: mine 1.1.0 (DIGEST) said something else of 3 of 3 frames and takes over; first of TIME of the answer the old version said `1 at TIME the new one `2 at TIME");
    insta::assert_snapshot!(told("unreachable", "1.2.0", 3), @"error: mine 1.2.0 (DIGEST) fails with frame 1, of TIME and does not take over: `observe` trapped: wasm `unreachable` instruction executed");
    // The old one is heard all along.
    assert!(orion.terminate().success());
    assert!(deployment.events_of("plugin_fault", "firing").is_empty());
    assert_eq!(deployment.events_of("shadowed", "firing").len(), 1);
    assert!(deployment.events_of("shadowed", "resolved").is_empty());
    deployment.check_promises();
}
