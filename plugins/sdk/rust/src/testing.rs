//! Plugins called directly, on the machine they are written on: the same steps a host takes, without WebAssembly.
//!
//! ```
//! # use orion_plugin::{Detector, Findings, Frame, Parameters, Refused, testing::DetectorProbe};
//! # struct Everything;
//! # impl Detector for Everything {
//! #     fn configure(_: &Parameters) -> Result<Self, Refused> { Ok(Self) }
//! #     fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
//! #         frame.samples().for_each(|sample| findings.emit(sample.finding()));
//! #     }
//! # }
//! let mut probe = DetectorProbe::<Everything>::new(&[]).unwrap();
//! probe.define(0, &[("instance", "a")]);
//! let findings = probe.observe(60_000, &[(0, 1.5)]);
//! assert_eq!(findings[0].value, 1.5);
//! ```

mod naive;
mod play;

pub use naive::{Holding, Naive};
pub use play::{Cut, Story, lines, of_each, one_by_one, play, stories};

use std::collections::BTreeMap;

use crate::event::Columns;
use crate::runner::{CorrelatorRunner, DetectorRunner};
use crate::state::Entry;
use crate::{
    Change, Changes, Correlator, Detector, Finding, Findings, Parameter, ParameterValue, Parameters, Refused, SeriesId,
    Severity, Status,
};

/// Values of parameters as tests write them.
impl From<f64> for ParameterValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for ParameterValue {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<bool> for ParameterValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for ParameterValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

fn parameters(given: &[(&str, ParameterValue)]) -> Parameters {
    let named = |(name, value): &(&str, ParameterValue)| Parameter { name: (*name).to_owned(), value: value.clone() };
    Parameters::new(given.iter().map(named).collect())
}

/// What a host keeps of a plugin's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved(BTreeMap<Vec<u8>, Vec<u8>>);

impl Saved {
    /// Takes what a checkpoint returned.
    pub fn keep(&mut self, entries: Vec<Entry>) {
        for Entry { key, value } in entries {
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    /// All of it, to restore from.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.iter().map(|(key, value)| Entry { key: key.clone(), value: Some(value.clone()) }).collect()
    }
}

/// A detector that is called directly.
pub struct DetectorProbe<D> {
    runner: DetectorRunner<D>,
}

impl<D: Detector> DetectorProbe<D> {
    /// Configured with these parameters, or the refusal.
    pub fn new(given: &[(&str, ParameterValue)]) -> Result<Self, Refused> {
        let mut runner = DetectorRunner::new();
        runner.configure(&parameters(given))?;
        Ok(Self { runner })
    }

    /// Tells the labels of a series; sorted by name, as a host does.
    pub fn define(&mut self, series: SeriesId, labels: &[(&str, &str)]) {
        let mut text = Vec::new();
        let mut ends = Vec::new();
        for piece in labels.iter().flat_map(|(name, value)| [name, value]) {
            text.extend_from_slice(piece.as_bytes());
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        self.runner.define(&[series], &[u32::try_from(labels.len()).unwrap_or(u32::MAX)], text, ends);
    }

    /// Says that series will not come again.
    pub fn drop_series(&mut self, ids: &[SeriesId]) {
        self.runner.drop_series(ids);
    }

    /// Shows it a frame whose samples were all taken at `now`.
    pub fn observe(&mut self, now: i64, samples: &[(SeriesId, f64)]) -> Vec<Finding> {
        let (ids, values): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        self.observe_columns(now, &ids, &vec![now; ids.len()], &values)
    }

    /// Shows it a frame as a host holds it.
    pub fn observe_columns(&mut self, now: i64, ids: &[SeriesId], timestamps: &[i64], values: &[f64]) -> Vec<Finding> {
        let mut findings = Findings::default();
        self.runner.observe(now, ids, timestamps, values, &mut findings);
        findings.said
    }

    /// What changed in its state.
    pub fn checkpoint(&mut self) -> Vec<Entry> {
        self.runner.checkpoint()
    }

    /// Hands it saved state.
    pub fn restore(&mut self, version: u32, saved: &Saved) -> Result<(), Refused> {
        self.runner.restore(version, saved.entries())
    }
}

/// A frame as tests write it.
#[derive(Clone, Debug, PartialEq)]
pub struct TestFrame {
    /// Its instant, at which all samples were taken.
    pub now: i64,
    /// What is in it.
    pub samples: Vec<(SeriesId, f64)>,
    /// Whether the instance ends after it, and another goes on from what was saved.
    pub restart: bool,
}

/// Shows frames to one instance, and to a row of instances that each start from what the one before had saved. Both must
/// find the same; how much that is comes back, so that a test can say that there was something to find.
///
/// # Panics
///
/// When a restart changes what is found.
pub fn found_through_restarts<D: Detector>(
    given: &[(&str, ParameterValue)],
    version: u32,
    frames: &[TestFrame],
) -> Result<usize, Refused> {
    let mut whole = DetectorProbe::<D>::new(given)?;
    let mut part = DetectorProbe::<D>::new(given)?;
    let mut saved = Saved::default();
    let mut found = 0;
    for TestFrame { now, samples, restart } in frames {
        let findings = part.observe(*now, samples);
        assert_eq!(findings, whole.observe(*now, samples), "at {now}");
        found += findings.len();
        saved.keep(part.checkpoint());
        if *restart {
            part = DetectorProbe::new(given)?;
            part.restore(version, &saved)?;
        }
    }
    Ok(found)
}

/// An event as tests write it.
#[derive(Clone, Debug, PartialEq)]
pub struct TestEvent {
    /// Position on the bus.
    pub position: u64,
    /// When, in milliseconds.
    pub timestamp: i64,
    /// How bad.
    pub severity: Severity,
    /// Whether it began, ended, or just happened.
    pub status: Status,
    /// The same for the firing and the resolved event of one alert.
    pub fingerprint: u64,
    /// Its group.
    pub key: String,
}

/// The minutes of [`TestEvent::at_minute`] and of [`lines`].
const MINUTE_MILLIS: i64 = 60_000;

impl TestEvent {
    /// A warning of the key `k` at a minute; its position is its fingerprint and a thousand times the minute.
    pub fn at_minute(status: Status, minute: i64, fingerprint: u64) -> Self {
        let position = u64::try_from(minute).unwrap_or_default() * 1_000 + fingerprint;
        let (timestamp, severity) = (minute * MINUTE_MILLIS, Severity::Warning);
        Self { position, timestamp, severity, status, fingerprint, key: "k".to_owned() }
    }
}

/// An event with all that a correlator may look at.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldEvent {
    /// What every event has.
    pub event: TestEvent,
    /// What kind of thing.
    pub event_type: String,
    /// The value it carries; NaN when it carries none.
    pub value: f64,
    /// Its labels; sorted by name, as a host has them.
    pub labels: Vec<(String, String)>,
}

impl From<TestEvent> for ToldEvent {
    fn from(event: TestEvent) -> Self {
        Self { event, event_type: "test".to_owned(), value: f64::NAN, labels: Vec::new() }
    }
}

impl ToldEvent {
    /// Of another type.
    #[must_use]
    pub fn of_type(self, event_type: &str) -> Self {
        Self { event_type: event_type.to_owned(), ..self }
    }

