//! What nobody sends any more has not recovered: alerts outlive evaluations without their data, and an end without data says
//! so. A rule in Prometheus' own format means what it means there.

use crate::support::{self, Deployment};
use orion_lab::Exporter;
use serde_json::Value;

const RULES: &str = r#"
groups:
  - name: load
    interval: 1s
    rules:
      - { alert: Plain, expr: load > 1 }
      - { alert: Kept, expr: load, plugin: threshold, with: { above: 1 }, on_empty: keep }
      - { alert: Outlived, expr: load, plugin: threshold, with: { above: 1 }, missing_for: 3 }
      - { alert: OverAtOnce, expr: load, plugin: threshold, with: { above: 1 }, missing_for: 0 }
      - { alert: NoData, expr: load, plugin: threshold, with: { above: 1 }, on_empty: fire }
"#;

#[test]
fn an_alert_whose_data_are_missing_ends_as_its_rule_says_and_never_as_recovered() {
    let exporter = Exporter::start("app").unwrap();
    let loads = ["load{worker=\"a\"}", "load{worker=\"b\"}"];
    loads.iter().for_each(|load| exporter.set(load, 2.0));
    let prometheus = support::watching(&exporter, "count(load)", "2");
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("load.yaml", RULES);
    let orion = deployment.start();
    for alert in ["plain", "kept", "outlived", "over_at_once", "no_data"] {
        deployment.wait_until(alert, |it| of_workers(it.events_of(alert, "firing")).len() == 2);
    }

    // One of two is gone: the answer holds the other.
    exporter.remove(loads[1]);
    for (alert, reason) in [("plain", None), ("outlived", Some("missing")), ("over_at_once", Some("missing"))] {
        deployment.wait_until(alert, |it| it.events_of(alert, "resolved").len() == 1);
        let ended = &deployment.events_of(alert, "resolved")[0];
        assert_eq!(ended["labels"]["worker"], "b");
        assert_eq!(ended["data"]["reason"].as_str(), reason, "{alert}");
    }

    // The other one as well: the answer is empty. A restart in between changes nothing.
    exporter.remove(loads[0]);
    deployment.wait_until("the end of the plain alert", |it| it.events_of("plain", "resolved").len() == 2);
    orion.kill();
    let orion = deployment.start();
    deployment.wait_until("the alert about the missing data", |it| {
        without_data(it, "firing").len() == without_data(it, "resolved").len() + 1
    });
    assert_eq!(without_data(&deployment, "firing")[0]["data"]["reason"], "empty");
    deployment.wait_until("the outlived one's end", |it| it.events_of("outlived", "resolved").len() == 2);
    let kept = deployment.events_of("kept", "resolved");
    assert_eq!(kept.len(), 1, "the answer was not empty then: {kept:?}");

    // Data, and all is well: now it is recovery.
    exporter.set(loads[0], 0.0);
    deployment.wait_until("the end of the kept alert", |it| it.events_of("kept", "resolved").len() == 2);
    deployment.wait_until("the end of the alert about the missing data", |it| {
        without_data(it, "firing").len() == without_data(it, "resolved").len()
    });
    let recovered = &deployment.events_of("kept", "resolved")[1];
    assert_eq!(recovered["data"].get("reason"), None, "{recovered}");
    assert!(orion.terminate().success());
    deployment.check_promises();
}

/// Those about a series.
fn of_workers(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().filter(|event| event["labels"].get("worker").is_some()).collect()
}

/// Those of the rule to which no data are a finding. The first evaluation may come before the first scrape.
fn without_data(deployment: &Deployment, status: &str) -> Vec<Value> {
    let events = deployment.events_of("no_data", status).into_iter();
    events.filter(|event| event["labels"].get("worker").is_none()).collect()
}
