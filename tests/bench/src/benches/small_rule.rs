//! Rules whose answers are small, one to a group, each with its own question: what a rule costs at least.

use std::fmt::Write as _;
use std::time::Duration;

use orion_lab::Exporter;

use super::Context;
use crate::deployment::{Deployment, PATIENCE, wait_until};
use crate::error::{BenchError, require};
use crate::prometheus::{Measured, Spent};
use crate::report::{Figure, Target};

const GROUPS: usize = 50;
const WATCHED: Duration = Duration::from_secs(20);
const BARE_WATCHED: Duration = Duration::from_secs(10);
const MOST_ORION_MILLIS: f64 = 0.15;
const MOST_MILLIS: f64 = 0.35;

const NORMAL: f64 = 5.0;
const TOO_MUCH: f64 = 500.0;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let exporter = Exporter::start("app")?;
    set_all(&exporter, NORMAL);
    let prometheus = Measured::start(&exporter, "count(load)", &format!("\"{GROUPS}\""))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.rule_file("small.yaml", &rules())?;
    let exprs: Vec<String> = (0..GROUPS).map(expr).collect();
    let pace = Duration::from_secs(1).div_f64(GROUPS as f64);
    let bare = prometheus.bare(&exprs, pace, BARE_WATCHED)?;
    let spent = deployment.explained(watch(&deployment, &prometheus, &exporter))?;
    let evaluations = spent.queries;
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0 / evaluations;
    let bare_millis = |time: Duration| time.as_secs_f64() * 1_000.0 / bare.queries;
    Ok(vec![
        Figure::new("an evaluation, orion", Target::AtMost(MOST_ORION_MILLIS), millis(spent.asking), "ms CPU")
            .note(format!("{GROUPS} groups, {evaluations} evaluations in {} s", WATCHED.as_secs())),
        Figure::new(
            "an evaluation, orion and Prometheus",
            Target::AtMost(MOST_MILLIS),
            millis(spent.asking + spent.prometheus),
            "ms CPU",
        )
        .note(prometheus.idle_note()),
        Figure::new(
            "the same question over a bare socket, both",
            Target::None,
            bare_millis(bare.asking + bare.prometheus),
            "ms CPU",
        )
        .note(format!(
            "{:.3} ms to ask, {:.3} ms in Prometheus, at the same pace; for orion {:.3} ms in Prometheus",
            bare_millis(bare.asking),
            bare_millis(bare.prometheus),
            millis(spent.prometheus)
        )),
    ])
}

fn watch(deployment: &Deployment, prometheus: &Measured, exporter: &Exporter) -> Result<Spent, BenchError> {
    let asked_before = prometheus.queries()?;
    let orion = deployment.start()?;
    let warm = asked_before + (GROUPS * 3) as f64;
    wait_until("three rounds of evaluations", PATIENCE, Duration::from_millis(200), || {
        Ok(prometheus.queries()? >= warm)
    })?;
    let spent = prometheus.watch(orion.process(), WATCHED)?;
    let expected = GROUPS as f64 * WATCHED.as_secs_f64();
    require((spent.queries / expected - 1.0).abs() < 0.1, || {
        format!("{} queries instead of {expected}", spent.queries)
    })?;
    require(deployment.event_count() == 0, || "normal operation made events".to_owned())?;
    set_all(exporter, TOO_MUCH);
    wait_until("every rule fire", PATIENCE, Duration::from_millis(200), || Ok(deployment.event_count() >= GROUPS))?;
    orion.terminate()?;
    deployment.require_fired_once_each(GROUPS)?;
    Ok(spent)
}

fn set_all(exporter: &Exporter, value: f64) {
    for group in 0..GROUPS {
        exporter.set(&expr(group), value);
    }
}

fn expr(group: usize) -> String {
    format!("load{{app=\"{group}\"}}")
}

fn rules() -> String {
    let mut text = String::from("groups:\n");
    for group in 0..GROUPS {
        let _ = write!(
            text,
            "  - name: app-{group}\n    interval: 1s\n    rules:\n      - alert: TooMuch\n        expr: {}\n\
             \x20       with: {{ above: 100 }}\n",
            expr(group)
        );
    }
    text
}
