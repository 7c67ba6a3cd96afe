//! A target dies: one `service_down` event, one `service_outage` incident, one `NO_ACTION` decision, in all three files. It
//! returns: the event and the incident resolve, and no further decision is made.

use std::time::Duration;

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{Exporter, Prometheus, ScrapeConfig};

#[test]
fn a_dead_target_becomes_one_incident_with_one_no_action_and_resolves_when_it_returns() {
    let mut jellyfin = Exporter::start("jellyfin").unwrap();
    let radarr = Exporter::start("radarr").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1));
    let targets = targets.target("jellyfin", jellyfin.address()).target("radarr", radarr.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    prometheus.wait_for("sum(up)", "\"2\"", support::PATIENCE).unwrap();

    jellyfin.stop();
    deployment.wait_until("the decision", |it| !it.decisions().is_empty());

    let events = deployment.events_of("service_down", "firing");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["severity"], "error");
    assert_eq!(events[0]["labels"]["service"], "jellyfin");
    assert_eq!(events[0]["annotations"]["summary"], "jellyfin does not answer");
    assert_eq!(events[0]["evidence"]["expr"], "up == 0");
    assert_eq!(events[0]["generation"], 1);
    let incidents = deployment.incidents_of("service_outage", "opened");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["summary"], "jellyfin is out");
    assert_eq!(incidents[0]["severity"], "critical");
    assert_eq!(incidents[0]["event_ids"][0], events[0]["event_id"]);
    let decisions = deployment.decisions();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0]["decision_type"], "NO_ACTION");
    assert_eq!(decisions[0]["incident_id"], incidents[0]["incident_id"]);

    jellyfin.restart().unwrap();
    deployment.wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("service_down", "resolved").len(), 1);
    assert_eq!(deployment.incidents().len(), 2);
    assert_eq!(deployment.decisions().len(), 1);
    deployment.check_promises();
}
