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
    // The library's first commit goes by before anything is observed.
    let hit = if point.starts_with("bus::") { 2 } else { 1 };
    let mut orion = deployment.start_with(&[("ORION_CRASH_AT", &format!("{point}:{hit}"))]);
    assert!(!orion.wait().success(), "it did not crash at {point}");
    let orion = deployment.start();
    deployment.wait_until("the decision", |it| !it.decisions().is_empty());
    orion.kill();
    deployment
}
