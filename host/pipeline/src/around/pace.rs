//! How often sources are asked on behalf of those who look, all of them together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use orion_model::Looker;

/// Questions a second in the long run: less than ten rules with the usual interval ask.
const PER_SECOND: f64 = 0.5;

/// Questions in a row: a person who goes through the events of some incidents.
const IN_A_ROW: f64 = 20.0;

/// Of these so many are left to people: lists are filled with what is beyond.
const FOR_PEOPLE: f64 = 10.0;

/// What may be asked.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Left>>);

#[derive(Clone, Copy, Debug)]
struct Left {
    questions: f64,
    at: Instant,
}

impl Pace {
    /// Takes one question. On failure, how long until there is one.
    pub(super) fn take(&self, looker: Looker, now: Instant) -> Result<(), Duration> {
        let needed = match looker {
            Looker::Person => 1.0,
            Looker::List => 1.0 + FOR_PEOPLE,
        };
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = left.unwrap_or(Left { questions: IN_A_ROW, at: now });
        let since = now.saturating_duration_since(before.at).as_secs_f64();
        let questions = (before.questions + since * PER_SECOND).min(IN_A_ROW);
        if questions < needed {
            *left = Some(Left { questions, at: now });
            return Err(Duration::from_secs_f64((needed - questions) / PER_SECOND));
        }
        *left = Some(Left { questions: questions - 1.0, at: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_asked_in_a_row_and_then_one_in_two_seconds() {
        let (pace, now) = (Pace::default(), Instant::now());
        let take = |at| pace.take(Looker::Person, at);
        assert_eq!((0..100).filter(|_| take(now).is_ok()).count(), 20);
        assert_eq!(take(now), Err(Duration::from_secs(2)));
        let later = now + Duration::from_secs(2);
        assert_eq!((take(later), take(later).is_err()), (Ok(()), true));
        let much_later = later + Duration::from_secs(3_600);
        assert_eq!((0..100).filter(|_| take(much_later).is_ok()).count(), 20);
    }

    #[test]
    fn lists_leave_half_of_them_to_people() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert_eq!((0..100).filter(|_| pace.take(Looker::List, now).is_ok()).count(), 10);
        assert_eq!(pace.take(Looker::List, now), Err(Duration::from_secs(2)));
        assert_eq!((0..100).filter(|_| pace.take(Looker::Person, now).is_ok()).count(), 10);
    }
}
