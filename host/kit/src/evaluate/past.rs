//! What a rule is shown: samples of files as if a Prometheus had them, or a Prometheus. What it answered is kept, so that it can be
//! drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use orion_model::{Frame, Labels, Timestamp};
use orion_source::{Instants, Prometheus, QuerySession, Source, SourceError};

use super::table::Samples;
use crate::input::Frames;
use orion_suite::suite::SOURCE;

/// Instants of a past: more than a year of minutes. What has more is asked for with a longer step.
pub const MOST_INSTANTS: i64 = 1_000_000;

/// A pace from here on is rounded to whole seconds.
const LEAST_ROUNDED_MILLIS: i64 = 10_000;

/// A past.
pub struct Past {
    given: Given,
    seen: Mutex<Frames>,
}

enum Given {
    Table(Table),
    Prometheus(Box<Prometheus>),
}

/// Samples at the instants at which a rule is evaluated, which are multiples of the step. The files' own times are that much later.
pub struct Table {
    labels: Vec<Labels>,
    at: BTreeMap<i64, Vec<(usize, f64)>>,
    /// Time between two instants.
    pub step_millis: i64,
    /// How much later the samples are than the instants.
    pub phase_millis: i64,
    /// Samples that are not looked at: another one of the series is at the same instant.
    pub passed_over: usize,
}

impl Table {
    /// Of series, at their own pace or at one that is given.
    pub fn of(series: &[Samples], step: Option<i64>) -> Result<Self, String> {
        let times: BTreeSet<i64> = series.iter().flat_map(|it| &it.points).map(|(at, _)| at.as_millis()).collect();
        let (first, last) = times.first().zip(times.last()).ok_or("there is no sample")?;
        let step_millis = match step {
            Some(step) => step,
            None => pace(series).ok_or("a single sample says nothing of the time between two: give --step")?,
        };
        let instants = (last - first) / step_millis;
        if instants > MOST_INSTANTS {
            return Err(format!(
                "{instants} instants are too many: give a --step of which there are at most {MOST_INSTANTS}"
            ));
        }
        let phase_millis = first.rem_euclid(step_millis);
        let mut table = Self { labels: Vec::new(), at: BTreeMap::new(), step_millis, phase_millis, passed_over: 0 };
        for (place, samples) in series.iter().enumerate() {
            table.labels.push(samples.labels.clone());
            for (at, value) in &samples.points {
                // The nearest instant: clocks that take samples tremble.
                let slot = (at.as_millis() - phase_millis + step_millis / 2).div_euclid(step_millis) * step_millis;
                let there = table.at.entry(slot).or_default();
                match there.iter_mut().find(|(other, _)| *other == place) {
                    Some(before) => {
                        before.1 = *value;
                        table.passed_over += 1;
                    }
                    None => there.push((place, *value)),
                }
            }
        }
        Ok(table)
    }

    /// The first instant and the last.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        let of = |slot: Option<(&i64, &Vec<_>)>| Timestamp::from_millis(slot.map_or(0, |(slot, _)| *slot));
        (of(self.at.first_key_value()), of(self.at.last_key_value()))
    }

    fn answer(&self, session: &mut QuerySession, instant: Timestamp) -> Frame {
        let mut frame = Frame { instant, ..Frame::default() };
        for (place, value) in self.at.get(&instant.as_millis()).into_iter().flatten() {
            let Some(labels) = self.labels.get(*place) else { continue };
            frame.ids.push(session.table.define(labels, instant));
            frame.timestamps.push(instant.as_millis());
            frame.values.push(*value);
        }
        frame
    }
}

/// The time between most samples: the mean of those steps that are not far from the median. Clocks tremble, and people say whole seconds.
fn pace(series: &[Samples]) -> Option<i64> {
    let pairs = series.iter().flat_map(|it| it.points.windows(2));
    let mut steps: Vec<i64> = pairs
        .filter_map(|pair| match pair {
            [(one, _), (other, _)] => Some(other.millis_since(*one)).filter(|step| *step > 0),
            _ => None,
        })
        .collect();
    steps.sort_unstable();
    let median = *steps.get(steps.len() / 2)?;
    let usual: Vec<i64> = steps.into_iter().filter(|step| *step > median / 2 && *step < median * 2).collect();
    let mean = usual.iter().sum::<i64>() / i64::try_from(usual.len()).ok()?.max(1);
    Some(if mean < LEAST_ROUNDED_MILLIS { mean } else { (mean + 500) / 1_000 * 1_000 })
}

impl Past {
    /// Of samples.
    pub fn of(table: Table) -> Self {
        Self { given: Given::Table(table), seen: Mutex::default() }
    }

    /// Of a Prometheus.
    pub fn at(prometheus: Prometheus) -> Self {
        Self { given: Given::Prometheus(Box::new(prometheus)), seen: Mutex::default() }
    }

    /// What was answered.
    pub fn take_seen(&self) -> Frames {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, session: &QuerySession, frames: &[Frame]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        frames.iter().for_each(|frame| seen.push(frame.clone(), &session.table));
    }
}

#[async_trait]
impl Source for Past {
    fn name(&self) -> &str {
        SOURCE
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let frame = match &self.given {
            Given::Table(table) => table.answer(session, instant),
            Given::Prometheus(prometheus) => prometheus.query(session, instant).await?,
        };
        self.keep(session, std::slice::from_ref(&frame));
        Ok(frame)
    }

    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        let frames = match &self.given {
            Given::Table(table) => instants.iter().map(|instant| table.answer(session, instant)).collect(),
            Given::Prometheus(prometheus) => prometheus.query_range(session, instants).await?,
        };
        self.keep(session, &frames);
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(millis: &[i64]) -> Samples {
        let points = millis.iter().map(|at| (Timestamp::from_millis(*at), 1.0)).collect();
        Samples { name: "a".to_owned(), labels: Labels::from_iter([("series", "a")]), points }
    }

    #[test]
    fn instants_are_multiples_of_the_pace_and_samples_that_tremble_go_to_the_nearest() {
        let table = Table::of(&[samples(&[10_000, 69_000, 131_000, 190_000])], None).unwrap();
        assert_eq!((table.step_millis, table.phase_millis, table.passed_over), (60_000, 10_000, 0));
        assert_eq!(table.at.keys().copied().collect::<Vec<_>>(), [0, 60_000, 120_000, 180_000]);
    }

    #[test]
    fn of_two_samples_at_one_instant_the_later_counts_and_it_is_said() {
        let table = Table::of(&[samples(&[0, 10_000, 60_000, 120_000])], Some(60_000)).unwrap();
        assert_eq!((table.passed_over, table.at.len()), (1, 3));
    }

    #[test]
    fn a_pace_that_is_not_known_is_asked_for_and_one_that_is_too_fine_refused() {
        assert!(Table::of(&[samples(&[5])], None).err().unwrap().contains("--step"));
        let wide = |millis: i64| Table::of(&[samples(&[0, millis])], Some(1)).err();
        assert!(wide(MOST_INSTANTS).is_none());
        assert!(wide(MOST_INSTANTS + 1).unwrap().contains("too many"));
    }
}
