//! A host that has recorded something and takes jobs, and who asks for them.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use orion_lab::{Exporter, Prometheus, ScrapeConfig};
use serde_json::{Value, json};

use super::asked::{Answer, get, post_json};
use super::{Deployment, PATIENCE, Running, wait_until};

pub const RULES: &str = r#"
groups:
  - name: load
    interval: 1s
    rules:
      - alert: Overloaded
        expr: load > 1
        labels: { severity: error, service: "{{ $labels.worker }}" }
correlations:
  - name: overload
    match: { event_type: overloaded }
    group_by: [service]
    incident: { type: overload, severity: error, summary: "{{ $labels.service }} is overloaded" }
"#;

/// A deployment that runs and has recorded something.
pub struct Scene {
    exporter: Exporter,
    prometheus: Prometheus,
    pub deployment: Deployment,
    pub orion: Running,
    pub address: SocketAddr,
}

impl Scene {
    pub fn new(confinement: &str) -> Self {
        let exporter = Exporter::start("app").unwrap();
        exporter.set("load{worker=\"a\"}", 2.0);
        exporter.set("load{worker=\"b\"}", 3.0);
        let targets = ScrapeConfig::every(Duration::from_secs(1)).target("app", exporter.address());
        let prometheus = Prometheus::start(&targets).unwrap();
        prometheus.wait_for("count(load)", "\"2\"", PATIENCE).unwrap();
        let deployment = Deployment::new(&prometheus.url()).serving().with("ORION_CONFINEMENT", confinement);
        deployment.rule("load.yaml", RULES);
        let orion = deployment.start();
        let address = deployment.served_ready_at();
        deployment.wait_until("both alerts", |it| it.incidents_of("overload", "opened").len() == 2);
        exporter.set("load{worker=\"b\"}", 0.0);
        deployment.wait_until("an end", |it| it.events_of("overloaded", "resolved").len() == 1);
        Self { exporter, prometheus, deployment, orion, address }
    }

    /// Killed, and started again.
    pub fn again(self) -> Self {
        let Self { exporter, prometheus, deployment, orion, .. } = self;
        orion.kill();
        let orion = deployment.start_again();
        let address = deployment.served_ready_at();
        Self { exporter, prometheus, deployment, orion, address }
    }

    /// Everything that happened so far.
    pub fn span(&self) -> (String, String) {
        let time_of = |event: &Value| event["ts"].as_str().unwrap().to_owned();
        let events = self.deployment.observed();
        let of_rule = events.iter().filter(|event| event["event_type"] == "overloaded");
        (of_rule.clone().map(time_of).min().unwrap(), of_rule.map(time_of).max().unwrap())
    }

    pub fn ask(&self, body: &Value) -> Answer {
        ask(self.address, body)
    }

    /// Asks for one, and waits until it is over.
    pub fn done(&self, body: &Value) -> Value {
        let asked = self.ask(body);
        assert_eq!(asked.status, 202, "{asked:?}");
        let place = asked.header("location").unwrap().to_owned();
        let mut job = Value::Null;
        let is_over = || {
            job = get(self.address, &place).json();
            !["queued", "running"].contains(&job["state"].as_str().unwrap())
        };
        wait_until("the end of the job", is_over, || get(self.address, "/api/v1/jobs").body);
        job
    }

    pub fn result(&self, job: &Value) -> Value {
        let answer = get(self.address, &format!("/api/v1/jobs/{}/result", id_of(job)));
        assert_eq!(answer.status, 200, "{job}: {answer:?}");
        answer.json()
    }

    /// What a command prints.
    pub fn orion(&self, arguments: &[&str]) -> Value {
        json_of(&self.deployment.orion(&[arguments, &["--output", "json"]].concat()))
    }

    pub fn job(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        self.deployment.orion(&[&["job"], arguments, &["--url", &url]].concat())
    }

    /// One that takes minutes: most of a year, second by second.
    pub fn long(&self) -> Value {
        let to = self.span().1;
        let at: orion_model::Timestamp = to.parse().unwrap();
        let from = at.plus_millis(-300 * 86_400_000);
        json!({ "kind": "replay", "from": from, "to": to, "step_millis": 1_000, "by": "ada" })
    }

    pub fn state_of(&self, id: &str) -> String {
        get(self.address, &format!("/api/v1/jobs/{id}")).json()["state"].as_str().unwrap().to_owned()
    }

    pub fn wait_for_state(&self, id: &str, state: &str) {
        wait_until(state, || self.state_of(id) == state, || get(self.address, "/api/v1/jobs").body);
    }

    pub fn cancel(&self, id: &str) -> Answer {
        post_json(self.address, &format!("/api/v1/jobs/{id}/cancel"), &[], r#"{"by":"bob"}"#)
    }
}

pub fn ask(address: SocketAddr, body: &Value) -> Answer {
    post_json(address, "/api/v1/jobs", &[], &body.to_string())
}

pub fn id_of(job: &Value) -> &str {
    job["id"].as_str().unwrap()
}

pub fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}
