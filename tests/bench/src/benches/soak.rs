//! A day of a large deployment, as many evaluations as that has once a minute, in a few minutes: what it holds in memory, and whether
//! that grows.
//!
//! A thousand rules; ten thousand incidents that stay open; and alerts that come and go all the time, which is what a day is made of. The
//! interface serves, because it remembers incidents.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use crate::answer::Answer;
use crate::deployment::{Deployment, Running, wait_until};
use crate::error::{BenchError, require};
use crate::median::median;
use crate::report::{Figure, Target};
use crate::stand_in::{NOTHING, Question, StandIn};

/// 128 MB.
const MOST_MIB: f64 = 122.0;

/// What comes and goes with a sample: pages that the allocator has yet to give back.
const MOST_GROWTH_PERCENT: f64 = 3.0;

const OPEN: usize = 10_000;
const FLAPPING: usize = 300;

/// Of the flapping alerts one in so many is not there.
const AWAY: usize = 3;

const RULES: usize = 1_000;
const RULES_OF_A_GROUP: usize = 100;

/// Evaluations of a day, once a minute.
const EVALUATIONS: usize = 1_440;

const INTERVAL_MILLIS: u64 = 500;

/// Of the evaluations, the first part in which caches fill, and parts that are compared with each other: the one behind that, and the last.
const PARTS: usize = 8;

/// Writing down ten thousand incidents takes seconds on a machine with other things to do.
const OPEN_WITHIN: Duration = Duration::from_secs(120);

const CORRELATIONS: &str = r#"
correlations:
  - name: outages
    match: { event_type: slow }
    group_by: [pod]
    incident: { type: outage, severity: error, summary: "{{ $labels.pod }} is slow" }
  - name: unrest
    match: { event_type: flap }
    group_by: [zone]
    idle: 1h
    plugin: count
    with: { gte: 3, window: 1h }
    incident: { type: unrest, severity: warning, summary: "{{ $labels.zone }} comes and goes" }
"#;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let (open, flapping) = (Answer::of(OPEN), Answer::of(FLAPPING));
    let answering = move |question: &Question| match question.expr.as_str() {
        "slow" => open.body(&question.time, |_| 1.0),
        "flap > 0" => flapping.some(&question.time, |index| !(index + tick(&question.time)).is_multiple_of(AWAY)),
        _ => NOTHING.to_vec(),
    };
    let stand_in = StandIn::start(Arc::new(answering))?;
    let deployment = Deployment::new(context.orion()?, &stand_in.url())?;
    deployment.rule_file("day.yaml", &rules())?;
    let (early, late) = deployment.explained(live(&deployment, &stand_in))?;
    let growth = 100.0 * (late / early - 1.0);
    Ok(vec![
        Figure::new("memory", Target::AtMost(MOST_MIB), early.max(late), "MiB")
            .note(format!("{RULES} rules, {OPEN} open incidents, {FLAPPING} alerts that come and go")),
        Figure::new("growth over a day", Target::AtMost(MOST_GROWTH_PERCENT), growth, "%").note(format!(
            "{EVALUATIONS} evaluations of each rule; {early:.1} MiB in its second eighth, {late:.1} MiB in its last"
        )),
    ])
}

/// Which evaluation an instant is.
fn tick(seconds: &str) -> usize {
    (seconds.parse::<f64>().unwrap_or(0.0) * 1_000.0) as usize / INTERVAL_MILLIS as usize
}

fn rules() -> String {
    let quiet = |n: usize| format!("      - {{ alert: Quiet{n}, expr: quiet_{n} > 0 }}\n");
    let group =
        |n: usize, rules: String| format!("  - name: g{n}\n    interval: {INTERVAL_MILLIS}ms\n    rules:\n{rules}");
    let loud =
        "      - { alert: Slow, expr: slow, labels: { severity: error } }\n      - { alert: Flap, expr: flap > 0 }\n";
    let groups: String = (0..RULES / RULES_OF_A_GROUP)
        .map(|n| {
            let first = n * RULES_OF_A_GROUP + if n == 0 { 2 } else { 0 };
            let quiet: String = (first..(n + 1) * RULES_OF_A_GROUP).map(quiet).collect();
            group(n, if n == 0 { format!("{loud}{quiet}") } else { quiet })
        })
        .collect();
    format!("groups:\n{groups}{CORRELATIONS}")
}

/// A day; the memory in its second part and in its last.
fn live(deployment: &Deployment, stand_in: &StandIn) -> Result<(f64, f64), BenchError> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let listen = free.map_err(BenchError::failed("find a free port"))?.to_string();
    let orion = deployment.start_with(&[("ORION_API__LISTEN", listen.as_str())])?;
    let opened = || Ok(deployment.lines("incidents.jsonl", "\"status\":\"opened\"") >= OPEN);
    wait_until("ten thousand incidents", OPEN_WITHIN, Duration::from_secs(1), opened)?;
    // Looked at now: the file is closed and packed on the way.
    let slow = deployment.lines("events.jsonl", "\"event_type\":\"slow\"");
    require(slow == OPEN, || format!("{slow} events of {OPEN} alerts that stay"))?;
    let began = stand_in.count();
    let mut parts = Vec::with_capacity(PARTS);
    for _ in 0..PARTS {
        parts.push(memory_of_a_part(&orion)?);
    }
    let asked = stand_in.count() - began;
    orion.terminate()?;
    // Slots that were late are made up for; a machine that cannot keep up would have had a shorter day.
    require(asked >= EVALUATIONS * RULES * 9 / 10, || format!("only {asked} questions were asked"))?;
    match parts.as_slice() {
        [_, early, .., late] => Ok((*early, *late)),
        _ => Err(BenchError::Unequal("a day has too few parts".to_owned())),
    }
}

/// The median, of a sample a second.
fn memory_of_a_part(orion: &Running) -> Result<f64, BenchError> {
    let seconds = EVALUATIONS as u64 * INTERVAL_MILLIS / 1_000 / PARTS as u64;
    let mut samples = Vec::new();
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        samples.push(orion.process().memory()?.resident_mib);
    }
    Ok(median(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_rules_and_two_of_them_find_something() {
        let text = rules();
        assert_eq!(text.matches("alert:").count(), RULES);
        assert_eq!((text.matches("alert: Slow").count(), text.matches("alert: Flap").count()), (1, 1));
    }

    #[test]
    fn with_each_evaluation_others_are_away() {
        assert_eq!((tick("10.000"), tick("10.500"), tick("10.999")), (20, 21, 21));
    }
}
