//! Hosts that meet at a Redis share rule groups, correlations and decisions evenly, keep the same audit trail, and hand their
//! work over when they are told to end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{self, Deployment, Running, TARGETS};
use orion_lab::{Exporter, Prometheus, RedisOptions, RedisServer, ScrapeConfig, TcpProxy};
use serde_json::Value;

/// A service, the Prometheus that watches it, a Redis, and the folders of two hosts that meet there.
struct Scene {
    service: Exporter,
    prometheus: Prometheus,
    redis: RedisServer,
    hosts: [Deployment; 2],
}

impl Scene {
    fn new() -> Self {
        let service = Exporter::start("jellyfin").unwrap();
        let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", service.address());
        let prometheus = Prometheus::start(&targets).unwrap();
        prometheus.wait_for("up", "\"1\"", support::PATIENCE).unwrap();
        let hosts = [(); 2].map(|()| Deployment::new(&prometheus.url()));
        hosts.iter().for_each(|host| host.rule("targets.yaml", TARGETS));
        Self { service, prometheus, redis: RedisServer::start(&RedisOptions::default()).unwrap(), hosts }
    }
}

/// Starts a host of a deployment. A short lease keeps tests short.
fn join(deployment: &Deployment, redis: &RedisServer, name: &str) -> Running {
    join_at(deployment, &redis.url(), name)
}

fn join_at(deployment: &Deployment, url: &str, name: &str) -> Running {
    deployment.start_with(&[("REDIS_URL", url), ("ORION_NODE_NAME", name), ("ORION_LEASE", "3s")])
}

/// How many partitions of a role each host holds.
fn shares(redis: &RedisServer, role: &str) -> BTreeMap<String, usize> {
    let leases = redis.command(&["HGETALL", "{orion}:leases"]).unwrap();
    let lines: Vec<_> = leases.lines().collect();
    let mut shares = BTreeMap::new();
    for pair in lines.chunks_exact(2).filter(|pair| pair[0].starts_with(role)) {
        let node = pair[1].rsplit_once('/').unwrap().0;
        *shares.entry(node.to_owned()).or_default() += 1;
    }
    shares
}

fn wait_for_shares(redis: &RedisServer, role: &str, expected: &[(&str, usize)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(node, count)| ((*node).to_owned(), *count)).collect();
    support::wait_until("the shares", || shares(redis, role) == expected, || format!("{:?}", shares(redis, role)));
}

/// What was observed, without the place in a file.
fn story(deployment: &Deployment) -> Vec<Value> {
    let lines = [deployment.observed(), deployment.incidents(), deployment.decisions()].concat();
    lines.into_iter().map(support::without_place).collect()
}

#[test]
fn two_hosts_share_evenly_tell_one_story_and_hand_over_without_a_gap() {
    let Scene { mut service, prometheus: _prometheus, redis, hosts: [one, two] } = Scene::new();
    let first = join(&one, &redis, "one");
    wait_for_shares(&redis, "watcher", &[("one", 64)]);
    let second = join(&two, &redis, "two");
    for role in ["watcher", "guardian"] {
        wait_for_shares(&redis, role, &[("one", 32), ("two", 32)]);
    }

    service.stop();
    for host in [&one, &two] {
        host.wait_until("the decision", |it| it.decisions().len() == 1);
    }
    // Whoever has the group, the correlation or the decision: the other one goes on with it.
    assert!(first.terminate().success());
    wait_for_shares(&redis, "watcher", &[("two", 64)]);
    service.restart().unwrap();
    two.wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    let first = join(&one, &redis, "one");
    one.wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    wait_for_shares(&redis, "watcher", &[("one", 32), ("two", 32)]);
    assert!(second.terminate().success());
    assert!(first.terminate().success());

    for host in [&one, &two] {
        assert_eq!(host.events_of("service_down", "firing").len(), 1);
        assert_eq!(host.events_of("service_down", "resolved").len(), 1);
        assert!(host.events_of("instants_missed", "occurred").is_empty(), "no gap");
        host.check_promises();
    }
    assert_eq!(story(&one), story(&two));
    assert_eq!(shares(&redis, "watcher"), BTreeMap::new(), "everything is given back");
}

