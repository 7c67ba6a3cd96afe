//! What something has been before, and how new a value of it is.
//!
//! Values that were seen are kept apart by a part of the range they span, so there are never many of them. A value is new when it
//! is farther than that from each of them. How rare it is to be new is counted along: where every tenth value is new,
//! another one says little.

use orion_plugin::Stored;

/// Values that are kept. Within a range there is room for twenty; those from when the range was narrower are closer together.
const MOST_VALUES: usize = 40;

/// How much room is made when there is none.
const ROOM: usize = 4;

/// Differences in the seventh digit are none, however narrow the range: what is kept has no more of them.
const LEAST_RADIUS: f64 = 1e-6;

/// A value extends the range by no more than what it was. So one wild value does not hide all others for ever.
const MOST_GROWTH: f64 = 1.0;

/// How fast it is forgotten how many were new: half of it after 350.
const COUNT_KEPT: f64 = 0.998;

/// A distance counts up to so many radii: what is far out is new, and no matter how far.
const MOST_RADII: f64 = 16.0;

/// What has been.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// In order of value.
    kept: Vec<Kept>,
    low: f64,
    high: f64,
    looks: f64,
    news: f64,
    /// Where the last value was among them: the next one is often close to it.
    hint: usize,
    /// The last hour in which it was looked whether something is to be forgotten.
    tidied: u32,
}

/// A value that was seen. Seven digits are enough.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kept {
    value: f32,
    /// The last hour in which it, or one near it, was seen.
    hour: u32,
}

/// How values are remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    /// Which part of the range is near.
    pub radius: f64,
    /// The width of the range, where the rule says it.
    pub width: Option<f64>,
    /// What was not seen for so many hours is forgotten.
    pub forget_hours: u32,
}

/// A value that was never seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Novelty {
    /// How unlikely it was: each bit halves it.
    pub bits: f64,
    /// The closest seen value below it.
    pub below: Option<f64>,
    /// The closest seen value above it.
    pub above: Option<f64>,
    /// So close to one of these it would not be new.
    pub radius: f64,
    /// One of so many was new of late.
    pub one_in: f64,
}

impl Novelty {
    /// The closest value that was seen.
    pub fn closest(&self, value: f64) -> f64 {
        match (self.below, self.above) {
            (Some(below), Some(above)) if value - below > above - value => above,
            (Some(closest), _) | (None, Some(closest)) => closest,
            (None, None) => value,
        }
    }
}

impl Memory {
    /// Takes in a value; tells how new it is, if it is. Of the first one nothing can be said.
    pub fn learn(&mut self, manner: &Manner, hour: u32, value: f64) -> Option<Novelty> {
        // Beyond these nothing can be kept, and sums of them are numbers still.
        let value = value.clamp(f64::from(f32::MIN), f64::from(f32::MAX));
        self.forget(manner, hour);
        let radius = self.radius(manner, value);
        self.widen(value);
        let place = self.place(value);
        let at = |place: usize| self.kept.get(place).map(|kept| f64::from(kept.value));
        let (below, above) = (place.checked_sub(1).and_then(at), at(place));
        let mut novelty = Novelty { bits: 0.0, below, above, radius, one_in: self.one_in() };
        let closest = novelty.closest(value);
        let distance = (value - closest).abs();
        let is_first = self.kept.is_empty();
        let is_new = is_first || distance > radius;
        self.count(is_new);
        if is_new {
            self.keep(place, Kept { value: short(value), hour });
            novelty.bits = log2(novelty.one_in) + log2((distance / radius).clamp(1.0, MOST_RADII));
        } else {
            let place = if above == Some(closest) { Some(place) } else { place.checked_sub(1) };
            self.renew(place, hour);
        }
        Some(novelty).filter(|_| is_new && !is_first)
    }

    /// Between which values around the closest to this one nothing would be new; none where nothing was seen.
    pub fn around(&self, manner: &Manner, value: f64) -> Option<(f64, f64)> {
        let radius = self.radius(manner, value);
        let at = |place: usize| self.kept.get(place).map(|kept| f64::from(kept.value));
        let distance = |place: usize| at(place).map_or(f64::INFINITY, |kept| (kept - value).abs());
        let closest = (0..self.kept.len()).min_by(|one, other| distance(*one).total_cmp(&distance(*other)))?;
        let (mut low, mut high) = (at(closest)?, at(closest)?);
        for kept in (0..closest).rev().filter_map(at) {
            if low - kept > 2.0 * radius {
                break;
            }
            low = kept;
        }
        for kept in (closest + 1..self.kept.len()).filter_map(at) {
            if kept - high > 2.0 * radius {
                break;
            }
            high = kept;
        }
        Some((low - radius, high + radius))
    }

