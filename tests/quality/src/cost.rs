//! What a sample costs: the thread's CPU time, so that a busy neighbour shows little.

use std::time::Duration;

use orion_model::ParameterValue;
use orion_nab::Corpus;
use rustix::time::{ClockId, clock_gettime};

use crate::QualityError;
use crate::detector::{Watch, observe, parameter};

/// Series in a frame.
const SERIES: usize = 1_000;

/// Frames until every series is known, and frames that are measured.
const LEARNED: usize = 200;
const MEASURED: usize = 200;

const INTERVAL_MILLIS: i64 = 300_000;

/// In microseconds, in frames of a thousand series: the values of the corpus, one after the other, each series somewhere else in
/// it.
#[expect(clippy::cast_precision_loss, reason = "some hundred thousand samples")]
pub fn of_a_sample(watch: &Watch, mode: &str, corpus: &Corpus) -> Result<f64, QualityError> {
    let values: Vec<f64> = corpus.series.iter().flat_map(|series| &series.rows).map(|row| row.value).collect();
    if values.is_empty() {
        return Err(QualityError::Wrong("the labelled series have no rows".to_owned()));
    }
    let apart = values.len() / SERIES + 1;
    let given = [parameter("mode", ParameterValue::Text(mode.to_owned()))];
    let mut detector = watch.start(&given, u32::try_from(SERIES).unwrap_or(u32::MAX))?;
    let mut findings = Vec::new();
    let mut spent = Duration::ZERO;
    for (frame, instant) in (0..LEARNED + MEASURED).zip((0..).step_by(INTERVAL_MILLIS.unsigned_abs() as usize)) {
        let samples: Vec<f64> = values.iter().cycle().skip(frame).step_by(apart).take(SERIES).copied().collect();
        let before = of_this_thread();
        observe(&mut detector, instant, &samples, &mut findings)?;
        if frame >= LEARNED {
            spent += of_this_thread().saturating_sub(before);
        }
        findings.clear();
        // As often as a host does at this interval: after each.
        detector.checkpoint().map_err(QualityError::failed("save the state"))?;
    }
    Ok(spent.as_secs_f64() * 1e6 / (SERIES * MEASURED) as f64)
}

fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
