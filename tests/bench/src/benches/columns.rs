//! What a sample costs on its way from the host into a detector that looks at it.

use orion_model::{Frame, Timestamp};

use super::Context;
use crate::error::{BenchError, require};
use crate::median;
use crate::plugins::{NEVER_BROKEN, threshold};
use crate::report::{Figure, Target};

const SAMPLES: u32 = 10_000;
const MOST_NANOS_PER_SAMPLE: f64 = 3.0;

/// A frame of so many samples, with values below a million.
pub fn frame_of(samples: u32) -> Frame {
    let instant = Timestamp::from_millis(1_732_174_269_007);
    Frame {
        instant,
        ids: (0..samples).collect(),
        timestamps: (0..samples).map(|_| instant.as_millis()).collect(),
        values: (0..samples).map(|id| f64::from(id.wrapping_mul(2_654_435_761) % 1_000_000)).collect(),
        warnings: Vec::new(),
    }
}

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let mut detector = threshold(context.sandbox()?, NEVER_BROKEN)?;
    let mut findings = Vec::new();
    let mut cost = |samples| {
        let frame = frame_of(samples);
        median::nanos(&mut || {
            detector.observe(&frame, &mut findings).map_err(BenchError::failed("observe"))?;
            require(findings.is_empty(), || format!("{} findings instead of none", findings.len()))
        })
    };
    let (full, empty) = (cost(SAMPLES)?, cost(0)?);
    let samples = f64::from(SAMPLES);
    Ok(vec![
        Figure::new(
            "a sample of 10 000, detector included",
            Target::AtMost(MOST_NANOS_PER_SAMPLE),
            full / samples,
            "ns",
        )
        .note(format!("{:.2} ns beyond an empty frame", (full - empty) / samples)),
        Figure::new("an empty frame", Target::None, empty, "ns"),
    ])
}