    /// What is closer than this is near.
    fn radius(&self, manner: &Manner, value: f64) -> f64 {
        let width = manner.width.unwrap_or(self.high - self.low);
        (width * manner.radius).max(value.abs() * LEAST_RADIUS)
    }

    /// How many of the kept ones are below a value.
    fn place(&mut self, value: f64) -> usize {
        let is_below = |place: usize| self.kept.get(place).is_some_and(|kept| f64::from(kept.value) < value);
        let mut place = self.hint.min(self.kept.len());
        while place > 0 && !is_below(place - 1) {
            place -= 1;
        }
        while is_below(place) {
            place += 1;
        }
        self.hint = place;
        place
    }

    /// How seldom a value was new of late: one in so many.
    fn one_in(&self) -> f64 {
        (self.looks + 2.0) / (self.news + 1.0)
    }

    fn count(&mut self, is_new: bool) {
        self.looks = self.looks * COUNT_KEPT + 1.0;
        self.news = self.news * COUNT_KEPT + f64::from(u8::from(is_new));
    }

    fn widen(&mut self, value: f64) {
        let width = self.high - self.low;
        if self.kept.is_empty() {
            (self.low, self.high) = (value, value);
        } else if width == 0.0 {
            (self.low, self.high) = (self.low.min(value), self.high.max(value));
        } else {
            let most = width * MOST_GROWTH;
            self.low = self.low.min(value.max(self.low - most));
            self.high = self.high.max(value.min(self.high + most));
        }
    }

    /// What was not seen for long, and with it the range it had made.
    fn forget(&mut self, manner: &Manner, hour: u32) {
        if hour == self.tidied {
            return;
        }
        self.tidied = hour;
        let before = self.kept.len();
        self.kept.retain(|kept| hour.saturating_sub(kept.hour) <= manner.forget_hours);
        if self.kept.len() == before {
            return;
        }
        if let (Some(first), Some(last)) = (self.kept.first(), self.kept.last()) {
            self.low = self.low.max(f64::from(first.value));
            self.high = self.high.min(f64::from(last.value));
        }
    }

    fn renew(&mut self, place: Option<usize>, hour: u32) {
        if let Some(kept) = place.and_then(|place| self.kept.get_mut(place)) {
            kept.hour = hour;
        }
    }

