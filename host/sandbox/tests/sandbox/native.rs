//! Every standard plugin says and saves in the sandbox what the same code says and saves without one.

use crate::guests::sandbox;
use orion_model::{Frame, Labels, Parameter, Severity, Status, Timestamp};
use orion_plugin::ParameterValue as Given;
use orion_plugin::testing::{CorrelatorProbe, DetectorProbe, TestEvent, ToldEvent};
use orion_sandbox::{EventBatch, Limits, Plugin};
use orion_standard_plugins::STANDARD;

const MINUTE: i64 = 60_000;

/// Late enough that a season of a week is over.
const FIRST: i64 = 1_732_174_260_000;

/// Numbers that are the same on every machine.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn at_most(&mut self, most: u32) -> f64 {
        f64::from(u32::try_from(self.below(u64::from(most) * 16)).unwrap()) / 16.0
    }
}

fn plugin(name: &str) -> Plugin {
    let standard = STANDARD.iter().find(|plugin| plugin.name == name).unwrap();
    sandbox(Limits::default()).load(standard.component).unwrap()
}

fn parameters(plugin: &Plugin, given: &[(&str, Given)]) -> Vec<Parameter> {
    let value = |given: &Given| match given {
        Given::Text(text) => orion_model::ParameterValue::Text(text.clone()),
        Given::Number(number) => orion_model::ParameterValue::Number(*number),
        Given::Integer(integer) => orion_model::ParameterValue::Integer(*integer),
        Given::Flag(flag) => orion_model::ParameterValue::Flag(*flag),
        Given::Texts(texts) => orion_model::ParameterValue::Texts(texts.clone()),
    };
    let given: Vec<_> =
        given.iter().map(|(name, given)| Parameter { name: (*name).to_owned(), value: value(given) }).collect();
    plugin.manifest().complete(&given)
}

fn native(parameters: &[Parameter]) -> Vec<(&str, Given)> {
    let value = |value: &orion_model::ParameterValue| match value {
        orion_model::ParameterValue::Text(text) => Given::Text(text.clone()),
        orion_model::ParameterValue::Number(number) => Given::Number(*number),
        orion_model::ParameterValue::Integer(integer) => Given::Integer(*integer),
        orion_model::ParameterValue::Flag(flag) => Given::Flag(*flag),
        orion_model::ParameterValue::Texts(texts) => Given::Texts(texts.clone()),
    };
    parameters.iter().map(|parameter| (parameter.name.as_str(), value(&parameter.value))).collect()
}

fn texts(texts: &[&str]) -> Given {
    Given::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

const TYPES: [&str; 3] = ["a", "b", "c"];
const NODES: [&str; 4] = ["x", "y", "z", "w"];

/// Events of a few keys, in order of time, in batches of any size with ticks between them.
fn batches(drawn: &mut Drawn) -> Vec<Vec<(ToldEvent, Labels)>> {
    let (mut time, mut position) = (FIRST, 0);
    let mut event = |drawn: &mut Drawn| {
        time += drawn.below(20_000).cast_signed();
        position += 1;
        let pick =
            |drawn: &mut Drawn, of: &[&str]| of[usize::try_from(drawn.below(of.len() as u64)).unwrap()].to_owned();
        let (node, kind, key) = (pick(drawn, &NODES), pick(drawn, &TYPES), pick(drawn, &["{k=\"1\"}", "{k=\"2\"}"]));
        let statuses = [orion_plugin::Status::Firing, orion_plugin::Status::Resolved, orion_plugin::Status::Occurred];
        let event = TestEvent {
            position,
            timestamp: time,
            severity: orion_plugin::Severity::from_rank(u8::try_from(drawn.below(4)).unwrap()),
            status: statuses[usize::try_from(drawn.below(3)).unwrap()],
            fingerprint: drawn.below(6),
            key,
        };
        let mut told = ToldEvent::from(event).of_type(&kind).valued(drawn.at_most(20));
        told.labels = vec![("node".to_owned(), node.clone())];
        (told, [("node", node)].into_iter().collect())
    };
    (0..120).map(|_| (0..drawn.below(30)).map(|_| event(drawn)).collect()).collect()
}

fn correlator<C: orion_plugin::Correlator>(name: &str, given: &[(&str, Given)]) {
    let plugin = plugin(name);
    let parameters = parameters(&plugin, given);
    let mut correlator = plugin.correlator().unwrap();
    correlator.configure(&parameters).unwrap();
    let mut probe = CorrelatorProbe::<C>::new(&native(&parameters)).map_err(|refused| refused.0).unwrap();
    let (mut batch, mut said, mut now) = (EventBatch::new(), 0, FIRST);
    for told in batches(&mut Drawn(11)) {
        now = told.iter().map(|(told, _)| told.event.timestamp).max().unwrap_or(now + MINUTE).max(now);
        batch.clear();
        for (ToldEvent { event, event_type, value, .. }, labels) in &told {
            let status = [Status::Occurred, Status::Firing, Status::Resolved]
                .into_iter()
                .find(|status| format!("{status:?}") == format!("{:?}", event.status))
                .unwrap();
            let severity = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical]
                [usize::from(event.severity.rank())];
            let at = Timestamp::from_millis(event.timestamp);
            batch.push(event.position, at, severity, status, event.fingerprint, *value, &event.key, event_type, labels);
        }
        let mut changes = Vec::new();
        correlator.correlate(Timestamp::from_millis(now), &batch, &mut changes).unwrap();
        let plain: Vec<ToldEvent> = told.into_iter().map(|(told, _)| told).collect();
        let expected = if plain.is_empty() { probe.tick(now) } else { probe.tell(now, &plain) };
        let words: Vec<String> = changes.iter().map(change_words).collect();
        assert_eq!(words, expected.iter().map(native_change_words).collect::<Vec<_>>(), "{name}");
        let saved: Vec<_> =
            correlator.checkpoint().unwrap().into_iter().map(|entry| (entry.key, entry.value)).collect();
        let expected: Vec<_> = probe.checkpoint().into_iter().map(|entry| (entry.key, entry.value)).collect();
        assert_eq!(saved, expected, "{name}");
        said += words.len();
    }
    assert!(said > 5, "{name} said {said} things");
}

