//! A detector or correlator that traps ends its own call and nothing else: that is said once, every other rule goes on, and
//! a mended plugin is live without a restart.

use std::time::Duration;

use crate::support::{self, Deployment};
use orion_lab::{Exporter, Prometheus, ScrapeConfig};
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

fn manifest(name: &str, kind: &str) -> String {
    format!("name = \"{name}\"\nkind = \"{kind}\"\nversion = \"1.0.0\"\ncontract = \"v1\"\nsummary = \"A test.\"\n")
}

/// What both kinds need of a module: memory, a heap, and an `ok` at address 0 for `configure`.
const COMMON: &str = r#"
    (memory (export "memory") 4)
    (global $heap (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
      (i32.sub (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
"#;

fn trapping_detector(name: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
    (import "orion:plugin/findings@1.0.0" "emit" (func (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
    {COMMON}
    (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32))
    (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
    (func (export "orion:plugin/detector@1.0.0#observe") (param i64 i32 i32 i32 i32 i32 i32) unreachable)
    (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) (i32.const 16)))"#
    );
    orion_componentize::componentize(&wat::parse_str(text).unwrap(), &manifest(name, "detector")).unwrap()
}

fn trapping_correlator(name: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
    (import "orion:plugin/incidents@1.0.0" "emit" (func (param i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32)))
    {COMMON}
    (func (export "orion:plugin/correlator@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/correlator@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/correlator@1.0.0#correlate") (param i32) unreachable)
    (func (export "orion:plugin/correlator@1.0.0#checkpoint") (result i32) (i32.const 16)))"#
    );
    orion_componentize::componentize(&wat::parse_str(text).unwrap(), &manifest(name, "correlator")).unwrap()
}

/// Works for some ten million units of fuel, and then says one thing.
fn slow_detector(name: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
    (import "orion:plugin/findings@1.0.0" "emit"
      (func $emit (param i32 i32 i32 i32 i64 f64 i32 f64 i32 i32 i32 i32)))
    {COMMON}
    (func (export "orion:plugin/detector@1.0.0#configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/detector@1.0.0#restore") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "orion:plugin/detector@1.0.0#define-series") (param i32 i32 i32 i32 i32 i32 i32 i32))
    (func (export "orion:plugin/detector@1.0.0#drop-series") (param i32 i32))
    (func (export "orion:plugin/detector@1.0.0#observe") (param $now i64) (param i32 i32 i32 i32 i32 i32)
      (local $i i32)
      (local.set $i (i32.const 3000000))
      (loop $next
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (br_if $next (local.get $i)))
      (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (local.get $now) (f64.const 1)
        (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
    (func (export "orion:plugin/detector@1.0.0#checkpoint") (result i32) (i32.const 16)))"#
    );
    orion_componentize::componentize(&wat::parse_str(text).unwrap(), &manifest(name, "detector")).unwrap()
}

#[test]
fn a_plugin_that_needs_more_than_a_moment_is_given_it_each_time() {
    let exporter = Exporter::start("app").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("app", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    std::fs::write(deployment.path("plugins/slow.wasm"), slow_detector("slow")).unwrap();
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
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("app", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("load", "\"5\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    std::fs::write(deployment.path("plugins/mine.wasm"), trapping_detector("mine")).unwrap();
    std::fs::write(deployment.path("plugins/traps.wasm"), trapping_correlator("traps")).unwrap();
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
