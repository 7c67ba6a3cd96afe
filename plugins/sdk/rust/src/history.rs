//! The past of a series in a bounded number of samples, evenly thinned: when it is full, one of each two goes, and new ones
//! are kept half as often. Which one, and how soon the next, is decided by a hash of the time: with a fixed stride, what
//! happens every five minutes would always be kept, or never.

use crate::stored::Stored;

/// Samples of the last while.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Oldest first.
    kept: Vec<(i64, f64)>,
    /// Time between two that are kept, on average, in milliseconds.
    spacing: i64,
}

impl History {
    /// Adds a sample, newer than all before it, unless it is too close to the last one that was kept; forgets what is
    /// older than `span` but for the latest of that, from which the series came into the span; and keeps no more than
    /// `most`. Whether it was kept.
    pub fn push(&mut self, timestamp: i64, value: f64, span: i64, most: usize) -> bool {
        self.forget_before(timestamp.saturating_sub(span));
        let last = self.kept.last();
        if last.is_some_and(|(last, _)| timestamp.saturating_sub(*last) < self.distance_after(*last)) {
            return false;
        }
        self.kept.push((timestamp, value));
        if self.kept.len() > most {
            self.thin(span);
        }
        true
    }

    /// Keeps the latest that is as old as `start` or older, and what is younger.
    fn forget_before(&mut self, start: i64) {
        let gone = self.kept.partition_point(|(timestamp, _)| *timestamp <= start).saturating_sub(1);
        self.kept.drain(..gone);
        if self.kept.len() <= 1 {
            self.spacing = 0;
        }
    }

    /// Half of the spacing to one and a half.
    fn distance_after(&self, timestamp: i64) -> i64 {
        let spacing = self.spacing.unsigned_abs();
        i64::try_from(spacing / 2 + hash(timestamp) % (spacing + 1)).unwrap_or(i64::MAX)
    }

    /// Of each two neighbours one stays, and the oldest, which says how far the history reaches; new ones are kept as far
    /// apart as these are now.
    fn thin(&mut self, span: i64) {
        let ends = self.kept.first().zip(self.kept.last());
        let reach = ends.map_or(0, |(first, last)| last.0.saturating_sub(first.0));
        let steps = i64::try_from(self.kept.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        self.spacing = (reach / steps).saturating_mul(2).clamp(1, span.max(1));
        let oldest = self.kept.first().map(|(timestamp, _)| *timestamp);
        let stays = |pair: &[(i64, f64)]| {
            let first = *pair.first()?;
            let second = pair.get(1).filter(|_| hash(first.0) & 1 == 1 && Some(first.0) != oldest);
            Some(*second.unwrap_or(&first))
        };
        self.kept = self.kept.chunks(2).filter_map(stays).collect();
    }

    /// What is kept, oldest first.
    pub fn samples(&self) -> &[(i64, f64)] {
        &self.kept
    }

    /// What is kept of (`now` − `span`, `now`], oldest first.
    pub fn within(&self, now: i64, span: i64) -> &[(i64, f64)] {
        let first = self.kept.partition_point(|(timestamp, _)| *timestamp <= now.saturating_sub(span));
        self.kept.get(first..).unwrap_or_default()
    }

    /// The latest that is kept of what was at or before an instant.
    pub fn at_or_before(&self, instant: i64) -> Option<(i64, f64)> {
        let after = self.kept.partition_point(|(timestamp, _)| *timestamp <= instant);
        self.kept.get(after.checked_sub(1)?).copied()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds the same to all values before an instant: from there on the series went on at another level.
    pub fn shift_before(&mut self, instant: i64, by: f64) {
        let before = self.kept.iter_mut().take_while(|(timestamp, _)| *timestamp < instant);
        before.for_each(|(_, value)| *value += by);
    }
}

/// The finish of SplitMix64.
const fn hash(timestamp: i64) -> u64 {
    let word = timestamp.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

impl Stored for History {
    fn write(&self, out: &mut Vec<u8>) {
        self.spacing.write(out);
        self.kept.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self { spacing: i64::read(from)?, kept: Vec::read(from)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn up_to_the_most_every_sample_is_kept_and_beyond_one_of_each_two() {
        let mut history = History::default();
        (1..=8).for_each(|time| assert!(history.push(time * 10, 0.0, 10_000, 8)));
        assert_eq!(history.samples().len(), 8);
        assert!(history.push(90, 0.0, 10_000, 8));
        let pairs: Vec<_> = history.samples().iter().map(|(time, _)| (time / 10 - 1) / 2).collect();
        assert_eq!(pairs, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_happens_every_second_time_is_kept_as_often_as_what_does_not() {
        let mut history = History::default();
        for minute in 0..5_000 {
            history.push(minute * 60_000, (minute % 2) as f64, 21_600_000, 48);
        }
        let odd = history.samples().iter().filter(|(_, value)| *value == 1.0).count();
        assert!((8..40).contains(&odd), "{odd} of {}", history.samples().len());
    }

    #[test]
    fn the_sample_from_which_the_span_was_entered_is_kept_and_those_before_it_are_not() {
        let mut history = History::default();
        for time in [10, 20, 30, 40] {
            assert!(history.push(time, time as f64, 20, 8));
        }
        assert_eq!(history.samples(), [(20, 20.0), (30, 30.0), (40, 40.0)]);
        assert_eq!(history.within(40, 20), [(30, 30.0), (40, 40.0)]);
        assert_eq!(history.at_or_before(20), Some((20, 20.0)));
        assert_eq!(history.at_or_before(19), None);
    }

    #[test]
    fn only_what_was_before_an_instant_is_shifted() {
        let mut history = History::default();
        (1..=3).for_each(|time| assert!(history.push(time, 1.0, 100, 8)));
        history.shift_before(3, 10.0);
        assert_eq!(history.samples(), [(1, 11.0), (2, 11.0), (3, 1.0)]);
    }

    proptest! {
        #[test]
        fn a_history_is_bounded_and_reaches_over_its_span_without_a_hole_of_its_own(
            steps in proptest::collection::vec(1_i64..20, 1..400), most in 8_usize..40,
        ) {
            let span = 400;
            let mut history = History::default();
            let mut times = vec![];
            let mut now = 0;
            for step in steps {
                now += step;
                times.push(now);
                history.push(now, now as f64, span, most);
                prop_assert!(history.samples().len() <= most);
                prop_assert!(history.samples().is_sorted_by(|one, other| one.0 < other.0));
                prop_assert!(history.samples().iter().all(|(time, value)| times.contains(time) && *value == *time as f64));
                // Of neighbours half again as far apart as the spacing every third may be left, and the series has steps.
                let widest = 8 * span / i64::try_from(most).unwrap() + 3 * 20;
                let mut ends = history.samples().iter().map(|(time, _)| *time).chain([now]).collect::<Vec<_>>();
                ends.insert(0, times[0].max(now - span));
                prop_assert!(ends.windows(2).all(|pair| pair[1] - pair[0] <= widest), "{:?} {}", ends, widest);
            }
        }
    }
}
