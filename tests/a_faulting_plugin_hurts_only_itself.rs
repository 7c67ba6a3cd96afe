//! A detector or correlator that traps ends its own call and nothing else: that is said once, every other rule goes on, and
//! a mended plugin is live without a restart.

use crate::support::{self, Deployment, guests};
use orion_lab::Exporter;
use serde_json::Value;

const RULES: &str = r#"
groups:
  - name: mixed
    interval: 1s
    rules:
      - { alert: Trapping, expr: load, plugin: mine }
      - { alert: Healthy, expr: load, with: { above: 1 } }
correlations:
  - name: trapping
    match: { event_type: healthy }
    plugin: traps
    incident: { type: never, severity: info, summary: never }
  - name: healthy
    match: { event_type: healthy }
    incident: { type: overload, severity: warning, summary: "load is high" }
"#;

/// Works for some ten million units of fuel, and then says one thing.
fn slow_detector() -> Vec<u8> {
    let observe = format!(
        "(local.set $i (i32.const 3000000))
         (loop $next
           (local.set $i (i32.sub (local.get $i) (i32.const 1)))
           (br_if $next (local.get $i)))
         {}",
        guests::say("1")
    );
    guests::detector("slow", "1.0.0", &observe)
}

#[test]
fn a_plugin_that_needs_more_than_a_moment_is_given_it_each_time() {
    let exporter = Exporter::start("app").unwrap();
    let prometheus = support::watching(&exporter, "up", "1");
    let deployment = Deployment::new(&prometheus.url());
    std::fs::write(deployment.path("plugins/slow.wasm"), slow_detector()).unwrap();
    // It fires at its third evaluation. The first sets it up; the second is tried briefly, and then in full.
    let rule = "      - { alert: Slow, expr: up, plugin: slow, for: 2s }\n";
    deployment.rule("slow.yaml", &format!("groups:\n  - name: slow\n    interval: 1s\n    rules:\n{rule}"));
    let orion = deployment.start();
    deployment.wait_until("its alert", |it| !it.events_of("slow", "firing").is_empty());
    assert!(orion.terminate().success());
    let fired = &deployment.events_of("slow", "firing")[0];
    assert!(fired["evidence"]["fuel"].as_u64().unwrap() > 2_000_000, "{fired:#}");
    assert!(deployment.events_of("plugin_fault", "firing").is_empty());
    assert!(deployment.events_of("slow", "resolved").is_empty());
    deployment.check_promises();
}

impl Deployment {
    /// What the two plugins could not take is listed, and the answer can be replayed.
    fn check_aside(&self) {
        let listed = self.orion(&["aside", "list", "--output", "ndjson"]);
        let listed = String::from_utf8(listed.stdout).unwrap();
        let asides: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |rule: &str| asides.iter().find(|aside| aside["of"] == rule).unwrap();
        let (rule, correlation) = ("mixed.yaml/mixed/Trapping", "mixed.yaml/trapping");
        assert_eq!(of(rule)["input"]["body"]["data"]["result"][0]["value"][1], "5");
        assert_eq!(of(correlation)["input"]["event"]["event_type"], "healthy");
        let file = self.path("poison.jsonl.gz");
        let file = file.to_str().unwrap();
        let recorded = self.orion(&["aside", "record", rule, "--to", file]);
        assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
        assert_eq!(
            orion_source::Recording::open(std::path::Path::new(file)).unwrap().exprs().collect::<Vec<_>>(),
            ["load"]
        );
        let refused = self.orion(&["aside", "record", correlation, "--to", self.path("none.gz").to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(3));
        insta::assert_snapshot!(String::from_utf8_lossy(&refused.stderr), @"orion: no answer is set aside of the rule `mixed.yaml/trapping`: see `orion aside list`; an event that a correlator could not take stands there whole");
    }
}

#[test]
fn a_trap_is_said_once_the_others_go_on_and_a_mended_plugin_is_live() {
    let exporter = Exporter::start("app").unwrap();
    exporter.set("load", 5.0);
    let prometheus = support::watching(&exporter, "load", "5");
    let deployment = Deployment::new(&prometheus.url());
    std::fs::write(deployment.path("plugins/mine.wasm"), guests::detector("mine", "1.0.0", "unreachable")).unwrap();
    std::fs::write(deployment.path("plugins/traps.wasm"), guests::correlator("traps", "1.0.0", "unreachable")).unwrap();
    deployment.rule("mixed.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("the healthy correlation", |it| !it.incidents_of("overload", "opened").is_empty());
    deployment.wait_until("both faults", |it| it.events_of("plugin_fault", "firing").len() == 2);
    let faults = deployment.events_of("plugin_fault", "firing");
    let fault = faults.iter().find(|event| event["labels"]["plugin"] == "mine").unwrap();
    assert!(fault["data"]["message"].as_str().unwrap().contains("trapped"), "{fault:#}");
    deployment.wait_until("their incidents", |it| it.incidents_of("plugin_fault", "opened").len() == 2);
    deployment.wait_until("a quarantine", |it| !it.events_of("plugin_quarantined", "firing").is_empty());
    let quarantined = &deployment.events_of("plugin_quarantined", "firing")[0];
    assert_eq!(quarantined["labels"]["plugin"], "mine");
    deployment.wait_until("what is set aside", |it| it.events_of("input_set_aside", "occurred").len() == 2);
    deployment.check_aside();

    let threshold = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    std::fs::write(deployment.path("plugins/mine.wasm"), threshold.component).unwrap();
    deployment.rule("mixed.yaml", &RULES.replace("plugin: mine", "plugin: mine.wasm"));
    deployment.wait_until("the mended plugin", |it| !it.events_of("trapping", "firing").is_empty());
    deployment.wait_until("the end of its fault", |it| !it.events_of("plugin_fault", "resolved").is_empty());
    deployment.wait_until("the end of its quarantine", |it| !it.events_of("plugin_quarantined", "resolved").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("plugin_fault", "firing").len(), 2);
    deployment.check_promises();
}
