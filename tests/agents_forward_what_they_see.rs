//! Agents near remote Prometheus servers run the rules of a set that is applied at a control host, and what they see is correlated there,
//! each event once: over links that are cut, over kills of either side, and with an agent whose store was lost.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::json;

use crate::support::asked::{get, post_json};
use crate::support::fleet::{Control, EVERYWHERE, NOWHERE, SET, Site, all_is_there};
use crate::support::issuer::{self, token_of};
use crate::support::{Deployment, Running};

/// At these points either side is killed.
pub const POINTS: [&str; 4] =
    ["agent::before_take", "agent::after_take", "forward::before_send", "forward::after_send"];

#[test]
fn rules_arrive_and_what_two_agents_see_becomes_incidents_each_once_over_cuts_and_kills_of_both_sides() {
    let control = Control::new();
    let (orion, address) = control.start(&[]);
    let mut sites = [Site::new("eu-1", &control, address), Site::new("us-1", &control, address)];
    let mut agents: Vec<Running> = sites.iter().map(|site| site.agent.start()).collect();
    control.apply(address, SET);
    control.deployment.wait_until("both agents to run the rules", |_| {
        let nodes = control.nodes(address);
        sites.iter().all(|site| nodes.get(site.name).is_some_and(|node| node["rules_version"] == 1))
    });
    let node = control.nodes(address).remove("eu-1").unwrap();
    assert_eq!((&node["role"], &node["live"], &node["set"]), (&json!("agent"), &json!(true), &json!("default")));
    assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));

    // An alert at each Prometheus, of a target that is called the same.
    sites.iter_mut().for_each(|site| site.target.stop());
    sites.iter().for_each(|site| site.saw_so_often(1));
    control
        .deployment
        .wait_until("an incident of each", |_| ["eu-1", "us-1"].iter().all(|agent| control.opened_of(agent) == 1));

    // Cut off, the agent goes on.
    sites[0].link.refuse();
    sites[0].target.restart().unwrap();
    sites[0].saw_so_often(2);
    let asked = sites[0].agent.served_ready_at();
    sites[0].agent.wait_until("its health to say so", |_| {
        get(asked, "/health").json()["components"]["control"]["status"] == "failing"
    });
    let metrics = get(asked, "/metrics").body;
    assert!(
        metrics.lines().any(|line| line.starts_with("orion_agent_backlog_events ") && !line.ends_with(" 0")),
        "{metrics}"
    );
    // Killed while it is cut off, it has its rules and what it saw.
    agents.remove(0).kill();
    agents.insert(0, sites[0].agent.start());
    sites[0].target.stop();
    sites[0].saw_so_often(3);
    assert_eq!(control.seen().iter().filter(|(agent, ..)| agent == "eu-1").count(), 1);
    sites[0].link.accept().unwrap();
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&sites[0], &sites[1]]));

    // The control host is killed, and both see something meanwhile.
    orion.kill();
    sites[0].target.restart().unwrap();
    sites[1].target.restart().unwrap();
    sites[0].saw_so_often(4);
    sites[1].saw_so_often(2);
    let (orion, address) = control.start(&[]);
    sites.iter().for_each(|site| site.link.redirect(address));
    control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&sites[0], &sites[1]]));
    let seen: BTreeSet<_> = control.seen().into_iter().collect();
    assert_eq!(seen.len(), control.seen().len(), "nothing is there twice");
    agents.into_iter().for_each(|agent| assert!(agent.terminate().success()));
    assert!(orion.terminate().success());
    sites.iter().for_each(|site| site.agent.check_promises());
    control.deployment.check_promises();
}

#[test]
fn an_edited_set_is_live_a_refused_one_keeps_the_last_good_and_both_are_reported() {
    let control = Control::new();
    let (_orion, address) = control.start(&[]);
    let mut site = Site::new("eu-1", &control, address);
    let _agent = site.agent.start();
    control.apply(address, SET);
    control.wait_until_runs(address, "eu-1", 1);
    // It is good for the control host, which asks nothing; the agent has no such source.
    control.apply(address, &SET.replace("interval: 1s\n", "interval: 1s\n    source: loki\n"));
    control.deployment.wait_until("the agent to say that it cannot run it", |_| {
        let nodes = control.nodes(address);
        let Some(node) = nodes.get("eu-1") else { return false };
        node["rules_version"] == 1
            && node["rules_refused"]["version"] == 2
            && node["rules_refused"]["why"].as_str().is_some_and(|why| why.contains("the source `loki`"))
    });
    // The last good rules run on.
    site.target.stop();
    control.deployment.wait_until("the incident", |_| control.opened_of("eu-1") == 1);
    let refused = control.deployment.events_of("rule_file_refused", "firing");
    assert!(refused.iter().any(|event| event["labels"]["agent"] == "eu-1"), "{refused:?}");
    control.apply(address, &SET.replace("severity: error,", "severity: error, edited: \"yes\","));
    control.deployment.wait_until("the edit to be live", |_| {
        let nodes = control.nodes(address);
        nodes.get("eu-1").is_some_and(|node| node["rules_version"] == 3 && node["rules_refused"].is_null())
    });
    control.deployment.wait_until("an event of it", |it| {
        it.events_of("service_down", "firing").iter().any(|event| event["labels"]["edited"] == "yes")
    });
}

