//! The process dies between any two stages, and after the next start everything is recorded exactly once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::{self, Deployment, TARGETS, guests};
use crate::{
    agents_forward_what_they_see, log_files_are_followed, loki_lines_are_events, snapshots_come_back_whole,
    the_audit_trail_is_kept,
};
use orion_lab::{AnsweringServer, Exporter, Prometheus, ScrapeConfig};

/// Every point at which the way from a start, and from a finding, to a line in Memory can be cut.
const POINTS: [&str; 15] = [
    "library::before_commit",
    "library::after_commit",
    "attestation::before_commit",
    "attestation::after_commit",
    "watcher::before_commit",
    "watcher::after_commit",
    "bus::before_commit",
    "bus::after_commit",
    "guardian::before_commit",
    "guardian::after_commit",
    "brain::before_commit",
    "brain::after_commit",
    "memory::before_append",
    "memory::after_one_file",
    "memory::after_append",
];

/// Those of the health of sources.
const HEALTH: [&str; 2] = ["health::before_commit", "health::after_commit"];

/// Those of a plugin file that is kept.
const KEPT_PLUGIN: [&str; 2] = ["library::before_rename", "library::after_rename"];

/// Those of a group that is in no rule file any more.
const GROUP_END: [&str; 2] = ["group_end::before_commit", "group_end::after_commit"];

/// Between the parts of a large instant.
const PART: &str = "watcher::after_part";

#[test]
fn every_crash_point_of_the_code_is_crashed_at() {
    let crashed: BTreeSet<String> = POINTS
        .iter()
        .chain(&HEALTH)
        .chain(&KEPT_PLUGIN)
        .chain(&GROUP_END)
        .chain([&PART])
        .chain(&the_audit_trail_is_kept::POINTS)
        .chain([&the_audit_trail_is_kept::REBUILD_POINT])
        .chain(&snapshots_come_back_whole::POINTS)
        .chain(&log_files_are_followed::POINTS)
        .chain(&loki_lines_are_events::POINTS)
        .chain(&agents_forward_what_they_see::POINTS)
        .map(ToString::to_string)
        .collect();
    let mut there = BTreeSet::new();
    points_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host"), &mut there);
    assert_eq!(there, crashed, "on the left what the code has, on the right what a test crashes at");
}

/// The names of the points in the code of a folder.
fn points_in(folder: &Path, points: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            points_in(&entry.path(), points);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let after = text.split("crash_point!(\"").skip(1);
            points.extend(after.filter_map(|text| Some(text.split_once("\")")?.0.to_owned())));
        }
    }
}

#[test]
fn a_crash_at_any_point_between_stages_loses_nothing_and_doubles_nothing() {
    let mut dead = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", dead.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    dead.stop();
    prometheus.wait_for("up", "\"0\"", support::PATIENCE).unwrap();
    let deployments = POINTS.map(|point| crash_at(&prometheus, point));
    dead.restart().unwrap();
    for (point, deployment) in POINTS.iter().zip(&deployments) {
        let orion = deployment.start_again();
        deployment
            .wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
        assert!(orion.terminate().success(), "{point}");
        assert_eq!(deployment.events_of("service_down", "firing").len(), 1, "{point}");
        assert_eq!(deployment.events_of("service_down", "resolved").len(), 1, "{point}");
        assert_eq!(deployment.incidents().len(), 2, "{point}");
        assert_eq!(deployment.decisions().len(), 1, "{point}");
        deployment.check_promises();
    }
}

#[test]
fn a_crash_while_a_source_fails_or_returns_says_both_once() {
    for point in HEALTH {
        let mut source = AnsweringServer::start(|_| Vec::new()).unwrap();
        let deployment = Deployment::new(&source.url());
        deployment.rule("targets.yaml", TARGETS);
        let crashed = [("ORION_CRASH_AT", &*format!("{point}:1"))];
        source.stop();
        assert!(!deployment.start_with(&crashed).wait().success(), "it did not crash at {point}");
        let orion = deployment.start();
        deployment.wait_until("the decision", |it| !it.decisions().is_empty());
        orion.kill();
        source.restart().unwrap();
        assert!(!deployment.start_with(&crashed).wait().success(), "it did not crash at {point}");
        let orion = deployment.start_again();
        let is_over = |it: &Deployment| !it.incidents_of("prometheus_outage", "resolved").is_empty();
        deployment.wait_until("the end of the outage", is_over);
        assert!(orion.terminate().success());
        for status in ["firing", "resolved"] {
            assert_eq!(deployment.events_of("external_api_failure", status).len(), 1, "{point} {status}");
        }
        assert_eq!((deployment.incidents().len(), deployment.decisions().len()), (2, 1), "{point}");
        deployment.check_promises();
    }
}

const OWN_DETECTOR: &str = r#"
groups:
  - name: own
    interval: 1s
    rules:
      - { alert: Mine, expr: load, plugin: mine, labels: { severity: error } }
correlations:
  - name: mine
    match: { event_type: mine }
    incident: { type: mine, severity: warning, summary: mine }
"#;

fn load() -> AnsweringServer {
    AnsweringServer::start(|_| vec![(vec![("__name__", "load".to_owned())], 5.0)]).unwrap()
}

