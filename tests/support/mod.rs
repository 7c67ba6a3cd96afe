//! What tests of the behaviour of the real `orion` binary share: a deployment in a folder of its own, and what they meet it with.
#![expect(clippy::disallowed_types, reason = "these tests start the real binary; none of this is deployed")]

pub mod asked;
pub mod browser;
pub mod builds;
pub mod deployment;
pub mod dice;
pub mod fleet;
pub mod history;
pub mod hooks;
pub mod issuer;
pub mod jobs;
pub mod lines;
pub mod mounts;
pub mod pace;
pub mod recorded;
pub mod running;
pub mod tear;
pub mod toolchains;
pub mod twins;

pub use orion_hostile_plugins::guest as guests;

pub use self::deployment::Deployment;
pub use self::running::Running;

use std::path::Path;
use std::time::{Duration, Instant};

use orion_lab::{Exporter, Prometheus, ScrapeConfig};
use serde_json::Value;

/// How long anything that a test waits for may take. Far more than it ever takes on a busy machine; a test that has to
/// wait this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The same for what waits behind plugins that work up to their limits: each call of one is seconds, and they take turns.
pub const LONG_PATIENCE: Duration = Duration::from_secs(240);

/// A Prometheus that asks an exporter once a second, and gives this answer to this query by now.
pub fn watching(exporter: &Exporter, query: &str, answer: &str) -> Prometheus {
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("app", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for(query, &format!("\"{answer}\""), PATIENCE).unwrap();
    prometheus
}

/// Watches `up` of every target once a second, and makes one incident per service.
pub const TARGETS: &str = r#"
groups:
  - name: targets
    interval: 1s
    rules:
      - alert: TargetDown
        expr: up == 0
        labels: { severity: error, event_type: service_down, service: "{{ $labels.job }}" }
        annotations: { summary: "{{ $labels.job }} does not answer" }
correlations:
  - name: service-outage
    match: { event_type: service_down, severity: ">= error" }
    group_by: [service]
    plugin: grouping
    with: { at_least: 1 }
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
"#;

/// A record without its place in a file, which may be another on each host.
pub fn without_place(mut record: Value) -> Value {
    for place in ["seq", "prev", "hash"] {
        record.as_object_mut().unwrap().remove(place);
    }
    record
}

/// Looks again and again until it holds; fails with what `context` knows when patience ends.
pub fn wait_until(what: &str, holds: impl FnMut() -> bool, context: impl Fn() -> String) {
    wait_for(PATIENCE, what, holds, context);
}

fn wait_for(patience: Duration, what: &str, mut holds: impl FnMut() -> bool, context: impl Fn() -> String) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "waited in vain for {what}\n{}", context());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The text of a shipped rule file.
pub fn shipped_rules(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("rules").join(name)).unwrap()
}
