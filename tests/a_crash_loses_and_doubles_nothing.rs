//! The process dies between any two stages, and after the next start everything is recorded exactly once.

use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{Exporter, Prometheus, ScrapeConfig};

/// Every point at which the way from a finding to a line in Memory can be cut.
const POINTS: [&str; 10] = [
    "watcher::before_commit",
    "watcher::after_commit",
    "bus::before_commit",
    "bus::after_commit",
    "guardian::before_commit",
    "guardian::after_commit",
    "brain::before_commit",
    "brain::after_commit",
    "memory::before_append",
    "memory::after_append",
];

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
        let orion = deployment.start();
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
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("app", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("count(load > 1)", "\"2500\"", support::PATIENCE).unwrap();
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
    let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("watcher::after_part:{parts}"))]);
    assert!(!orion.wait().success(), "it did not crash after {parts} parts");
}
