//! Time of a piece of work, as the median of several runs.

use crate::cpu;
use crate::error::BenchError;

/// Odd, so that there is one in the middle. Half of them may be disturbed without a trace in the median.
const SAMPLES: usize = 21;

/// A run is repeated until it takes this long: what the clock and the first touch of caches cost is lost in it.
const SAMPLE_NANOS: f64 = 10e6;

/// A piece of work that is measured.
pub type Work<'a> = &'a mut dyn FnMut() -> Result<(), BenchError>;

/// The one in the middle; NaN of none.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of one run in nanoseconds.
pub fn nanos(work: Work<'_>) -> Result<f64, BenchError> {
    let repeat = repetitions(work)?;
    let samples: Result<Vec<f64>, BenchError> = (0..SAMPLES).map(|_| sample(work, repeat)).collect();
    samples.map(median)
}

/// Two pieces of work in turns, so that what disturbs one disturbs the other.
pub struct SideBySide {
    /// Nanoseconds of a run of the first.
    pub first: f64,
    /// Nanoseconds of a run of the second.
    pub second: f64,
    /// How many times the second the first takes: the median of the ratios, not the ratio of the medians.
    pub ratio: f64,
}

/// Measures two pieces of work in turns.
pub fn side_by_side(first: Work<'_>, second: Work<'_>) -> Result<SideBySide, BenchError> {
    let repeat = (repetitions(first)?, repetitions(second)?);
    let (mut firsts, mut seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let (one, two) = (sample(first, repeat.0)?, sample(second, repeat.1)?);
        firsts.push(one);
        seconds.push(two);
        ratios.push(one / two);
    }
    Ok(SideBySide { first: median(firsts), second: median(seconds), ratio: median(ratios) })
}

/// The first run warms up, the second tells how many make a sample.
fn repetitions(work: Work<'_>) -> Result<u32, BenchError> {
    work()?;
    let once = sample(work, 1)?;
    // Saturates at both ends, and a sample is at least one run.
    Ok(((SAMPLE_NANOS / once.max(1.0)) as u32).max(1))
}

fn sample(work: Work<'_>, repeat: u32) -> Result<f64, BenchError> {
    let before = cpu::of_this_thread();
    for _ in 0..repeat {
        work()?;
    }
    Ok((cpu::of_this_thread() - before).as_nanos() as f64 / f64::from(repeat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle_whatever_the_order() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn work_that_fails_is_not_measured() {
        let failing: Work<'_> = &mut || Err(BenchError::Unequal("x".to_owned()));
        assert!(nanos(failing).is_err());
    }
}
