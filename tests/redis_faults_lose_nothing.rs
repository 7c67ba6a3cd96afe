//! Whatever happens to hosts, to their Redis and to the link between them: every outage is recorded once, at the instant at which it
//! was there to be seen, in the order in which it happened, in the audit trail of every host.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orion_lab::{Fsync, Link, Prometheus, RedisOptions, RedisServer, ScrapeConfig, TcpProxy};
use orion_model::{Timestamp, Written, WrittenSeries};
use serde_json::Value;

use crate::support::{self, Deployment, Running};

/// Each has a rule group of its own, so that hosts share them.
const SERVICES: usize = 6;

/// Rules are evaluated once a second: what an instant shows was not there a second before.
const INTERVAL_MILLIS: i64 = 1_000;

/// How long services go down and come back, each at a pace of its own.
const STORY_MILLIS: i64 = 40_000;

/// A short lease keeps tests short.
const LEASE: &str = "3s";

/// Longer than a lease.
const LONG: Duration = Duration::from_secs(5);

const SHORT: Duration = Duration::from_secs(1);

fn service(number: usize) -> String {
    format!("service-{number}")
}

fn rules() -> String {
    let group = |number: usize| {
        let service = service(number);
        format!(
            "- name: {service}\n  interval: 1s\n  rules:\n  - alert: TargetDown\n    expr: up{{job=\"{service}\"}} == 0\n    \
             labels: {{ severity: error, event_type: service_down, service: \"{{{{ $labels.job }}}}\" }}\n"
        )
    };
    let groups: String = (0..SERVICES).map(group).collect();
    let (_, correlations) = support::TARGETS.split_once("correlations:").unwrap();
    format!("groups:\n{groups}correlations:{correlations}")
}

/// When a service goes down, and when it comes back. The last time it stays down.
struct Story(Vec<Vec<(i64, Option<i64>)>>);

impl Story {
    fn beginning_at(begin: i64) -> Self {
        let outages = |number: usize| {
            let number = i64::try_from(number).unwrap();
            let (first, pace, lasts) = (begin + number * 700, 5_000 + number * 400, 2_300 + number * 100);
            let mut outages = Vec::new();
            for down in (first..begin + STORY_MILLIS).step_by(usize::try_from(pace).unwrap()) {
                outages.push((down, Some(down + lasts)));
            }
            outages.push((begin + STORY_MILLIS + pace, None));
            outages
        };
        Self((0..SERVICES).map(outages).collect())
    }

    fn series(&self) -> Vec<WrittenSeries> {
        let of = |(number, outages): (usize, &Vec<(i64, Option<i64>)>)| {
            let changes = outages.iter().flat_map(|(down, up)| [(Some(*down), 0.0), (*up, 1.0)]);
            let samples = changes.filter_map(|(at, value)| Some((at?, Written::Value(value)))).collect();
            WrittenSeries { labels: labels(number), samples }
        };
        self.0.iter().enumerate().map(of).collect()
    }

