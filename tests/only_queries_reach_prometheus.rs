//! Whatever happens, nothing but queries ever reaches Prometheus.

use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{Exporter, Prometheus, RecordingProxy, ScrapeConfig};

#[test]
fn only_get_and_query_requests_reach_prometheus_through_outage_edit_and_restart() {
    let mut exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
    let proxy = RecordingProxy::start(prometheus.address()).unwrap();
    let deployment = Deployment::new(&proxy.url());
    deployment.rule("targets.yaml", TARGETS);
    // A query too long for a URL is sent as a form to the query endpoint.
    let long = format!("up{{job!~\"{}\"}} == 2", "x".repeat(4_000));
    let rule =
        format!("groups:\n  - name: long\n    interval: 1s\n    rules:\n      - alert: Long\n        expr: '{long}'\n");
    deployment.rule("long.yaml", &rule);
    let orion = deployment.start();
    exporter.stop();
    deployment.wait_until("the incident", |it| !it.incidents_of("service_outage", "opened").is_empty());
    deployment.rule("long.yaml", &rule.replace("== 2", "== 3"));
    assert!(orion.terminate().success());
    let orion = deployment.start();
    exporter.restart().unwrap();
    deployment.wait_until("the end of it", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    assert!(orion.terminate().success());

    let requests = proxy.requests();
    let is_query = |(method, path): &&(String, String)| {
        let endpoint = path.split('?').next().unwrap_or_default();
        endpoint == "/api/v1/query" && (method == "GET" || method == "POST")
    };
    let others: Vec<_> = requests.iter().filter(|request| !is_query(request)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(requests.iter().any(|(method, _)| method == "GET"));
    assert!(requests.iter().any(|(method, _)| method == "POST"));
    deployment.check_promises();
}
