//! A deployment to which programs deliver, and what they send.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::asked::{Answer, get, post};
use super::{Deployment, Running};

/// A source that nobody needs here.
pub const NO_PROMETHEUS: &str = "http://127.0.0.1:9";

/// Of the hooks that have one.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One hook of each kind: two that whoever is on this machine may use, two with a secret.
pub const HOOKS: &str = "hooks:
  - { name: alerts, kind: alertmanager, labels: { site: cellar } }
  - { name: graphs, kind: grafana, secret_file: hook.secret }
  - { name: clouds, kind: cloudevents }
  - { name: deploys, kind: generic, secret_file: hook.secret }
";

/// One incident for each service that is down, whoever says so, and one for each that was deployed badly.
pub const RULES: &str = r#"
correlations:
  - name: outage
    match: { event_type: service_down }
    group_by: [service]
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
  - name: deployment
    match: { event_type: deploy.failed }
    group_by: [service]
    incident: { type: bad_deployment, severity: error, summary: "{{ $labels.service }} was deployed badly" }
"#;

/// What most deliveries are.
pub const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A host to which is delivered.
pub struct Scene<'h> {
    pub host: &'h Deployment,
    pub orion: Running,
    pub address: SocketAddr,
}

/// With these hooks and correlations, not started.
pub fn deployment() -> Deployment {
    let host = Deployment::new(NO_PROMETHEUS).serving().with("ORION_API__WEBHOOKS", "hooks.yaml");
    host.rule("hooks.yaml", RULES);
    std::fs::write(host.path("hooks.yaml"), HOOKS).unwrap();
    std::fs::write(host.path("hook.secret"), format!("{SECRET}\n")).unwrap();
    host
}

impl<'h> Scene<'h> {
    pub fn of(host: &'h Deployment) -> Self {
        // Where it served before is no more where it does.
        let has_run = host.path("orion.log").exists();
        let orion = if has_run { host.start_again() } else { host.start() };
        let address = served(host);
        Self { host, orion, address }
    }

    pub fn post(&self, hook: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        post(self.address, &format!("/hooks/{hook}"), &[&[JSON], headers].concat(), &body.to_string())
    }

    pub fn signed(&self, body: &str, at: i64) -> Answer {
        let signature = signature(body, at);
        post(self.address, "/hooks/deploys", &[JSON, ("X-Signature", &signature)], body)
    }

    /// A number of the hooks, added up.
    pub fn number(&self, line: &str) -> u64 {
        let metrics = get(self.address, "/metrics").body;
        let found = metrics.lines().find_map(|it| it.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("{line}\n{metrics}"))
    }

    pub fn end(self) {
        assert!(self.orion.terminate().success());
        self.host.check_promises();
    }
}

/// Waits until somebody is there who takes deliveries: the source that does not answer keeps it from being ready.
fn served(host: &Deployment) -> SocketAddr {
    let address = host.served_at();
    host.wait_until("it to observe", |_| get(address, "/health").json()["status"] != "starting");
    address
}

/// Seconds of the real clock.
pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// What a program that knows the secret says of a body at a time.
pub fn signature(body: &str, at: i64) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

/// As a program writes it.
pub fn time(seconds: i64) -> String {
    orion_model::Timestamp::from_millis(seconds * 1_000).to_string()
}

/// A notification about one service, as Alertmanager and Grafana send it.
pub fn notification(version: &str, service: &str, status: &str, began: i64) -> Value {
    let ended = if status == "firing" { "0001-01-01T00:00:00Z".to_owned() } else { time(now()) };
    json!({
        "version": version, "receiver": "orion", "status": status, "groupKey": "{}", "externalURL": "http://there",
        "alerts": [{
            "status": status, "labels": { "alertname": "ServiceDown", "severity": "critical", "service": service },
            "annotations": { "summary": "it does not answer" }, "startsAt": time(began), "endsAt": ended,
            "generatorURL": "http://there/graph", "fingerprint": service, "values": { "A": 0 },
        }],
    })
}

/// What is answered where so many events were recorded, and nothing else came.
pub fn recorded(count: u64) -> Value {
    json!({ "recorded": count, "known": 0, "put_aside": 0 })
}
