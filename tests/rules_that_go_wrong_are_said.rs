//! What is wrong with one rule is an event about that rule, said once, and no other rule suffers.

use crate::support::{self, Deployment};
use orion_lab::Exporter;

const RULES: &str = r#"
groups:
  - name: limited
    interval: 1s
    limit: 1
    rules:
      - { alert: Limited, expr: load > 0 }
  - name: others
    interval: 1s
    rules:
      # Both series give an alert with the same labels.
      - { alert: Alike, expr: load > 0, labels: { worker: same } }
      # Prometheus refuses it only when it is evaluated: there is no one-to-one match.
      - { alert: Refused, expr: load / on (job) load }
      - { alert: Healthy, expr: 'load{worker="a"} > 0' }
"#;

#[test]
fn a_limit_equal_labels_and_a_refused_query_are_events_and_the_healthy_rule_goes_on() {
    let exporter = Exporter::start("app").unwrap();
    exporter.set("load{worker=\"a\"}", 1.0);
    exporter.set("load{worker=\"b\"}", 2.0);
    let prometheus = support::watching(&exporter, "count(load)", "2");
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("wrong.yaml", RULES);
    let orion = deployment.start();
    deployment.wait_until("the healthy rule", |it| !it.events_of("healthy", "firing").is_empty());
    for kind in ["alerts_limited", "rule_fault", "query_failure"] {
        deployment.wait_until(kind, |it| !it.events_of(kind, "firing").is_empty());
    }
    assert_eq!(deployment.events_of("limited", "firing").len(), 1);
    assert!(deployment.events_of("alike", "firing").is_empty());
    assert!(deployment.events_of("external_api_failure", "firing").is_empty());
    let refused = &deployment.events_of("query_failure", "firing")[0];
    assert_eq!(refused["labels"]["rule"], "wrong.yaml/others/Refused");

    exporter.remove("load{worker=\"b\"}");
    for kind in ["alerts_limited", "rule_fault", "query_failure"] {
        deployment.wait_until(kind, |it| !it.events_of(kind, "resolved").is_empty());
    }
    assert!(orion.terminate().success());
    for kind in ["alerts_limited", "rule_fault", "query_failure"] {
        assert_eq!(deployment.events_of(kind, "firing").len(), 1, "{kind}");
    }
    deployment.check_promises();
}
