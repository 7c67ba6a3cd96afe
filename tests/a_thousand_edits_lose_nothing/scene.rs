//! Two deployments that watch the same: one is edited, the other is left alone and tells what should have been found.
//!
//! What they watch is written into Prometheus minutes ahead, so that both get the same answers about every instant, however
//! late they ask.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orion_bus::SqliteBus;
use orion_lab::{Prometheus, ScrapeConfig};
use orion_model::{Timestamp, Written, WrittenSeries};
use orion_pipeline::library::GenerationRecord;
use serde_json::Value;

use super::tail::Tail;
use crate::support::builds::build;
use crate::support::{Deployment, Running};

/// No edit touches these. None but the first has an alert before there is traffic: when it became active would depend on when
/// Orion was started.
const STEADY: &str = r#"
groups:
  - name: steady
    interval: 1s
    rules:
      - { alert: Started, expr: vector(1) }
      - { alert: Plain, expr: load > 0 }
      - { alert: Held, expr: load > 0, for: 2s, keep_firing_for: 2s }
      - { alert: Bound, expr: load, plugin: threshold, with: { above: 0 } }
      - { alert: Gone, expr: load > 0, plugin: absence, with: { empty: false } }
correlations:
  - name: overload
    match: { event_type: plain }
    group_by: [worker]
    incident: { type: overload, severity: warning, summary: "{{ $labels.worker }} has much to do" }
"#;

/// Ids of the rules that no edit touches begin like this; the last is in the file that edits are made to.
const UNTOUCHED: [&str; 2] = ["steady.yaml/", NEIGHBOUR];
const NEIGHBOUR: &str = "edited.yaml/edited/Neighbour";
const STEADY_PLAIN: &str = "steady.yaml/steady/Plain";

/// Seconds for which each worker has nothing to do, and then much, and so on. The shortest shows that time has passed.
const PERIODS: [i64; 6] = [1, 3, 4, 7, 11, 13];

/// How far ahead traffic is written at a time, and how little of it may be left: a wait that ends in vain is shorter.
const AHEAD_SECONDS: i64 = 300;
const LEAST_AHEAD_SECONDS: i64 = 120;

/// From the start of both to the first traffic: what they are asked about must have been written by then.
const QUIET_SECONDS: i64 = 5;

/// Rules that are edited: the label `edit` says by which edit, `seen` what the plugin told.
pub fn edited(edit: u32) -> String {
    format!(
        "groups:\n  - name: edited\n    interval: 1s\n    rules:\n      - {{ alert: Neighbour, expr: load > 0 }}\n      \
         - alert: Subject\n        expr: subject\n        plugin: drilled.wasm\n        \
         labels: {{ edit: \"{edit}\", seen: \"{{{{ $value }}}}\" }}\n"
    )
}

/// A file with one rule, of this name, that says by which edit it came.
pub fn single(name: &str, edit: u32) -> String {
    format!(
        "groups:\n  - name: {name}\n    interval: 1s\n    rules:\n      \
         - {{ alert: {name}, expr: vector(1), labels: {{ edit: \"{edit}\" }} }}\n"
    )
}

/// The two deployments and what they watch.
pub struct Scene {
    prometheus: Prometheus,
    /// The one that is edited.
    pub drilled: Deployment,
    /// Its events.
    pub tail: Tail,
    reference: Deployment,
    reference_tail: Tail,
    running: [Running; 2],
    traffic_from: i64,
    written_to: i64,
}

impl Scene {
    /// Starts both, and then the traffic.
    pub fn begin() -> Self {
        let prometheus = Prometheus::start(&ScrapeConfig::written(Duration::from_secs(1))).unwrap();
        let started = now_seconds();
        prometheus.write(&series(started - 1..started, started)).unwrap();
        let (drilled, reference) = (Deployment::new(&prometheus.url()), Deployment::new(&prometheus.url()));
        for deployment in [&drilled, &reference] {
            std::fs::write(deployment.path("plugins/drilled.wasm"), build(0)).unwrap();
            deployment.rule("steady.yaml", STEADY);
            deployment.rule("edited.yaml", &edited(0));
            deployment.rule("guest.yaml", &single("guest", 0));
            mount(deployment, 0);
            std::os::unix::fs::symlink("..data/mounted.yaml", deployment.path("rules/mounted.yaml")).unwrap();
        }
        let running = [drilled.start(), reference.start()];
        let tail_of = |deployment: &Deployment| Tail::new(deployment.path("memory/events.jsonl"));
        let (mut tail, mut reference_tail) = (tail_of(&drilled), tail_of(&reference));
        for rule in ["Started", "Subject", "guest", "mounted"] {
            for tail in [&mut tail, &mut reference_tail] {
                tail.wait_for(rule, |event| event["labels"]["alertname"] == *rule);
            }
        }
        let traffic_from = now_seconds() + QUIET_SECONDS;
        let mut scene = Self {
            prometheus,
            drilled,
            tail,
            reference,
            reference_tail,
            running,
            traffic_from,
            written_to: traffic_from,
        };
        scene.keep_traffic_ahead();
        scene.tail.wait_for("the first traffic", |event| event["rule"] == NEIGHBOUR);
        scene
    }

