//! What an open incident has gained and nobody has been told yet.
//!
//! An incident that opens, gets worse or ends says so at once. One that merely grows says so from time to time: in a storm a
//! revision for every event would be most of what is recorded. A young incident is news, and what an old one gains matters in
//! proportion to what it has; so the pauses are a sixteenth of its age, a second at least and a minute at most.
//!
//! Time is that of the events, so that how often an incident speaks, and what it says, does not depend on how events are cut
//! into batches: a replay that cuts them otherwise says the same.

use super::outbox::Growth;
use crate::stored::Stored;

/// How much of its age an incident may be behind with what it says.
const SPANS_OF_AGE: i64 = 16;

/// The shortest and the longest time that growth stays unsaid. Nobody reads faster than the one, and after the other a
/// person who looks should see what there is.
const SPAN_MILLIS: (i64, i64) = (1_000, 60_000);

/// Positions in one change. The host takes ten times as many; with more an incident speaks before it is time.
pub(super) const MOST_POSITIONS: usize = 1_000;

/// What is unsaid of an incident. Empty in nearly all, and kept small for those.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gains(Option<Box<Unsaid>>);

/// What there is to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsaid {
    /// When it is said at the latest.
    due: i64,
    /// When the latest of it happened.
    pub(super) time: i64,
    /// Events that the incident did not have.
    pub(super) joined: u32,
    /// Whether it got worse.
    pub(super) rose: bool,
    /// What else is to be said; the last such thing counts.
    pub(super) news: Option<Box<str>>,
    pub(super) positions: Vec<u64>,
}

impl Gains {
    /// When they are to be said if nothing else comes; `None` when there are none.
    pub fn due(&self) -> Option<i64> {
        self.0.as_deref().map(|unsaid| unsaid.due)
    }

    /// An event of an incident that is open since then. Whether they are to be said at once.
    pub fn add(&mut self, growth: &Growth, since: i64) -> bool {
        let unsaid = self.begun(growth.time, since);
        unsaid.joined += u32::from(growth.is_new);
        unsaid.rose |= growth.rose;
        unsaid.positions.push(growth.position);
        growth.rose || unsaid.positions.len() >= MOST_POSITIONS
    }

    /// Something else that is to be said of an incident that is open since then.
    pub fn remark(&mut self, time: i64, news: &str, since: i64) {
        self.begun(time, since).news = Some(news.into());
    }

    /// What there is to say. It counts as said from now on.
    pub fn take(&mut self) -> Option<Unsaid> {
        self.0.take().map(|unsaid| *unsaid)
    }

    fn begun(&mut self, time: i64, since: i64) -> &mut Unsaid {
        let unsaid = self.0.get_or_insert_with(|| {
            let span = time.saturating_sub(since) / SPANS_OF_AGE;
            let due = time.saturating_add(span.clamp(SPAN_MILLIS.0, SPAN_MILLIS.1));
            Box::new(Unsaid { due, time, ..Unsaid::default() })
        });
        unsaid.time = unsaid.time.max(time);
        unsaid
    }
}

impl Stored for Gains {
    fn write(&self, out: &mut Vec<u8>) {
        let Some(unsaid) = &self.0 else { return false.write(out) };
        true.write(out);
        (unsaid.due, unsaid.time).write(out);
        unsaid.joined.write(out);
        unsaid.rose.write(out);
        unsaid.news.write(out);
        unsaid.positions.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        if !bool::read(from)? {
            return Some(Self(None));
        }
        let (due, time) = <(i64, i64)>::read(from)?;
        let (joined, rose, news) = (u32::read(from)?, bool::read(from)?, Option::read(from)?);
        Some(Self(Some(Box::new(Unsaid { due, time, joined, rose, news, positions: Vec::read(from)? }))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;
    use crate::stored::{read_whole, written};

    fn growth(time: i64, rose: bool) -> Growth {
        Growth { time, severity: Severity::Error, rose, position: 7, is_new: true }
    }

    #[test]
    fn growth_is_due_after_a_sixteenth_of_the_age_and_what_is_late_does_not_move_that() {
        let mut gains = Gains::default();
        assert_eq!((gains.due(), gains.take()), (None, None));
        assert!(!gains.add(&growth(2_000, false), 0) && !gains.add(&growth(1_500, false), 0));
        assert_eq!((gains.due(), gains.take().unwrap().time, gains.due()), (Some(3_000), 2_000, None));
        for (age, span) in [(-5, 1_000), (16_000, 1_000), (32_000, 2_000), (960_000, 60_000), (86_400_000, 60_000)] {
            let mut gains = Gains::default();
            gains.add(&growth(age, false), 0);
            assert_eq!(gains.due(), Some(age + span));
        }
    }

    #[test]
    fn what_is_worse_or_as_much_as_a_change_holds_is_said_at_once() {
        let mut gains = Gains::default();
        let at_once: Vec<_> = (0..MOST_POSITIONS).map(|_| gains.add(&growth(0, false), 0)).collect();
        assert_eq!(at_once.iter().position(|at_once| *at_once), Some(MOST_POSITIONS - 1));
        assert!(Gains::default().add(&growth(0, true), 0));
    }

    #[test]
    fn what_is_unsaid_survives_a_restart() {
        let mut gains = Gains::default();
        assert_eq!(read_whole(&written(&gains)), Some(gains.clone()));
        gains.add(&growth(5, true), 0);
        gains.remark(6, "by the way", 0);
        assert_eq!(read_whole(&written(&gains)), Some(gains));
    }
}
