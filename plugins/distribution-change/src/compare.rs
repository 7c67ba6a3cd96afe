//! Whether two samples are of one distribution, and in what they differ if not.

use std::cmp::Ordering;

use orion_plugin::{Bulk, Stored};

/// Times and values, oldest first.
type Samples<'a> = &'a [(i64, f64)];

/// Neighbours that repeat each other more than this would leave next to nothing to compare.
const MOST_REPEATED: f64 = 0.9;

/// A value this many spreads away says no more about how much neighbours repeat each other than one that is nearer.
const WILD_SPREADS: f64 = 3.0;

/// A level that moved by less than half a spread is the same level.
const SAME_LEVEL_SPREADS: f64 = 0.5;

/// Two distributions that differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// In what.
    pub kind: Kind,
    /// The older one.
    pub before: Bulk,
    /// The newer one.
    pub now: Bulk,
    /// The largest distance of their distribution functions.
    pub distance: f64,
    /// What the distance must be, to be more than chance.
    pub least: f64,
}

/// In what distributions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Moved by as much everywhere.
    Level,
    /// Wider or narrower.
    Spread,
    /// Moved, and wider or narrower.
    LevelAndSpread,
    /// Something else.
    Shape,
}

impl Kind {
    /// For machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Spread => "spread",
            Self::LevelAndSpread => "level and spread",
            Self::Shape => "shape",
        }
    }
}

/// Compares them; `None` when they do not differ by more than chance.
///
/// `repeated` is how much neighbours of the newer ones usually repeat each other. From the newer ones themselves it cannot
/// be told: those of a window in the midst of which the level moved seem to do nothing else.
pub fn compare(before: Samples<'_>, now: Samples<'_>, repeated: f64, strictness: f64) -> Option<Comparison> {
    let (old, new) = (Bulk::of(&mut values(before))?, Bulk::of(&mut values(now))?);
    let (many, few) = (independent(before.len(), repetition(before)?), independent(now.len(), repeated));
    let least = strictness * ((many + few) / (many * few)).sqrt();
    let (older, newer) = (sorted(before), sorted(now));
    let apart = |level: bool, spread: bool| {
        let (older, newer) = (fitted(&older, old, level, spread), fitted(&newer, new, level, spread));
        distance(&older, &newer)
    };
    let distance = apart(false, false);
    if distance < least {
        return None;
    }
    let is_moved = (new.median - old.median).abs() > old.spread.max(new.spread) * SAME_LEVEL_SPREADS;
    let kind = if apart(true, false) < least {
        Kind::Level
    } else if apart(true, true) >= least {
        Kind::Shape
    } else if is_moved {
        Kind::LevelAndSpread
    } else {
        Kind::Spread
    };
    Some(Comparison { kind, before: old, now: new, distance, least })
}

impl Comparison {
    /// Whether the middle or an end of the bulk moved by enough to matter.
    pub fn is_far(&self, minimum: f64, minimum_percent: f64) -> bool {
        let moved = |before: f64, now: f64| {
            let least = minimum.max(before.abs().max(now.abs()) * minimum_percent / 100.0);
            (now - before).abs() >= least
        };
        let (before, now) = (self.before, self.now);
        let ends = |side: f64| (before.median + side * before.spread, now.median + side * now.spread);
        [-1.0, 0.0, 1.0].into_iter().map(ends).any(|(before, now)| moved(before, now))
    }
}

fn values(samples: Samples<'_>) -> Vec<f64> {
    samples.iter().map(|(_, value)| *value).collect()
}

/// How much samples repeat the one before them: their correlation from neighbour to neighbour.
pub fn repetition(samples: Samples<'_>) -> Option<f64> {
    let bulk = Bulk::of(&mut values(samples))?;
    let most = bulk.spread * WILD_SPREADS;
    let left: Vec<_> = samples.iter().map(|(_, value)| (value - bulk.median).clamp(-most, most)).collect();
    let both: f64 = left.iter().zip(left.iter().skip(1)).map(|(one, next)| one * next).sum();
    let all: f64 = left.iter().map(|value| value * value).sum();
    Some(if all > 0.0 && all.is_finite() { (both / all).clamp(0.0, MOST_REPEATED) } else { 0.0 })
}

/// How many samples are worth as much as independent ones: as many as an autoregressive series of that correlation has.
#[expect(clippy::cast_precision_loss, reason = "a hundred samples")]
fn independent(samples: usize, repeated: f64) -> f64 {
    samples as f64 * (1.0 - repeated) / (1.0 + repeated)
}

