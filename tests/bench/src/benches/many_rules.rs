//! Ten thousand rules in five hundred files: how long checking them takes, and how soon an edit of one file is live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orion_pipeline::library::SETTLE_MILLIS;

use super::Context;
use super::idle::generation;
use crate::deployment::{Deployment, PATIENCE, wait_until};
use crate::error::BenchError;
use crate::median::median;
use crate::report::{Figure, Target};
use crate::stand_in::{NOTHING, StandIn};

const FILES: usize = 500;
const GROUPS_PER_FILE: usize = 4;
const RULES_PER_GROUP: usize = 5;
const MOST_CHECK_SECONDS: f64 = 2.0;
const MOST_RELOAD_MILLIS: f64 = 150.0;

/// Checks and edits, each.
const RUNS: usize = 7;

const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let prometheus = StandIn::start(Arc::new(|_| NOTHING.to_vec()))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    for index in 0..FILES {
        deployment.rule_file(&name(index), &file(index, 0))?;
    }
    Ok(vec![check(&deployment)?, reload(&deployment, &prometheus)?])
}

fn check(deployment: &Deployment) -> Result<Figure, BenchError> {
    let seconds = (0..RUNS).map(|_| Ok(deployment.check()?.as_secs_f64())).collect::<Result<_, BenchError>>()?;
    Ok(Figure::new("orion check, 10 000 rules in 500 files", Target::AtMost(MOST_CHECK_SECONDS), median(seconds), "s")
        .note("the whole process, plugins compiled anew, time on the wall"))
}

fn reload(deployment: &Deployment, prometheus: &StandIn) -> Result<Figure, BenchError> {
    const RULES: usize = FILES * GROUPS_PER_FILE * RULES_PER_GROUP;
    let orion = deployment.start()?;
    // The first evaluation of all rules is over before anything is measured; the next one is an hour away.
    let asked =
        wait_until("the first evaluation", PATIENCE, Duration::from_millis(20), || Ok(prometheus.count() >= RULES));
    deployment.explained(asked)?;
    let mut millis = Vec::new();
    for edit in 1..=RUNS {
        let before = generation(deployment);
        let edited = deployment.rule_file(&name(0), &file(0, edit))?;
        let seen = wait_until("the edit", PATIENCE, LOOK_EVERY, || Ok(generation(deployment) > before));
        deployment.explained(seen)?;
        millis.push((Instant::now() - edited).as_secs_f64() * 1_000.0 - SETTLE_MILLIS as f64);
    }
    orion.terminate()?;
    let what = "one file of 500 edited and settled, until it is listed";
    Ok(Figure::new(what, Target::AtMost(MOST_RELOAD_MILLIS), median(millis), "ms"))
}

fn name(index: usize) -> String {
    format!("rules-{index:03}.yaml")
}

/// A file as services have it: ratios of rates, labels and texts with templates.
fn file(index: usize, edit: usize) -> String {
    let mut text = "groups:\n".to_owned();
    for group in 0..GROUPS_PER_FILE {
        text.push_str(&format!("  - name: group-{group}\n    interval: 1h\n    rules:\n"));
        (0..RULES_PER_GROUP).for_each(|rule| text.push_str(&rule_of(index, group, rule, edit)));
    }
    text
}

fn rule_of(index: usize, group: usize, rule: usize, edit: usize) -> String {
    let metric = format!("requests_{index}_{group}_{rule}_total");
    format!(
        r#"      - alert: Service{index}Failing{group}x{rule}
        expr: |
          sum by (job, instance) (rate({metric}{{code=~"5..", service="s{index}"}}[5m]))
            / sum by (job, instance) (rate({metric}{{service="s{index}"}}[5m]))
            > 0.{edit:02}{rule}
        for: 5m
        labels:
          severity: warning
          event_type: service_failing
          service: "{{{{ $labels.job }}}}"
        annotations:
          summary: "{{{{ $labels.instance }}}} of {{{{ $labels.job }}}} fails {{{{ $value | humanizePercentage }}}} of its requests"
          description: "The requests to service {index} have failed for five minutes."
"#
    )
}
