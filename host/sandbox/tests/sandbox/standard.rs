//! The standard plugins through the sandbox, against the same code called directly.

use crate::guests::sandbox;
use orion_model::{Change, ChangeKind, Frame, Labels, Parameter, ParameterValue, Severity, Status, Timestamp};
use orion_plugin::testing::DetectorProbe;
use orion_sandbox::{ConfigureError, Detector, EventBatch, Limits, Plugin};
use orion_standard_plugins::STANDARD;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn plugin(name: &str) -> Plugin {
    let standard = STANDARD.iter().find(|plugin| plugin.name == name).unwrap();
    sandbox(Limits::default()).load(standard.component).unwrap()
}

fn parameter(name: &str, value: ParameterValue) -> Parameter {
    Parameter { name: name.to_owned(), value }
}

fn labels(instance: &str) -> Labels {
    [("instance", instance), ("job", "node")].into_iter().collect()
}

fn frame(minute: i64, samples: &[(u32, f64)]) -> Frame {
    Frame {
        instant: Timestamp::from_millis(minute * MINUTE),
        ids: samples.iter().map(|(id, _)| *id).collect(),
        timestamps: vec![minute * MINUTE; samples.len()],
        values: samples.iter().map(|(_, value)| *value).collect(),
        warnings: vec![],
    }
}

/// A configured detector that knows these series.
fn detector(plugin: &Plugin, given: &[Parameter], series: &[(u32, Labels)]) -> Detector {
    let mut detector = plugin.detector().unwrap();
    detector.configure(&plugin.manifest().complete(given)).unwrap();
    detector.define_series(series.iter().map(|(id, labels)| (*id, labels))).unwrap();
    detector
}

#[test]
fn every_standard_plugin_imports_emit_and_nothing_else() {
    let sandbox = sandbox(Limits::default());
    for standard in STANDARD {
        let certificate = sandbox.inspect(standard.component).unwrap();
        assert_eq!(certificate.manifest.name, standard.name);
        assert_eq!(certificate.imports.len(), 1, "{:?}", certificate.imports);
        assert!(certificate.imports[0].ends_with("#emit"));
    }
}

#[test]
fn threshold_finds_and_its_report_is_the_same_every_time() {
    let plugin = plugin("threshold");
    let given = [parameter("above", ParameterValue::Number(90.0))];
    let series = [(0, labels("a")), (1, labels("b"))];
    let mut reports = Vec::new();
    for _ in 0..2 {
        let mut detector = detector(&plugin, &given, &series);
        let mut findings = Vec::new();
        let report = detector.observe(&frame(1, &[(0, 95.0), (1, 12.0)]), &mut findings).unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].series, findings[0].value), (Some(0), 95.0));
        assert_eq!(findings[0].timestamp, Timestamp::from_millis(MINUTE));
        reports.push(report);
    }
    assert_eq!(reports[0], reports[1]);
    assert!(reports[0].fuel > 0);
    let refused = plugin.detector().unwrap().configure(&[parameter("above", ParameterValue::Number(f64::NAN))]);
    assert_eq!(refused, Err(ConfigureError::Refused("`above` is not a number".to_owned())));
}

#[test]
fn absence_remembers_through_a_new_instance() {
    let plugin = plugin("absence");
    let series = [(0, labels("a")), (1, labels("b"))];
    let mut first = detector(&plugin, &[], &series);
    let mut findings = Vec::new();
    first.observe(&frame(0, &[(0, 1.0), (1, 1.0)]), &mut findings).unwrap();
    let saved = first.checkpoint().unwrap();
    assert_eq!((findings.len(), saved.len()), (0, 3));
    first.observe(&frame(1, &[(0, 1.0), (1, 1.0)]), &mut findings).unwrap();
    assert_eq!(first.checkpoint().unwrap(), []);

    let mut second = plugin.detector().unwrap();
    second.configure(&plugin.manifest().complete(&[])).unwrap();
    second.restore(plugin.manifest().state_version.unwrap(), &saved).unwrap();
    second.define_series(series.iter().map(|(id, labels)| (*id, labels))).unwrap();
    second.observe(&frame(2, &[(1, 1.0)]), &mut findings).unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].series, &*findings[0].message), (Some(0), "no longer in the answer"));
    assert!(matches!(second.restore(9, &saved), Err(ConfigureError::Refused(_))));
}