    /// Keeps a value, and where there are too many lets the one go that was not seen for longest.
    fn keep(&mut self, place: usize, kept: Kept) {
        // Four at a time: most series need few, and there may be many series.
        if self.kept.len() == self.kept.capacity() {
            self.kept.reserve_exact(ROOM);
        }
        self.kept.insert(place.min(self.kept.len()), kept);
        if self.kept.len() > MOST_VALUES {
            let oldest = (0..).zip(&self.kept).min_by_key(|(_, kept)| kept.hour).map(|(place, _): (usize, _)| place);
            oldest.map(|oldest| self.kept.remove(oldest));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are enough, and larger numbers were cut before")]
const fn short(value: f64) -> f32 {
    value as f32
}

/// The binary logarithm of a number from 1 on, from sums and products alone: those of the machine differ in the last digit from
/// one to the next.
fn log2(number: f64) -> f64 {
    const MANTISSA_BITS: u32 = 52;
    const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
    const BIAS: u64 = 1023;
    let bits = number.to_bits();
    let exponent = u32::try_from((bits >> MANTISSA_BITS).saturating_sub(BIAS)).unwrap_or(0);
    let mantissa = f64::from_bits((bits & MANTISSA) | (BIAS << MANTISSA_BITS));
    // ln m = 2 (s + s³/3 + s⁵/5 + …) with s = (m - 1) / (m + 1), which is below a third.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = s * (1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square / 9.0))));
    f64::from(exponent) + 2.0 * series * std::f64::consts::LOG2_E
}

impl Stored for Memory {
    fn write(&self, out: &mut Vec<u8>) {
        self.kept.write(out);
        (self.low, self.high).write(out);
        (self.looks, self.news).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let kept = Vec::read(from)?;
        let (low, high) = Stored::read(from)?;
        let (looks, news) = Stored::read(from)?;
        // The last two only save work.
        Some(Self { kept, low, high, looks, news, hint: 0, tidied: 0 })
    }
}

impl Stored for Kept {
    fn write(&self, out: &mut Vec<u8>) {
        (self.value.to_bits(), self.hour).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (value, hour) = Stored::read(from)?;
        Some(Self { value: f32::from_bits(value), hour })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MANNER: Manner = Manner { radius: 0.05, width: None, forget_hours: 24 };

    fn told(values: impl IntoIterator<Item = f64>) -> Memory {
        let mut memory = Memory::default();
        for value in values {
            let _ = memory.learn(&MANNER, 0, value);
        }
        memory
    }

    #[test]
    fn a_value_is_new_beyond_the_radius_and_not_within() {
        let is_new = |value: f64| told([0.0, 100.0]).learn(&MANNER, 0, value).is_some();
        assert!(is_new(105.1) && !is_new(105.0));
        assert!(is_new(-5.1) && !is_new(-5.0));
        assert!(is_new(50.0));
    }

    #[test]
    fn the_seventh_digit_is_none_and_the_sixth_is_one() {
        let is_new = |value: f64| told([1e6, 1e6]).learn(&MANNER, 0, value).is_some();
        assert!(is_new(1e6 + 2.0) && !is_new(1e6 + 0.9));
    }

    #[test]
    fn it_is_known_between_which_values_a_new_one_is() {
        let novelty = told([0.0, 100.0]).learn(&MANNER, 0, 60.0).unwrap();
        assert_eq!((novelty.below, novelty.above, novelty.radius), (Some(0.0), Some(100.0), 5.0));
        assert_eq!(novelty.closest(60.0), 100.0);
        let novelty = told([0.0, 100.0]).learn(&MANNER, 0, 130.0).unwrap();
        assert_eq!((novelty.below, novelty.above), (Some(100.0), None));
    }

    #[test]
    fn what_would_not_be_new_reaches_from_one_seen_value_to_the_next_as_long_as_these_are_near() {
        let memory = told([0.0, 100.0, 92.0, 85.0]);
        assert_eq!(memory.around(&MANNER, 60.0), Some((80.0, 105.0)));
        assert_eq!(memory.around(&MANNER, 10.0), Some((-5.0, 5.0)));
        assert_eq!(Memory::default().around(&MANNER, 1.0), None);
    }

    #[test]
    fn what_is_new_once_is_not_new_again() {
        let mut memory = told([0.0, 100.0]);
        assert!(memory.learn(&MANNER, 0, 130.0).is_some());
        assert!(memory.learn(&MANNER, 0, 131.0).is_none());
    }

    #[test]
    fn where_much_is_new_a_new_value_says_little() {
        let restless = told((0..50).map(|step| f64::from(step * step)));
        let calm = told((0..500).map(|step| f64::from(step % 2)));
        let bits = |mut memory: Memory| memory.learn(&MANNER, 0, 1e6).unwrap().bits;
        assert!(bits(restless) < 6.0);
        assert!(bits(calm) > 11.0);
    }

    #[test]
    fn a_wild_value_hides_the_others_no_more_than_one_as_wide_as_the_range() {
        let mut memory = told([0.0, 100.0, 1e15]);
        assert!(memory.learn(&MANNER, 0, 110.1).is_some());
    }

    #[test]
    fn what_was_not_seen_for_long_is_new_again_and_its_range_is_gone() {
        let learn = |hours: u32| {
            let mut memory = told([0.0, 100.0]);
            memory.learn(&MANNER, hours, 0.0);
            memory.learn(&MANNER, hours, 1.0).is_some()
        };
        assert!(!learn(24) && learn(25));
    }

    #[test]
    fn a_known_width_takes_the_place_of_what_was_seen() {
        let manner = Manner { width: Some(1_000.0), ..MANNER };
        let mut memory = told([0.0, 100.0]);
        assert!(memory.learn(&manner, 0, 149.0).is_none());
        assert!(memory.learn(&manner, 0, 151.0).is_some());
    }

    proptest! {
        #[test]
        fn the_logarithm_is_one(number in 1.0..1e12_f64) {
            prop_assert!((log2(number) - number.log2()).abs() < 1e-5);
        }

        #[test]
        fn there_are_never_many_values_and_they_are_in_order(values in proptest::collection::vec(any::<f64>(), 1..300)) {
            let mut memory = Memory::default();
            for value in values.into_iter().filter(|value| value.is_finite()) {
                let novelty = memory.learn(&MANNER, 0, value);
                prop_assert!(novelty.is_none_or(|novelty| novelty.bits.is_finite()));
                prop_assert!(memory.kept.len() <= MOST_VALUES && memory.kept.capacity() <= MOST_VALUES + ROOM);
                prop_assert!(memory.kept.is_sorted_by(|one, other| one.value <= other.value));
            }
        }
    }
}
