//! The anomaly detector over a thousand series at an interval of fifteen seconds, with a real Prometheus: what it costs to
//! know what is usual for each of them.
//!
//! Many groups ask the same, each at a slot of its own. So there are evaluations enough to be measured, and each group keeps
//! what its detector has learned as often as one that is alone: every thirty seconds.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use orion_lab::Exporter;

use super::Context;
use crate::deployment::{Deployment, PATIENCE, wait_until};
use crate::error::{BenchError, require};
use crate::events::mixed;
use crate::prometheus::{Measured, Spent};
use crate::report::{Figure, Target};

const SERIES: usize = 1_000;
const GROUPS: usize = 15;
const INTERVAL: &str = "15s";
const WATCHED: Duration = Duration::from_secs(60);
const SLOTS_WATCHED: usize = 4;
const MOST_MICROS: f64 = 10.0;

/// Until a series is judged and not only learned, seconds pass instead of minutes.
const WARMING_INTERVAL: &str = "1s";
const WARM_ROUNDS: usize = 12;

/// A change of the interval is live by then.
const EDIT_OVER: Duration = Duration::from_secs(5);

/// How many series become unusual in the end.
const UNUSUAL: usize = 10;

/// The application: a thousand series that move, and some that go astray when they are told to.
#[derive(Clone, Default)]
struct Application {
    scrapes: Arc<AtomicU64>,
    is_astray: Arc<AtomicBool>,
}

impl Application {
    fn metrics(&self) -> String {
        let scrape = self.scrapes.fetch_add(1, Ordering::Relaxed);
        let astray = if self.is_astray.load(Ordering::Relaxed) { UNUSUAL } else { 0 };
        let mut text = String::new();
        for series in 0..SERIES {
            let value = usual(series, scrape) * if series < astray { 100.0 } else { 1.0 };
            let _ = writeln!(text, "load{{app=\"app-{series:04}\",node=\"node-{}\"}} {value}", series % 20);
        }
        text
    }
}

/// Three percent about a level of the series' own.
fn usual(series: usize, scrape: u64) -> f64 {
    let noise = (mixed(scrape * SERIES as u64 + series as u64) % 1_000) as f64 / 1_000.0 - 0.5;
    (100 + series) as f64 * (1.0 + 0.06 * noise)
}

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let application = Application::default();
    let exporter = Exporter::start_with("app", {
        let application = application.clone();
        move || application.metrics()
    })?;
    let prometheus = Measured::start(&exporter, "count(load)", &format!("\"{SERIES}\""))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.rule_file("anomaly.yaml", &rules(WARMING_INTERVAL))?;
    let spent = deployment.explained(watch(&deployment, &prometheus, &application))?;
    let looks = spent.queries * SERIES as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / looks;
    Ok(vec![
        Figure::new(
            "a series an evaluation, orion and Prometheus",
            Target::AtMost(MOST_MICROS),
            micros(spent.asking + spent.prometheus),
            "µs CPU",
        )
        .note(format!("{} evaluations of {SERIES} series; {}", spent.queries, prometheus.idle_note())),
        Figure::new("a series an evaluation, orion", Target::None, micros(spent.asking), "µs CPU")
            .note("what was learned is kept after every second evaluation"),
    ])
}

fn watch(deployment: &Deployment, prometheus: &Measured, application: &Application) -> Result<Spent, BenchError> {
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let asked_before = prometheus.queries()?;
    let orion = deployment.start()?;
    let warm = asked_before + (GROUPS * WARM_ROUNDS) as f64;
    wait_until("what is usual being known", PATIENCE, LOOK_EVERY, || Ok(prometheus.queries()? >= warm))?;
    deployment.rule_file("anomaly.yaml", &rules(INTERVAL))?;
    std::thread::sleep(EDIT_OVER);
    let spent = prometheus.watch(orion.process(), WATCHED)?;
    let expected = (GROUPS * SLOTS_WATCHED) as f64;
    require((spent.queries / expected - 1.0).abs() < 0.1, || {
        format!("{} queries instead of {expected}", spent.queries)
    })?;
    require(deployment.event_count() == 0, || "normal operation made events".to_owned())?;
    application.is_astray.store(true, Ordering::Relaxed);
    let anomalies = GROUPS * UNUSUAL;
    wait_until("every anomaly", PATIENCE, LOOK_EVERY, || Ok(deployment.event_count() >= anomalies))?;
    orion.terminate()?;
    deployment.require_fired_once_each(anomalies)?;
    Ok(spent)
}

fn rules(interval: &str) -> String {
    let mut text = String::from("groups:\n");
    for group in 0..GROUPS {
        let _ = write!(
            text,
            "  - name: group-{group}\n    interval: {interval}\n    rules:\n      - alert: Unusual{group}\n        expr: load\n\
             \x20       plugin: anomaly\n        with: {{ warm_up: 0s, warm_up_samples: 8, threshold: 3 }}\n"
        );
    }
    text
}
