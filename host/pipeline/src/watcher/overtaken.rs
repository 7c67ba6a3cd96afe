//! What a group does when the clock has gone back behind what it evaluated already.
//!
//! An instant is evaluated once: a second evaluation would say things again, or take back what the first has said. And a group
//! cannot wait for hours until the clock has caught up, because nobody would watch meanwhile. So a group's time never goes back. It
//! goes on from where it was, half as fast as the clock, until the clock has caught up; what is asked is asked about the present.

use orion_model::Timestamp;

use crate::schedule::Slots;

/// A clock that went back by no more is waited for: clocks are often set by seconds, and there is nothing to be said of that.
const WAITED_FOR_MILLIS: i64 = 60_000;

/// An evaluation that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The instant it is recorded at.
    pub instant: Timestamp,
    /// The instant the source is asked about, before the group's `query_offset`.
    pub asked: Timestamp,
}

impl Step {
    /// As it always is while the clock goes forward.
    pub fn at(instant: Timestamp) -> Self {
        Self { instant, asked: instant }
    }
}

/// Whether a group's time is ahead of the clock.
#[derive(Debug, Default)]
pub struct Overtaken {
    is_ahead: bool,
    asked: Option<Timestamp>,
}

impl Overtaken {
    /// Looks at the clock. True when it turns out now that it went back: that is to be said.
    pub fn look(&mut self, last: Option<Timestamp>, now: Timestamp) -> bool {
        let ahead_millis = last.map_or(0, |last| last.millis_since(now));
        let began = !self.is_ahead && ahead_millis > WAITED_FOR_MILLIS;
        self.is_ahead = began || (self.is_ahead && ahead_millis > 0);
        if !self.is_ahead {
            self.asked = None;
        }
        began
    }

    /// What is due while the group is ahead: each present slot once, recorded half an interval after the last instant.
    pub fn step(&mut self, slots: Slots, last: Option<Timestamp>, now: Timestamp) -> Option<Step> {
        let last = last.filter(|_| self.is_ahead)?;
        let asked = slots.at_or_before(now);
        if self.asked.replace(asked) == Some(asked) {
            return None;
        }
        Some(Step { instant: next_ahead(slots, last), asked })
    }

    /// Before this the group reports nothing more.
    pub fn next_instant(&self, slots: Slots, last: Timestamp) -> Timestamp {
        if self.is_ahead { next_ahead(slots, last) } else { slots.after(last) }
    }

    /// When to look again.
    pub fn wake_at(&self, slots: Slots, last: Option<Timestamp>, now: Timestamp) -> Timestamp {
        match last {
            Some(_) if self.is_ahead => slots.after(now),
            Some(last) => slots.after(last),
            None => now,
        }
    }
}

fn next_ahead(slots: Slots, last: Timestamp) -> Timestamp {
    last.plus_millis((slots.interval_millis() / 2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;
    const HOUR: i64 = 3_600 * SECOND;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn slots() -> Slots {
        Slots::aligned(10 * SECOND)
    }

    #[test]
    fn a_clock_that_went_back_by_a_minute_is_waited_for_and_one_by_more_is_not() {
        let last = Some(at(HOUR));
        for (back, said) in [(0, false), (WAITED_FOR_MILLIS, false), (WAITED_FOR_MILLIS + 1, true)] {
            let mut overtaken = Overtaken::default();
            let now = at(HOUR - back);
            assert_eq!(overtaken.look(last, now), said, "{back}");
            assert!(!overtaken.look(last, now), "it is said once");
            assert_eq!(overtaken.step(slots(), last, now).is_some(), said);
        }
        assert!(!Overtaken::default().look(None, at(0)), "a group that was never evaluated has nothing behind it");
    }

    #[test]
    fn each_present_slot_is_asked_about_once_and_time_goes_on_half_as_fast_until_the_clock_has_caught_up() {
        let (mut overtaken, mut last, mut now) = (Overtaken::default(), at(2 * HOUR), at(HOUR));
        let mut asked = Vec::new();
        loop {
            overtaken.look(Some(last), now);
            if now >= last {
                break;
            }
            if let Some(step) = overtaken.step(slots(), Some(last), now) {
                assert_eq!(step.instant.millis_since(last), 5 * SECOND);
                assert_eq!(overtaken.step(slots(), Some(last), now), None, "once");
                asked.push(step.asked);
                last = step.instant;
            }
            now = overtaken.wake_at(slots(), Some(last), now);
        }
        assert!(asked.windows(2).all(|pair| pair[1].millis_since(pair[0]) == 10 * SECOND));
        assert_eq!((asked[0], now), (at(HOUR), at(3 * HOUR)), "an hour is caught up within two");
        assert_eq!(overtaken.step(slots(), Some(last), now), None);
        assert_eq!(overtaken.next_instant(slots(), last), slots().after(last));
    }

    #[test]
    fn a_clock_that_is_set_right_again_ends_it_and_one_that_goes_back_further_does_not() {
        let (mut overtaken, last) = (Overtaken::default(), Some(at(2 * HOUR)));
        assert!(overtaken.look(last, at(HOUR)));
        assert_eq!(overtaken.step(slots(), last, at(HOUR)).unwrap().asked, at(HOUR));
        assert!(!overtaken.look(last, at(HOUR / 2)));
        assert_eq!(overtaken.step(slots(), last, at(HOUR / 2)).unwrap().asked, at(HOUR / 2));
        assert!(!overtaken.look(last, at(2 * HOUR + SECOND)));
        assert_eq!(overtaken.step(slots(), last, at(2 * HOUR + SECOND)), None);
    }
}
