//! A control host that others reach, and sites with an agent each, behind a link that can be made as bad as links are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use orion_lab::{Certificates, Exporter, Prometheus, RedisServer, ScrapeConfig, TcpProxy};
use serde_json::Value;

use super::issuer::{self, token_of};
use super::{Deployment, Running};

/// Nobody is there.
pub const NOWHERE: &str = "http://127.0.0.1:9";

/// Every address of this machine.
pub const EVERYWHERE: &str = "0.0.0.0:0";

/// What agents run, and what the control host makes of it: one incident for each agent and service.
pub const SET: &str = r#"
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
    group_by: [agent, service]
    plugin: grouping
    with: { at_least: 1 }
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
"#;

/// A control host that others reach, over TLS and with tokens.
pub struct Control {
    pub deployment: Deployment,
    certificates: Certificates,
}

impl Control {
    pub fn new() -> Self {
        Self::of(Deployment::new(NOWHERE))
    }

    /// One of those that share a Redis.
    pub fn sharing(redis: &RedisServer, name: &str) -> Self {
        Self::of(Deployment::new(NOWHERE).with("REDIS_URL", &redis.url()).with("ORION_NODE_NAME", name))
    }

    fn of(deployment: Deployment) -> Self {
        let deployment = deployment
            .with("ORION_API__LISTEN", EVERYWHERE)
            .with("ORION_API__TOKEN_KEYS", "token-keys")
            .with("ORION_API__TLS_CERTIFICATE", "server.pem")
            .with("ORION_API__TLS_KEY", "server.key")
            .with("ORION_CONFINEMENT", "require");
        issuer::known_to(&deployment);
        let certificates = Certificates::make(&deployment.path("")).unwrap();
        std::fs::create_dir(deployment.path("set")).unwrap();
        std::fs::write(deployment.path("admin.token"), token_of("ada", "admin")).unwrap();
        Self { deployment, certificates }
    }

    pub fn start(&self, env: &[(&str, &str)]) -> (Running, SocketAddr) {
        // What it said before it was killed is in the log still.
        let log = || self.deployment.log();
        let served = || log().lines().filter(|line| line.contains("serving HTTP")).count();
        let before = served();
        let running = self.deployment.start_with(env);
        self.deployment.wait_until("it to serve", |_| served() > before);
        (running, SocketAddr::new([127, 0, 0, 1].into(), self.deployment.served_at().port()))
    }

    pub fn asks(&self, address: SocketAddr, arguments: &[&str]) -> (Option<i32>, String) {
        let url = format!("https://localhost:{}", address.port());
        let authority = self.certificates.authority().to_str().unwrap().to_owned();
        let more = ["--url", &url, "--ca", &authority, "--token-file", "admin.token"];
        let output = self.deployment.orion(&[arguments, &more].concat());
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    /// Applies a set of one file; waits for the control host to be there.
    pub fn apply(&self, address: SocketAddr, text: &str) {
        std::fs::write(self.deployment.path("set/a.yaml"), text).unwrap();
        let mut said = String::new();
        self.deployment.wait_until("the set to be applied", |_| {
            let (code, told) = self.asks(address, &["apply", "-f", "set"]);
            said = told;
            assert!(code != Some(2), "{said}");
            code == Some(0)
        });
    }

    pub fn nodes(&self, address: SocketAddr) -> BTreeMap<String, Value> {
        let (code, said) = self.asks(address, &["get", "nodes", "--output", "json"]);
        if code != Some(0) {
            return BTreeMap::new();
        }
        let nodes: Value = serde_json::from_str(&said).unwrap();
        let named = |node: &Value| Some((node["node"].as_str()?.to_owned(), node.clone()));
        nodes.as_array().unwrap().iter().filter_map(named).collect()
    }

    /// Waits until an agent says that it runs this version.
    pub fn wait_until_runs(&self, address: SocketAddr, agent: &str, version: u64) {
        self.deployment.wait_until("the agent to run it", |_| {
            self.nodes(address).get(agent).is_some_and(|node| node["rules_version"] == version)
        });
    }

    /// What agents saw, as it is recorded here: agent, its id for the event, and the status.
    pub fn seen(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |event: &Value| {
            (text(&event["labels"]["agent"]), text(&event["data"]["agent_event_id"]), text(&event["status"]))
        };
        let events = self.deployment.events();
        events.iter().filter(|event| event["event_type"] == "service_down").map(of).collect()
    }

    pub fn opened_of(&self, agent: &str) -> usize {
        let incidents = self.deployment.incidents_of("service_outage", "opened");
        incidents.iter().filter(|incident| incident["key"]["agent"] == agent).count()
    }
}

/// A site with its own Prometheus, one target, and an agent.
pub struct Site {
    pub name: &'static str,
    pub target: Exporter,
    prometheus: Prometheus,
    pub agent: Deployment,
    pub link: TcpProxy,
    authorities: String,
}

impl Site {
    pub fn new(name: &'static str, control: &Control, address: SocketAddr) -> Self {
        Self::of(name, &[control], address)
    }