fn sorted(samples: Samples<'_>) -> Vec<f64> {
    let mut sorted = values(samples);
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Sorted values with their level or also their spread taken off, which leaves their order. What has no spread keeps it.
fn fitted(sorted: &[f64], bulk: Bulk, level: bool, spread: bool) -> Vec<f64> {
    let shift = if level { bulk.median } else { 0.0 };
    let scale = if spread && bulk.spread > 0.0 { bulk.spread } else { 1.0 };
    sorted.iter().map(|value| (value - shift) / scale).collect()
}

/// The largest distance of the distribution functions of two sorted samples, in one walk along both.
#[expect(clippy::cast_precision_loss, reason = "some hundred samples")]
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let share = |left: &[f64], of: &[f64]| 1.0 - left.len() as f64 / of.len() as f64;
    let (mut one_left, mut other_left) = (one, other);
    let mut largest = 0.0_f64;
    while let (Some(first), Some(second)) = (one_left.first(), other_left.first()) {
        let value = first.min(*second);
        (one_left, other_left) = (above(one_left, value), above(other_left, value));
        largest = largest.max((share(one_left, one) - share(other_left, other)).abs());
    }
    largest
}

/// What is left of sorted values above this one. What is no number is above nothing, so that the walk ends.
fn above(sorted: &[f64], value: f64) -> &[f64] {
    let is_above = |sample: &f64| sample.partial_cmp(&value) == Some(Ordering::Greater);
    let passed = sorted.iter().take_while(|sample| !is_above(sample)).count();
    sorted.get(passed..).unwrap_or_default()
}

impl Stored for Comparison {
    fn write(&self, out: &mut Vec<u8>) {
        self.kind.write(out);
        for bulk in [self.before, self.now] {
            (bulk.median, bulk.spread).write(out);
        }
        (self.distance, self.least).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let kind = Kind::read(from)?;
        let mut bulk = || Stored::read(from).map(|(median, spread)| Bulk { median, spread });
        let (before, now) = (bulk()?, bulk()?);
        let (distance, least) = Stored::read(from)?;
        Some(Self { kind, before, now, distance, least })
    }
}

impl Stored for Kind {
    fn write(&self, out: &mut Vec<u8>) {
        let byte = match self {
            Self::Level => 0_u8,
            Self::Spread => 1,
            Self::LevelAndSpread => 2,
            Self::Shape => 3,
        };
        byte.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        match u8::read(from)? {
            0 => Some(Self::Level),
            1 => Some(Self::Spread),
            2 => Some(Self::LevelAndSpread),
            3 => Some(Self::Shape),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timed(values: &[f64]) -> Vec<(i64, f64)> {
        (0..).zip(values.iter().copied()).collect()
    }

    #[test]
    fn neighbours_that_repeat_each_other_count_less_and_those_that_do_not_count_in_full() {
        let of = |values: &[f64]| independent(values.len(), repetition(&timed(values)).unwrap());
        let alternating: Vec<_> = (0..40).map(|place| f64::from(place % 2)).collect();
        let slow: Vec<_> = (0..40).map(f64::from).collect();
        assert_eq!(of(&alternating), 40.0);
        assert!(of(&slow) < 4.0);
        assert_eq!(of(&[5.0; 40]), 40.0);
    }

    #[test]
    fn what_makes_no_difference_to_somebody_is_not_far() {
        let bulk = |median, spread| Bulk { median, spread };
        let of = |before, now| Comparison { kind: Kind::Level, before, now, distance: 1.0, least: 0.5 };
        assert!(!of(bulk(100.0, 1.0), bulk(105.0, 1.0)).is_far(0.0, 10.0));
        assert!(of(bulk(100.0, 1.0), bulk(120.0, 1.0)).is_far(0.0, 10.0));
        assert!(!of(bulk(100.0, 1.0), bulk(120.0, 1.0)).is_far(30.0, 10.0));
        // The same middle and another end.
        assert!(of(bulk(100.0, 1.0), bulk(100.0, 30.0)).is_far(0.0, 10.0));
    }

    proptest! {
        #[test]
        fn the_distance_is_that_of_the_definition(
            one in proptest::collection::vec(-5_i8..5, 1..30), other in proptest::collection::vec(-5_i8..5, 1..30),
        ) {
            let sorted = |values: &[i8]| {
                let mut values: Vec<_> = values.iter().map(|value| f64::from(*value)).collect();
                values.sort_by(f64::total_cmp);
                values
            };
            let share = |values: &[i8], bound: i8| values.iter().filter(|value| **value <= bound).count() as f64 / values.len() as f64;
            let want = (-6..6).map(|bound| (share(&one, bound) - share(&other, bound)).abs()).fold(0.0, f64::max);
            prop_assert!((distance(&sorted(&one), &sorted(&other)) - want).abs() < 1e-12);
        }
    }
}
