//! A shop of our own making: a site that calls search and payment, search that calls an index, a client of search. The index breaks
//! for a quarter of an hour, and whoever calls it is slow.

use super::petshop::{Column, Table};
use super::play::Recorded;
use super::*;

const STEP: i64 = past::STEP_MILLIS;

/// Steps in two days.
const NORMAL: i64 = 576;

fn calls() -> Vec<(String, String)> {
    let calls = [("site", "search"), ("site", "payment"), ("client", "search"), ("search", "index")];
    calls.iter().map(|(caller, callee)| ((*caller).to_owned(), (*callee).to_owned())).collect()
}

/// Milliseconds that a service takes, with the repeatable unrest that all have.
fn usual(service: &str, step: i64) -> f64 {
    let (level, seed) = match service {
        "site" => (100.0, 3),
        "client" => (30.0, 5),
        "search" => (20.0, 7),
        "payment" => (40.0, 11),
        _ => (5.0, 13),
    };
    let unrest = (step * seed % 17) as f64 / 17.0;
    level * (1.0 + 0.1 * unrest)
}

fn table(steps: std::ops::Range<i64>, more: impl Fn(&str, i64) -> f64) -> Table {
    let column = |service: &str, statistic: &str, times: f64| Column {
        service: service.to_owned(),
        metric: "latency".to_owned(),
        statistic: statistic.to_owned(),
        values: steps.clone().map(|step| Some(times * (usual(service, step) + more(service, step)))).collect(),
    };
    let services = ["site", "client", "search", "payment", "index"];
    let columns = services.iter().flat_map(|service| [column(service, "Average", 1.0), column(service, "p99", 3.0)]);
    Table { columns: columns.collect(), instants: steps.clone().map(|step| step * STEP).collect() }
}

fn play(rules: &str, fault: impl Fn(&str, i64) -> f64) -> Recorded {
    let (normal, then) = (table(0..NORMAL, |_, _| 0.0), table(NORMAL..NORMAL + 12, fault));
    Player::new().unwrap().play(rules, Past::of(&[&normal, &then])).unwrap()
}

fn fact<'a>(recorded: &'a Recorded, field: &str) -> &'a str {
    recorded.incidents.last().unwrap().data[field].as_str().unwrap()
}

/// The index takes 30 ms more, which search waits for, and those that call search when they do.
fn broken_index(service: &str, step: i64) -> f64 {
    let waits = match service {
        "index" | "search" => 30.0,
        "client" => 15.0,
        "site" => 12.0,
        _ => 0.0,
    };
    if (NORMAL + 2..NORMAL + 5).contains(&step) { waits } else { 0.0 }
}

#[test]
fn a_fault_below_is_one_incident_with_the_component_that_has_it_as_the_first_suspect() {
    let recorded = play(&rules(RULES, &calls()), broken_index);
    assert_eq!(opened(&recorded.incidents), 1);
    assert!(fact(&recorded, "suspects").starts_with("index, search, "), "{}", fact(&recorded, "suspects"));
    let reasons = fact(&recorded, "reasons");
    assert!(reasons.starts_with("index: fails by ") && reasons.contains(", nothing it needs fails"), "{reasons}");
    // Nothing that happens by itself in normal operation, and the end is said.
    assert_eq!(recorded.incidents.last().unwrap().reason, "all resolved");
    assert_eq!(recorded.incidents.first().unwrap().opened_at.as_millis(), (NORMAL + 2) * STEP);
}

#[test]
fn without_a_graph_what_fails_worst_is_the_first_suspect() {
    let recorded = play(&rules(RULES, &[]), broken_index);
    assert_eq!((opened(&recorded.incidents), fact(&recorded, "root")), (1, "index"));
}

#[test]
fn one_service_alone_opens_nothing() {
    let payment = |service: &str, step: i64| if service == "payment" && step == NORMAL + 2 { 100.0 } else { 0.0 };
    let recorded = play(&rules(RULES, &calls()), payment);
    assert!(recorded.incidents.is_empty());
    assert!(recorded.bodies.iter().any(|body| body.contains("service_slow")), "it is told all the same");
}

#[test]
fn the_same_is_recorded_each_time() {
    let once = play(&rules(RULES, &calls()), broken_index);
    assert_eq!(once.bodies, play(&rules(RULES, &calls()), broken_index).bodies);
}
