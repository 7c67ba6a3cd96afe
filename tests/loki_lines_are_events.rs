//! Lines that Loki has are events, each once: through outages, restarts and `kill -9` between reading and committing. Against a stand-in
//! that speaks as Loki is documented to, because a real one is not at hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orion_bus::{Partition, Role};
use orion_lab::{LokiAnswer, LokiStandIn, RedisOptions, RedisServer};
use orion_model::Clock as _;
use orion_pipeline::clock::SystemClock;

use crate::support::lines::{NO_PROMETHEUS, begins, each_once, found, wait_for};
use crate::support::{self, Deployment, Running};

/// Where a step may end in the middle.
pub const POINTS: [&str; 2] = ["streams::before_commit", "streams::after_commit"];

const RULES: &str = r#"
logs:
  - id: app-errors
    loki: '{app=~".+"} |= "ERROR"'
    delay: 1s
    match: 'ERROR (?P<what>\S+)'
    severity: error
    limit: 0
    labels: { service: "{{ $labels.app }}" }
correlations:
  - name: app-errors
    match: { event_type: app_errors }
    group_by: [service]
    incident: { type: app_errors, severity: error, summary: "{{ $labels.service }} fails" }
"#;

/// Who asks for streams.
const OWNER: &str = "streams";

fn loki() -> LokiStandIn {
    LokiStandIn::start(|_| LokiAnswer::Lines).unwrap()
}

fn deployment(loki: &LokiStandIn) -> Deployment {
    let deployment = Deployment::new(NO_PROMETHEUS).with("LOKI_URL", &loki.url());
    deployment.rule("app.yaml", RULES);
    deployment
}

/// The entry, as leases know it.
const ENTRY: &str = "app.yaml/logs/app-errors";

/// The hosts that share this, in the order of their places in the tests.
const NAMES: [&str; 2] = ["one", "two"];

/// Which of them reads the lines, once each has its half of the work.
fn reader(redis: &RedisServer) -> Option<usize> {
    let leases = redis.command(&["HGETALL", "{orion}:leases"]).unwrap();
    let lines: Vec<_> = leases.lines().collect();
    let held: Vec<_> = lines.chunks_exact(2).map(|pair| (pair[0], pair[1].rsplit_once('/').unwrap().0)).collect();
    let count = |name: &str| held.iter().filter(|(what, by)| what.starts_with("watcher:") && *by == name).count();
    let is_halved = NAMES.iter().all(|name| count(name) * NAMES.len() == usize::from(Role::Watcher.partitions()));
    is_halved.then(|| reader_now(&held)).flatten()
}

fn reader_now(held: &[(&str, &str)]) -> Option<usize> {
    let partition = Partition::of(Role::Watcher, ENTRY).to_string();
    let (_, by) = held.iter().find(|(what, _)| *what == partition)?;
    NAMES.iter().position(|name| name == by)
}

/// Starts a host of a deployment. A short lease keeps tests short.
fn join(deployment: &Deployment, redis: &RedisServer, name: &str) -> Running {
    deployment.start_with(&[("REDIS_URL", &redis.url()), ("ORION_NODE_NAME", name), ("ORION_LEASE", "3s")])
}

fn now_nanos() -> i64 {
    SystemClock.now().as_millis() * 1_000_000
}

