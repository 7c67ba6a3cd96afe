//! What is asked of a host: a job is refused, or has texts within the limits and reads back as it was written; so do the tests that come
//! with one, as text or alone.

use std::path::Path;

use orion_model::{JobSpec, JobText, MAX_JOB_TEXT_BYTES};
use orion_suite::run::Answers;
use orion_suite::suite::{Suite, TestLimits, read_within};

/// Far less than a host takes: what grows without bounds is beyond it at once.
const LIMITS: TestLimits = TestLimits { samples: 10_000, samples_of_file: 20_000, instants: 1_000 };

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match serde_json::from_str::<JobSpec>(text) {
        Ok(spec) => read(&spec),
        Err(_) => tests(text),
    }
}

fn read(spec: &JobSpec) {
    let written = serde_json::to_string(spec).unwrap();
    assert_eq!(&serde_json::from_str::<JobSpec>(&written).unwrap(), spec);
    if spec.check().is_err() {
        return;
    }
    let mut copy = spec.clone();
    let bytes: usize = copy.texts_mut().iter().map(|text| text.text.as_ref().map_or(0, String::len)).sum();
    assert!(bytes <= MAX_JOB_TEXT_BYTES);
    if let JobSpec::Test { tests: files, answers, .. } = spec {
        files.iter().filter_map(|file| file.text.as_deref()).for_each(tests);
        let answers = answers.as_ref().and_then(|JobText { text, .. }| text.as_deref());
        // Whether they are any is all that is asked.
        let _ = answers.map(Answers::of_text);
    }
}

fn tests(text: &str) {
    let Ok(suite) = read_within(Path::new("fuzz.test.yaml"), text, LIMITS) else { return };
    let samples = |suite: &Suite| -> usize {
        suite.tests.iter().flat_map(|test| &test.series).map(|series| series.samples.len()).sum()
    };
    assert!(samples(&suite) <= LIMITS.samples_of_file);
    for test in &suite.tests {
        assert!(test.lasts_millis / suite.interval_millis < LIMITS.instants);
    }
}
