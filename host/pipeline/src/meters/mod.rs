//! Numbers that the pipeline keeps of its work, for people and for programs that watch Orion. Nothing is decided by them and
//! nothing of them reaches a record.
//!
//! What is counted is bounded by what runs: a group that ends takes its numbers along, and so does a stage.

mod commit;
mod log;
mod reload;
mod stage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use orion_metrics::{Counter, FamilyType, Gauge, Histogram, Text};
use orion_model::Timestamp;

use self::commit::CommitMeter;
pub use self::log::LogMeter;
use self::reload::ReloadMeter;
pub use self::stage::{StageAt, StageMeter};
use crate::watcher::{Outcome, RuleHealth};

/// From an answer of the same machine to the longest that is waited for.
const QUERY_SECONDS: &[f64] = &[0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0];

/// From a group that asks nothing to one that waits for a slow source.
const EVALUATION_SECONDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0];

/// All numbers.
pub struct Meters {
    sources: BTreeMap<String, SourceMeter>,
    groups: Mutex<BTreeMap<String, GroupMeter>>,
    evaluations: Histogram,
    /// What the stages behind the bus store to.
    pub commits: CommitMeter,
    stages: Mutex<BTreeMap<(&'static str, String), Weak<StageMeter>>>,
    logs: Mutex<BTreeMap<String, Weak<LogMeter>>>,
    /// What became of edits.
    pub reloads: ReloadMeter,
}

impl Default for Meters {
    fn default() -> Self {
        Self::of(std::iter::empty())
    }
}

/// The numbers of a source.
struct SourceMeter {
    queries: Histogram,
    failures: Counter,
    last_success: Gauge,
}

/// The numbers of a rule group that runs.
#[derive(Default)]
struct GroupMeter {
    evaluations: u64,
    late: u64,
    last: Timestamp,
    took: Duration,
    rules: BTreeMap<String, RuleMeter>,
}

#[derive(Clone, Copy, Default)]
struct RuleMeter {
    evaluations: u64,
    failures: u64,
    is_well: bool,
}

/// One evaluation of a group.
pub(crate) struct Evaluation<'a> {
    pub(crate) group: &'a str,
    pub(crate) instant: Timestamp,
    pub(crate) late: bool,
    pub(crate) took: Duration,
}

/// What was evaluated last of a rule, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The instant of its group's last evaluation.
    pub last: Timestamp,
    /// How long that took, all of the group.
    pub took: Duration,
    /// How often the rule was evaluated since it runs here.
    pub evaluations: u64,
    /// How often that came to nothing.
    pub failures: u64,
}

