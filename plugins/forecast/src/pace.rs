//! How fast a series goes, and how sure that is.

use orion_plugin::{Bulk, Stored, median};

/// Times and values, oldest first.
type Samples<'a> = &'a [(i64, f64)];

/// A pace in units a millisecond, with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The slow end.
    pub low: f64,
    /// The most likely.
    pub slope: f64,
    /// The fast end.
    pub high: f64,
    /// How far samples usually are from the line, in units.
    pub spread: f64,
}

impl Pace {
    /// From samples, oldest first, in the interval that `quantile` of the normal distribution gives; `None` from too few.
    ///
    /// The interval supposes that samples stray independently of each other, which those of a series that has just
    /// changed its ways do not. So the pace of the younger half widens it: what stopped growing an hour ago is not
    /// projected on, and what sped up is said to be early. And where the younger half is at what the older half has seen
    /// already, standing still is within the interval: the series came back from there once.
    pub fn of(samples: Samples<'_>, quantile: f64) -> Option<Self> {
        let mut slopes = slopes(samples);
        let (low, high) = interval(samples.len(), slopes.len(), quantile)?;
        let (low, high) = (ranked(&mut slopes, low)?, ranked(&mut slopes, high)?);
        let slope = median(&mut slopes)?;
        let (older, younger) = halves(samples)?;
        let recent = median(&mut self::slopes(younger))?;
        let pace = Self { low: low.min(recent), slope, high: high.max(recent), spread: spread_around(samples, slope)? };
        Some(if has_been_at(older, younger)? { pace.or_none() } else { pace })
    }

    /// The same in the other direction.
    pub fn reversed(self) -> Self {
        Self { low: -self.high, slope: -self.slope, high: -self.low, spread: self.spread }
    }

    /// Widened to standing still.
    fn or_none(self) -> Self {
        Self { low: self.low.min(0.0), high: self.high.max(0.0), ..self }
    }
}

/// The slope of this rank. All series of a frame may be due at once, and sorting would be ten times the work.
fn ranked(slopes: &mut [f64], rank: usize) -> Option<f64> {
    (rank < slopes.len()).then(|| *slopes.select_nth_unstable_by(rank, f64::total_cmp).1)
}

fn slopes(samples: Samples<'_>) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    let slope = |from: &(i64, f64), to: &(i64, f64)| (to.1 - from.1) / (to.0 - from.0) as f64;
    let from_each = (1..).zip(samples);
    let pairs = from_each.flat_map(|(next, from)| samples.iter().skip(next).map(move |to| slope(from, to)));
    pairs.filter(|slope| slope.is_finite()).collect()
}

/// How far samples usually are from the line of this slope that goes through their middle.
fn spread_around(samples: Samples<'_>, slope: f64) -> Option<f64> {
    let (first, _) = *samples.first()?;
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    let level = |(timestamp, value): &(i64, f64)| value - slope * (timestamp - first) as f64;
    Some(Bulk::of(&mut samples.iter().map(level).collect::<Vec<_>>())?.spread)
}

/// Before and after the middle of the time.
fn halves(samples: Samples<'_>) -> Option<(Samples<'_>, Samples<'_>)> {
    let (first, last) = (samples.first()?.0, samples.last()?.0);
    let middle = first.saturating_add(last.saturating_sub(first) / 2);
    samples.split_at_checked(samples.partition_point(|(timestamp, _)| *timestamp <= middle))
}

/// Whether the middle of the younger samples is within the range of the older ones, but for a tenth of them at either end.
fn has_been_at(older: Samples<'_>, younger: Samples<'_>) -> Option<bool> {
    let values = |samples: Samples<'_>| samples.iter().map(|(_, value)| *value).collect::<Vec<_>>();
    let (mut older, middle) = (values(older), median(&mut values(younger))?);
    older.sort_unstable_by(f64::total_cmp);
    let wild = older.len() / 10;
    Some((*older.get(wild)?..=*older.iter().nth_back(wild)?).contains(&middle))
}

/// Which of the ordered slopes are the ends: as far from the middle as Kendall's statistic strays by chance.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a thousand slopes"
)]
fn interval(samples: usize, slopes: usize, quantile: f64) -> Option<(usize, usize)> {
    let n = samples as f64;
    let strays = quantile * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let rank = ((slopes as f64 - strays) / 2.0).floor();
    // Ranks begin at one. Too few samples do not reach the confidence at all.
    (rank >= 1.0).then(|| (rank as usize - 1, slopes - rank as usize))
}

impl Stored for Pace {
    fn write(&self, out: &mut Vec<u8>) {
        self.low.write(out);
        (self.slope, self.high).write(out);
        self.spread.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let low = f64::read(from)?;
        let (slope, high) = Stored::read(from)?;
        Some(Self { low, slope, high, spread: f64::read(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILE_90: f64 = 1.644_854;

    fn line(samples: i64, value: impl Fn(i64) -> f64) -> Vec<(i64, f64)> {
        (0..samples).map(|time| (time, value(time))).collect()
    }

    #[test]
    fn on_a_line_all_slopes_are_one_and_a_third_of_wild_samples_do_not_bend_it_far() {
        let straight = Pace::of(&line(20, |time| 3.0 * time as f64), QUANTILE_90).unwrap();
        assert_eq!(straight, Pace { low: 3.0, slope: 3.0, high: 3.0, spread: 0.0 });
        let wild = |time: i64| if time % 5 == 0 { 1e6 } else { 3.0 * time as f64 };
        let wild = Pace::of(&line(40, wild), QUANTILE_90).unwrap();
        assert!((wild.slope - 3.0).abs() < 0.1, "{wild:?}");
    }

    #[test]
    fn the_ends_are_those_of_the_textbook() {
        // Ten samples: 45 slopes, Kendall's statistic strays by 18.39, so the ends are the 13th from either side.
        assert_eq!(interval(10, 45, QUANTILE_90), Some((12, 32)));
        assert_eq!(interval(4, 6, QUANTILE_90), None);
        assert_eq!(interval(0, 0, QUANTILE_90), None);
    }

    #[test]
    fn what_has_stopped_is_not_projected_on_and_what_sped_up_may_be_early() {
        let stopped = Pace::of(&line(40, |time| time.min(20) as f64), QUANTILE_90).unwrap();
        assert_eq!(stopped.low, 0.0);
        let faster = Pace::of(&line(40, |time| (time + 9 * (time - 20).max(0)) as f64), QUANTILE_90).unwrap();
        assert!(faster.high >= 10.0 && faster.low < faster.slope, "{faster:?}");
    }

    #[test]
    fn what_came_back_from_where_it_is_may_do_so_again() {
        let tooth = |time: i64| -((time % 20) as f64);
        for now in 40..60 {
            let samples: Vec<_> = (now - 40..now).map(|time| (time, tooth(time))).collect();
            let pace = Pace::of(&samples, QUANTILE_90).unwrap();
            assert!(pace.low <= 0.0 && pace.high >= 0.0, "{now}: {pace:?}");
        }
    }

    #[test]
    fn reversed_the_ends_change_places() {
        let pace = Pace { low: -1.0, slope: 2.0, high: 5.0, spread: 1.0 };
        assert_eq!(pace.reversed(), Pace { low: -5.0, slope: -2.0, high: 1.0, spread: 1.0 });
        assert_eq!(pace.reversed().reversed(), pace);
    }
}
