//! The detector `absence` finds a series that was there and is not, also when it went away while Orion was down: the
//! series a stateful detector knows are kept with its state.

use crate::support::{self, Deployment};
use orion_lab::Exporter;

const ABSENT: &str = r#"
groups:
  - name: heartbeats
    interval: 1s
    rules:
      - alert: HeartbeatGone
        expr: heartbeat
        plugin: absence
        with: { forget_after: 1h, empty: false }
        labels: { severity: error, worker: "{{ $labels.worker }}" }
"#;

#[test]
fn a_series_that_went_away_during_a_restart_is_found_and_its_return_too() {
    let exporter = Exporter::start("app").unwrap();
    exporter.set("heartbeat{worker=\"a\"}", 1.0);
    exporter.set("heartbeat{worker=\"b\"}", 1.0);
    let prometheus = support::watching(&exporter, "count(heartbeat)", "2");
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("absent.yaml", ABSENT);
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());
    assert!(orion.terminate().success());

    exporter.remove("heartbeat{worker=\"b\"}");
    prometheus.wait_for("count(heartbeat)", "\"1\"", support::PATIENCE).unwrap();
    let orion = deployment.start();
    deployment.wait_until("the absence", |it| !it.events_of("heartbeat_gone", "firing").is_empty());
    orion.kill();

    let orion = deployment.start();
    exporter.set("heartbeat{worker=\"b\"}", 1.0);
    deployment.wait_until("the return", |it| !it.events_of("heartbeat_gone", "resolved").is_empty());
    assert!(orion.terminate().success());
    let fired = deployment.events_of("heartbeat_gone", "firing");
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0]["labels"]["worker"], "b");
    assert_eq!(fired[0]["evidence"]["plugin"], "absence");
    deployment.check_promises();
}