#[test]
fn a_host_that_dies_is_replaced_and_nothing_is_missed_or_said_twice() {
    let Scene { mut service, prometheus, redis, hosts: [one, two] } = Scene::new();
    let first = join(&one, &redis, "one");
    wait_for_shares(&redis, "watcher", &[("one", 64)]);
    one.wait_until("the store", |it| it.path("memory/events.jsonl").exists());
    let second = join(&two, &redis, "two");
    wait_for_shares(&redis, "watcher", &[("one", 32), ("two", 32)]);
    // It begins and ends while the work of the dead host is nobody's.
    first.kill();
    service.stop();
    prometheus.wait_for("min_over_time(up[3s])", "\"0\"", support::PATIENCE).unwrap();
    service.restart().unwrap();
    two.wait_until("the end of the incident", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    wait_for_shares(&redis, "watcher", &[("two", 64)]);
    let first = join(&one, &redis, "one");
    one.wait_until("what it missed", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    assert!(second.terminate().success());
    assert!(first.terminate().success());
    for host in [&one, &two] {
        assert_eq!(host.events_of("service_down", "firing").len(), 1);
        assert_eq!(host.decisions().len(), 1);
        assert!(host.events_of("instants_missed", "occurred").is_empty(), "no gap");
        host.check_promises();
    }
    assert_eq!(story(&one), story(&two));
}

#[test]
fn a_deployment_moves_to_redis_and_back_with_everything_it_knows() {
    let Scene { mut service, prometheus: _prometheus, redis, hosts: [host, _] } = Scene::new();
    let alone = host.start();
    service.stop();
    host.wait_until("the decision", |it| it.decisions().len() == 1);
    assert!(alone.terminate().success());

    let url = redis.url();
    let to = |engine: &str| {
        let moved =
            host.orion(&["migrate", "--to", engine, "--redis-url", &url, "--node-name", "one", "--output", "json"]);
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
        let said: Value = serde_json::from_slice(&moved.stdout).unwrap();
        said["records"].as_u64().unwrap()
    };
    let records = (host.events().len() + host.incidents().len() + host.decisions().len()) as u64;
    assert_eq!(to("redis"), records);
    let shared = join(&host, &redis, "one");
    service.restart().unwrap();
    host.wait_until("the end of what began before", |it| !it.incidents_of("service_outage", "resolved").is_empty());
    let nodes = host.orion(&["get", "nodes", "--redis-url", &url]);
    let node: Value = serde_json::from_slice(&nodes.stdout).unwrap();
    assert_eq!((&node["node"], &node["live"], &node["partitions"]), (&"one".into(), &true.into(), &129.into()));
    let partitions = || String::from_utf8(host.orion(&["get", "partitions", "--redis-url", &url]).stdout).unwrap();
    assert!(partitions().contains(r#""owners":["group/targets.yaml/targets"]"#), "{}", partitions());
    let locks = String::from_utf8(host.orion(&["get", "locks", "--redis-url", &url]).stdout).unwrap();
    let locks: Vec<Value> = locks.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(locks.len(), 129);
    let is_held = |lock: &Value| {
        lock["holder"] == "one" && lock["epoch"].as_u64() >= Some(1) && lock["ends_in_millis"].as_i64() > Some(0)
    };
    assert!(locks.iter().all(is_held), "{locks:?}");
    host.wait_until("a partition that is busy", |_| {
        let values = partitions().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        values.iter().any(|it| it["busy"].as_f64().is_some_and(|ratio| ratio > 0.0 && ratio < 1.0))
    });
    let busy = host.orion(&["migrate", "--to", "embedded", "--redis-url", &url, "--node-name", "two"]);
    assert_eq!(busy.status.code(), Some(3), "a host runs on the folder");
    service.stop();
    host.wait_until("the second incident", |it| it.incidents_of("service_outage", "opened").len() == 2);
    host.wait_until("its decision", |it| it.decisions().len() == 2);
    assert!(shared.terminate().success());

    to("embedded");
    redis.command(&["FLUSHALL"]).unwrap();
    let alone = host.start();
    service.restart().unwrap();
    host.wait_until("the end of the second", |it| it.incidents_of("service_outage", "resolved").len() == 2);
    assert!(alone.terminate().success());
    assert_eq!(host.events_of("service_down", "firing").len(), 2);
    assert_eq!(host.events_of("service_down", "resolved").len(), 2);
    host.check_promises();
}

/// Groups enough that each of two hosts has some: which host has one follows from its name.
const GROUPS: usize = 12;

/// So many that each host has some of them.
fn write_groups(hosts: [&Deployment; 2]) {
    let group = |number: usize| {
        format!(
            "- name: group-{number}\n  interval: 1s\n  rules:\n  - alert: Down\n    expr: up{{job=\"{number}\"}} == 0\n"
        )
    };
    let groups: String = (0..GROUPS).map(group).collect();
    hosts.iter().for_each(|host| host.rule("more.yaml", &format!("groups:\n{groups}")));
}

#[test]
fn an_outage_that_every_host_meets_is_one_event_and_one_incident() {
    let Scene { service: _service, mut prometheus, redis, hosts: [one, two] } = Scene::new();
    write_groups([&one, &two]);
    let running = [join(&one, &redis, "one"), join(&two, &redis, "two")];
    wait_for_shares(&redis, "watcher", &[("one", 32), ("two", 32)]);
    prometheus.kill();
    for host in [&one, &two] {
        host.wait_until("the decision", |it| it.decisions().len() == 1);
    }
    // Every group of each host asks in vain meanwhile, more than once.
    std::thread::sleep(Duration::from_secs(3));
    prometheus.restart().unwrap();
    for host in [&one, &two] {
        host.wait_until("the end", |it| it.incidents_of("prometheus_outage", "resolved").len() == 1);
    }
    for host in running {
        assert!(host.terminate().success());
    }
    for host in [&one, &two] {
        assert_eq!(host.events_of("external_api_failure", "firing").len(), 1);
        assert_eq!(host.events_of("external_api_failure", "resolved").len(), 1);
        assert_eq!(host.incidents_of("prometheus_outage", "opened").len(), 1);
        assert_eq!(host.decisions().len(), 1);
        host.check_promises();
    }
    assert_eq!(story(&one), story(&two));
}

#[test]
fn an_outage_that_a_host_said_cut_off_before_it_was_killed_ends_when_that_host_is_back() {
    let Scene { service: _service, mut prometheus, redis, hosts: [one, two] } = Scene::new();
    let mut link = TcpProxy::start(redis.address()).unwrap();
    let url = format!("redis://{}", link.address());
    write_groups([&one, &two]);
    let stays = join(&one, &redis, "one");
    let dies = join_at(&two, &url, "two");
    wait_for_shares(&redis, "watcher", &[("one", 32), ("two", 32)]);
    for host in [&one, &two] {
        host.wait_until("it to observe", |it| it.log().contains("rules and plugins are live"));
    }
    link.refuse();
    prometheus.kill();
    for host in [&one, &two] {
        host.wait_until("the outage", |it| it.log().contains("event_type=\"external_api_failure\""));
    }
    dies.kill();
    prometheus.restart().unwrap();
    one.wait_until("the end", |it| it.incidents_of("prometheus_outage", "resolved").len() == 1);
    link.accept().unwrap();
    let back = join_at(&two, &url, "two");
    for host in [&one, &two] {
        host.wait_until("both outages and their ends", |it| {
            let count = |status| it.events_of("external_api_failure", status).len();
            (count("firing"), count("resolved")) == (2, 2)
        });
        host.wait_until("both incidents", |it| it.incidents_of("prometheus_outage", "resolved").len() == 2);
    }
    for host in [stays, back] {
        assert!(host.terminate().success());
    }
    for host in [&one, &two] {
        host.check_promises();
    }
    assert_eq!(story(&one), story(&two));
}
