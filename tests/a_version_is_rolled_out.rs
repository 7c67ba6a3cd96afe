//! A version of a rule set is given to agents some at a time: to the next when those before run it, and to no more when one cannot.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::metrics_are_read_by_prometheus::promtool;
use crate::support::asked::get;
use crate::support::{Deployment, Running};

/// Nobody is there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn rules(plugin: &str) -> String {
    let with = "with: { above: 1 }";
    format!("groups: [{{ name: g, interval: 1s, rules: [{{ alert: Far, expr: up, plugin: {plugin}, {with} }}] }}]\n")
}

/// A control host, and agents of it.
struct Fleet {
    control: Deployment,
    orion: Running,
    address: SocketAddr,
    agents: Vec<(Deployment, Running)>,
}

impl Fleet {
    fn new(agents: &[&'static str]) -> Self {
        let control = Deployment::new(NOWHERE).serving();
        let orion = control.start();
        let address = control.served_ready_at();
        let mut fleet = Self { control, orion, address, agents: Vec::new() };
        fleet.agents = agents.iter().map(|name| fleet.agent(name)).collect();
        fleet
    }

    fn agent(&self, name: &str) -> (Deployment, Running) {
        let agent = Deployment::new(NOWHERE)
            .with("ORION_API_URL", &format!("http://{}", self.address))
            .with("ORION_NODE_NAME", name)
            .with("ORION_AGENT__ENABLED", "true")
            .serving();
        let running = agent.start();
        (agent, running)
    }

    fn apply(&self, text: &str, arguments: &[&str]) -> Value {
        std::fs::write(self.control.path("far.yaml"), text).unwrap();
        let url = format!("http://{}", self.address);
        let command = ["apply", "-f", "far.yaml", "--by", "ada", "--output", "json", "--url", &url];
        let output = self.control.orion(&[&command, arguments].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn set(&self) -> Value {
        get(self.address, "/api/v1/sets").json()["items"][0].clone()
    }

    /// What each agent says that it runs.
    fn runs(&self) -> Value {
        let set = self.set();
        let nodes = set["nodes"].as_array().into_iter().flatten();
        json!(nodes.map(|node| json!([node["node"], node["version"]])).collect::<Vec<_>>())
    }

    fn wait_until_all_run(&self, version: u64) {
        let names = ["a", "b", "c"].into_iter().take(self.agents.len());
        let wanted = json!(names.map(|name| json!([name, version])).collect::<Vec<_>>());
        self.control.wait_long_until("all agents to run it", |_| self.runs() == wanted);
    }

    /// What the control host, or one of its agents, says in numbers.
    fn wait_until_counted(&self, of: SocketAddr, lines: &[&str]) {
        for line in lines {
            self.control.wait_until(line, |_| get(of, "/metrics").body.lines().any(|it| it == *line));
        }
    }

    fn end(self) {
        for (_, agent) in self.agents {
            assert!(agent.terminate().success());
        }
        assert!(self.orion.terminate().success());
        self.control.check_promises();
    }
}

#[test]
fn agents_are_given_a_version_one_after_the_other() {
    let fleet = Fleet::new(&["a", "b"]);
    fleet.apply(&rules("threshold"), &[]);
    fleet.wait_until_all_run(1);
    fleet.wait_until_counted(
        fleet.address,
        &[
            "orion_rule_set_version{set=\"default\"} 1",
            "orion_rule_set_rolling_out{set=\"default\"} 0",
            "orion_rule_set_nodes{set=\"default\",runs=\"newest\"} 2",
            "orion_rule_set_pushes_total{outcome=\"applied\"} 1",
            "orion_rule_set_pushes_total{outcome=\"refused\"} 0",
            "orion_agent_reported_rules_version{agent=\"b\",set=\"default\"} 1",
            "orion_agent_reported_rules_refused_version{agent=\"b\",set=\"default\"} 0",
        ],
    );
    let told = get(fleet.address, "/metrics").body;
    assert!(told.contains("orion_rule_set_applied_timestamp_seconds{set=\"default\"} 1"), "{told}");
    assert_eq!(fleet.apply(&rules("threshold").replace("above: 1", "above: 2"), &["--rolling"])["version"], 2);
    let rollout = fleet.set()["rollout"].clone();
    assert_eq!((&rollout["from"], &rollout["at_a_time"]), (&json!(1), &json!(1)));
    fleet.wait_until_all_run(2);
    fleet.control.wait_until("the end of the rollout", |_| fleet.set()["rollout"].is_null());
    assert_eq!(fleet.control.events_of("rule_set_rolled_out", "occurred").len(), 1);
    fleet.end();
}

#[test]
fn one_that_has_not_the_plugin_halts_it_and_the_others_keep_what_they_run() {
    let fleet = Fleet::new(&["a", "b"]);
    fleet.apply(&rules("threshold"), &[]);
    fleet.wait_until_all_run(1);
    let here = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    fleet.control.plugin("mine.wasm", here.component);
    fleet.control.wait_until("the plugin", |_| {
        let plugins = get(fleet.address, "/api/v1/plugins").json();
        plugins["items"].as_array().unwrap().iter().any(|plugin| plugin["file"] == "mine.wasm")
    });
    fleet.apply(&rules("mine.wasm"), &["--rolling"]);
    fleet.control.wait_long_until("the halt", |_| fleet.set()["rollout"]["halted"]["node"] == "a");
    fleet.control.wait_until("the incident", |it| !it.incidents_of("rollout_halted", "opened").is_empty());
    let events = fleet.control.events_of("rule_set_rollout_halted", "occurred");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["labels"], json!({ "node": "a", "set": "default", "version": "2" }));
    fleet.wait_until_counted(
        fleet.address,
        &[
            "orion_rule_set_version{set=\"default\"} 2",
            "orion_rule_set_rolling_out{set=\"default\"} 1",
            "orion_rule_set_rollout_halted{set=\"default\"} 1",
            "orion_rule_set_nodes{set=\"default\",runs=\"refusing\"} 1",
            "orion_rule_set_nodes{set=\"default\",runs=\"other\"} 1",
            "orion_agent_reported_rules_version{agent=\"a\",set=\"default\"} 1",
            "orion_agent_reported_rules_refused_version{agent=\"a\",set=\"default\"} 2",
        ],
    );
    // Its source does not answer, so it serves and is not ready.
    let a = fleet.agents[0].0.served_at();
    fleet.wait_until_counted(
        a,
        &[
            "orion_agent_rules_version{set=\"default\"} 1",
            "orion_agent_rules_fetched_version{set=\"default\"} 2",
            "orion_agent_rules_refused_version{set=\"default\"} 2",
        ],
    );
    // Sets are counted where they are applied; the age of what was asked is of the agent.
    let told = get(a, "/metrics").body;
    assert!(
        !told.contains("orion_rule_set_") && !told.contains("orion_agent_rules_asked_timestamp_seconds 0\n"),
        "{told}"
    );
    for address in [fleet.address, a] {
        assert_eq!(promtool(&get(address, "/metrics").body), "");
    }
    let b = get(fleet.address, "/api/v1/sets/default?node=b").json();
    assert_eq!(b["version"], 1);
    // It is brought there, and the rollout goes on.
    for (agent, _) in &fleet.agents {
        agent.plugin("mine.wasm", here.component);
    }
    fleet.wait_until_all_run(2);
    fleet.end();
}
