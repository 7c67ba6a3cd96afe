//! What is watched: a function of the instant that is asked about, and the rules for it.

use std::sync::atomic::{AtomicI64, Ordering};

use orion_lab::{Answered, Question};

use crate::support::pace::Pace;

/// Plain alerts, alerts with a past, detectors that remember, and correlations that count, wait and end by time alone; and what
/// a plugin of the deployment finds, where there is one.
pub fn rules(pace: Pace, plugin: Option<&str>) -> String {
    let millis = |usual| format!("{}ms", pace.millis(usual));
    let (often, seldom, slow) = (millis(200), millis(300), millis(500));
    let (held, window, idle) = (millis(400), millis(2_000), millis(3_000));
    let own = plugin.map_or_else(String::new, |plugin| {
        format!("- name: own\n    interval: {often}\n    rules:\n      - {{ alert: Own, expr: own, plugin: {plugin} }}")
    });
    format!(
        r#"
groups:
  - name: plain
    interval: {often}
    rules:
      - {{ alert: Plain, expr: load > 0, labels: {{ severity: error }} }}
      - {{ alert: Held, expr: load > 0, for: {held}, keep_firing_for: {held} }}
  - name: detected
    interval: {seldom}
    rules:
      - {{ alert: Bound, expr: load, plugin: threshold, with: {{ above: 0 }} }}
      - {{ alert: Restarted, expr: uptime, plugin: counter-reset, with: {{ window: {window} }} }}
  - name: beat
    interval: {slow}
    rules:
      - {{ alert: Beat, expr: beat > 0 }}
  {own}
correlations:
  - name: overload
    match: {{ event_type: plain }}
    group_by: [worker]
    incident: {{ type: overload, severity: warning, summary: "{{{{ $labels.worker }}}} has much to do" }}
  - name: storm
    match: {{ event_type: held }}
    plugin: count
    with: {{ gte: 6, window: {window}, idle: {idle} }}
    incident: {{ type: storm, severity: error, summary: "much is held" }}
  - name: beats
    match: {{ event_type: beat }}
    incident: {{ type: beats, severity: info, summary: "time passes" }}
"#
    )
}

/// Milliseconds for which each worker has nothing to do, and then much, and so on.
const PERIODS: [i64; 12] = [700, 1_100, 1_300, 1_700, 1_900, 2_300, 2_900, 3_100, 3_700, 4_100, 4_300, 5_300];

/// What the plugin of a deployment looks at is there for so long, and then gone for so long, and so on.
const OWN_MILLIS: i64 = 1_300;

/// After so long a counter begins anew.
const LIFE_MILLIS: i64 = 4_700;

/// A beat, and as long a pause: by it is seen that time has passed, also when there is nothing else.
pub const BEAT_MILLIS: i64 = 1_000;

/// When there is traffic.
pub struct Traffic {
    pub pace: Pace,
    pub from: AtomicI64,
    pub to: AtomicI64,
}

impl Traffic {
    pub fn span(&self) -> std::ops::Range<i64> {
        self.from.load(Ordering::SeqCst)..self.to.load(Ordering::SeqCst)
    }
}

/// What the world answers.
pub fn answer(question: &Question, traffic: &Traffic) -> Vec<Answered> {
    let (pace, traffic) = (traffic.pace, traffic.span());
    // As if things were not stretched.
    let at = question.at_millis / pace.stretch;
    let traffic = traffic.start / pace.stretch..traffic.end / pace.stretch;
    let named = |name: &'static str, worker: String| vec![("__name__", name.to_owned()), ("worker", worker)];
    let load = |period: &i64| if traffic.contains(&at) { (at / period % 2) as f64 } else { 0.0 };
    let workers = PERIODS.iter().map(|period| (named("load", format!("w{period}")), load(period)));
    match question.expr.as_str() {
        "load" => workers.collect(),
        "load > 0" => workers.filter(|(_, load)| *load > 0.0).collect(),
        "uptime" => {
            let life = if traffic.contains(&at) { (at - traffic.start) % LIFE_MILLIS } else { 0 };
            vec![(named("uptime", "w0".to_owned()), life as f64)]
        }
        "own" if traffic.contains(&at) && (at - traffic.start) / OWN_MILLIS % 2 == 0 => {
            vec![(named("own", "w0".to_owned()), 1.0)]
        }
        "beat > 0" if at / BEAT_MILLIS % 2 == 1 => vec![(named("beat", "w0".to_owned()), 1.0)],
        _ => Vec::new(),
    }
}
