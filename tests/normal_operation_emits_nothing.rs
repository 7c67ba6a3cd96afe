//! A healthy stack under all rules that ship: every rule is evaluated, and nothing is recorded but that Orion started, and how
//! it confined itself. That is an event for the audit trail, which opens no incident.

use std::time::Duration;

use crate::support::{self, Deployment, shipped_rules};
use orion_lab::{MediaStack, Prometheus, RecordingProxy};

/// Each group is evaluated at once at the start, and then at its slots; this many requests are several of each.
const REQUESTS: usize = 200;

#[test]
fn a_healthy_stack_under_all_shipped_rules_records_nothing_but_the_start() {
    let stack = MediaStack::start().unwrap();
    let prometheus = Prometheus::start(&stack.scrape_config(Duration::from_secs(1))).unwrap();
    prometheus.wait_for("count(up == 1)", "\"7\"", support::PATIENCE).unwrap();
    let proxy = RecordingProxy::start(prometheus.address()).unwrap();
    let deployment = Deployment::new(&proxy.url());
    for name in ["media-stack.yaml", "host.yaml", "monitoring.yaml", "unusual.yaml"] {
        deployment.rule(name, &shipped_rules(name));
    }
    let orion = deployment.start_with(&[("ORION_POLL_INTERVAL", "1s")]);
    deployment.wait_until("evaluations", |_| proxy.requests().len() >= REQUESTS);
    assert!(orion.terminate().success());
    assert_eq!(deployment.observed(), Vec::<serde_json::Value>::new());
    assert_eq!(deployment.attestations().len(), 1);
    assert!(deployment.incidents().is_empty());
    assert!(deployment.decisions().is_empty());
    deployment.check_promises();
}