    /// One whose agent trusts all of these; the link leads to the address.
    pub fn of(name: &'static str, controls: &[&Control], address: SocketAddr) -> Self {
        let target = Exporter::start("jellyfin").unwrap();
        // The same at each site: what two agents see of it has the same labels, and the same ids where they see it.
        let scraped =
            ScrapeConfig::every(Duration::from_secs(1)).target_called("jellyfin", "jellyfin:8096", target.address());
        let prometheus = Prometheus::start(&scraped).unwrap();
        let link = TcpProxy::start(address).unwrap();
        let authority = |control: &&Control| std::fs::read_to_string(control.certificates.authority()).unwrap();
        let authorities = controls.iter().map(authority).collect::<String>();
        let agent = agent(name, &prometheus, &link, &authorities);
        Self { name, target, prometheus, agent, link, authorities }
    }

    /// With this in the agent's environment.
    pub fn with(self, setting: &'static str, value: &str) -> Self {
        Self { agent: self.agent.with(setting, value), ..self }
    }

    /// The same agent on a machine on which nothing was before.
    pub fn another_machine(&self) -> Deployment {
        agent(self.name, &self.prometheus, &self.link, &self.authorities)
    }

    /// What the agent itself recorded of its target.
    pub fn saw(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let events = self.agent.events();
        let of = |event: &Value| (self.name.to_owned(), text(&event["event_id"]), text(&event["status"]));
        events.iter().filter(|event| event["event_type"] == "service_down").map(of).collect()
    }

    pub fn saw_so_often(&self, count: usize) {
        self.agent.wait_until("the agent to see it", |_| self.saw().len() >= count);
    }
}

fn agent(name: &str, prometheus: &Prometheus, link: &TcpProxy, authorities: &str) -> Deployment {
    let agent = Deployment::new(&prometheus.url())
        .with("ORION_AGENT__ENABLED", "true")
        .with("ORION_NODE_NAME", name)
        .with("ORION_API_URL", &format!("https://localhost:{}", link.address().port()))
        .with("ORION_API_CA", "authorities.pem")
        .with("ORION_API_TOKEN_FILE", "agent.token")
        .with("ORION_API__LISTEN", "127.0.0.1:0")
        .with("ORION_CONFINEMENT", "require");
    std::fs::write(agent.path("authorities.pem"), authorities).unwrap();
    std::fs::write(agent.path("agent.token"), token_of(name, "agent")).unwrap();
    agent
}

/// All that agents saw is recorded at the control host, in the order of each, once.
pub fn all_is_there(control: &Control, sites: &[&Site]) -> bool {
    let seen = control.seen();
    sites.iter().all(|site| {
        let of_site: Vec<_> = seen.iter().filter(|(agent, ..)| agent == site.name).cloned().collect();
        of_site == site.saw()
    })
}