fn change_words(change: &orion_model::Change) -> String {
    let orion_model::Change { key, kind, severity, timestamp, reason, positions, fields } = change;
    format!("{key} {kind:?} {severity:?} {} {reason} {positions:?} {fields:?}", timestamp.as_millis())
}

fn native_change_words(change: &orion_plugin::Change) -> String {
    let orion_plugin::Change { key, kind, severity, timestamp, reason, positions, fields } = change;
    format!("{key} {kind:?} {severity:?} {timestamp} {reason} {positions:?} {fields:?}")
}

#[test]
fn correlators_say_and_save_what_they_do_without_a_sandbox() {
    let minutes = |count: i64| Given::Integer(count * MINUTE);
    correlator::<orion_aggregate::Aggregate>(
        "aggregate",
        &[("function", "sum".into()), ("gt", 60.0.into()), ("window", minutes(3))],
    );
    correlator::<orion_count::Count>("count", &[("gte", 5.into()), ("window", minutes(2))]);
    correlator::<orion_distinct::Distinct>(
        "distinct",
        &[("field", "node".into()), ("gte", 3.into()), ("window", minutes(1))],
    );
    correlator::<orion_flapping::Flapping>("flapping", &[("transitions", 4.into()), ("calm", minutes(2))]);
    correlator::<orion_grouping::Grouping>("grouping", &[("idle", minutes(2))]);
    correlator::<orion_missing_event::MissingEvent>(
        "missing-event",
        &[("first", "a".into()), ("then", "b".into()), ("window", minutes(1))],
    );
    correlator::<orion_sequence::Sequence>("sequence", &[("events", texts(&["a", "b"])), ("window", minutes(2))]);
    correlator::<orion_suppression::Suppression>(
        "suppression",
        &[("cause", "a".into()), ("equal", texts(&["node"])), ("idle", minutes(2))],
    );
    correlator::<orion_temporal::Temporal>("temporal", &[("events", texts(&["a", "b", "c"])), ("window", minutes(2))]);
    correlator::<orion_topology::Topology>(
        "topology",
        &[("node", "node".into()), ("depends_on", texts(&["x", "y", "y", "z"])), ("idle", minutes(2))],
    );
}

