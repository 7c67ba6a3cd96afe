//! The detector `surge`: a series that is far above its own running mean.

use std::collections::BTreeMap;

use orion_model::{Field, Finding, Frame, Labels, Parameter, ParameterValue, Scalar, SeriesId, Severity, Timestamp};
use orion_sandbox::{Detector, Plugin};

use crate::{Numbers, Saved, assert_same};

const FACTOR: f64 = 2.5;
const WARMUP: i64 = 3;
const WEIGHT: f64 = 0.3;
const STATE_VERSION: u32 = 1;

const SERIES: u64 = 1_500;
const FRAMES: i64 = 60;

/// What the host does next.
enum Step {
    Define(SeriesId, Labels),
    Drop(SeriesId),
    Frame(Frame),
    /// The instance is replaced by one that is given the saved state.
    Restart,
}

/// What the plugin should say, told as plainly as it can be.
#[derive(Default)]
struct Model {
    labels: BTreeMap<SeriesId, Labels>,
    known: BTreeMap<SeriesId, (f64, i64, i64)>,
}

impl Model {
    fn observe(&mut self, frame: &Frame) -> Vec<Finding> {
        let finite = frame.samples().filter(|(_, _, value)| value.is_finite());
        let mut findings = Vec::new();
        for (series, at, value) in finite {
            if let Some((mean, samples, _)) = self.known.get(&series).copied()
                && samples >= WARMUP
                && mean > 0.0
                && value > FACTOR * mean
            {
                findings.push(self.finding(series, at, value, mean, samples));
            }
            match self.known.get_mut(&series) {
                Some((_, _, last)) if at <= *last => {}
                Some((mean, samples, last)) => {
                    *mean += WEIGHT * (value - *mean);
                    (*samples, *last) = (*samples + 1, at);
                }
                None => drop(self.known.insert(series, (value, 1, at))),
            }
        }
        findings
    }

    fn finding(&self, series: SeriesId, at: i64, value: f64, mean: f64, samples: i64) -> Finding {
        let label = |name: &str| self.labels.get(&series).and_then(|labels| labels.get(name));
        let name = label("instance").or_else(|| label("job")).unwrap_or("a series");
        Finding {
            series: Some(series),
            severity: (value > 2.0 * FACTOR * mean).then_some(Severity::Critical),
            timestamp: Timestamp::from_millis(at),
            value,
            score: Some(value / mean),
            message: format!("{name} is far above its mean").into(),
            fields: vec![
                Field { name: "mean".to_owned(), value: Scalar::Number(mean) },
                Field { name: "samples".to_owned(), value: Scalar::Integer(samples) },
            ],
        }
    }
}

/// Numbers as they are written tell every bit of them.
fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{finding:?}")).collect()
}

pub fn compare(language: &str, plugin: &Plugin) {
    let (mut model, mut saved) = (Model::default(), Saved::default());
    let mut detector = started(plugin, &saved, &model);
    let (mut said, mut wanted) = (Vec::new(), Vec::new());
    for step in steps() {
        match step {
            Step::Define(id, labels) => {
                detector.define_series([(id, &labels)]).unwrap();
                model.labels.insert(id, labels);
            }
            Step::Drop(id) => {
                detector.drop_series(&[id]).unwrap();
                model.labels.remove(&id);
                model.known.remove(&id);
            }
            Step::Frame(frame) => {
                detector.observe(&frame, &mut said).unwrap();
                wanted.extend(model.observe(&frame));
                saved.keep(detector.checkpoint().unwrap());
                assert_eq!(detector.checkpoint().unwrap(), [], "{language}: nothing changed since");
            }
            Step::Restart => detector = started(plugin, &saved, &model),
        }
    }
    assert!(wanted.len() > 100 && wanted.iter().any(|finding| finding.severity.is_some()));
    assert_same(&format!("the detector in {language}"), &told(&said), &told(&wanted));
}

fn started(plugin: &Plugin, saved: &Saved, model: &Model) -> Detector {
    let mut detector = plugin.detector().unwrap();
    let parameter = |name: &str, value| Parameter { name: name.to_owned(), value };
    let parameters = [
        parameter("factor", ParameterValue::Number(FACTOR)),
        parameter("warmup", ParameterValue::Integer(WARMUP)),
        parameter("weight", ParameterValue::Number(WEIGHT)),
    ];
    detector.configure(&parameters).unwrap();
    detector.restore(STATE_VERSION, &saved.entries()).unwrap();
    detector.define_series(model.labels.iter().map(|(id, labels)| (*id, labels))).unwrap();
    detector
}

fn steps() -> Vec<Step> {
    let mut numbers = Numbers(7);
    let mut steps: Vec<_> = (0..SERIES).map(|one| Step::Define(id_of(one), labels(one))).collect();
    for frame in 0..FRAMES {
        // The same instant is shown again now and then, as it is after an edit.
        let instant = Timestamp::from_millis((frame - i64::from(frame % 7 == 0)) * 15_000);
        steps.push(Step::Frame(frame_at(instant, &mut numbers)));
        if frame % 20 == 10 {
            steps.push(Step::Restart);
        }
        // Series go, and others come under their numbers.
        for _ in 0..numbers.below(4) {
            let one = numbers.below(SERIES);
            steps.push(Step::Drop(id_of(one)));
            steps.push(Step::Define(id_of(one), labels(one + 1)));
        }
    }
    steps.push(Step::Frame(Frame::default()));
    steps
}

fn id_of(one: u64) -> SeriesId {
    SeriesId::try_from(one).unwrap()
}

fn labels(one: u64) -> Labels {
    match one % 5 {
        0 => [("job", format!("job {one}"))].into_iter().collect(),
        1 => [("instance", format!("höst-{one}-日本")), ("job", "ü".to_owned())].into_iter().collect(),
        2 => Labels::empty(),
        3 => [("zone", "z".repeat(300)), ("instance", format!("🦀{one}"))].into_iter().collect(),
        _ => [("instance", format!("h{one}:9100")), ("job", "node".to_owned())].into_iter().collect(),
    }
}

fn frame_at(instant: Timestamp, numbers: &mut Numbers) -> Frame {
    let mut frame = Frame { instant, ..Frame::default() };
    for one in 0..SERIES {
        if numbers.below(10) == 0 {
            continue;
        }
        frame.ids.push(id_of(one));
        // Samples are older than the instant, by how often they are scraped.
        frame.timestamps.push(instant.as_millis() - i64::try_from(one % 3).unwrap() * 5_000);
        frame.values.push(value(numbers));
    }
    frame
}

#[expect(clippy::cast_precision_loss, reason = "numbers far below 2^53")]
fn value(numbers: &mut Numbers) -> f64 {
    match numbers.below(200) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => 1e308,
        5 => -1e308,
        6 => 5e-324,
        7..20 => numbers.below(1_000) as f64 * 3.7,
        _ => numbers.below(1_000) as f64 / 7.0,
    }
}
