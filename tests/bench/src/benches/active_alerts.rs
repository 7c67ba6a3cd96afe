//! Alerts that are active and stay so, from tick to tick, while their values move: what a large outage costs while it lasts.

use std::sync::Arc;
use std::time::Duration;

use super::Context;
use crate::answer::Answer;
use crate::cpu::Memory;
use crate::deployment::{Deployment, wait_until};
use crate::error::{BenchError, require};
use crate::report::{Figure, Target};
use crate::stand_in::{Question, StandIn};

const ALERTS: usize = 50_000;
const TICKS: usize = 8;
const MOST_MICROS: f64 = 2.0;
const MOST_MIB: f64 = 200.0;

/// Writing down fifty thousand events takes seconds on a machine with other things to do.
const FIRST_TICK_WITHIN: Duration = Duration::from_secs(180);

/// How long a tick may take to be over: half the interval, then comes the other half until the next.
const TICK_OVER: Duration = Duration::from_millis(2_500);

const RULES: &str = r#"
groups:
  - name: outage
    interval: 5s
    rules:
      - alert: Slow
        expr: http_request_duration_seconds > 1
        labels: { severity: error, service: "{{ $labels.pod }}" }
        annotations: { summary: "{{ $labels.pod }} answers in {{ $value | humanizeDuration }}" }
"#;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let answer = Answer::of(ALERTS);
    let answering = move |question: &Question| {
        let seconds = question.time.parse::<f64>().unwrap_or(0.0) as usize;
        answer.body(&question.time, |index| 2.0 + ((index + seconds) % 1_000) as f64 / 8.0)
    };
    let stand_in = StandIn::start(Arc::new(answering))?;
    let deployment = Deployment::new(context.orion()?, &stand_in.url())?;
    deployment.rule_file("outage.yaml", RULES)?;
    let (cpu, memory) = deployment.explained(watch(&deployment, &stand_in))?;
    let micros = cpu.as_secs_f64() * 1e6 / (ALERTS * TICKS) as f64;
    Ok(vec![
        Figure::new("an alert a tick, orion", Target::AtMost(MOST_MICROS), micros, "µs CPU")
            .note(format!("{ALERTS} alerts, {TICKS} ticks of 5 s, each recorded exactly once")),
        Figure::new("memory, at most", Target::AtMost(MOST_MIB), memory.peak_mib, "MiB")
            .note(format!("{:.0} MiB at the end", memory.resident_mib)),
    ])
}

fn watch(deployment: &Deployment, stand_in: &StandIn) -> Result<(Duration, Memory), BenchError> {
    let orion = deployment.start()?;
    wait_until("fifty thousand events", FIRST_TICK_WITHIN, Duration::from_millis(500), || {
        Ok(deployment.event_count() >= ALERTS)
    })?;
    let first = after_tick(stand_in, stand_in.count() + 1)?;
    let before = orion.process().cpu()?;
    let last = after_tick(stand_in, first + TICKS)?;
    let cpu = orion.process().cpu()? - before;
    require(last == first + TICKS, || format!("{} ticks instead of {TICKS}", last - first))?;
    let memory = orion.process().memory()?;
    orion.terminate()?;
    deployment.require_fired_once_each(ALERTS)?;
    Ok((cpu, memory))
}

/// Waits for that tick, and until it is over. How many there were then.
fn after_tick(stand_in: &StandIn, tick: usize) -> Result<usize, BenchError> {
    const WITHIN: Duration = Duration::from_secs(120);
    wait_until("the next tick", WITHIN, Duration::from_millis(20), || Ok(stand_in.count() >= tick))?;
    std::thread::sleep(TICK_OVER);
    Ok(stand_in.count())
}