impl Meters {
    /// With these sources.
    pub fn of<'a>(sources: impl Iterator<Item = &'a String>) -> Self {
        let source = || SourceMeter {
            queries: Histogram::new(QUERY_SECONDS),
            failures: Counter::default(),
            last_success: Gauge::default(),
        };
        Self {
            sources: sources.map(|name| (name.clone(), source())).collect(),
            groups: Mutex::default(),
            evaluations: Histogram::new(EVALUATION_SECONDS),
            commits: CommitMeter::default(),
            stages: Mutex::default(),
            logs: Mutex::default(),
            reloads: ReloadMeter::default(),
        }
    }

    /// A source was asked.
    pub(crate) fn asked(&self, source: &str, took: Duration, answered_at: Option<Timestamp>) {
        let Some(meter) = self.sources.get(source) else { return };
        meter.queries.observe(took);
        match answered_at {
            Some(at) => meter.last_success.set(seconds(at)),
            None => meter.failures.increase(),
        }
    }

    /// A group was evaluated: all of its rules, each with whether this was about it and how it is.
    pub(crate) fn evaluated<'a>(
        &self,
        evaluation: &Evaluation<'_>,
        rules: impl Iterator<Item = (&'a str, bool, Option<&'a RuleHealth>)>,
    ) {
        self.evaluations.observe(evaluation.took);
        let mut groups = self.groups();
        let group = match groups.get_mut(evaluation.group) {
            Some(group) => group,
            None => groups.entry(evaluation.group.to_owned()).or_default(),
        };
        group.evaluations += 1;
        group.late += u64::from(evaluation.late);
        group.last = evaluation.instant;
        group.took = evaluation.took;
        // A rule that the group has no more is left behind.
        let mut before = std::mem::take(&mut group.rules);
        for (id, was_evaluated, health) in rules {
            let (id, mut rule) = before.remove_entry(id).unwrap_or_else(|| (id.to_owned(), RuleMeter::default()));
            if was_evaluated {
                let outcome = health.map(|health| health.outcome);
                rule.evaluations += 1;
                rule.is_well = !matches!(outcome, None | Some(Outcome::Error | Outcome::Partial));
                rule.failures += u64::from(outcome == Some(Outcome::Error));
            }
            group.rules.insert(id, rule);
        }
    }

    /// A group does not run here any more.
    pub(crate) fn forget(&self, group: &str) {
        self.groups().remove(group);
    }

    /// What was evaluated last, by rule.
    pub fn rules(&self) -> BTreeMap<String, Evaluated> {
        let groups = self.groups();
        let of_group = |group: &GroupMeter| {
            let GroupMeter { last, took, .. } = *group;
            let rule = move |(id, rule): (&String, &RuleMeter)| {
                (id.clone(), Evaluated { last, took, evaluations: rule.evaluations, failures: rule.failures })
            };
            group.rules.iter().map(rule).collect::<Vec<_>>()
        };
        groups.values().flat_map(of_group).collect()
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, GroupMeter>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The meter of a stage, or of its part: it is there as long as somebody has it.
    pub(crate) fn stage(&self, name: &'static str, part: String) -> Arc<StageMeter> {
        let meter = Arc::new(StageMeter::default());
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.retain(|_, stage| stage.strong_count() > 0);
        stages.insert((name, part), Arc::downgrade(&meter));
        meter
    }

    /// Writes all of them down; `last_seq` is the last position of the log.
    pub fn write(&self, last_seq: u64, text: &mut Text) {
        self.reloads.write(text);
        self.write_sources(text);
        self.write_groups(text);
        self.write_rules(text);
        self.commits.write(text);
        self.write_stages(last_seq, text);
        self.write_logs(text);
    }

    fn write_sources(&self, text: &mut Text) {
        let mut family = text.family(
            "orion_source_query_duration_seconds",
            FamilyType::Histogram,
            "How long queries to a source took, whatever came of them.",
        );
        self.sources.iter().for_each(|(name, source)| family.histogram(&[("source", name)], &source.queries));
        let mut family = text.family(
            "orion_source_query_failures_total",
            FamilyType::Counter,
            "Queries to a source that brought no answer, or one that refuses the query.",
        );
        self.sources.iter().for_each(|(name, source)| family.count(&[("source", name)], source.failures.get()));
        let mut family = text.family(
            "orion_source_last_success_timestamp_seconds",
            FamilyType::Gauge,
            "When a source last answered a query; 0 before the first time.",
        );
        self.sources.iter().for_each(|(name, source)| family.sample(&[("source", name)], source.last_success.get()));
    }

    fn write_groups(&self, text: &mut Text) {
        const EVALUATIONS: &str = "orion_group_evaluations_total";
        const LATE: &str = "orion_group_late_evaluations_total";
        const LAST: &str = "orion_group_last_evaluation_timestamp_seconds";
        const TOOK: &str = "orion_group_last_duration_seconds";
        let groups = self.groups();
        text.family(
            "orion_evaluation_duration_seconds",
            FamilyType::Histogram,
            "How long evaluations of groups took, from the question to the commit.",
        )
        .histogram(&[], &self.evaluations);
        let mut family = text.family(EVALUATIONS, FamilyType::Counter, "Evaluations of a rule group.");
        groups.iter().for_each(|(id, group)| family.count(&[("group", id)], group.evaluations));
        let help = "Evaluations that came after the next instant of the group, from what the source remembers.";
        let mut family = text.family(LATE, FamilyType::Counter, help);
        groups.iter().for_each(|(id, group)| family.count(&[("group", id)], group.late));
        let mut family = text.family(LAST, FamilyType::Gauge, "The instant of the last evaluation of a rule group.");
        groups.iter().for_each(|(id, group)| family.sample(&[("group", id)], seconds(group.last)));
        let mut family = text.family(TOOK, FamilyType::Gauge, "How long the last evaluation of a rule group took.");
        groups.iter().for_each(|(id, group)| family.sample(&[("group", id)], group.took.as_secs_f64()));
    }

    fn write_rules(&self, text: &mut Text) {
        const EVALUATIONS: &str = "orion_rule_evaluations_total";
        const FAILURES: &str = "orion_rule_evaluation_failures_total";
        const WELL: &str = "orion_rule_well";
        let groups = self.groups();
        let rules = || groups.values().flat_map(|group| &group.rules);
        let mut family = text.family(EVALUATIONS, FamilyType::Counter, "Evaluations of a rule.");
        rules().for_each(|(id, rule)| family.count(&[("rule", id)], rule.evaluations));
        let help = "Evaluations of a rule that came to nothing: no answer, or a fault of its plugin.";
        let mut family = text.family(FAILURES, FamilyType::Counter, help);
        rules().for_each(|(id, rule)| family.count(&[("rule", id)], rule.failures));
        let help = "Whether the last evaluation of a rule had whole data and came to an end.";
        let mut family = text.family(WELL, FamilyType::Gauge, help);
        rules().for_each(|(id, rule)| family.sample(&[("rule", id)], f64::from(u8::from(rule.is_well))));
    }

    /// The stages behind the bus that are at work.
    pub fn stages(&self) -> Vec<StageAt> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |((stage, part), meter): (&(&'static str, String), &Weak<StageMeter>)| {
            Some(StageAt { stage, partition: part.clone(), position: meter.upgrade()?.position() })
        };
        stages.iter().filter_map(at).collect()
    }

    fn write_stages(&self, last_seq: u64, text: &mut Text) {
        let live = self.stages();
        let help = "How far a stage behind the bus has read, as a position of the log.";
        let mut family = text.family("orion_stage_position", FamilyType::Gauge, help);
        for StageAt { stage, partition, position } in &live {
            family.count(&[("stage", *stage), ("partition", partition)], *position);
        }
        let help = "Records of the log that a stage behind the bus has yet to read.";
        let mut family = text.family("orion_stage_unread_records", FamilyType::Gauge, help);
        for StageAt { stage, partition, position } in &live {
            family.count(&[("stage", *stage), ("partition", partition)], last_seq.saturating_sub(*position));
        }
    }
}

