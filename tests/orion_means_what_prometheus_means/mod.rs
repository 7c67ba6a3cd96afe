//! A rule means here what it means in Prometheus: the same alerts, in the same states at the same instants, with the same
//! labels and annotations.
//!
//! Rules and series are generated. Orion computes all states at all instants, over a real Prometheus; its results are written
//! down as expectations, and promtool, which is Prometheus' own rule engine, has to confirm each of them. Where Orion differs
//! on purpose, a test of its own shows both sides.

mod generated;
mod live;
mod promtool;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orion_bus::NewRecord;
use orion_lab::{Prometheus, ScrapeConfig};
use orion_model::{Event, Timestamp, WrittenSeries};
use orion_pipeline::library::{Accepted, Defaults, Shelf, StandardPlugin, check};
use orion_pipeline::replay::{Observer, Pace, Replay, ReplaySettings};
use orion_pipeline::watcher::{ActiveAlert, Group};
use orion_sandbox::{Limits, Sandbox, Settings};
use orion_source::{Prometheus as Source, PrometheusSettings};

/// Between two evaluations, and between two samples.
const INTERVAL_MILLIS: i64 = 60_000;

/// What Orion makes of a rule file over series.
#[derive(Default)]
struct Seen {
    /// Pending and firing alerts after each evaluation.
    alerts: BTreeMap<Timestamp, Vec<ActiveAlert>>,
    events: Vec<Event>,
}

impl Observer for Seen {
    fn record(&mut self, record: &NewRecord) {
        self.events.extend(serde_json::from_str::<Event>(&record.body));
    }

    fn evaluated(&mut self, group: &Group, instant: Timestamp) {
        self.alerts.entry(instant).or_default().extend(group.alerts());
    }
}

/// Rules are judged by one sandbox, because compiling the plugins takes longer than all the rest.
struct Orion {
    shelf: Shelf,
    defaults: Defaults,
}

impl Orion {
    fn new() -> Self {
        let sandbox = Arc::new(Sandbox::new(Settings { cache_dir: None, limits: Limits::default() }).unwrap());
        let standard = orion_standard_plugins::STANDARD.iter();
        let standard: Vec<StandardPlugin> =
            standard.map(|plugin| StandardPlugin { name: plugin.name, component: plugin.component }).collect();
        let shelf = Shelf::of_standard(&sandbox, &standard).unwrap();
        let sources = BTreeSet::from(["prometheus".to_owned()]);
        Self { shelf, defaults: Defaults { interval_millis: INTERVAL_MILLIS, sources, log_dirs: None } }
    }

    /// Evaluates rules over series, from 1970 on.
    fn evaluate(&self, rules: &str, series: &[WrittenSeries], minutes: i64) -> Seen {
        let checked = check("rules.yml", rules, &self.shelf, &self.defaults);
        let accepted = checked.accepted.unwrap_or_else(|| panic!("{}\n{rules}", checked.report));
        let interval = std::time::Duration::from_millis(INTERVAL_MILLIS.unsigned_abs());
        let prometheus = Prometheus::start(&ScrapeConfig::written(interval)).unwrap();
        prometheus.write(series).unwrap();
        let source = Source::new("prometheus", &prometheus.url(), PrometheusSettings::default()).unwrap();
        let sources = BTreeMap::from([("prometheus".to_owned(), Arc::new(source) as Arc<dyn orion_source::Source>)]);
        let settings = ReplaySettings {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(minutes * INTERVAL_MILLIS),
            pace: Pace::Aligned(INTERVAL_MILLIS),
        };
        let replay = Replay::new(&Accepted::generation([&accepted]), &sources, settings).unwrap();
        let mut seen = Seen::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(replay.run(&mut seen)).unwrap();
        seen
    }
}

/// Sets of rules and series that are compared. A set takes a quarter of a second.
const SETS: u64 = 60;