#[test]
fn lines_of_streams_are_events_and_incidents_through_an_outage() {
    let mut loki = loki();
    loki.push(now_nanos() - 60_000_000_000, &[("app", "web")], "ERROR before");
    let deployment = deployment(&loki);
    let orion = deployment.start();
    begins(&deployment, OWNER);
    let at = now_nanos();
    loki.push(at, &[("app", "web")], "ERROR one");
    loki.push(at, &[("app", "db")], "ERROR two");
    loki.push(at + 1, &[("app", "db")], "INFO nothing");
    wait_for(&deployment, 2);
    loki.stop();
    deployment.wait_until("the outage", |it| !it.incidents_of("loki_outage", "opened").is_empty());
    loki.push(now_nanos(), &[("app", "web")], "ERROR three");
    loki.restart().unwrap();
    wait_for(&deployment, 3);
    deployment.wait_until("the recovery", |it| !it.incidents_of("loki_outage", "resolved").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(found(&deployment), ["two", "one", "three"]);
    let event = &deployment.events_of("app_errors", "occurred")[0];
    assert_eq!((&event["source"], &event["labels"]["service"]), (&"loki".into(), &"db".into()));
    assert_eq!(event["data"]["stream"]["app"], "db");
    assert_eq!(deployment.incidents_of("app_errors", "opened").len(), 2);
    for request in loki.requests() {
        assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
        assert!(request.target.starts_with("/loki/api/v1/query_range?query="), "{}", request.target);
        assert!(request.target.contains("direction=forward"), "{}", request.target);
    }
    deployment.check_promises();
}

#[test]
fn more_lines_than_a_page_has_come_once_each_through_a_crash() {
    /// More than two pages, and many of them of one instant.
    const LINES: usize = 11_000;
    for (point, hit) in [(POINTS[0], 2), (POINTS[1], 2), (POINTS[0], 3)] {
        let at = &*format!("{point}:{hit}");
        let loki = loki();
        let deployment = deployment(&loki);
        let mut orion = deployment.start_with(&[("ORION_CRASH_AT", at)]);
        begins(&deployment, OWNER);
        let begin = now_nanos();
        for line in 0..LINES {
            loki.push(begin + i64::try_from(line / 700).unwrap(), &[("app", "web")], &format!("ERROR {line}"));
        }
        assert!(!orion.wait().success(), "{at}");
        let orion = deployment.start_again();
        wait_for(&deployment, LINES);
        loki.push(now_nanos(), &[("app", "web")], "ERROR end");
        wait_for(&deployment, LINES + 1);
        each_once(&deployment, orion, LINES + 1, at);
    }
}

#[test]
fn of_hosts_that_share_a_redis_one_reads_and_when_it_is_killed_the_other_goes_on_where_it_was() {
    const KILLS: usize = 2;
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let loki = loki();
    let hosts = NAMES.map(|_| deployment(&loki));
    let mut running = [0, 1].map(|at| Some(join(&hosts[at], &redis, NAMES[at])));
    let mut lines = 0;
    let mut push = |count: usize| {
        for _ in 0..count {
            loki.push(now_nanos(), &[("app", "web")], &format!("ERROR {lines}"));
            lines += 1;
        }
        lines
    };
    // Who asks has kept from where on.
    hosts[0].wait_until("a first question", |_| !loki.requests().is_empty());
    for _ in 0..KILLS {
        let mut reads = None;
        let is_known = || {
            reads = reader(&redis);
            reads.is_some()
        };
        support::wait_until("each to have its half", is_known, String::new);
        let (reads, other) = (reads.unwrap(), 1 - reads.unwrap());
        let all = push(50);
        hosts.iter().for_each(|host| wait_for(host, all));
        // It dies with lines that it has not read, and some come while nobody reads.
        push(50);
        running[reads].take().unwrap().kill();
        let all = push(50);
        wait_for(&hosts[other], all);
        running[reads] = Some(join(&hosts[reads], &redis, NAMES[reads]));
        wait_for(&hosts[reads], all);
    }
    let all = push(1);
    hosts.iter().for_each(|host| wait_for(host, all));
    for host in running.into_iter().flatten() {
        assert!(host.terminate().success());
    }
    let expected: BTreeSet<String> = (0..all).map(|line| line.to_string()).collect();
    for host in &hosts {
        let found = found(host);
        assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (all, expected.clone()));
        host.check_promises();
    }
}

#[test]
fn a_query_that_loki_refuses_is_said_once_and_so_is_its_end() {
    let refuses = Arc::new(AtomicBool::new(true));
    let state = refuses.clone();
    let loki = LokiStandIn::start(move |_| match state.load(Ordering::SeqCst) {
        true => LokiAnswer::BadQuery("parse error at line 1, col 9: syntax error".to_owned()),
        false => LokiAnswer::Lines,
    })
    .unwrap();
    let deployment = deployment(&loki);
    let orion = deployment.start();
    deployment.wait_until("the fault", |it| !it.events_of("query_failure", "firing").is_empty());
    refuses.store(false, Ordering::SeqCst);
    deployment.wait_until("its end", |it| !it.events_of("query_failure", "resolved").is_empty());
    assert!(orion.terminate().success());
    let faults = deployment.events_of("query_failure", "firing");
    assert_eq!(faults.len(), 1);
    assert!(faults[0]["data"]["message"].to_string().contains("syntax error"), "{}", faults[0]);
    assert!(deployment.events_of("external_api_failure", "firing").is_empty());
    deployment.check_promises();
}
