//! The past is replayed by the code that runs live: it gives what live gave, needs no Prometheus once it was recorded, and
//! shows what an edit would have changed. What happened can be explained.

use crate::support::{self, Deployment};
use orion_hostile_plugins::guest::DetectorGuest;
use orion_lab::Exporter;
use serde_json::Value;

/// The recording inside the binary.
const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/media-outage.jsonl.gz");
const RECORDED: [&str; 4] = ["--from", "2026-11-21T08:44:30Z", "--to", "2026-11-21T08:56:30Z"];

fn replayed(deployment: &Deployment, arguments: &[&str]) -> Value {
    let output = deployment.orion(&[&["replay", "--output", "json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_replay_gives_exactly_what_live_gave() {
    // Without an address the demonstration plays the recording.
    let deployment = Deployment::new("");
    let data = deployment.path("live");
    let shown = deployment.orion(&["demo", "--once", "--speed", "600", "--data", data.to_str().unwrap()]);
    assert!(shown.status.success());
    let rules = data.join("rules");
    let arguments = ["--recorded", RECORDING, "--rules", rules.to_str().unwrap()];
    let past = replayed(&deployment, &[&RECORDED[..], &arguments[..]].concat());
    for (what, file) in [("events", "events"), ("incidents", "incidents"), ("decisions", "decisions")] {
        let recorded = std::fs::read_to_string(data.join(format!("memory/{file}.jsonl"))).unwrap();
        let mut live: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        live.iter_mut().for_each(without_place_in_the_file);
        let again = past[what].as_array().unwrap();
        assert_eq!(live.len(), again.len(), "{what}");
        assert!(!again.is_empty(), "{what}");
        for record in &live {
            assert!(again.contains(record), "{what}: {record} is not in the replay");
        }
    }
}

/// What Memory adds to a record is about its file.
fn without_place_in_the_file(record: &mut Value) {
    let record = record.as_object_mut().unwrap();
    for added in ["schema", "seq", "prev", "hash"] {
        record.remove(added);
    }
}

const RULES: &str = r#"
groups:
  - name: load
    interval: 1s
    rules:
      - alert: Overloaded
        expr: load > 1
        labels: { severity: error, service: "{{ $labels.worker }}" }
      - { alert: Quiet, expr: load > 100, for: 5m }
"#;

#[test]
fn what_prometheus_remembers_is_recorded_compared_and_explained() {
    let exporter = Exporter::start("app").unwrap();
    exporter.set("load{worker=\"a\"}", 2.0);
    exporter.set("load{worker=\"b\"}", 3.0);
    let mut prometheus = support::watching(&exporter, "count(load)", "2");
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("load.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("both alerts", |it| it.events_of("overloaded", "firing").len() == 2);
    exporter.set("load{worker=\"b\"}", 0.0);
    deployment.wait_until("an end", |it| it.events_of("overloaded", "resolved").len() == 1);
    assert!(orion.terminate().success());

    let file = deployment.path("past.jsonl.gz");
    let file = file.to_str().unwrap();
    let rules = deployment.path("rules");
    let time_of = |event: &Value| event["ts"].as_str().unwrap().to_owned();
    let from = deployment.events_of("overloaded", "firing").iter().map(time_of).min().unwrap();
    let to = deployment.events_of("overloaded", "resolved").iter().map(time_of).max().unwrap();
    let span = ["--from", &from, "--to", &to, "--rules", rules.to_str().unwrap()];
    deployment.rule("app.yaml", LOGS);
    let recorded = deployment.orion(&[&["record", "--out", file, "--output", "json"], &span[..]].concat());
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    let recorded: Value = serde_json::from_slice(&recorded.stdout).unwrap();
    assert_eq!(recorded["left_out"], serde_json::json!(["app.yaml/logs/errors"]));
    explains(&deployment);

    // A higher bound: one of the two would never have been said.
    let edited = deployment.path("edited");
    std::fs::create_dir(&edited).unwrap();
    std::fs::write(edited.join("load.yaml"), RULES.replace("load > 1\n", "load > 2.5\n")).unwrap();
    let difference = replayed(&deployment, &[&span[..], &["--diff", edited.to_str().unwrap()]].concat());
    let gone = difference["only_rules"].as_array().unwrap();
    assert!(gone.iter().all(|event| event["labels"]["worker"] == "a"), "{difference}");
    assert_eq!(gone.len(), 1, "{difference}");
    assert_eq!(difference["only_diff"].as_array().unwrap().len(), 0, "{difference}");

    prometheus.kill();
    let past = replayed(&deployment, &[&span[..], &["--recorded", file]].concat());
    let live = deployment.events_of("overloaded", "resolved");
    let again: Vec<&Value> =
        past["events"].as_array().unwrap().iter().filter(|it| it["status"] == "resolved").collect();
    assert_eq!(again.len(), 1, "{past}");
    assert_eq!((&again[0]["ts"], &again[0]["labels"]), (&live[0]["ts"], &live[0]["labels"]));
}

/// Remembers each instant until it is asked for its state, and has room for ten: live it is asked every thirty seconds.
fn forgetful() -> Vec<u8> {
    let guest = DetectorGuest {
        items: "(global $kept (mut i32) (i32.const 0))",
        observe: "(global.set $kept (i32.add (global.get $kept) (i32.const 1)))
                  (if (i32.gt_u (global.get $kept) (i32.const 10)) (then unreachable))",
        checkpoint: "(global.set $kept (i32.const 0))",
        ..DetectorGuest::default()
    };
    guest.named("forgetful")
}

#[test]
fn a_replay_asks_plugins_for_their_state_as_often_as_live() {
    let deployment = Deployment::new("");
    std::fs::write(deployment.path("plugins/forgetful.wasm"), forgetful()).unwrap();
    deployment.rule(
        "quiet.yaml",
        "groups: [{ name: quiet, interval: 15s, rules: [{ alert: Quiet, expr: 'up == 0', plugin: forgetful }] }]",
    );
    let (rules, plugins) = (deployment.path("rules"), deployment.path("plugins"));
    let folders = ["--rules", rules.to_str().unwrap(), "--plugins", plugins.to_str().unwrap()];
    let past = replayed(&deployment, &[&RECORDED[..], &["--recorded", RECORDING], &folders].concat());
    assert_eq!(past["events"], serde_json::json!([]), "nothing happens, and no plugin faults");
    assert!(past["evaluations"].as_u64().is_some_and(|count| count > 40), "{past:#}");
}

/// Lines that no source of queries has.
const LOGS: &str = "logs: [{ id: errors, files: 'app/*.log', match: ERROR }]";

#[test]
fn a_replay_says_which_entries_of_logs_it_leaves_out() {
    const UP: &str = "groups: [{ name: up, interval: 15s, rules: [{ alert: Down, expr: 'up == 0' }] }]";
    let deployment = Deployment::new("");
    deployment.rule("up.yaml", UP);
    deployment.rule("app.yaml", LOGS);
    let rules = deployment.path("rules");
    let rules = rules.to_str().unwrap();
    let past = [&RECORDED[..], &["--recorded", RECORDING, "--rules", rules]].concat();
    assert_eq!(replayed(&deployment, &past)["left_out"], serde_json::json!(["app.yaml/logs/errors"]));
    // Of both sides of a comparison.
    let others = deployment.path("others.yaml");
    std::fs::write(&others, UP).unwrap();
    let difference = [&past[..], &["--diff", others.to_str().unwrap()]].concat();
    assert_eq!(replayed(&deployment, &difference)["left_out"], serde_json::json!(["app.yaml/logs/errors"]));
    let without = [&RECORDED[..], &["--recorded", RECORDING, "--rules", others.to_str().unwrap()]].concat();
    assert_eq!(replayed(&deployment, &without)["left_out"], serde_json::json!([]));
    let shown = deployment.orion(&[&["replay", "--output", "table"], &past[..]].concat());
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.ends_with("left out: 1 entry of logs, whose lines are in no source of queries: app.yaml/logs/errors\n"),
        "{shown}"
    );
}

fn explains(deployment: &Deployment) {
    let rules = deployment.path("rules");
    let explained = |arguments: &[&str]| {
        let output = deployment
            .orion(&[&["explain", "--output", "json", "--rules", rules.to_str().unwrap()], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    // Why it fired: what was recorded, and the same once more over what Prometheus remembers.
    let fired = &deployment.events_of("overloaded", "firing")[0];
    let event = explained(&[fired["event_id"].as_str().unwrap(), "--again"]);
    assert_eq!(&event["explained"]["event"]["event_id"], &fired["event_id"]);
    let last = event["again"]["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["instant"], fired["ts"]);
    assert!(last["alerts"].as_array().unwrap().iter().any(|alert| alert["state"] == "firing"), "{last}");
    // Why it does not.
    let rule = explained(&["load.yaml/load/Quiet"]);
    assert_eq!(rule["explained"]["rule"]["health"]["outcome"], "empty", "{rule}");
    assert_eq!(rule["definition"]["for_millis"], 300_000);
    let unknown = deployment.orion(&["explain", "nobody"]);
    assert_eq!(unknown.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("orion rule list"));
}
