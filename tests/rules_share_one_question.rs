//! Rules of a group that ask the same question share one query: it is asked, answered and decoded once an instant.

use std::collections::BTreeSet;

use orion_lab::{Exporter, RecordingProxy};

use crate::support::{self, Deployment};

#[test]
fn however_many_rules_ask_a_question_prometheus_hears_it_once_an_instant() {
    let exporter = Exporter::start("app").unwrap();
    exporter.set("load", 5.0);
    let prometheus = support::watching(&exporter, "load", "5");
    let proxy = RecordingProxy::start(prometheus.address()).unwrap();
    let deployment = Deployment::new(&proxy.url());
    let rule = |bound: u32| format!("      - {{ alert: Above{bound}, expr: load, with: {{ above: {bound} }} }}\n");
    let rules: String = (0..20).map(rule).collect();
    deployment.rule("shared.yaml", &format!("groups:\n  - name: shared\n    interval: 1s\n    rules:\n{rules}"));
    let orion = deployment.start();
    // Five of the twenty bounds are below 5.
    deployment.wait_until("all findings", |it| it.observed().len() == 5);
    deployment.wait_until("some instants", |_| proxy.requests().len() >= 5);
    assert!(orion.terminate().success());
    // A request names its instant, so the same one twice would be the same question asked twice.
    let requests = proxy.requests();
    let distinct: BTreeSet<_> = requests.iter().collect();
    assert_eq!(distinct.len(), requests.len());
    assert_eq!(deployment.observed().len(), 5);
    deployment.check_promises();
}