    /// With a value.
    #[must_use]
    pub fn valued(self, value: f64) -> Self {
        Self { value, ..self }
    }

    /// With a label more.
    #[must_use]
    pub fn labelled(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self.labels.sort();
        self
    }
}

/// A correlator that is called directly.
pub struct CorrelatorProbe<C> {
    runner: CorrelatorRunner<C>,
}

impl<C: Correlator> CorrelatorProbe<C> {
    /// Configured with these parameters, or the refusal.
    pub fn new(given: &[(&str, ParameterValue)]) -> Result<Self, Refused> {
        let mut runner = CorrelatorRunner::new();
        runner.configure(&parameters(given))?;
        Ok(Self { runner })
    }

    /// Shows it events, or with none that time has passed. They have the type `test` and no labels.
    pub fn correlate(&mut self, now: i64, events: &[TestEvent]) -> Vec<Change> {
        let told: Vec<_> = events.iter().cloned().map(ToldEvent::from).collect();
        self.tell(now, &told)
    }

    /// Shows it events with all that they have, or with none that time has passed.
    pub fn tell(&mut self, now: i64, events: &[ToldEvent]) -> Vec<Change> {
        self.tell_batch(now, &TestBatch::of(events))
    }

    /// Says that time has passed.
    pub fn tick(&mut self, now: i64) -> Vec<Change> {
        self.tell(now, &[])
    }

    /// Shows it events as a host holds them.
    pub fn tell_batch(&mut self, now: i64, batch: &TestBatch) -> Vec<Change> {
        let mut changes = Changes::default();
        self.runner.correlate(now, &batch.0, &mut changes);
        changes.said
    }

    /// What changed in its state.
    pub fn checkpoint(&mut self) -> Vec<Entry> {
        self.runner.checkpoint()
    }

    /// Hands it saved state.
    pub fn restore(&mut self, version: u32, saved: &Saved) -> Result<(), Refused> {
        self.runner.restore(version, saved.entries())
    }
}

/// Events as the columns in which a host holds them.
#[derive(Default)]
pub struct TestBatch(Columns);

impl TestBatch {
    /// Of these events.
    pub fn of(events: &[ToldEvent]) -> Self {
        let mut batch = Self::default();
        events.iter().for_each(|told| batch.add(told));
        batch
    }

    fn add(&mut self, told: &ToldEvent) {
        let columns = &mut self.0;
        let event = &told.event;
        columns.positions.push(event.position);
        columns.timestamps.push(event.timestamp);
        columns.severities.push(event.severity.rank());
        columns.statuses.push(event.status.rank());
        columns.fingerprints.push(event.fingerprint);
        columns.values.push(told.value);
        columns.label_counts.push(u32::try_from(told.labels.len()).unwrap_or(u32::MAX));
        let labels = told.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        for piece in [event.key.as_str(), told.event_type.as_str()].into_iter().chain(labels) {
            columns.text.extend_from_slice(piece.as_bytes());
            columns.ends.push(u32::try_from(columns.text.len()).unwrap_or(u32::MAX));
        }
    }
}