#[test]
fn promtool_confirms_every_state_at_every_instant() {
    let orion = Orion::new();
    let (mut firing, mut pending, mut ended) = (0, 0, 0);
    for seed in 0..SETS {
        let set = generated::set(seed);
        let seen = orion.evaluate(&set.rules, &promtool::written(&set.series), set.minutes);
        let faults: Vec<&Event> = seen.events.iter().filter(|event| event.event_type.ends_with("_fault")).collect();
        assert!(faults.is_empty(), "seed {seed}: {faults:?}\n{}", set.rules);
        for alerts in seen.alerts.values() {
            firing += alerts.iter().filter(|alert| alert.fired_at.is_some()).count();
            pending += alerts.iter().filter(|alert| alert.fired_at.is_none()).count();
        }
        ended += seen.events.iter().filter(|event| event.status == orion_model::Status::Resolved).count();
        if let Err(said) = promtool::confirm(&set, &seen.alerts) {
            panic!("seed {seed}: Prometheus disagrees:\n{said}\n{}", set.rules);
        }
    }
    // Sets in which nothing happens would be confirmed as well.
    assert!(firing > 5_000 && pending > 1_000 && ended > 500, "{firing} firing, {pending} pending, {ended} ended");
}

#[test]
fn a_disagreement_is_found() {
    let orion = Orion::new();
    let set = generated::set(0);
    let seen = orion.evaluate(&set.rules, &promtool::written(&set.series), set.minutes);
    let mut wrong = seen.alerts.clone();
    let alert = wrong.values_mut().flatten().find(|alert| alert.fired_at.is_some()).unwrap();
    alert.fired_at = None;
    assert!(promtool::confirm(&set, &wrong).is_err());
}

/// Three series, of which ever more are over the bound, in a group that allows two alerts.
const LIMITED: &str = "groups:\n- name: g\n  limit: 2\n  rules:\n  - alert: A\n    expr: m > 5\n";

fn over_the_limit() -> generated::Set {
    let series = ["9x6", "1x1 9x4", "1x3 9x2"].iter().zip(["a", "b", "c"]);
    generated::Set {
        rules: LIMITED.to_owned(),
        series: series.map(|(values, name)| (format!("m{{name=\"{name}\"}}"), (*values).to_owned())).collect(),
        minutes: 6,
        alerts: BTreeMap::from([("A".to_owned(), generated::Rule::default())]),
    }
}

/// Prometheus drops all alerts of the rule and calls it an error; here those that are active stay, and it is said once.
#[test]
fn over_the_limit_orion_differs_on_purpose_and_keeps_what_is_active() {
    let set = over_the_limit();
    let seen = Orion::new().evaluate(&set.rules, &promtool::written(&set.series), set.minutes);
    let active: Vec<usize> = seen.alerts.values().map(Vec::len).collect();
    assert_eq!(active, [1, 1, 2, 2, 2, 2, 2]);
    let limited: Vec<&Event> = seen.events.iter().filter(|event| event.event_type == "alerts_limited").collect();
    assert_eq!(limited.len(), 1);
    assert_eq!(limited[0].ts, Timestamp::from_millis(4 * INTERVAL_MILLIS));
    let said = promtool::confirm(&set, &seen.alerts).unwrap_err();
    assert!(said.contains("exceeded limit of 2 with 3 alerts"), "{said}");

    let within = generated::Set { minutes: 3, ..set };
    let seen = Orion::new().evaluate(&within.rules, &promtool::written(&within.series), within.minutes);
    promtool::confirm(&within, &seen.alerts).unwrap();
}

/// Prometheus evaluates the rule to an error and keeps its alerts; so does Orion.
#[test]
fn two_series_with_one_identity_are_an_error_on_both_sides() {
    let set = generated::Set {
        rules: "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: m > 5\n    labels: {name: same}\n".to_owned(),
        ..over_the_limit()
    };
    let seen = Orion::new().evaluate(&set.rules, &promtool::written(&set.series), set.minutes);
    let faults: Vec<&Event> = seen.events.iter().filter(|event| event.event_type == "rule_fault").collect();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].ts, Timestamp::from_millis(2 * INTERVAL_MILLIS));
    assert_eq!(seen.alerts.values().map(Vec::len).collect::<Vec<_>>(), [1; 7]);
    let said = promtool::confirm(&set, &seen.alerts).unwrap_err();
    assert!(said.contains("same labelset"), "{said}");
}