/// As Prometheus counts time.
fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use orion_bus::BusError;

    use super::*;

    fn health(outcome: Outcome) -> RuleHealth {
        RuleHealth { outcome, late: false, since: Timestamp::default(), skipped: 0, message: None }
    }

    fn evaluate(meters: &Meters, rules: &[(&str, bool, Outcome)]) {
        let took = Duration::from_millis(2);
        let evaluation = Evaluation { group: "g", instant: Timestamp::from_millis(1_500), late: false, took };
        let healths: Vec<_> = rules.iter().map(|(id, was, outcome)| (*id, *was, health(*outcome))).collect();
        meters.evaluated(&evaluation, healths.iter().map(|(id, was, health)| (*id, *was, Some(health))));
    }

    fn written(meters: &Meters) -> String {
        let mut text = Text::default();
        meters.write(9, &mut text);
        text.into_string()
    }

    #[test]
    fn a_rule_is_counted_while_its_group_has_it_and_a_group_while_it_runs() {
        let meters = Meters::default();
        evaluate(&meters, &[("a", true, Outcome::Ok), ("b", true, Outcome::Error)]);
        evaluate(&meters, &[("b", true, Outcome::Error), ("c", false, Outcome::Ok)]);
        let text = written(&meters);
        assert!(!text.contains("rule=\"a\""), "{text}");
        for line in [
            "orion_group_evaluations_total{group=\"g\"} 2",
            "orion_group_last_evaluation_timestamp_seconds{group=\"g\"} 1.5",
            "orion_rule_evaluations_total{rule=\"b\"} 2",
            "orion_rule_evaluation_failures_total{rule=\"b\"} 2",
            "orion_rule_well{rule=\"b\"} 0",
            "orion_rule_evaluations_total{rule=\"c\"} 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
        meters.forget("g");
        assert!(!written(&meters).contains("group=\"g\""));
    }

    #[test]
    fn what_a_stage_has_yet_to_read_is_told_while_it_is_at_work() {
        let meters = Meters::default();
        let stage = meters.stage("brain", String::new());
        stage.reached(7);
        assert!(written(&meters).contains("orion_stage_unread_records{stage=\"brain\",partition=\"\"} 2\n"));
        drop(stage);
        assert!(!written(&meters).contains("stage=\"brain\""));
    }

    #[test]
    fn every_reason_for_which_a_commit_is_not_taken_is_there_from_the_start() {
        let meters = Meters::default();
        let fenced = Err(BusError::Fenced { owner: "brain".to_owned() });
        meters.commits.note(Duration::ZERO, &fenced);
        let text = written(&meters);
        assert!(text.contains("orion_bus_commit_failures_total{reason=\"fenced\"} 1\n"));
        assert!(text.contains("orion_bus_commit_failures_total{reason=\"full\"} 0\n"));
    }
}
