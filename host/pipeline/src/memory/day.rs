//! Days, UTC: what files of the audit trail and checkpoints are cut by.

use std::fmt;
use std::str::FromStr;

use orion_model::Timestamp;

const DAY_MILLIS: i64 = 86_400_000;

/// 9999-12-30, the last day that can be written whole. A time beyond it only comes from a source that lies.
const LAST_DAY: i64 = 2_932_895;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The day in which that time lies; the first or last there is for a time outside of all.
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_millis().div_euclid(DAY_MILLIS).clamp(0, LAST_DAY))
    }

    /// The moment at which it is over.
    pub(super) fn end(self) -> Timestamp {
        Timestamp::from_millis((self.0 + 1) * DAY_MILLIS)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = Timestamp::from_millis(self.0 * DAY_MILLIS).to_string();
        f.write_str(begin.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let day = Self::of(format!("{text}T00:00:00Z").parse().map_err(drop)?);
        // One day has one spelling.
        if day.to_string() == text { Ok(day) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written_and_is_over_when_the_next_begins() {
        for (millis, text) in [(0, "1970-01-01"), (86_399_999, "1970-01-01"), (86_400_000, "1970-01-02")] {
            let day = Day::of(Timestamp::from_millis(millis));
            assert_eq!((day.to_string().as_str(), text.parse()), (text, Ok(day)));
        }
        let first = Day::of(Timestamp::default());
        assert_eq!((first.end().as_millis(), Day::of(first.end()).to_string().as_str()), (DAY_MILLIS, "1970-01-02"));
    }

    #[test]
    fn a_time_outside_of_all_days_lies_in_the_nearest() {
        let day = |millis| Day::of(Timestamp::from_millis(millis)).to_string();
        assert_eq!((day(i64::MIN).as_str(), day(i64::MAX).as_str()), ("1970-01-01", "9999-12-30"));
        assert_eq!(day(253_402_300_799_999), "9999-12-30");
    }

    #[test]
    fn what_is_no_day_is_not_read() {
        for text in ["", "2026-11-31", "2026-1-1", "1969-12-31", "2026-11-28T01"] {
            assert_eq!(text.parse::<Day>(), Err(()), "{text}");
        }
    }
}
