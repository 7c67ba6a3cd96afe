//! What happened while Orion was down is found in the source's history when it returns, at the instants it happened.

use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{Exporter, Prometheus, ScrapeConfig};

#[test]
fn an_outage_that_began_and_ended_while_orion_was_down_is_recorded_at_its_own_time() {
    let mut exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());
    assert!(orion.terminate().success());

    exporter.stop();
    prometheus.wait_for("min_over_time(up[3s])", "\"0\"", support::PATIENCE).unwrap();
    prometheus.wait_for("max_over_time(up[3s])", "\"0\"", support::PATIENCE).unwrap();
    exporter.restart().unwrap();
    prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
    assert!(deployment.observed().is_empty());

    let orion = deployment.start();
    deployment.wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    assert!(orion.terminate().success());
    let fired = deployment.events_of("service_down", "firing");
    let resolved = deployment.events_of("service_down", "resolved");
    assert_eq!((fired.len(), resolved.len()), (1, 1));
    // Both carry the time of what happened, seconds apart, though both were found within one moment.
    assert!(fired[0]["ts"].as_str() < resolved[0]["ts"].as_str());
    assert_eq!(deployment.incidents_of("service_outage", "opened")[0]["ts"], fired[0]["ts"]);
    assert_eq!(deployment.decisions().len(), 1);
    deployment.check_promises();
}

#[test]
fn an_outage_after_a_crash_in_the_first_moments_is_recorded_too() {
    let mut exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    // Nothing has happened yet; that something was looked at is known all the same.
    deployment.wait_until("the first instant", |it| it.offset_of("group/targets.yaml/targets").is_some());
    orion.kill();

    exporter.stop();
    prometheus.wait_for("max_over_time(up[3s])", "\"0\"", support::PATIENCE).unwrap();
    exporter.restart().unwrap();
    prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
    let orion = deployment.start();
    deployment.wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("service_down", "firing").len(), 1);
    deployment.check_promises();
}

#[test]
fn with_catch_up_off_missed_instants_are_counted_and_not_evaluated() {
    let exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());
    assert!(orion.terminate().success());
    // Some slots of one second pass; how many does not matter.
    std::thread::sleep(Duration::from_secs(3));
    let orion = deployment.start_with(&[("ORION_WATCHER__CATCH_UP", "0")]);
    deployment.wait_until("the gap", |it| !it.events_of("instants_missed", "occurred").is_empty());
    assert!(orion.terminate().success());
    let gap = &deployment.events_of("instants_missed", "occurred")[0];
    assert_eq!(gap["labels"]["group"], "targets.yaml/targets");
    assert!(gap["data"]["message"].as_str().unwrap().contains("too far back"));
    deployment.check_promises();
}
