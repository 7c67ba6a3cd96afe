//! One test, played: its data through the live code path, and what came of it.

mod answers;
mod judge;
mod observed;
mod recordings;
mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;

use orion_model::{Timestamp, Written, WrittenSeries};
use orion_pipeline::library::{Accepted, Generation};
use orion_pipeline::replay::{Pace, Replay, ReplayError, ReplaySettings};
use orion_pipeline::watcher::GroupPlan;
use orion_source::{QuerySession, Source};

pub use answers::{Answers, Question};
pub use judge::{Mismatch, judge};
pub use observed::{Observed, Record, is_input};
pub use recordings::RecordingRuleError;
pub use stage::{Server, ServerError, Stage};

use crate::suite::{LoadedRules, RecordingRule, Rules, SOURCE, SampleCase, Suite, Test, needed, words};

/// Why a test cannot be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The server is away, or does not take the data.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A recording rule fails.
    #[error(transparent)]
    Recording(#[from] RecordingRuleError),
    /// The replay fails.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// `input_events` are no events.
    #[error("{0}")]
    InputEvents(String),
}

/// The series that Prometheus makes of alerts.
const ALERTS: &str = "ALERTS";
const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";

/// A test with its rules, ready to be played.
pub struct Play<'a> {
    suite: &'a Suite,
    test: &'a Test,
    generation: Generation,
    recordings: Vec<RecordingRule>,
    reads_alerts: bool,
}

impl<'a> Play<'a> {
    /// A test of a suite with the rules of that suite.
    pub fn new(suite: &'a Suite, test: &'a Test, loaded: &LoadedRules, rules: &Rules) -> Result<Self, PlayError> {
        let events = match test.input_events.is_empty() {
            true => None,
            false => Some(rules.of_events(&test.input_events).map_err(PlayError::InputEvents)?),
        };
        let generation = Accepted::generation(loaded.files.iter().chain(&events));
        let of_rules = generation.groups.values().flat_map(|plan| &plan.group.rules).map(|rule| rule.expr.as_str());
        let queries: Vec<&str> = of_rules.chain(test.samples.iter().map(|case| case.expr.as_str())).collect();
        let recordings = needed(&loaded.recordings, &queries, &suite.group_order);
        let reads_alerts = test.samples.iter().any(|case| reads_alerts(&case.expr));
        Ok(Self { suite, test, generation, recordings, reads_alerts })
    }

    /// What the answers to its queries depend on besides its data.
    fn made_of(&self) -> Vec<String> {
        let recorded = self.recordings.iter().map(|rule| format!("{rule:?}"));
        let alerts = self.generation.groups.values().flat_map(|plan| &plan.group.rules);
        let alerts = alerts.filter(|_| self.alerts_are_read()).map(|rule| format!("{rule:?}"));
        recorded.chain(alerts).collect()
    }

    /// Whether queries see what rules made: each version of the rules needs a server of its own then.
    pub fn alerts_are_read(&self) -> bool {
        let mut rules = self.generation.groups.values().flat_map(|plan| &plan.group.rules);
        self.reads_alerts || rules.any(|rule| reads_alerts(&rule.expr))
    }

    /// What runs.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The same test with other rules in the place of its own.
    pub fn with(&self, generation: Generation) -> Self {
        Self { generation, recordings: self.recordings.clone(), ..*self }
    }

    /// A server with the data of the test and what recording rules make of them.
    pub async fn set_stage(&self, server: Box<dyn Server>) -> Result<Arc<Stage>, PlayError> {
        let stage = Arc::new(Stage::live(self.suite, self.test, &self.made_of(), server)?);
        recordings::evaluate(&self.recordings, self.instants(), &stage).await?;
        Ok(stage)
    }

    /// What was answered before.
    pub fn recorded_stage(&self, answers: Answers) -> Arc<Stage> {
        Arc::new(Stage::recorded(self.suite, self.test, &self.made_of(), answers))
    }

    fn instants(&self) -> orion_source::Instants {
        recordings::instants(self.test.start_millis, self.test.lasts_millis, self.suite.interval_millis)
    }

