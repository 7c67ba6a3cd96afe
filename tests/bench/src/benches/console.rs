//! The console with ten thousand incidents, in the Chromium that the tests use.
//!
//! Time on the wall, by the clock of the page, because it is people who wait: from what they do until the frame in which it shows. Chromium,
//! Orion and the script share the machine.
#![expect(clippy::disallowed_types, reason = "the bench starts a browser; none of this is deployed")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use orion_model::Timestamp;
use serde_json::{Value, json};

use super::Context;
use super::interface::{self, Client};
use crate::deployment::{Deployment, PATIENCE, wait_until};
use crate::error::{BenchError, require};
use crate::median::median;
use crate::report::{Figure, Target};
use crate::stand_in::{NOTHING, StandIn};

const MOST_PAINT_MILLIS: f64 = 1_000.0;

/// Incidents, and how many of them are open.
const INCIDENTS: usize = 10_000;
const OPEN: usize = 100;

/// Alerts of a delivery.
const ALERTS: usize = 1_000;

/// What is searched for, each time another.
const SEARCHES: usize = 9;

const RULES: &str = r#"
correlations:
  - name: outage
    match: { event_type: service_down }
    group_by: [service]
    incident: { type: service_outage, severity: error, summary: "{{ $labels.service }} is out" }
"#;

/// What came of it, in milliseconds, each time it was done.
struct Measured(Value);

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let prometheus = StandIn::start(Arc::new(|_| NOTHING.to_vec()))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.file("hooks.yaml", interface::HOOKS)?;
    deployment.rule_file("outage.yaml", RULES)?;
    let (orion, address) = interface::start(&deployment)?;
    deployment.explained(fill(&deployment, address))?;
    let measured = deployment.explained(measured(address))?;
    deployment.explained(orion.terminate())?;
    measured.figures()
}

/// As Alertmanager tells them, so that Orion makes all of it itself.
fn fill(deployment: &Deployment, address: SocketAddr) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start threads"))?;
    let began = now();
    let deliver = |status: &'static str, from: usize| async move {
        let mut client = Client::connect(address, 0).await?;
        let mut at = from;
        while at < INCIDENTS {
            let until = (at + ALERTS).min(INCIDENTS);
            client.post("/hooks/bench", &notification(status, began, at..until)).await?;
            at = until;
        }
        Ok::<_, BenchError>(())
    };
    for (status, word, from) in [("firing", "opened", 0), ("resolved", "resolved", OPEN)] {
        runtime.block_on(deliver(status, from))?;
        let wanted = format!("\"status\":\"{word}\"");
        let is_there = || Ok(deployment.lines("incidents.jsonl", &wanted) >= INCIDENTS - from);
        wait_until("all incidents", PATIENCE, Duration::from_millis(200), is_there)?;
    }
    Ok(())
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or_default())
}

fn notification(status: &str, began: Timestamp, services: std::ops::Range<usize>) -> String {
    let ended = now();
    let alert = |service: usize| {
        json!({
            "status": status, "startsAt": began, "endsAt": ended, "generatorURL": "", "fingerprint": name(service), "annotations": {},
            "labels": { "alertname": "ServiceDown", "severity": "error", "service": name(service) },
        })
    };
    let alerts: Vec<Value> = services.map(alert).collect();
    json!({ "version": "4", "receiver": "orion", "status": status, "groupKey": "{}", "externalURL": "", "alerts": alerts }).to_string()
}

/// No name is part of another.
fn name(service: usize) -> String {
    format!("service-{service:05}")
}

fn measured(address: SocketAddr) -> Result<Measured, BenchError> {
    const WHAT: &str = "have a browser read the console";
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let searches = (1..=SEARCHES).map(|at| name(at * INCIDENTS / (SEARCHES + 1)));
    let output = Command::new("node")
        .arg(tests.join("browser/measured.mjs"))
        .args([format!("http://{address}"), INCIDENTS.to_string(), OPEN.to_string()])
        .args(searches)
        .env("NODE_PATH", node_modules())
        .output()
        .map_err(BenchError::failed(WHAT))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BenchError::Failed { what: WHAT.to_owned(), why });
    }
    serde_json::from_slice(&output.stdout).map(Measured).map_err(BenchError::failed(WHAT))
}

/// Where `cargo xtask setup` puts what drives the browser.
fn node_modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/toolchains/node/node_modules")
}

impl Measured {
    fn figures(&self) -> Result<Vec<Figure>, BenchError> {
        let opened = format!("{INCIDENTS} incidents, {OPEN} of them open; a browser that has nothing of it yet");
        let paint = Target::AtMost(MOST_PAINT_MILLIS);
        let half = |what, name, target| Ok::<_, BenchError>(Figure::new(what, target, median(self.of(name)?), "ms"));
        let most = |what, name| Ok::<_, BenchError>(Figure::new(what, Target::None, most(self.of(name)?), "ms"));
        Ok(vec![
            half("the first paint, median", "painted", paint)?.note(&opened),
            half("the first rows of the feed, median", "rows", Target::None)?.note(opened),
            half("a search until its row shows, median", "searched", Target::None)?
                .note("from the last letter; 120 ms of it is what is waited for another letter"),
            most("the same, p95", "searched")?,
            half("from the search back to the feed, median", "cleared", Target::None)?,
            half("scrolled until all incidents are there", "whole", Target::None)?
                .note("as fast as they can be read, page by page"),
            half("thrown anywhere until a row shows, median", "thrown", Target::None)?,
            most("the same, p95", "thrown")?,
            half("a frame while it is scrolled, median", "frames", Target::None)?
                .note("by most of what is seen in each frame"),
            most("the same, p95", "frames")?,
        ])
    }

    fn of(&self, name: &str) -> Result<Vec<f64>, BenchError> {
        let took = self.0.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let took: Vec<f64> = took.iter().filter_map(Value::as_f64).collect();
        require(!took.is_empty(), || format!("nothing was measured of `{name}`"))?;
        Ok(took)
    }
}

/// What 95 of a hundred did not exceed.
fn most(mut took: Vec<f64>) -> f64 {
    took.sort_by(f64::total_cmp);
    took.get(took.len() * 95 / 100).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_told_and_what_was_not_is_no_figure() {
        let names = ["painted", "rows", "searched", "cleared", "whole", "thrown", "frames"];
        let all: Value = names.iter().map(|name| ((*name).to_owned(), json!([3.0, 900.5, 4.0]))).collect();
        let figures = Measured(all).figures().unwrap();
        let told = |what: &str| figures.iter().find(|it| it.what.contains(what)).map(|it| it.measured);
        assert_eq!((told("first paint"), told("the same, p95")), (Some(4.0), Some(900.5)));
        assert!(Measured(json!({ "painted": [1.0] })).figures().unwrap_err().to_string().contains("`rows`"));
    }
}