    fn outages(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

fn labels(number: usize) -> Vec<(String, String)> {
    vec![("__name__".to_owned(), "up".to_owned()), ("job".to_owned(), service(number))]
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Two hosts of one deployment, and what they are to see.
struct Scene {
    prometheus: Prometheus,
    hosts: [Deployment; 2],
    urls: [String; 2],
    story: Story,
}

/// Decisions about outages; a Redis that was away for long is an incident of its own.
fn decided(host: &Deployment) -> usize {
    let opened = host.incidents_of("service_outage", "opened");
    let is_about = |decision: &Value| opened.iter().any(|incident| incident["incident_id"] == decision["incident_id"]);
    host.decisions().iter().filter(|decision| is_about(decision)).count()
}

impl Scene {
    fn new(urls: [String; 2]) -> Self {
        let prometheus = Prometheus::start(&ScrapeConfig::written(Duration::from_secs(1))).unwrap();
        let hosts = [(); 2].map(|()| Deployment::new(&prometheus.url()));
        hosts.iter().for_each(|host| host.rule("targets.yaml", &rules()));
        Self { prometheus, hosts, urls, story: Story(Vec::new()) }
    }

    fn start(&self, at: usize) -> Running {
        let name = ["one", "two"][at];
        self.hosts[at].start_with(&[("REDIS_URL", &self.urls[at]), ("ORION_NODE_NAME", name), ("ORION_LEASE", LEASE)])
    }

    /// Both hosts, sharing evenly, when the story begins.
    fn begin(&mut self, redis: &RedisServer) -> [Running; 2] {
        let up = |number| WrittenSeries { labels: labels(number), samples: vec![(now(), Written::Value(1.0))] };
        self.prometheus.write(&(0..SERVICES).map(up).collect::<Vec<_>>()).unwrap();
        let hosts = [self.start(0), self.start(1)];
        wait_for_even_shares(redis);
        // A group's observation begins with the first instant that is kept.
        let begun = || redis.command(&["HKEYS", "{orion}:owners"]).unwrap().matches("group/").count();
        support::wait_until("all groups", || begun() == SERVICES, || format!("{} groups", begun()));
        self.story = Story::beginning_at(now() + INTERVAL_MILLIS);
        self.prometheus.write(&self.story.series()).unwrap();
        hosts
    }

    /// When all has been recorded everywhere, it is what happened.
    fn check(&self, hosts: [Running; 2]) {
        let outages = self.story.outages();
        for host in &self.hosts {
            support::wait_until("all decisions", || decided(host) >= outages, || self.so_far());
        }
        for host in hosts {
            assert!(host.terminate().success());
        }
        for host in &self.hosts {
            host.check_promises();
            self.check_events(host);
            assert_eq!(host.incidents_of("service_outage", "opened").len(), outages);
            assert_eq!(host.incidents_of("service_outage", "resolved").len(), outages - SERVICES);
            assert_eq!(decided(host), outages);
        }
        let [one, two] = [&self.hosts[0], &self.hosts[1]].map(told);
        let only = |of: &[String], other: &[String]| -> Vec<String> {
            of.iter().filter(|line| !other.contains(line)).cloned().collect()
        };
        assert_eq!(only(&one, &two), only(&two, &one), "both hosts tell the same");
    }

    /// What each host has recorded, for who has to find out what is missing.
    fn so_far(&self) -> String {
        let line = |host: &Deployment| {
            let (events, incidents) = (host.events(), host.incidents());
            let of = |number: usize| {
                let service = service(number);
                let events = events.iter().filter(|event| event["labels"]["service"] == *service).count();
                let revisions = incidents.iter().filter(|incident| incident["key"]["service"] == *service).count();
                format!("{service} {events} events {revisions} revisions, ")
            };
            let services: String = (0..SERVICES).map(of).collect();
            let log = host.log();
            format!("{services}{} decisions; its log:\n{log}", decided(host))
        };
        self.hosts.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn check_events(&self, host: &Deployment) {
        let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for event in host.events().into_iter().filter(|event| event["event_type"] == "service_down") {
            events.entry(event["labels"]["service"].as_str().unwrap().to_owned()).or_default().push(event);
        }
        for (number, outages) in self.story.0.iter().enumerate() {
            let ends = outages.iter().flat_map(|(down, up)| [("firing", Some(*down)), ("resolved", *up)]);
            let expected: Vec<_> = ends.filter_map(|(status, at)| Some((status, at?))).collect();
            let found = &events[&service(number)];
            let shown =
                || found.iter().map(|event| format!("{} {}\n", event["status"], event["ts"])).collect::<String>();
            assert_eq!(found.len(), expected.len(), "{} of {expected:?}:\n{}", service(number), shown());
            for (event, (status, at)) in found.iter().zip(&expected) {
                let seen: Timestamp = event["evidence"]["instant"].as_str().unwrap().parse().unwrap();
                let late = seen.as_millis() - at;
                let is_it = event["status"] == *status && (0..INTERVAL_MILLIS).contains(&late);
                assert!(is_it, "{} is {status} at {at} and not {late} ms later:\n{}", service(number), shown());
            }
        }
    }
}

/// What was observed and made of it, without its place in a file.
fn told(host: &Deployment) -> Vec<String> {
    let outages = host.events().into_iter().filter(|event| event["event_type"] == "service_down");
    let mut lines: Vec<String> = outages
        .chain(host.incidents())
        .chain(host.decisions())
        .map(|line| support::without_place(line).to_string())
        .collect();
    lines.sort_unstable();
    lines
}

fn wait_for_even_shares(redis: &RedisServer) {
    let shares = || {
        // A server that stands still has nothing to say.
        let leases = redis.command(&["HVALS", "{orion}:leases"]).unwrap_or_default();
        let of = |node: &str| leases.lines().filter(|token| token.starts_with(node)).count();
        [of("one/"), of("two/")]
    };
    // 64 of the Watcher, 64 of the Guardian, one of the Brain.
    support::wait_until("even shares", || matches!(shares(), [64, 65] | [65, 64]), || format!("{:?}", shares()));
}

fn stand_still_die_and_be_full(redis: &mut RedisServer) {
    redis.pause().unwrap();
    std::thread::sleep(LONG);
    redis.resume().unwrap();
    std::thread::sleep(SHORT);
    redis.kill();
    std::thread::sleep(SHORT);
    redis.restart().unwrap();
    wait_for_even_shares(redis);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    std::thread::sleep(LONG);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
}

#[test]
fn hosts_may_die_stand_still_and_be_cut_off() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let proxy = TcpProxy::start(redis.address()).unwrap();
    let mut scene = Scene::new([redis.url(), format!("redis://{}", proxy.address())]);
    let [one, two] = scene.begin(&redis);

    // Each time its work is taken over, and what it still believes to hold is refused.
    two.pause();
    std::thread::sleep(LONG);
    two.resume();
    wait_for_even_shares(&redis);
    one.kill();
    std::thread::sleep(SHORT);
    let one = scene.start(0);
    wait_for_even_shares(&redis);
    proxy.set(Link { is_silent: true, ..Link::default() });
    std::thread::sleep(LONG);
    proxy.set(Link::default());
    wait_for_even_shares(&redis);

    // Too short for that, and bad enough.
    for _ in 0..20 {
        proxy.cut();
        std::thread::sleep(Duration::from_millis(100));
    }
    proxy.set(Link { loses_answers: true, ..Link::default() });
    std::thread::sleep(SHORT);
    proxy.set(Link { delay: Duration::from_millis(20), bytes_per_second: Some(500_000), ..Link::default() });
    std::thread::sleep(LONG);
    proxy.set(Link::default());
    scene.check([one, two]);
}

#[test]
fn redis_may_stand_still_die_and_be_full() {
    let mut redis = RedisServer::start(&RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let mut scene = Scene::new([redis.url(), redis.url()]);
    let hosts = scene.begin(&redis);
    stand_still_die_and_be_full(&mut redis);
    scene.check(hosts);
}

#[test]
fn redis_may_forget_everything_again_and_again() {
    let mut redis = RedisServer::start(&RedisOptions::default().append_only(Fsync::Always)).unwrap();
    let mut scene = Scene::new([redis.url(), redis.url()]);
    let hosts = scene.begin(&redis);
    stand_still_die_and_be_full(&mut redis);
    std::thread::sleep(SHORT);
    redis.command(&["FLUSHALL"]).unwrap();
    wait_for_even_shares(&redis);
    std::thread::sleep(SHORT);
    redis.kill();
    std::fs::remove_dir_all(redis.folder().join("appendonlydir")).unwrap();
    std::thread::sleep(SHORT);
    redis.restart().unwrap();
    wait_for_even_shares(&redis);
    scene.check(hosts);
}

#[test]
fn a_promoted_replica_may_have_missed_the_last_writes() {
    let mut primary = RedisServer::start(&RedisOptions::default()).unwrap();
    let proxy = TcpProxy::start(primary.address()).unwrap();
    let replica = RedisServer::start(&RedisOptions::default().replica_of(proxy.address())).unwrap();
    let both = format!("redis://{},{}", primary.address(), replica.address());
    let mut scene = Scene::new([both.clone(), both]);
    let hosts = scene.begin(&primary);
    let link = || replica.info("master_link_status").unwrap();
    support::wait_until("the replica", || link().as_deref() == Some("up"), || format!("{:?}", link()));

    std::thread::sleep(SHORT);
    // What is acknowledged from here on never gets there.
    proxy.set(Link { is_silent: true, ..Link::default() });
    std::thread::sleep(LONG);
    primary.kill();
    proxy.cut();
    std::thread::sleep(SHORT);
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    wait_for_even_shares(&replica);
    scene.check(hosts);
}