#[test]
fn either_side_dies_at_any_point_of_forwarding_and_every_event_is_there_once() {
    let control = Control::new();
    let (mut orion, mut address) = control.start(&[]);
    let mut site = Site::new("eu-1", &control, address);
    let mut agent = site.agent.start();
    control.apply(address, SET);
    control.wait_until_runs(address, "eu-1", 1);
    let mut transitions = 0;
    for point in POINTS {
        // The first batch after its start has what it says of its own start in it.
        let at = format!("{point}:1");
        let crashes = [("ORION_CRASH_AT", at.as_str())];
        if point.starts_with("agent::") {
            orion.kill();
            (orion, address) = control.start(&crashes);
        } else {
            agent.kill();
            agent = site.agent.start_with(&crashes);
        }
        site.link.redirect(address);
        match transitions % 2 {
            0 => site.target.stop(),
            _ => site.target.restart().unwrap(),
        }
        transitions += 1;
        if point.starts_with("agent::") {
            assert!(!orion.wait().success(), "{point}");
            (orion, address) = control.start(&[]);
            site.link.redirect(address);
        } else {
            assert!(!agent.wait().success(), "{point}");
            agent = site.agent.start();
        }
        site.saw_so_often(transitions);
        control.deployment.wait_until("everything to be there", |_| all_is_there(&control, &[&site]));
    }
    assert!(agent.terminate().success());
    assert!(orion.terminate().success());
    control.deployment.check_promises();
}

#[test]
fn an_agent_whose_store_is_lost_begins_anew_and_doubles_nothing_and_one_that_is_silent_is_said_to_be() {
    let control = Control::new();
    let (_orion, address) = control.start(&[("ORION_AGENTS__SILENCE", "30s")]);
    let mut site = Site::new("eu-1", &control, address);
    let agent = site.agent.start();
    control.apply(address, SET);
    control.wait_until_runs(address, "eu-1", 1);
    site.target.stop();
    control.deployment.wait_until("the incident", |_| control.opened_of("eu-1") == 1);
    agent.kill();
    control.deployment.wait_until("its silence to be said", |it| it.events_of("agent_silent", "firing").len() == 1);
    std::fs::remove_dir_all(site.agent.path("memory")).unwrap();
    let agent = site.agent.start();
    control.deployment.wait_until("it to be heard of", |it| {
        it.events_of("agent_silent", "resolved").len() == 1 && it.events_of("agent_began_anew", "occurred").len() == 1
    });
    // It has no memory of what fires, and sees it anew.
    site.saw_so_often(1);
    site.target.restart().unwrap();
    control.deployment.wait_until("the end of it", |it| {
        let resolved = it.incidents_of("service_outage", "resolved");
        resolved.iter().any(|incident| incident["key"]["agent"] == "eu-1")
    });
    assert!(agent.terminate().success());
    control.deployment.check_promises();
}

#[test]
fn a_token_of_an_agent_speaks_for_that_agent_and_reads_nothing_but_rules() {
    let deployment = Deployment::new(NOWHERE)
        .with("ORION_API__LISTEN", EVERYWHERE)
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true");
    issuer::known_to(&deployment);
    let orion = deployment.start();
    let address = SocketAddr::new([127, 0, 0, 1].into(), deployment.served_at().port());
    deployment.wait_until("it to be ready", |_| get(address, "/-/ready").status == 200);
    let status = json!({
        "orion": "1", "rules": null, "digest": null, "generation": 1, "refused": [], "backlog_events": 0,
        "backlog_bytes": 0, "reached": null,
    });
    let post = |role: &str, path: &str, body: &str| {
        let token = format!("Bearer {}", token_of("eu-1", role));
        post_json(address, path, &[("Authorization", &token)], body).status
    };
    assert_eq!(post("agent", "/api/v1/agents/eu-1/status", &status.to_string()), 200);
    assert_eq!(post("agent", "/api/v1/agents/eu-2/status", &status.to_string()), 403);
    assert_eq!(post("admin", "/api/v1/agents/eu-1/status", &status.to_string()), 403);
    assert_eq!(post("agent", "/api/v1/agents/eu-1/events", "{}"), 400);
    assert_eq!(post("agent", "/api/v1/missed", "{}"), 403);
    let token = format!("Bearer {}", token_of("eu-1", "agent"));
    let read = |path: &str| crate::support::asked::ask(address, "GET", path, &[("Authorization", &token)]).status;
    for path in ["/api/v1/events", "/api/v1/incidents", "/metrics", "/health", "/api/v1/nodes", "/api/v1/sets"] {
        assert_eq!(read(path), 403, "{path}");
    }
    assert_eq!(read("/api/v1/sets/default?node=eu-1"), 404);
    // Its length is enough to refuse it.
    let headers =
        [("Authorization", token.as_str()), ("Content-Type", "application/json"), ("Content-Length", "1048577")];
    assert_eq!(crate::support::asked::ask(address, "POST", "/api/v1/agents/eu-1/events", &headers).status, 413);
    assert!(orion.terminate().success());
}

#[test]
fn an_agent_does_not_start_without_what_it_needs_and_says_what_that_is() {
    let deployment = Deployment::new(NOWHERE).with("ORION_NODE_NAME", "eu-1");
    let refused = |arguments: &[&str], env: &[(&str, &str)]| {
        let output = deployment.orion_with(&[&["run", "--agent"], arguments].concat(), env);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[], &[]).contains("--url or ORION_API_URL"));
    assert!(refused(&["--url", "http://control.example:9600"], &[]).contains("--allow-plaintext"));
    let here = ["--url", "http://127.0.0.1:9"];
    assert!(refused(&here, &[("ORION_AGENTS__SILENCE", "29s")]).contains("30s at least"));
    assert!(refused(&here, &[("ORION_NODE_NAME", "a/b")]).contains("--node-name or ORION_NODE_NAME"));
    assert!(refused(&here, &[("REDIS_URL", "redis://127.0.0.1:9")]).contains("leave REDIS_URL"));
}
