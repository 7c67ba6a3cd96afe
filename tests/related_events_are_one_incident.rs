//! Events of one group are one incident, opened when there are enough of them, resolved when all are over.

use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{Exporter, Prometheus, ScrapeConfig};

#[test]
fn two_dead_services_are_one_incident_of_two_events_where_two_are_asked_for() {
    let mut exporters = ["jellyfin", "radarr"].map(|job| Exporter::start(job).unwrap());
    let mut targets = ScrapeConfig::every(Duration::from_secs(1));
    for exporter in &exporters {
        targets = targets.target(exporter.job(), exporter.address());
    }
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("sum(up)", "\"2\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    let rules = TARGETS.replace("group_by: [service]", "group_by: [event_type]").replace("at_least: 1", "at_least: 2");
    deployment.rule("targets.yaml", &rules.replace("{{ $labels.service }} is out", "services are out"));
    let orion = deployment.start();

    exporters[0].stop();
    deployment.wait_until("the first event", |it| it.events_of("service_down", "firing").len() == 1);
    exporters[1].stop();
    deployment.wait_until("the incident", |it| !it.incidents_of("service_outage", "opened").is_empty());
    let opened = &deployment.incidents_of("service_outage", "opened")[0];
    // The first event came in an earlier batch; the incident names it all the same.
    assert_eq!(opened["event_ids"].as_array().unwrap().len(), 2);
    let ids: Vec<_> =
        deployment.events_of("service_down", "firing").iter().map(|event| event["event_id"].clone()).collect();
    assert_eq!(opened["event_ids"].as_array().unwrap(), &ids);

    exporters[0].restart().unwrap();
    deployment.wait_until("one to return", |it| it.events_of("service_down", "resolved").len() == 1);
    assert!(deployment.incidents_of("service_outage", "resolved").is_empty());
    exporters[1].restart().unwrap();
    deployment.wait_until("the end", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    assert!(orion.terminate().success());
    deployment.check_promises();
}
