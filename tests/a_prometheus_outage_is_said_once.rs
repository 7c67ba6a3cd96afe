//! Prometheus dies: one `external_api_failure`, one `prometheus_outage` incident, one `NO_ACTION`, however many queries
//! fail. It returns: that is recorded once, and observation goes on. Bad answers of every kind are such a failure too.

use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{Exporter, MisbehavingServer, Prometheus, Reply, ScrapeConfig};

/// A second rule, so that more than one query fails.
const MORE: &str = r#"
groups:
  - name: more
    interval: 1s
    rules:
      - { alert: Slow, expr: scrape_duration_seconds > 10 }
      - { alert: Empty, expr: scrape_samples_scraped == 0 unless up == 0 }
"#;

#[test]
fn prometheus_dies_and_returns_and_each_is_recorded_once() {
    let mut exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    exporter.set("jellyfin_sessions", 1.0);
    let mut prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    deployment.rule("more.yaml", MORE);
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/orion.db").exists());

    prometheus.kill();
    deployment.wait_until("the outage", |it| !it.incidents_of("prometheus_outage", "opened").is_empty());
    prometheus.restart().unwrap();
    deployment.wait_until("the recovery", |it| !it.incidents_of("prometheus_outage", "resolved").is_empty());

    // Observation goes on.
    exporter.stop();
    deployment.wait_until("the next incident", |it| !it.incidents_of("service_outage", "opened").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("external_api_failure", "firing").len(), 1);
    assert_eq!(deployment.events_of("external_api_failure", "resolved").len(), 1);
    assert_eq!(deployment.incidents_of("prometheus_outage", "opened").len(), 1);
    assert_eq!(deployment.decisions().len(), 2);
    deployment.check_promises();
}

#[test]
fn every_kind_of_bad_answer_is_one_failure_with_its_reason() {
    let truncated = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"#;
    let status = |status, body: &str| Reply::Status(status, body.to_owned());
    let replies: Vec<(Reply, &str)> = vec![
        (Reply::Html, "not JSON"),
        (status(404, "<html>not here</html>"), "HTTP 404"),
        (status(503, "<html>later</html>"), "HTTP 503"),
        (status(503, r#"{"status":"error","errorType":"unavailable","error":"starting"}"#), "starting"),
        (Reply::Json(truncated.to_owned()), "breaks off"),
        (Reply::Json("[1, 2, 3]".to_owned()), "not"),
        (Reply::Close, "cannot be reached"),
    ];
    for (reply, reason) in replies {
        let server = MisbehavingServer::start(reply).unwrap();
        let deployment = Deployment::new(&server.url());
        deployment.rule("targets.yaml", TARGETS);
        deployment.rule("more.yaml", MORE);
        let orion = deployment.start();
        deployment.wait_until("the decision", |it| !it.decisions().is_empty());
        assert!(orion.terminate().success());
        let failures = deployment.events_of("external_api_failure", "firing");
        assert_eq!(failures.len(), 1, "{reason}");
        let message = failures[0]["data"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
        assert_eq!(deployment.incidents_of("prometheus_outage", "opened").len(), 1, "{reason}");
        assert_eq!(deployment.decisions().len(), 1, "{reason}");
        deployment.check_promises();
    }
}
