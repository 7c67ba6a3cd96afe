//! The threshold detector in the sandbox beside the same crate called directly.
//!
//! The direct call gets columns of its own, copied for it, because that is how a guest gets them; what the sandbox costs
//! beside the copy is what is left. The same ratio against columns that are only lent is shown too.

use orion_model::Finding;
use orion_plugin::testing::DetectorProbe;
use orion_threshold::Threshold;

use super::Context;
use super::columns::frame_of;
use crate::error::{BenchError, require, require_equal};
use crate::median;
use crate::plugins::{NEVER_BROKEN, threshold};
use crate::report::{Figure, Target};

const SERIES: [u32; 3] = [1_000, 10_000, 100_000];
const MOST_RATIO: f64 = 1.4;

/// One value in a hundred is above it.
const SOMETIMES_BROKEN: f64 = 990_000.0;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    for series in SERIES {
        same_findings(context, series)?;
        figures.extend(measure(context, series)?);
    }
    Ok(figures)
}

fn measure(context: &Context, series: u32) -> Result<[Figure; 2], BenchError> {
    let frame = frame_of(series);
    let now = frame.instant.as_millis();
    let mut detector = threshold(context.sandbox()?, NEVER_BROKEN)?;
    let mut findings = Vec::new();
    let mut sandboxed = || {
        detector.observe(&frame, &mut findings).map_err(BenchError::failed("observe"))?;
        require(findings.is_empty(), || "a bound was broken that cannot be".to_owned())
    };
    let mut probe = native(NEVER_BROKEN)?;
    // Filled anew and not made anew, as a guest's allocator does it: fresh pages for each frame are what the system charges
    // a large allocation with, and have nothing to do with either side.
    let (mut ids, mut timestamps, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let owned = median::side_by_side(&mut sandboxed, &mut || {
        refill(&mut ids, &frame.ids);
        refill(&mut timestamps, &frame.timestamps);
        refill(&mut values, &frame.values);
        let findings = probe.observe_columns(now, &ids, &timestamps, &values);
        require(findings.is_empty(), || "a bound was broken that cannot be".to_owned())
    })?;
    let lent = median::side_by_side(&mut sandboxed, &mut || {
        let findings = probe.observe_columns(now, &frame.ids, &frame.timestamps, &frame.values);
        require(findings.is_empty(), || "a bound was broken that cannot be".to_owned())
    })?;
    let micros = |nanos: f64| format!("{:.1}", nanos / 1_000.0);
    Ok([
        Figure::new(format!("{series} series"), Target::AtMost(MOST_RATIO), owned.ratio, "×").note(format!(
            "{} µs beside {} µs",
            micros(owned.first),
            micros(owned.second)
        )),
        Figure::new(format!("{series} series, columns lent"), Target::None, lent.ratio, "×").note(format!(
            "{} µs beside {} µs",
            micros(lent.first),
            micros(lent.second)
        )),
    ])
}

fn refill<T: Copy>(column: &mut Vec<T>, from: &[T]) {
    column.clear();
    column.extend_from_slice(from);
}

fn native(above: f64) -> Result<DetectorProbe<Threshold>, BenchError> {
    DetectorProbe::new(&[("above", above.into())]).map_err(|refused| BenchError::Failed {
        what: "set up the threshold detector without a sandbox".to_owned(),
        why: refused.0,
    })
}

fn same_findings(context: &Context, series: u32) -> Result<(), BenchError> {
    let frame = frame_of(series);
    let labels = orion_model::Labels::empty();
    let mut detector = threshold(context.sandbox()?, SOMETIMES_BROKEN)?;
    detector.define_series(frame.ids.iter().map(|id| (*id, &labels))).map_err(BenchError::failed("define series"))?;
    let mut sandboxed = Vec::new();
    detector.observe(&frame, &mut sandboxed).map_err(BenchError::failed("observe"))?;
    let now = frame.instant.as_millis();
    let native = native(SOMETIMES_BROKEN)?.observe_columns(now, &frame.ids, &frame.timestamps, &frame.values);
    require(!native.is_empty(), || "nothing was found".to_owned())?;
    let of_host = |finding: &Finding| (finding.series, finding.timestamp.as_millis(), finding.value.to_bits());
    let of_sdk = |finding: &orion_plugin::Finding| (finding.series, finding.timestamp, finding.value.to_bits());
    let sandboxed: Vec<_> = sandboxed.iter().map(of_host).collect();
    require_equal("findings", &sandboxed, &native.iter().map(of_sdk).collect())
}
