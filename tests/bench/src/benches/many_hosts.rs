//! How soon two hosts share their work, and how soon one has that of the other when it ends or dies, with the released binary on
//! a real Redis.
//!
//! Who holds what is read from Redis, as the hosts leave it there. Each instant of each group fires an alert that is named for it,
//! so the audit trail of the host that is left shows whether one was missed or evaluated twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_bus::{RecordKind, Role};
use orion_lab::{RedisOptions, RedisServer};
use orion_pipeline::memory;
use serde_json::Value;

use super::Context;
use crate::deployment::{Deployment, PATIENCE, Running, wait_until};
use crate::error::{BenchError, require};
use crate::report::{Figure, Target};
use crate::stand_in::{Question, StandIn};

/// What `--only` calls it.
pub const NAME: &str = "many_hosts";

const RUNS: usize = 3;
const MOST_SHARING_SECONDS: f64 = 3.0;
const MOST_HANDOVER_SECONDS: f64 = 0.5;
/// By the lease: the one that is set when nothing is said, and a short one.
const TAKEOVERS: [(&str, f64); 2] = [("10s", 15.0), ("4s", 6.0)];

/// Rule groups, so that each host has some.
const GROUPS: usize = 16;
const INTERVAL_SECONDS: i64 = 1;

/// How often is looked who holds what: what is measured comes out longer by half of it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long hosts just work before something happens to them, and afterwards.
const AT_WORK: Duration = Duration::from_secs(3);

/// How long each thing took, in seconds.
struct Run {
    sharing: f64,
    handover: f64,
    takeover: f64,
    instants: usize,
}

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    for (lease, most_takeover_seconds) in TAKEOVERS {
        let runs: Vec<Run> = (0..RUNS).map(|_| once(context, lease)).collect::<Result<_, _>>()?;
        let longest = |of: fn(&Run) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        let instants: usize = runs.iter().map(|run| run.instants).sum();
        let figure = |what: &str, most: f64, measured: f64| {
            Figure::new(format!("{what}, lease {lease}"), Target::AtMost(most), measured, "s")
                .note(format!("the longest of {RUNS}"))
        };
        figures.push(figure(
            "the second one's start until both have half",
            MOST_SHARING_SECONDS,
            longest(|run| run.sharing),
        ));
        figures.push(figure("SIGTERM until the other one has all", MOST_HANDOVER_SECONDS, longest(|run| run.handover)));
        figures.push(
            figure("kill -9 until the other one has all", most_takeover_seconds, longest(|run| run.takeover))
                .note(format!("the longest of {RUNS}; of {instants} instants none missed, none evaluated twice")),
        );
    }
    Ok(figures)
}

fn once(context: &Context, lease: &str) -> Result<Run, BenchError> {
    let redis = RedisServer::start(&RedisOptions::default()).map_err(BenchError::failed("start Redis"))?;
    let source = StandIn::start(Arc::new(one_series))?;
    let host = |name| Host::new(context, &source, &redis, name, lease);
    let (one, two) = (host("one")?, host("two")?);
    let first = one.start()?;
    one.wait_for(&["one"])?;
    let second = two.start()?;
    let started = second.started;
    let sharing = two.wait_for(&["one", "two"])? - started;
    std::thread::sleep(AT_WORK);

    let told = Instant::now();
    let ending = std::thread::spawn(move || first.terminate());
    let handover = two.wait_for(&["two"])? - told;
    ending.join().unwrap_or_else(|_| Err(BenchError::Unequal("the end of orion was not seen".to_owned())))?;
    std::thread::sleep(AT_WORK);

    let first = one.start()?;
    two.wait_for(&["one", "two"])?;
    std::thread::sleep(AT_WORK);
    let killed = Instant::now();
    drop(first);
    let takeover = two.wait_for(&["two"])? - killed;
    // What it did not evaluate meanwhile comes first.
    std::thread::sleep(AT_WORK);
    two.deployment.explained(second.terminate())?;
    let instants = two.require_every_instant_once()?;
    let [sharing, handover, takeover] = [sharing, handover, takeover].map(|took| took.as_secs_f64());
    Ok(Run { sharing, handover, takeover, instants })
}

/// The answer to any question: a series that is named for the instant.
fn one_series(question: &Question) -> Vec<u8> {
    let time = &question.time;
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"asked_at":"{time}"}},"value":[{time},"1"]}}]}}}}"#
    )
    .into_bytes()
}