    /// Plays the test, asks its queries, and says what came of it and what should not have.
    pub async fn play(&self, stage: &Arc<Stage>) -> Result<(Observed, Vec<Mismatch>), PlayError> {
        if self.generation.groups.values().any(|plan| plan.group.rules.iter().any(|rule| reads_alerts(&rule.expr))) {
            // Rules that read the alerts of others are looked at when those have been.
            let first = self.replay(&without_readers(&self.generation), stage).await?;
            stage.write(&series_of_alerts(&first, |_| true))?;
        }
        let observed = self.replay(&self.generation, stage).await?;
        if self.reads_alerts {
            let readers = readers(&self.generation);
            let all = readers.is_empty();
            stage.write(&series_of_alerts(&observed, |rule| all || readers.contains(&rule)))?;
        }
        let mut mismatches = judge(self.suite, self.test, &observed);
        for case in &self.test.samples {
            mismatches.extend(self.ask(case, stage).await);
        }
        mismatches.sort_by_key(|mismatch| mismatch.line);
        Ok((observed, mismatches))
    }

    async fn replay(&self, generation: &Generation, stage: &Arc<Stage>) -> Result<Observed, PlayError> {
        let instants = self.instants();
        let settings = ReplaySettings {
            from: instants.first,
            to: instants.last(),
            pace: Pace::Aligned(self.suite.interval_millis),
        };
        let sources = BTreeMap::from([(SOURCE.to_owned(), stage.clone() as Arc<dyn Source>)]);
        let mut observed = Observed::new(self.test.start_millis);
        Replay::new(generation, &sources, settings)?.run(&mut observed).await?;
        Ok(observed)
    }

    async fn ask(&self, case: &SampleCase, stage: &Stage) -> Option<Mismatch> {
        let mut session = QuerySession::new(&*case.expr);
        let at = Timestamp::from_millis(self.test.start_millis.saturating_add(case.at_millis));
        let answer = stage.query(&mut session, at).await;
        let answer = answer.map(|frame| {
            recordings::samples(&session.table, &frame).map(|(labels, value)| (labels.clone(), value)).collect()
        });
        judge::samples(self.suite, case, answer)
    }
}

fn reads_alerts(expr: &str) -> bool {
    words(expr).any(|word| word == ALERTS || word == ALERTS_FOR_STATE)
}

/// Ids of the rules that read alerts.
fn readers(generation: &Generation) -> Vec<&str> {
    let rules = generation.groups.values().flat_map(|plan| &plan.group.rules);
    rules.filter(|rule| reads_alerts(&rule.expr)).map(|rule| rule.id.as_str()).collect()
}

fn without_readers(generation: &Generation) -> Generation {
    let mut generation = generation.clone();
    for plan in generation.groups.values_mut() {
        let kept: Vec<_> = plan.rules().filter(|rule| !reads_alerts(&rule.rule.expr)).collect();
        let rules = kept.iter().map(|rule| rule.rule.clone()).collect();
        let plugins = kept.iter().map(|rule| rule.plugin.clone()).collect();
        let group = Arc::new(orion_rules::Group { rules, ..(*plan.group).clone() });
        *plan = GroupPlan { group, plugins, ..plan.clone() };
    }
    generation
}

/// `ALERTS` and `ALERTS_FOR_STATE` as Prometheus writes them.
fn series_of_alerts(observed: &Observed, of_rule: impl Fn(&str) -> bool) -> Vec<WrittenSeries> {
    let mut series: BTreeMap<orion_model::Labels, Vec<(i64, Written)>> = BTreeMap::new();
    let mut present: BTreeMap<orion_model::Labels, f64> = BTreeMap::new();
    for (instant, alerts) in observed.alerts() {
        let mut now = BTreeMap::new();
        for alert in alerts.iter().filter(|alert| of_rule(&alert.rule_id)) {
            let state = if alert.fired_at.is_some() { "firing" } else { "pending" };
            let mut labels = alert.labels.to_builder();
            now.insert(labels.set("__name__", ALERTS).set("alertstate", state).clone().build(), 1.0);
            let mut labels = alert.labels.to_builder();
            labels.set("__name__", ALERTS_FOR_STATE);
            now.insert(labels.build(), f64::from(u32::try_from(alert.since.as_millis() / 1000).unwrap_or(u32::MAX)));
        }
        let at = instant.as_millis();
        for gone in present.keys().filter(|labels| !now.contains_key(labels)) {
            series.entry(gone.clone()).or_default().push((at, Written::Stale));
        }
        for (labels, value) in &now {
            series.entry(labels.clone()).or_default().push((at, Written::Value(*value)));
        }
        present = now;
    }
    series.into_iter().map(|(labels, samples)| recordings::written(&labels, samples)).collect()
}
