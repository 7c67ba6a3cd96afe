//! When a count or a measure is one to speak of. The names are those of Sigma, so that its files map one to one.

use crate::parameters::{Parameters, Refused};

/// Conditions on a number, which must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    terms: Vec<(Comparison, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Neq,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("gt", Comparison::Gt),
    ("gte", Comparison::Gte),
    ("lt", Comparison::Lt),
    ("lte", Comparison::Lte),
    ("eq", Comparison::Eq),
    ("neq", Comparison::Neq),
];

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Gt => number > bound,
            Self::Gte => number >= bound,
            Self::Lt => number < bound,
            Self::Lte => number <= bound,
            Self::Eq => number == bound,
            Self::Neq => number != bound,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Gt => "more than",
            Self::Gte => "at least",
            Self::Lt => "less than",
            Self::Lte => "at most",
            Self::Eq => "exactly",
            Self::Neq => "other than",
        }
    }
}

impl Condition {
    /// Of the whole numbers that a count is compared with.
    pub fn of_counts(parameters: &Parameters) -> Result<Self, Refused> {
        #[expect(clippy::cast_precision_loss, reason = "the manifests bound counts far below 2^53")]
        Self::read(|name| Ok(parameters.integer(name)?.map(|bound| bound as f64)))
    }

    /// Of the numbers that a measure is compared with.
    pub fn of_numbers(parameters: &Parameters) -> Result<Self, Refused> {
        Self::read(|name| parameters.number(name))
    }

    fn read(bound: impl Fn(&str) -> Result<Option<f64>, Refused>) -> Result<Self, Refused> {
        let mut terms = Vec::new();
        for (name, comparison) in COMPARISONS {
            terms.extend(bound(name)?.map(|bound| (comparison, bound)));
        }
        if terms.is_empty() {
            return Err("say when it is too much: one of `gte`, `gt`, `lte`, `lt`, `eq`, `neq`".into());
        }
        let condition = Self { terms };
        if condition.is_contradictory() {
            return Err(Refused(format!("no number is {}", condition.words())));
        }
        Ok(condition)
    }

    /// Whether no number can fulfil it. What it compares with decides: if none of those numbers and none beside and between
    /// them does, none does.
    fn is_contradictory(&self) -> bool {
        let mut bounds: Vec<f64> = self.terms.iter().map(|(_, bound)| *bound).collect();
        bounds.sort_by(f64::total_cmp);
        let between = bounds.windows(2).filter_map(|pair| Some(f64::midpoint(*pair.first()?, *pair.last()?)));
        let outside = bounds.first().map(|least| least - 1.0).into_iter().chain(bounds.last().map(|most| most + 1.0));
        let mut candidates = bounds.iter().copied().chain(between).chain(outside);
        !candidates.any(|number| self.holds(number))
    }

    /// Whether a number fulfils it.
    pub fn holds(&self, number: f64) -> bool {
        self.terms.iter().all(|(comparison, bound)| comparison.holds(number, *bound))
    }

    /// Whether a number that fulfils it does so however much larger it gets. A count only grows while its window is open; any
    /// other condition can be undone by the next event.
    pub fn is_kept_by_growth(&self) -> bool {
        self.terms.iter().all(|(comparison, _)| matches!(comparison, Comparison::Gt | Comparison::Gte))
    }

    /// The least count that fulfils a condition which growth keeps; at least one, because a count begins with an event.
    pub fn least_count(&self) -> usize {
        let least = |(comparison, bound): &(Comparison, f64)| match comparison {
            Comparison::Gt => bound + 1.0,
            _ => *bound,
        };
        let least = self.terms.iter().map(least).fold(1.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least one, and the manifests bound counts far below 2^32"
        )]
        let least = least as usize;
        least
    }

    /// In words: "at least 5", "more than 100, at most 200".
    pub fn words(&self) -> String {
        let words = |(comparison, bound): &(Comparison, f64)| format!("{} {bound}", comparison.words());
        self.terms.iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{Parameter, ParameterValue};

    fn condition(given: &[(&str, i64)]) -> Result<Condition, Refused> {
        let named = |(name, bound): &(&str, i64)| Parameter {
            name: (*name).to_owned(),
            value: ParameterValue::Integer(*bound),
        };
        Condition::of_counts(&Parameters::new(given.iter().map(named).collect()))
    }

    #[test]
    fn every_comparison_holds_where_its_name_says() {
        for (name, holds) in [
            ("gt", [false, false, true]),
            ("gte", [false, true, true]),
            ("lt", [true, false, false]),
            ("lte", [true, true, false]),
            ("eq", [false, true, false]),
            ("neq", [true, false, true]),
        ] {
            let condition = condition(&[(name, 5)]).unwrap();
            assert_eq!([4.0, 5.0, 6.0].map(|number| condition.holds(number)), holds, "{name}");
            assert_eq!(condition.is_kept_by_growth(), ["gt", "gte"].contains(&name), "{name}");
        }
    }

    #[test]
    fn several_hold_together_and_read_as_one() {
        let range = condition(&[("gt", 100), ("lte", 200)]).unwrap();
        assert_eq!([100.0, 101.0, 200.0, 201.0].map(|number| range.holds(number)), [false, true, true, false]);
        assert_eq!((range.words().as_str(), range.is_kept_by_growth()), ("more than 100, at most 200", false));
    }

    #[test]
    fn the_least_count_is_the_first_that_holds_and_never_none() {
        assert_eq!(condition(&[("gt", 4)]).unwrap().least_count(), 5);
        assert_eq!(condition(&[("gte", 4), ("gt", 1)]).unwrap().least_count(), 4);
        assert_eq!(condition(&[("gte", 0)]).unwrap().least_count(), 1);
    }

    #[test]
    fn what_nothing_or_nobody_could_fulfil_is_refused_in_words() {
        assert!(condition(&[]).unwrap_err().0.contains("`gte`"));
        assert_eq!(condition(&[("gte", 5), ("lt", 5)]).unwrap_err().0, "no number is at least 5, less than 5");
        assert_eq!(condition(&[("eq", 5), ("neq", 5)]).unwrap_err().0, "no number is exactly 5, other than 5");
        assert!(condition(&[("gte", 5), ("lte", 5)]).is_ok());
    }
}
