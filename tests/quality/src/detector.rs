//! The detector as it ships, shown one series after the other.

use std::collections::BTreeMap;

use orion_model::{Finding, Frame, Labels, Parameter, ParameterValue, StateEntry, Timestamp};
use orion_nab::{Corpus, Row, Series};
use orion_sandbox::{Detector, Plugin, Sandbox};
use orion_standard_plugins::STANDARD;

use crate::QualityError;

/// What the detector is told beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing, as in life.
    Nothing,
    /// The least and the largest value of the whole series, as the benchmark's rules allow.
    Range,
}

/// Alarms in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Alarms {
    /// How many.
    pub count: usize,
    /// In so many weeks of series.
    pub weeks: f64,
}

/// What was said of a corpus.
pub struct Said {
    /// Of each row of each series.
    pub scores: Vec<Vec<f64>>,
    /// The most that is remembered of a series.
    pub state_bytes: usize,
}

/// The detector.
pub struct Watch {
    plugin: Plugin,
}

/// What a host keeps of the state.
#[derive(Default)]
struct Kept(BTreeMap<Vec<u8>, Vec<u8>>);

impl Watch {
    /// Loads it.
    pub fn new(sandbox: &Sandbox) -> Result<Self, QualityError> {
        let missing = || QualityError::Failed("load the detector", "it does not ship".to_owned());
        let standard = STANDARD.iter().find(|plugin| plugin.name == "anomaly").ok_or_else(missing)?;
        let plugin = sandbox.load(standard.component).map_err(QualityError::failed("load the detector"))?;
        Ok(Self { plugin })
    }

    /// Shows it every series, once in one go and once with a restart in the middle.
    pub fn corpus(&self, corpus: &Corpus, mode: &str, told: Told) -> Result<Said, QualityError> {
        let mut said = Said { scores: Vec::new(), state_bytes: 0 };
        for series in &corpus.series {
            let given = given(series, mode, told);
            let findings = self.series(series, &given, &mut said.state_bytes)?;
            said.scores.push(scores(series, &findings));
        }
        Ok(said)
    }

    fn series(
        &self,
        series: &Series,
        given: &[Parameter],
        state_bytes: &mut usize,
    ) -> Result<Vec<Finding>, QualityError> {
        let (mut whole, mut part) = (self.start(given, 1)?, self.start(given, 1)?);
        let mut findings = Vec::new();
        let mut again = Vec::new();
        for (place, row) in series.rows.iter().enumerate() {
            if place == series.rows.len() / 2 {
                part = self.restarted(part, given)?;
            }
            observe(&mut whole, row.timestamp, &[row.value], &mut findings)?;
            observe(&mut part, row.timestamp, &[row.value], &mut again)?;
        }
        if findings != again {
            return Err(QualityError::Wrong(format!("{}: a restart in the middle changes what is found", series.name)));
        }
        let entries = whole.checkpoint().map_err(QualityError::failed("save the state"))?;
        // The block of the series; the others are samples that are learned again after a restart.
        let block = entries.iter().filter_map(|entry| entry.value.as_ref().map(Vec::len)).max();
        *state_bytes = block.unwrap_or(0).max(*state_bytes);
        Ok(findings)
    }

    fn restarted(&self, mut old: Detector, given: &[Parameter]) -> Result<Detector, QualityError> {
        let mut kept = Kept::default();
        for StateEntry { key, value } in old.checkpoint().map_err(QualityError::failed("save the state"))? {
            value.map(|value| kept.0.insert(key, value));
        }
        let mut new = self.start(given, 1)?;
        let version = self.plugin.manifest().state_version.unwrap_or_default();
        let entries: Vec<_> =
            kept.0.iter().map(|(key, value)| StateEntry { key: &**key, value: Some(&**value) }).collect();
        new.restore(version, &entries).map_err(QualityError::failed("restore the state"))?;
        Ok(new)
    }

    /// An instance that knows so many series.
    pub fn start(&self, given: &[Parameter], series: u32) -> Result<Detector, QualityError> {
        let mut detector = self.plugin.detector().map_err(QualityError::failed("start the detector"))?;
        let parameters = self.plugin.manifest().complete(given);
        detector.configure(&parameters).map_err(QualityError::failed("set up the detector"))?;
        let labels: Vec<Labels> =
            (0..series).map(|id| Labels::from_iter([("series".to_owned(), id.to_string())])).collect();
        detector.define_series((0..).zip(&labels)).map_err(QualityError::failed("define series"))?;
        Ok(detector)
    }
}

/// The parameters: those that ship, but for the mode and what it is told.
fn given(series: &Series, mode: &str, told: Told) -> Vec<Parameter> {
    let mut given = vec![parameter("mode", ParameterValue::Text(mode.to_owned()))];
    let (lowest, highest) = series.range();
    if told == Told::Range && lowest < highest {
        given.push(parameter("lowest", ParameterValue::Number(lowest)));
        given.push(parameter("highest", ParameterValue::Number(highest)));
    }
    given
}

/// A parameter of a rule.
pub fn parameter(name: &str, value: ParameterValue) -> Parameter {
    Parameter { name: name.to_owned(), value }
}

/// Shows it samples of one instant, of the series from 0 on.
pub fn observe(
    detector: &mut Detector,
    timestamp: i64,
    values: &[f64],
    findings: &mut Vec<Finding>,
) -> Result<(), QualityError> {
    let frame = Frame {
        instant: Timestamp::from_millis(timestamp),
        ids: (0..).take(values.len()).collect(),
        timestamps: vec![timestamp; values.len()],
        values: values.to_vec(),
        warnings: Vec::new(),
    };
    detector.observe(&frame, findings).map_err(QualityError::failed("show it a sample"))?;
    Ok(())
}

/// An anomaly is one alarm, where it begins, as an alert is one event: rows in which it goes on say nothing more.
fn scores(series: &Series, findings: &[Finding]) -> Vec<f64> {
    let mut findings = findings.iter().peekable();
    let mut before = None;
    let score = |row: &Row| {
        let found = findings.next_if(|finding| finding.timestamp.as_millis() == row.timestamp);
        let anomaly = found.map(|finding| (since(finding), finding.score.unwrap_or(0.0)));
        let is_new = anomaly != before;
        before = anomaly.clone();
        anomaly.filter(|_| is_new).map_or(0.0, |(_, score)| score)
    };
    series.rows.iter().map(score).collect()
}

/// When the anomaly of a finding began, in its words.
fn since(finding: &Finding) -> String {
    let field = finding.fields.iter().find(|field| *field.name == *"since");
    field.map(|field| format!("{:?}", field.value)).unwrap_or_default()
}
