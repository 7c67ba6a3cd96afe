//! How many events an entry may make in a minute. A log that goes mad must not fill the audit trail.

use orion_model::Timestamp;
use serde::{Deserialize, Serialize};

const MINUTE_MILLIS: i64 = 60_000;

/// What was said in a minute, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limiter {
    minute: i64,
    said: u32,
    left_out: u64,
}

/// Lines of a minute that is over which made no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) minute: Timestamp,
    pub(super) count: u64,
}

impl Limiter {
    /// It is `now`: what was left out of a minute that is over.
    pub(super) fn turn(&mut self, now: Timestamp) -> Option<LeftOut> {
        let minute = now.as_millis().div_euclid(MINUTE_MILLIS);
        if minute == self.minute {
            return None;
        }
        let before = std::mem::replace(self, Self { minute, ..Self::default() });
        let begun = Timestamp::from_millis(before.minute.saturating_mul(MINUTE_MILLIS));
        (before.left_out > 0).then_some(LeftOut { minute: begun, count: before.left_out })
    }

    /// Whether one more event is said; 0 is no limit.
    pub(super) fn admits(&mut self, limit: u32) -> bool {
        if limit > 0 && self.said >= limit {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        self.said = self.said.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn as_many_as_the_limit_are_said_and_the_rest_is_counted_once() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.turn(at(61)), None);
        let said = (0..5).filter(|_| limiter.admits(3)).count();
        assert_eq!(said, 3);
        assert_eq!(limiter.turn(at(119)), None);
        assert_eq!(limiter.turn(at(120)), Some(LeftOut { minute: at(60), count: 2 }));
        assert_eq!((limiter.turn(at(240)), limiter.admits(3)), (None, true));
    }

    #[test]
    fn without_a_limit_everything_is_said() {
        let mut limiter = Limiter::default();
        assert!((0..10_000).all(|_| limiter.admits(0)));
    }
}