#[test]
fn a_crash_while_a_plugin_is_kept_leaves_it_whole_or_not_at_all() {
    let source = load();
    for point in KEPT_PLUGIN {
        let deployment = Deployment::new(&source.url());
        deployment.rule("own.yaml", OWN_DETECTOR);
        let file = deployment.path("plugins/mine.wasm");
        std::fs::write(&file, guests::detector("mine", "1.0.0", &guests::say("1"))).unwrap();
        let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("{point}:1"))]);
        assert!(!orion.wait().success(), "it did not crash at {point}");
        let orion = deployment.start();
        deployment.wait_until("the decision", |it| !it.decisions().is_empty());
        orion.kill();
        let kept: Vec<_> =
            std::fs::read_dir(deployment.path("memory/last-good")).unwrap().map(Result::unwrap).collect();
        assert_eq!(kept.len(), 1, "{point}: {kept:?}");
        // What was kept is what runs when the file is spoiled.
        std::fs::write(&file, "spoiled").unwrap();
        let orion = deployment.start_again();
        deployment.wait_until("the refusal", |it| !it.events_of("plugin_refused", "firing").is_empty());
        assert!(orion.terminate().success());
        assert_eq!(deployment.events_of("mine", "firing").len(), 1, "{point}");
        assert!(deployment.events_of("mine", "resolved").is_empty(), "{point}: its last good version runs");
        deployment.check_promises();
    }
}

#[test]
fn a_crash_while_a_group_ends_resolves_its_alerts_once() {
    let source = load();
    for point in GROUP_END {
        let deployment = Deployment::new(&source.url());
        deployment.rule("own.yaml", &OWN_DETECTOR.replace("plugin: mine, ", ""));
        let orion = deployment.start();
        deployment.wait_until("the decision", |it| !it.decisions().is_empty());
        orion.kill();
        std::fs::remove_file(deployment.path("rules/own.yaml")).unwrap();
        let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("{point}:1"))]);
        assert!(!orion.wait().success(), "it did not crash at {point}");
        let orion = deployment.start_again();
        deployment.wait_until("the end of the alert", |it| !it.events_of("mine", "resolved").is_empty());
        assert!(orion.terminate().success());
        for status in ["firing", "resolved"] {
            assert_eq!(deployment.events_of("mine", status).len(), 1, "{point} {status}");
        }
        deployment.check_promises();
    }
}

#[test]
fn a_crash_where_an_input_is_set_aside_keeps_it_once() {
    let source = load();
    // Each fault is a commit, and with the third the input is set aside: so it dies at each of the three, once.
    for (point, hits) in [("watcher::before_commit", [1, 2, 2]), ("watcher::after_commit", [1, 1, 1])] {
        let deployment = Deployment::new(&source.url());
        deployment.rule("own.yaml", OWN_DETECTOR);
        std::fs::write(deployment.path("plugins/mine.wasm"), guests::detector("mine", "1.0.0", "unreachable")).unwrap();
        for hit in hits {
            let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("{point}:{hit}"))]);
            assert!(!orion.wait().success(), "it did not crash at {point}:{hit}");
        }
        let orion = deployment.start_again();
        deployment.wait_until("the quarantine", |it| !it.events_of("plugin_quarantined", "firing").is_empty());
        assert!(orion.terminate().success());
        assert_eq!(deployment.events_of("plugin_fault", "firing").len(), 1, "{point}");
        assert_eq!(deployment.events_of("input_set_aside", "occurred").len(), 1, "{point}");
        let listed = deployment.orion(&["aside", "list", "--output", "ndjson"]);
        assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1, "{point}");
        deployment.check_promises();
    }
}

/// Crashes on the way of the firing event, starts again, and waits until the decision is recorded.
fn crash_at(prometheus: &Prometheus, point: &str) -> Deployment {
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    // What goes by before anything is observed: the library's first commit and the attestation, which reaches a file too.
    let hit = match point {
        point if point.starts_with("bus::") => 3,
        point if point.starts_with("memory::") => 2,
        _ => 1,
    };
    let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("{point}:{hit}"))]);
    assert!(!orion.wait().success(), "it did not crash at {point}");
    let orion = deployment.start();
    deployment.wait_until("the decision", |it| !it.decisions().is_empty());
    orion.kill();
    deployment
}

const OVERLOAD: &str = r#"
groups:
  - name: overload
    interval: 1s
    rules:
      - alert: Overloaded
        expr: load > 1
        labels: { worker: "{{ $labels.worker }}" }
"#;

/// More alerts than one commit takes: the first is followed by two more.
const OVERLOADED: usize = 2_500;

#[test]
fn a_crash_between_the_parts_of_a_large_instant_loses_nothing_and_doubles_nothing() {
    let exporter = Exporter::start("app").unwrap();
    let set_load = |load: f64| {
        (0..OVERLOADED).for_each(|worker| exporter.set(&format!("load{{worker=\"{worker}\"}}"), load));
    };
    set_load(2.0);
    let prometheus = support::watching(&exporter, "count(load > 1)", "2500");
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("overload.yaml", OVERLOAD);

    // Each part that is committed makes the next attempt shorter.
    crash_between_parts(&deployment, 1);
    crash_between_parts(&deployment, 1);
    let orion = deployment.start();
    deployment.wait_until("all alerts", |it| it.events_of("overloaded", "firing").len() >= OVERLOADED);
    orion.kill();

    set_load(0.0);
    crash_between_parts(&deployment, 2);
    let orion = deployment.start();
    deployment.wait_until("all ends", |it| it.events_of("overloaded", "resolved").len() >= OVERLOADED);
    assert!(orion.terminate().success());
    for status in ["firing", "resolved"] {
        assert_eq!(deployment.events_of("overloaded", status).len(), OVERLOADED, "{status}");
    }
    deployment.check_promises();
}

/// Starts Orion and lets it die when it has committed that many parts of an instant, and not the last.
fn crash_between_parts(deployment: &Deployment, parts: u32) {
    let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("{PART}:{parts}"))]);
    assert!(!orion.wait().success(), "it did not crash after {parts} parts");
}
