//! Which values the samples of a query can have, as far as that follows from the query alone.
//!
//! An interval that is never too small: what cannot be known is everything. Where it becomes empty, no data there could
//! ever be will make the query give a sample.

/// A set of numbers without gaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Values {
    low: Bound,
    high: Bound,
    /// Whether a sample may be NaN.
    nan: bool,
}

/// An end of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    at: f64,
    /// Whether the end itself is left out.
    open: bool,
}

impl Bound {
    fn closed(at: f64) -> Self {
        Self { at, open: false }
    }

    fn open(at: f64) -> Self {
        Self { at, open: true }
    }
}

/// How a comparison keeps samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Keeps {
    /// The comparison seen from its other side: `5 < x` keeps the `x` that are greater than 5.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

impl Values {
    /// Anything.
    pub(super) fn any() -> Self {
        Self { low: Bound::closed(f64::NEG_INFINITY), high: Bound::closed(f64::INFINITY), nan: true }
    }

    /// One number.
    pub(super) fn one(number: f64) -> Self {
        if number.is_nan() { Self::any() } else { Self::between(number, number) }
    }

    /// Numbers from one to another, both included.
    pub(super) fn between(low: f64, high: f64) -> Self {
        Self { low: Bound::closed(low), high: Bound::closed(high), nan: false }
    }

    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        let crossed = self.low.at > self.high.at;
        let touching = self.low.at == self.high.at && (self.low.open || self.high.open);
        !self.nan && (crossed || touching)
    }

    /// The number, when there is one only.
    fn only(self) -> Option<f64> {
        (!self.nan && self.low == self.high && !self.low.open).then_some(self.low.at)
    }

    /// Those that are in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { low: higher(self.low, other.low), high: lower(self.high, other.high), nan: self.nan && other.nan }
    }

    /// The smallest interval that holds both.
    pub(super) fn or(self, other: Self) -> Self {
        let low = if self.low.at < other.low.at { self.low } else { other.low };
        let high = if self.high.at > other.high.at { self.high } else { other.high };
        // Where both end at one number, it is in unless both leave it out.
        let low =
            if self.low.at == other.low.at { Bound { open: self.low.open && other.low.open, ..low } } else { low };
        let high = if self.high.at == other.high.at {
            Bound { open: self.high.open && other.high.open, ..high }
        } else {
            high
        };
        Self { low, high, nan: self.nan || other.nan }
    }

    /// Those of `self` that a comparison with some number of `other` keeps. NaN compares with nothing but `!=`.
    pub(super) fn kept(self, keeps: Keeps, other: Self) -> Self {
        let below = |bound: Bound, strictly: bool| Bound { open: bound.open || strictly, ..bound };
        let whole = Self { nan: false, ..Self::any() };
        let wanted = match keeps {
            Keeps::Equal => Self { nan: false, ..other },
            Keeps::Less => Self { high: below(other.high, true), ..whole },
            Keeps::AtMost => Self { high: below(other.high, false), ..whole },
            Keeps::Greater => Self { low: below(other.low, true), ..whole },
            Keeps::AtLeast => Self { low: below(other.low, false), ..whole },
            Keeps::NotEqual if self.only().is_some() && self.only() == other.only() => {
                Self { low: Bound::open(0.0), high: Bound::open(0.0), nan: false }
            }
            Keeps::NotEqual => return self,
        };
        self.and(wanted)
    }

    /// Never below zero as long as none of them is: sums and means.
    pub(super) fn sign_kept(self) -> Self {
        if self.low.at >= 0.0 && !self.nan { Self::between(0.0, f64::INFINITY) } else { Self::any() }
    }
}

fn higher(one: Bound, other: Bound) -> Bound {
    match one.at.partial_cmp(&other.at) {
        Some(std::cmp::Ordering::Greater) => one,
        Some(std::cmp::Ordering::Equal) => Bound { open: one.open || other.open, ..one },
        _ => other,
    }
}

fn lower(one: Bound, other: Bound) -> Bound {
    match one.at.partial_cmp(&other.at) {
        Some(std::cmp::Ordering::Less) => one,
        Some(std::cmp::Ordering::Equal) => Bound { open: one.open || other.open, ..one },
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Values {
        fn holds(self, number: f64) -> bool {
            let above = number > self.low.at || (number == self.low.at && !self.low.open);
            let below = number < self.high.at || (number == self.high.at && !self.high.open);
            if number.is_nan() { self.nan } else { above && below }
        }
    }

    fn compare(keeps: Keeps, left: f64, right: f64) -> bool {
        match keeps {
            Keeps::Equal => left == right,
            Keeps::NotEqual => left != right,
            Keeps::Less => left < right,
            Keeps::AtMost => left <= right,
            Keeps::Greater => left > right,
            Keeps::AtLeast => left >= right,
        }
    }

    fn number() -> impl Strategy<Value = f64> {
        proptest::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -2.0, -1.0, 0.0, 1.0, 1.5, 2.0])
    }

    fn values() -> impl Strategy<Value = Values> {
        let bound = || (number().prop_filter("a bound", |at| !at.is_nan()), any::<bool>());
        (bound(), bound(), any::<bool>()).prop_map(|((low, low_open), (high, high_open), nan)| Values {
            low: Bound { at: low, open: low_open },
            high: Bound { at: high, open: high_open },
            nan,
        })
    }

    fn keeps() -> impl Strategy<Value = Keeps> {
        use Keeps::{AtLeast, AtMost, Equal, Greater, Less, NotEqual};
        proptest::sample::select(vec![Equal, NotEqual, Less, AtMost, Greater, AtLeast])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        /// What is kept of any sample that there may be is never called impossible.
        #[test]
        fn nothing_that_can_be_is_left_out(a in values(), b in values(), x in number(), y in number(), keeps in keeps()) {
            if a.holds(x) && b.holds(y) && compare(keeps, x, y) {
                prop_assert!(a.kept(keeps, b).holds(x));
                prop_assert!(!a.kept(keeps, b).is_empty());
                prop_assert!(b.kept(keeps.mirrored(), a).holds(y));
            }
            if a.holds(x) {
                prop_assert!(!a.is_empty() && a.or(b).holds(x) && b.or(a).holds(x));
                prop_assert_eq!(a.and(b).holds(x), b.holds(x));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_empty() {
        let above = |at| Values::any().kept(Keeps::Greater, Values::one(at));
        assert!(above(5.0).kept(Keeps::Less, Values::one(3.0)).is_empty());
        assert!(above(5.0).kept(Keeps::Equal, Values::one(5.0)).is_empty());
        assert!(!above(5.0).kept(Keeps::AtMost, Values::one(5.1)).is_empty());
        assert!(Values::one(1.0).kept(Keeps::NotEqual, Values::one(1.0)).is_empty());
        assert!(!Values::any().kept(Keeps::NotEqual, Values::one(1.0)).is_empty());
    }
}
