//! A hundred rules that ask the same question at the same instants: it is asked once, decoded once, and looked at a hundred
//! times.

use std::fmt::Write as _;
use std::time::Duration;

use orion_lab::Exporter;

use super::Context;
use crate::deployment::{Deployment, PATIENCE, wait_until};
use crate::error::{BenchError, require};
use crate::prometheus::{Measured, Spent};
use crate::report::{Figure, Target};

const RULES: usize = 100;
const SERIES: usize = 1_000;
const WATCHED: Duration = Duration::from_secs(20);
const MOST_MILLIS: f64 = 25.0;

const TOO_MUCH: f64 = 1e9;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let exporter = Exporter::start("app")?;
    for series in 0..SERIES {
        exporter.set(&series_name(series), series as f64 * 0.125);
    }
    let prometheus = Measured::start(&exporter, "count(load)", &format!("\"{SERIES}\""))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.rule_file("hundred.yaml", &rules())?;
    let spent = deployment.explained(watch(&deployment, &prometheus, &exporter))?;
    let instants = spent.queries;
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0 / instants;
    Ok(vec![
        Figure::new(
            "an instant, orion and Prometheus",
            Target::AtMost(MOST_MILLIS),
            millis(spent.asking + spent.prometheus),
            "ms CPU",
        )
        .note(format!("{instants} instants; {}", prometheus.idle_note())),
        Figure::new("an instant, orion", Target::None, millis(spent.asking), "ms CPU"),
    ])
}

fn watch(deployment: &Deployment, prometheus: &Measured, exporter: &Exporter) -> Result<Spent, BenchError> {
    const WARM: f64 = 3.0;
    let asked_before = prometheus.queries()?;
    let orion = deployment.start()?;
    wait_until("the first instants", PATIENCE, Duration::from_millis(200), || {
        Ok(prometheus.queries()? >= asked_before + WARM)
    })?;
    let spent = prometheus.watch(orion.process(), WATCHED)?;
    // One query an instant, however many rules ask it.
    let expected = WATCHED.as_secs_f64();
    require((spent.queries / expected - 1.0).abs() < 0.1, || {
        format!("{} queries instead of {expected}", spent.queries)
    })?;
    require(deployment.event_count() == 0, || "normal operation made events".to_owned())?;
    exporter.set(&series_name(SERIES / 2), TOO_MUCH);
    wait_until("every rule fire", PATIENCE, Duration::from_millis(200), || Ok(deployment.event_count() >= RULES))?;
    orion.terminate()?;
    deployment.require_fired_once_each(RULES)?;
    Ok(spent)
}

fn series_name(series: usize) -> String {
    format!("load{{app=\"app-{series:04}\",namespace=\"media\",node=\"node-{}\"}}", series % 20)
}

fn rules() -> String {
    let mut text = String::from("groups:\n  - name: hundred\n    interval: 1s\n    rules:\n");
    for rule in 0..RULES {
        let bound = 1_000_000 + rule;
        let _ = write!(text, "      - alert: Above{bound}\n        expr: load\n        with: {{ above: {bound} }}\n");
    }
    text
}