#[test]
fn grouping_opens_updates_resolves_and_remembers_through_a_new_instance() {
    let plugin = plugin("grouping");
    let start = || {
        let mut correlator = plugin.correlator().unwrap();
        correlator.configure(&plugin.manifest().complete(&[])).unwrap();
        correlator
    };
    let at = |minute: i64| Timestamp::from_millis(minute * MINUTE);
    let mut batch = EventBatch::new();
    let mut event = |position: u64, minute, status, fingerprint| {
        batch.clear();
        let value = f64::NAN;
        batch.push(
            position,
            at(minute),
            Severity::Error,
            status,
            fingerprint,
            value,
            "jellyfin",
            "service_down",
            &labels("a"),
        );
        batch.clone()
    };
    let mut first = start();
    let mut changes = Vec::new();
    first.correlate(at(0), &event(10, 0, Status::Firing, 1), &mut changes).unwrap();
    first.correlate(at(1), &event(11, 1, Status::Firing, 2), &mut changes).unwrap();
    let mut second = start();
    second.restore(1, &first.checkpoint().unwrap()).unwrap();
    second.correlate(at(2), &event(12, 2, Status::Resolved, 1), &mut changes).unwrap();
    second.correlate(at(3), &event(13, 3, Status::Resolved, 2), &mut changes).unwrap();
    second.correlate(at(60), &EventBatch::new(), &mut changes).unwrap();
    let said: Vec<_> = changes.iter().map(|Change { kind, positions, .. }| (*kind, positions.clone())).collect();
    let want = [(ChangeKind::Opened, vec![10]), (ChangeKind::Updated, vec![11]), (ChangeKind::Resolved, vec![])];
    assert_eq!(said, want);
    assert!(changes.iter().all(|change| change.key == "jellyfin" && change.severity == Severity::Error));
    assert!(second.checkpoint().unwrap().iter().all(|entry| entry.value.is_none()));
}

#[test]
fn labels_of_many_series_are_told_in_small_calls_within_the_memory_of_a_guest() {
    let limits = Limits { memory_bytes: 24 * 1024 * 1024, ..Limits::default() };
    let standard = STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    let plugin = sandbox(limits).load(standard.component).unwrap();
    let many: Vec<(u32, Labels)> =
        (0..50_000).map(|id| (id, labels(&format!("instance-{id:08}.example.org:9100")))).collect();
    let mut detector = detector(&plugin, &[], &many);
    let samples: Vec<_> = (0..50_000).map(|id| (id, f64::from(id))).collect();
    let mut findings = Vec::new();
    let report = detector.observe(&frame(0, &samples), &mut findings).unwrap();
    assert_eq!(findings.len(), 50_000);
    assert!(report.memory_bytes < 24 * 1024 * 1024);
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -100.0..100.0_f64,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-0.0),
        Just(f64::from_bits(0x7ff4_dead_beef_0001))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn threshold_says_the_same_in_the_sandbox_and_outside(
        above in proptest::option::of(-100.0..100.0_f64),
        at_most in proptest::option::of(-100.0..100.0_f64),
        frames in proptest::collection::vec(proptest::collection::vec(value(), 0..60), 1..4),
    ) {
        thread_local!(static PLUGIN: Plugin = plugin("threshold"));
        let bounds: Vec<_> = [("above", above), ("at_most", at_most)].into_iter().filter_map(|(name, bound)| Some((name, bound?))).collect();
        let given: Vec<_> = bounds.iter().map(|(name, bound)| parameter(name, ParameterValue::Number(*bound))).collect();
        let series: Vec<_> = (0..60).map(|id| (id, labels(&id.to_string()))).collect();
        let mut inside = PLUGIN.with(|plugin| detector(plugin, &given, &series));
        let outside: Vec<_> = bounds.iter().map(|(name, bound)| (*name, (*bound).into())).collect();
        let mut outside = DetectorProbe::<orion_threshold::Threshold>::new(&outside).unwrap();
        for (minute, values) in (0..).zip(&frames) {
            let samples: Vec<_> = (0..).zip(values.iter().copied()).collect();
            let mut found = Vec::new();
            inside.observe(&frame(minute, &samples), &mut found).unwrap();
            let canonical = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            let inside: Vec<_> = found.iter().map(|f| (f.series, f.timestamp.as_millis(), f.value.to_bits(), f.message.to_string())).collect();
            let outside = outside.observe(minute * MINUTE, &samples);
            let outside: Vec<_> = outside.into_iter().map(|f| (f.series, f.timestamp, canonical(f.value), f.message)).collect();
            prop_assert_eq!(inside, outside);
        }
    }
}