fn rules() -> String {
    let group = |number| {
        format!(
            "  - name: group-{number}\n    interval: {INTERVAL_SECONDS}s\n    rules:\n      - alert: Asked\n        expr: asked_{number} > 0\n"
        )
    };
    format!("groups:\n{}", (0..GROUPS).map(group).collect::<String>())
}

struct Host<'a> {
    deployment: Deployment,
    redis: &'a RedisServer,
    name: &'static str,
    lease: &'a str,
}

impl<'a> Host<'a> {
    fn new(
        context: &Context,
        source: &StandIn,
        redis: &'a RedisServer,
        name: &'static str,
        lease: &'a str,
    ) -> Result<Self, BenchError> {
        let deployment = Deployment::new(context.orion()?, &source.url())?;
        deployment.rule_file("asking.yaml", &rules())?;
        Ok(Self { deployment, redis, name, lease })
    }

    fn start(&self) -> Result<Running, BenchError> {
        let url = self.redis.url();
        self.deployment.start_with(&[("REDIS_URL", &url), ("ORION_NODE_NAME", self.name), ("ORION_LEASE", self.lease)])
    }

    /// Waits until these hosts hold everything between them, each of every role as much as the other, but for one partition; when that was.
    fn wait_for(&self, hosts: &[&str]) -> Result<Instant, BenchError> {
        let what = format!("the work at {}", hosts.join(" and "));
        let shared = wait_until(&what, PATIENCE, LOOK_EVERY, || Ok(is_shared(&self.holders()?, hosts)));
        self.deployment.explained(shared)?;
        Ok(Instant::now())
    }

    /// Host and role of each partition that is held.
    fn holders(&self) -> Result<Vec<(String, String)>, BenchError> {
        let leases =
            self.redis.command(&["HGETALL", "{orion}:leases"]).map_err(BenchError::failed("read the leases"))?;
        let lines: Vec<&str> = leases.lines().collect();
        let (pairs, _) = lines.as_chunks::<2>();
        let holder = |[partition, token]: &[&str; 2]| {
            let (role, _) = partition.split_once(':')?;
            let (host, _) = token.rsplit_once('/')?;
            Some((host.to_owned(), role.to_owned()))
        };
        Ok(pairs.iter().filter_map(holder).collect())
    }

    /// Every instant of every group between its first and its last one is recorded, once; how many that are.
    fn require_every_instant_once(&self) -> Result<usize, BenchError> {
        const WHAT: &str = "read the audit trail";
        let path = self.deployment.memory_dir().join(memory::file_name(RecordKind::Event));
        memory::verify(&path).map_err(BenchError::failed("verify the audit trail"))?;
        let mut groups: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for line in BufReader::new(File::open(&path).map_err(BenchError::failed(WHAT))?).lines() {
            let event: Value =
                serde_json::from_str(&line.map_err(BenchError::failed(WHAT))?).map_err(BenchError::failed(WHAT))?;
            let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
            let (Some("firing"), Some(rule), Some(at)) = (text("/status"), text("/rule"), text("/labels/asked_at"))
            else {
                continue;
            };
            let seconds: f64 = at.parse().map_err(BenchError::failed(WHAT))?;
            let is_new = groups.entry(rule.to_owned()).or_default().insert((seconds * 1e3).round() as i64);
            require(is_new, || format!("{rule} was evaluated twice at {at}"))?;
        }
        require(groups.len() == GROUPS, || format!("{} groups of {GROUPS} are in the audit trail", groups.len()))?;
        for (rule, instants) in &groups {
            let missed = instants
                .iter()
                .zip(instants.iter().skip(1))
                .find(|(one, next)| *next - *one != INTERVAL_SECONDS * 1_000);
            require(missed.is_none(), || format!("{rule} was not evaluated between {missed:?}"))?;
        }
        Ok(groups.values().map(BTreeSet::len).sum())
    }
}

fn is_shared(holders: &[(String, String)], hosts: &[&str]) -> bool {
    Role::ALL.iter().all(|role| {
        let role_name = role.as_str();
        let held = |host: &&str| holders.iter().filter(|(by, of)| by == host && of == role_name).count();
        let counts: Vec<usize> = hosts.iter().map(held).collect();
        let (least, most) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
        counts.iter().sum::<usize>() == usize::from(role.partitions()) && most - least <= 1
    })
}