    /// Writes what is to be watched in the next minutes.
    pub fn keep_traffic_ahead(&mut self) {
        if self.written_to - now_seconds() < LEAST_AHEAD_SECONDS {
            let to = self.written_to + AHEAD_SECONDS;
            self.prometheus.write(&series(self.written_to..to, self.traffic_from)).unwrap();
            self.written_to = to;
        }
    }

    /// The generation that runs in the deployment that is edited.
    pub fn generation(&self) -> GenerationRecord {
        let loaded = SqliteBus::open_read_only(&self.drilled.path("memory")).unwrap().load("library").unwrap();
        GenerationRecord::find(&loaded.state).unwrap()
    }

    /// Ends both. What the rules that no edit touched have found in the meantime must be the same in both, each thing as
    /// often; the events of the deployment that was edited, to look further.
    pub fn end(mut self) -> Vec<Value> {
        let to = Timestamp::from_millis(now_seconds() * 1_000).to_string();
        for tail in [&mut self.tail, &mut self.reference_tail] {
            for rule in [NEIGHBOUR, STEADY_PLAIN] {
                tail.wait_for("the same instants", |event| event["rule"] == rule && event["ts"].as_str() > Some(&*to));
            }
        }
        for running in self.running {
            assert!(running.terminate().success());
        }
        for deployment in [&self.drilled, &self.reference] {
            deployment.check_promises();
        }
        self.tail.read();
        self.reference_tail.read();
        let from = Timestamp::from_millis(self.traffic_from * 1_000).to_string();
        let found = untouched(&self.tail.events, &from, &to);
        let expected = untouched(&self.reference_tail.events, &from, &to);
        let compared: usize = expected.values().sum();
        let lost: Vec<_> = expected.iter().filter(|(event, times)| found.get(*event) < Some(*times)).collect();
        let added: Vec<_> = found.iter().filter(|(event, times)| expected.get(*event) < Some(*times)).collect();
        assert!(lost.is_empty() && added.is_empty(), "lost: {lost:#?}\nnot in the reference run: {added:#?}");
        assert!(compared > 0);
        println!("{compared} events of rules that no edit touched: 0 lost, 0 doubled, 0 others");
        self.tail.events
    }
}

/// Puts a file in place as Kubernetes does with a volume: into a new folder, to which a link is then moved.
pub fn mount(deployment: &Deployment, edit: u32) {
    let folder = format!("..{edit}");
    std::fs::create_dir(deployment.path("rules").join(&folder)).unwrap();
    std::fs::write(deployment.path("rules").join(&folder).join("mounted.yaml"), single("mounted", edit)).unwrap();
    let (link, moved) = (deployment.path("rules/..data"), deployment.path("rules/..data_tmp"));
    let before = std::fs::read_link(&link);
    std::os::unix::fs::symlink(&folder, &moved).unwrap();
    std::fs::rename(&moved, &link).unwrap();
    if let Ok(before) = before {
        std::fs::remove_dir_all(deployment.path("rules").join(before)).unwrap();
    }
}

/// How often each thing was found by rules that no edit touches, after `from` and up to `to`.
fn untouched(events: &[Value], from: &str, to: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let is_compared = |event: &&Value| {
        let (rule, ts) = (event["rule"].as_str().unwrap(), event["ts"].as_str().unwrap());
        UNTOUCHED.iter().any(|untouched| rule.starts_with(untouched)) && from < ts && ts <= to
    };
    for event in events.iter().filter(is_compared) {
        let mut event = event.clone();
        let members = event.as_object_mut().unwrap();
        // The generation, and what is computed from it or from the line's place, may differ; nothing else.
        members.retain(|name, _| !["seq", "event_id", "generation", "prev", "hash"].contains(&name.as_str()));
        // An instance that was just set up may need some more work.
        members["evidence"].as_object_mut().unwrap().remove("fuel");
        *found.entry(event.to_string()).or_default() += 1;
    }
    found
}

/// A sample each second: workers with much to do or nothing, from `traffic_from` on, and `subject`, which is always there.
fn series(seconds: std::ops::Range<i64>, traffic_from: i64) -> Vec<WrittenSeries> {
    let samples = |value: &dyn Fn(i64) -> i64| -> Vec<(i64, Written)> {
        seconds.clone().map(|second| (second * 1_000, Written::Value(value(second) as f64))).collect()
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = vec![WrittenSeries { labels: vec![label("__name__", "subject")], samples: samples(&|_| 1) }];
    all.extend(PERIODS.iter().map(|period| WrittenSeries {
        labels: vec![label("__name__", "load"), label("worker", &format!("w{period}"))],
        samples: samples(&|second| if second < traffic_from { 0 } else { second / period % 2 }),
    }));
    all
}

fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}
