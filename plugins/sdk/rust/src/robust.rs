//! Statistics that a few wild values do not move.

/// What a median absolute deviation is multiplied with to be a standard deviation, where values are normally distributed.
pub const MAD_TO_DEVIATION: f64 = 1.4826;

/// The value in the middle, or between the two in the middle; `None` of nothing. The values are put in another order.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) =
        values.get(middle).is_some().then(|| values.select_nth_unstable_by(middle, f64::total_cmp))?;
    let upper = *upper;
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| even);
    // Halves first: the sum of two large numbers is infinite.
    Some(lower.map_or(upper, |lower| lower / 2.0 + upper / 2.0))
}

/// How far values usually are from `middle`, as a standard deviation. The values are lost.
pub fn spread_around(middle: f64, values: &mut [f64]) -> Option<f64> {
    values.iter_mut().for_each(|value| *value = (*value - middle).abs());
    median(values).map(|deviation| deviation * MAD_TO_DEVIATION)
}

/// Where the bulk of some values is, and how wide it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bulk {
    /// Their median.
    pub median: f64,
    /// Their median absolute deviation, as a standard deviation.
    pub spread: f64,
}

impl Bulk {
    /// Of values; `None` of nothing. The values are lost.
    pub fn of(values: &mut [f64]) -> Option<Self> {
        let median = median(values)?;
        Some(Self { median, spread: spread_around(median, values)? })
    }
}

/// How far from where it should be a value is unusual: so many times the usual spread, and no less than a minimum, because
/// of values that hardly ever move any movement is far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// So many times the spread.
    pub spreads: f64,
    /// And this much, in the unit of the values.
    pub minimum: f64,
    /// And this much, in percent of the larger of the two: from 0 to anything is 100 %.
    pub minimum_percent: f64,
}

impl Margin {
    /// How many spreads a value is away from what was expected, where the spread is at least what makes the minima. So the
    /// value is unusual when the score is [`Self::spreads`] or more. Always a number.
    #[must_use]
    pub fn score(&self, expected: f64, spread: f64, value: f64) -> f64 {
        let distance = (value - expected).abs();
        if distance == 0.0 {
            return 0.0;
        }
        let least = self.minimum.max(value.abs().max(expected.abs()) * self.minimum_percent / 100.0) / self.spreads;
        (distance / spread.max(least)).min(f64::MAX)
    }

    /// How far a value may be from what was expected, to be usual, where values are about as large as that.
    #[must_use]
    pub fn usual_distance(&self, expected: f64, spread: f64) -> f64 {
        (spread * self.spreads).max(self.minimum).max(expected.abs() * self.minimum_percent / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bulk_is_where_most_values_are_and_a_wild_one_does_not_move_it() {
        let bulk = Bulk::of(&mut [1.0, 2.0, 3.0, 4.0, 1e300]).unwrap();
        assert_eq!(bulk, Bulk { median: 3.0, spread: MAD_TO_DEVIATION });
        assert_eq!(Bulk::of(&mut []), None);
        assert_eq!(median(&mut [f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn a_value_is_unusual_from_so_many_spreads_on_if_the_minima_are_met() {
        let margin = Margin { spreads: 5.0, minimum: 3.0, minimum_percent: 20.0 };
        // Expected 10 with a spread of 1: 15 is five spreads away, and a third of itself.
        assert_eq!(margin.score(10.0, 1.0, 15.0), 5.0);
        assert!(margin.score(10.0, 1.0, 14.9) < 5.0);
        // Many spreads, and less than the least of 3.
        assert!(margin.score(10.0, 0.0, 12.9) < 5.0);
        assert_eq!(margin.score(10.0, 0.0, 13.0), 5.0);
        // Less than 20 % of the larger.
        assert!(margin.score(100.0, 0.0, 124.0) < 5.0);
        assert_eq!(margin.score(100.0, 0.0, 125.0), 5.0);
        assert_eq!(margin.score(7.0, 0.0, 7.0), 0.0);
        let no_minimum = Margin { spreads: 5.0, minimum: 0.0, minimum_percent: 0.0 };
        assert_eq!(no_minimum.score(0.0, 0.0, 1.0), f64::MAX);
    }

    proptest! {
        #[test]
        fn the_median_is_in_the_middle_of_the_sorted_values(values in proptest::collection::vec(-10.0..10.0_f64, 1..40)) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
            prop_assert_eq!(median(&mut values.clone()), Some(low / 2.0 + high / 2.0).map(|median| if low == high { low } else { median }));
        }
    }
}