fn detector<D: orion_plugin::Detector>(name: &str, given: &[(&str, Given)]) {
    let plugin = plugin(name);
    let parameters = parameters(&plugin, given);
    let mut detector = plugin.detector().unwrap();
    detector.configure(&parameters).unwrap();
    let mut probe = DetectorProbe::<D>::new(&native(&parameters)).map_err(|refused| refused.0).unwrap();
    let series: Vec<(u32, Labels)> = (0..8)
        .map(|id| (id, [("instance", format!("i{id}")), ("job", "node".to_owned())].into_iter().collect()))
        .collect();
    detector.define_series(series.iter().map(|(id, labels)| (*id, labels))).unwrap();
    for (id, labels) in &series {
        probe.define(*id, &labels.iter().collect::<Vec<_>>());
    }
    let (mut drawn, mut said) = (Drawn(5), 0);
    for step in 0..600 {
        let now = FIRST + step * MINUTE;
        // A level that rises and falls, now and then a jump, a series that comes to a standstill, one that is gone for a while.
        let value = |id: u32, drawn: &mut Drawn| match id {
            0 if step > 100 => 5.0,
            1 if drawn.below(40) == 0 => 900.0,
            2 => f64::from(u32::try_from(step % 97).unwrap()),
            _ => f64::from(id * 20) + drawn.at_most(10) + f64::from(u32::try_from(step / 200).unwrap()) * 40.0,
        };
        let samples: Vec<(u32, f64)> =
            (0..8).filter(|id| *id != 7 || step % 50 < 40).map(|id| (id, value(id, &mut drawn))).collect();
        let frame = Frame {
            instant: Timestamp::from_millis(now),
            ids: samples.iter().map(|(id, _)| *id).collect(),
            timestamps: vec![now; samples.len()],
            values: samples.iter().map(|(_, value)| *value).collect(),
            warnings: Vec::new(),
        };
        let mut findings = Vec::new();
        detector.observe(&frame, &mut findings).unwrap();
        let words: Vec<String> = findings.iter().map(finding_words).collect();
        let expected: Vec<String> = probe.observe(now, &samples).iter().map(native_finding_words).collect();
        assert_eq!(words, expected, "{name} at step {step}");
        if plugin.manifest().state_version.is_some() && step % 7 == 0 {
            let saved: Vec<_> =
                detector.checkpoint().unwrap().into_iter().map(|entry| (entry.key, entry.value)).collect();
            let expected: Vec<_> = probe.checkpoint().into_iter().map(|entry| (entry.key, entry.value)).collect();
            assert_eq!(saved, expected, "{name} at step {step}");
        }
        said += words.len();
    }
    assert!(said > 0, "{name} found nothing");
}

fn finding_words(finding: &orion_model::Finding) -> String {
    let orion_model::Finding { series, severity, timestamp, value, score, message, fields } = finding;
    format!("{series:?} {severity:?} {} {value} {score:?} {message} {fields:?}", timestamp.as_millis())
}

fn native_finding_words(finding: &orion_plugin::Finding) -> String {
    let orion_plugin::Finding { series, severity, timestamp, value, score, message, fields } = finding;
    format!("{series:?} {severity:?} {timestamp} {value} {score:?} {message} {fields:?}")
}

#[test]
fn detectors_say_and_save_what_they_do_without_a_sandbox() {
    let minutes = |count: i64| Given::Integer(count * MINUTE);
    detector::<orion_absence::Absence>("absence", &[]);
    for mode in ["standard", "light"] {
        detector::<orion_anomaly::Anomaly>("anomaly", &[("mode", mode.into()), ("warm_up", minutes(60))]);
    }
    detector::<orion_counter_reset::CounterReset>("counter-reset", &[("window", minutes(5))]);
    detector::<orion_distribution_change::DistributionChange>(
        "distribution-change",
        &[("recent", minutes(20)), ("reference", minutes(100)), ("warm_up", minutes(60))],
    );
    detector::<orion_error_budget::ErrorBudget>(
        "error-budget",
        &[("objective", 0.9.into()), ("windows", texts(&["5m/1h@3"]))],
    );
    detector::<orion_flatline::Flatline>("flatline", &[("after", minutes(10))]);
    detector::<orion_forecast::Forecast>(
        "forecast",
        &[
            ("limit", 200.0.into()),
            ("within", minutes(600)),
            ("history", minutes(60)),
            ("minimum_history", minutes(10)),
        ],
    );
    detector::<orion_outlier_among_peers::OutlierAmongPeers>("outlier-among-peers", &[]);
    detector::<orion_rate_of_change::RateOfChange>(
        "rate-of-change",
        &[("at_least", 10.0.into()), ("window", minutes(5))],
    );
    detector::<orion_threshold::Threshold>("threshold", &[("above", 100.0.into())]);
}
