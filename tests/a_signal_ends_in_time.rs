//! SIGTERM ends Orion in good order and in time, also while its source hangs with a query in hand; SIGHUP ends nothing.

use std::time::Duration;

use orion_lab::{Exporter, Prometheus, ScrapeConfig};

use crate::support::{self, Deployment, TARGETS};

#[test]
fn sigterm_ends_with_zero_while_prometheus_stands_still() {
    let exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    // Far longer than the end may take: only giving up the query ends it in time.
    let orion = deployment.start_with(&[("ORION_PROMETHEUS__TIMEOUT", "10m")]);
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());
    prometheus.pause().unwrap();
    // A slot passes, so that a query hangs.
    std::thread::sleep(Duration::from_secs(2));
    assert!(orion.terminate().success());
    prometheus.resume().unwrap();
    deployment.check_promises();
}

#[test]
fn sigterm_at_any_moment_of_the_start_ends_with_zero() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    deployment.rule("targets.yaml", TARGETS);
    // The log line is the first thing it says; from there on somebody listens.
    for millis in [0, 20, 100, 300, 600] {
        std::fs::remove_file(deployment.path("orion.log")).unwrap_or_default();
        let orion = deployment.start();
        let says_hello = |it: &Deployment| !it.log().is_empty();
        deployment.wait_until("its first words", says_hello);
        std::thread::sleep(Duration::from_millis(millis));
        assert!(orion.terminate().success(), "{millis} ms after its first words");
    }
    deployment.check_promises();
}

#[test]
fn sighup_has_it_look_at_its_rules_and_ends_nothing() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    let orion = deployment.start_again();
    orion.hang_up();
    deployment.wait_until("the look", |it| it.log().contains("SIGHUP: looking at rules and plugins"));
    deployment.rule("targets.yaml", TARGETS);
    orion.hang_up();
    deployment.wait_until("the rule", |it| it.offset_of("group/targets.yaml/targets").is_some());
    assert!(orion.terminate().success());
    deployment.check_promises();
}
