//! Labels are told to detectors that read them, and to no others.

use orion_model::Labels;
use orion_sandbox::{Fault, Limits};

use crate::guests::{DETECTOR, DetectorGuest, EPOCH, InASandbox, NOTHING, emit, frame, sandbox};

/// Says something of series 0, and traps when it is told labels.
fn guest() -> DetectorGuest {
    let observe = emit("(i32.const 1) (i32.const 0)", NOTHING, NOTHING, EPOCH);
    DetectorGuest { define_series: "unreachable", observe, ..DetectorGuest::default() }
}

#[test]
fn a_detector_that_reads_labels_is_told_them() {
    let mut detector = guest().start(Limits::default());
    let told = detector.define_series([(0, &Labels::empty())]);
    assert!(matches!(told, Err(Fault::Trap { call: "define-series", .. })), "{told:?}");
}

#[test]
fn a_detector_that_reads_none_is_not_told_any_and_may_speak_of_defined_series_all_the_same() {
    let manifest = format!("{DETECTOR}reads-labels = false\n");
    let plugin = sandbox(Limits::default()).load(&guest().component_with(&manifest)).unwrap();
    let mut detector = plugin.detector().unwrap();
    let mut findings = Vec::new();
    detector.define_series([(0, &Labels::empty())]).unwrap();
    detector.observe(&frame(1), &mut findings).unwrap();
    assert_eq!(findings.len(), 1);
    detector.drop_series(&[0]).unwrap();
    assert!(detector.observe(&frame(1), &mut findings).is_err(), "series 0 is not defined any more");
}
