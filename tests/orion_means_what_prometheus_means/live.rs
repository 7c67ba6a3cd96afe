//! The real binary beside a real Prometheus that evaluates the same rule file itself: edits and restarts in the middle.

use std::time::Duration;

use orion_lab::{Exporter, Prometheus, ScrapeConfig};
use orion_model::Timestamp;
use serde_json::Value;

use crate::support::{self, Deployment};

/// Both scrape, evaluate and look at slots of a second, each at its own: so far apart may they see the same thing.
const APART_MILLIS: i64 = 3_000;

fn rules(waits: &str, long: &str) -> String {
    format!(
        r#"
groups:
  - name: live
    interval: 1s
    rules:
      - alert: Waits
        expr: load > 5
        for: {waits}
        labels: {{ severity: error, of: "shard {{{{ $labels.shard | toUpper }}}}" }}
        annotations: {{ summary: "{{{{ $labels.shard }}}} has {{{{ $value | humanize }}}}" }}
      - alert: Stays
        expr: load > 5
        keep_firing_for: 4s
      - alert: Long
        expr: load > 5
        for: {long}
"#
    )
}

struct Both {
    exporter: Exporter,
    prometheus: Prometheus,
    deployment: Deployment,
}

impl Both {
    fn start(rules: &str) -> Self {
        let exporter = Exporter::start("app").unwrap();
        exporter.set("load{shard=\"a\"}", 1.0);
        let config =
            ScrapeConfig::every(Duration::from_secs(1)).target_called("app", "app:80", exporter.address()).rules(rules);
        let prometheus = Prometheus::start(&config).unwrap();
        prometheus.wait_for("load", "\"1\"", support::PATIENCE).unwrap();
        let deployment = Deployment::new(&prometheus.url());
        deployment.rule("live.yaml", rules);
        Self { exporter, prometheus, deployment }
    }

    fn edit(&self, rules: &str) {
        self.prometheus.reload_rules(rules).unwrap();
        self.deployment.rule("live.yaml", rules);
    }

    /// What Prometheus says of its alert of that name.
    fn theirs(&self, alertname: &str) -> Option<Value> {
        let answer: Value = serde_json::from_str(&self.prometheus.alerts().unwrap()).unwrap();
        let alerts = answer["data"]["alerts"].as_array().unwrap().clone();
        alerts.into_iter().find(|alert| alert["labels"]["alertname"] == alertname)
    }

    fn wait_for_theirs(&self, alertname: &str, state: Option<&str>) -> Option<Value> {
        let mut found = None;
        support::wait_until(
            &format!("{alertname} to be {state:?} in Prometheus"),
            || {
                found = self.theirs(alertname);
                found.as_ref().map(|alert| alert["state"].as_str().unwrap()) == state
            },
            || self.prometheus.alerts().unwrap(),
        );
        found
    }

    fn wait_for_ours(&self, event_type: &str, status: &str, count: usize) -> Value {
        self.deployment
            .wait_until(&format!("{event_type} to be {status}"), |it| it.events_of(event_type, status).len() == count);
        self.deployment.events_of(event_type, status).remove(count - 1)
    }
}

fn time(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().as_millis()
}

fn assert_alike(ours: &Value, theirs: &Value) {
    assert_eq!(ours["labels"], theirs["labels"]);
    let none = serde_json::json!({});
    assert_eq!(ours.get("annotations").unwrap_or(&none), &theirs["annotations"]);
    let apart = time(&ours["data"]["active_since"]) - time(&theirs["activeAt"]);
    assert!(apart.abs() <= APART_MILLIS, "{apart} ms apart:\n{ours}\n{theirs}");
}

#[test]
fn alerts_are_the_same_over_their_life_and_a_shorter_for() {
    let both = Both::start(&rules("3s", "1h"));
    let orion = both.deployment.start();
    both.exporter.set("load{shard=\"a\"}", 9.0);
    for (event_type, alertname) in [("waits", "Waits"), ("stays", "Stays")] {
        let ours = both.wait_for_ours(event_type, "firing", 1);
        assert_alike(&ours, &both.wait_for_theirs(alertname, Some("firing")).unwrap());
    }
    both.wait_for_theirs("Long", Some("pending"));
    assert!(both.deployment.events_of("long", "firing").is_empty());

    both.edit(&rules("3s", "2s"));
    let ours = both.wait_for_ours("long", "firing", 1);
    assert_alike(&ours, &both.wait_for_theirs("Long", Some("firing")).unwrap());

    both.exporter.set("load{shard=\"a\"}", 1.0);
    let waits = both.wait_for_ours("waits", "resolved", 1);
    both.wait_for_theirs("Waits", None);
    assert_eq!(both.theirs("Stays").map(|alert| alert["state"].clone()), Some("firing".into()));
    let stays = both.wait_for_ours("stays", "resolved", 1);
    both.wait_for_theirs("Stays", None);
    // The first instant without it, and four seconds of instants of one second.
    assert_eq!(time(&stays["ts"]) - time(&waits["ts"]), 4_000);
    assert!(orion.terminate().success());
    assert_eq!(both.deployment.events_of("waits", "firing").len(), 1);
    both.deployment.check_promises();
}

/// Prometheus lets what fires fire; Orion says that the alert would not fire by the rule as it is now.
#[test]
fn a_longer_for_demotes_here_and_not_in_prometheus() {
    let both = Both::start(&rules("1s", "1h"));
    let orion = both.deployment.start();
    both.exporter.set("load{shard=\"a\"}", 9.0);
    both.wait_for_ours("waits", "firing", 1);
    both.wait_for_theirs("Waits", Some("firing"));

    both.edit(&rules("1h", "1h"));
    let demoted = both.wait_for_ours("waits", "resolved", 1);
    assert_eq!(demoted["data"]["reason"], "the rule's `for` was raised");
    both.prometheus.wait_for("ALERTS{alertname=\"Waits\"}", "firing", support::PATIENCE).unwrap();
    assert_eq!(both.theirs("Waits").unwrap()["state"], "firing");
    assert!(orion.terminate().success());
    both.deployment.check_promises();
}

/// Prometheus keeps no state of alerts that wait for less than ten minutes: after a restart they wait again. Orion's fire on.
#[test]
fn a_restart_changes_nothing_here_and_begins_anew_in_prometheus() {
    let mut both = Both::start(&rules("4s", "1h"));
    let orion = both.deployment.start();
    both.exporter.set("load{shard=\"a\"}", 9.0);
    let fired = both.wait_for_ours("waits", "firing", 1);
    let before = both.wait_for_theirs("Waits", Some("firing")).unwrap();

    orion.kill();
    both.prometheus.kill();
    both.prometheus.restart().unwrap();
    both.wait_for_theirs("Waits", Some("pending"));
    let orion = both.deployment.start();
    let after = both.wait_for_theirs("Waits", Some("firing")).unwrap();
    assert_ne!(before["activeAt"], after["activeAt"]);

    both.exporter.set("load{shard=\"a\"}", 1.0);
    let resolved = both.wait_for_ours("waits", "resolved", 1);
    assert!(orion.terminate().success());
    assert_eq!(both.deployment.events_of("waits", "firing").len(), 1);
    assert_eq!(resolved["data"]["active_since"], fired["data"]["active_since"]);
    both.deployment.check_promises();
}
