//! Recording rules, evaluated into the Prometheus of a test as Prometheus would have done it.

use std::collections::BTreeSet;

use orion_model::{Frame, Labels, SeriesTable, Timestamp, Written, WrittenSeries};
use orion_source::{Instants, QuerySession, Source, SourceError};

use super::stage::{ServerError, Stage};
use crate::suite::{RecordingRule, words};

/// Prometheus gives no more instants in one answer.
const MOST_INSTANTS: usize = 10_000;

/// Why a recording rule cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum RecordingRuleError {
    /// The query gets no answer.
    #[error("the recording rule `{record}`: {why}")]
    Query {
        /// What it makes.
        record: String,
        /// What the source said.
        why: SourceError,
    },
    /// Its samples cannot be written.
    #[error("the recording rule `{record}`: {why}")]
    Write {
        /// What it makes.
        record: String,
        /// What the server said.
        why: ServerError,
    },
}

/// A rule on its way, with the series it gave last.
struct Course<'r> {
    rule: &'r RecordingRule,
    session: QuerySession,
    present: BTreeSet<Labels>,
}

/// Evaluates rules at all instants, in order.
pub async fn evaluate(rules: &[RecordingRule], instants: Instants, stage: &Stage) -> Result<(), RecordingRuleError> {
    let mut courses: Vec<Course<'_>> = rules
        .iter()
        .map(|rule| Course { rule, session: QuerySession::new(&*rule.expr), present: BTreeSet::new() })
        .collect();
    // A rule that reads what is recorded later, or by itself, must not see its own future.
    let at_once = if reads_only_earlier(rules) { MOST_INSTANTS } else { 1 };
    let mut done = 0;
    while done < instants.count {
        let count = at_once.min(instants.count - done);
        let steps = i64::try_from(done).unwrap_or(i64::MAX);
        let first = instants.first.plus_millis(steps.saturating_mul(instants.step_millis));
        for course in &mut courses {
            course.evaluate(Instants { first, count, ..instants }, stage).await?;
        }
        done += count;
    }
    Ok(())
}

fn reads_only_earlier(rules: &[RecordingRule]) -> bool {
    rules.iter().enumerate().all(|(index, rule)| {
        let read: BTreeSet<&str> = words(&rule.expr).collect();
        !rules.iter().skip(index).any(|later| read.contains(later.record.as_str())) && !read.contains("__name__")
    })
}

impl Course<'_> {
    async fn evaluate(&mut self, instants: Instants, stage: &Stage) -> Result<(), RecordingRuleError> {
        let record = || self.rule.record.clone();
        let frames = stage.query_range(&mut self.session, instants).await;
        let frames = frames.map_err(|why| RecordingRuleError::Query { record: record(), why })?;
        let mut series: std::collections::BTreeMap<Labels, Vec<(i64, Written)>> = std::collections::BTreeMap::new();
        for frame in &frames {
            let at = frame.instant.as_millis();
            let now = self.labelled(frame);
            for gone in self.present.iter().filter(|labels| !now.iter().any(|(other, _)| other == *labels)) {
                series.entry(gone.clone()).or_default().push((at, Written::Stale));
            }
            self.present = now.iter().map(|(labels, _)| labels.clone()).collect();
            for (labels, value) in now {
                series.entry(labels).or_default().push((at, Written::Value(value)));
            }
        }
        let series: Vec<WrittenSeries> =
            series.into_iter().map(|(labels, samples)| written(&labels, samples)).collect();
        stage.write(&series).map_err(|why| RecordingRuleError::Write { record: record(), why })
    }

    fn labelled(&self, frame: &Frame) -> Vec<(Labels, f64)> {
        let name = |labels: &Labels| {
            let mut labels = labels.to_builder();
            labels.set("__name__", &*self.rule.record);
            for (name, value) in &self.rule.labels {
                labels.set(name, value);
            }
            labels.build()
        };
        samples(&self.session.table, frame).map(|(labels, value)| (name(labels), value)).collect()
    }
}

/// The samples of a frame with their labels.
pub fn samples<'f>(table: &'f SeriesTable, frame: &'f Frame) -> impl Iterator<Item = (&'f Labels, f64)> {
    frame.samples().filter_map(|(id, _, value)| Some((table.labels(id)?, value)))
}

/// A series to be written.
pub fn written(labels: &Labels, samples: Vec<(i64, Written)>) -> WrittenSeries {
    WrittenSeries { labels: labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), samples }
}

/// The instants at which the rules of a test are evaluated.
pub fn instants(start_millis: i64, lasts_millis: i64, interval_millis: i64) -> Instants {
    let count = usize::try_from(lasts_millis / interval_millis).unwrap_or(0) + 1;
    Instants { first: Timestamp::from_millis(start_millis), step_millis: interval_millis, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(record: &str, expr: &str) -> RecordingRule {
        RecordingRule { group: "g".into(), record: record.into(), expr: expr.into(), labels: Vec::new() }
    }

    #[test]
    fn rules_that_read_forwards_or_themselves_go_step_by_step() {
        assert!(reads_only_earlier(&[rule("a", "up"), rule("b", "a + a")]));
        assert!(!reads_only_earlier(&[rule("b", "a + a"), rule("a", "up")]));
        assert!(!reads_only_earlier(&[rule("a", "up or a offset 1m")]));
    }

    #[test]
    fn a_test_is_evaluated_from_its_beginning_to_its_last_instant() {
        let instants = instants(5, 125_000, 60_000);
        assert_eq!((instants.count, instants.last()), (3, Timestamp::from_millis(120_005)));
    }
}
