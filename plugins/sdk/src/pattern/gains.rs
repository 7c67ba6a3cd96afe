//! What an open incident has gained and nobody has been told yet.
//!
//! An incident that opens, gets worse or ends says so at once. One that merely grows says so once a second: in a storm a
//! revision for every event would be most of what is recorded. The seconds are those of the events, so that how often an
//! incident speaks, and what it says, does not depend on how events are cut into batches: a replay that cuts them otherwise
//! says the same.

use super::outbox::Growth;
use crate::stored::Stored;

/// Growth within one such span of event time is one change.
const SPAN_MILLIS: i64 = 1_000;

/// Positions in one change. The host takes ten times as many; with more an incident speaks before the second is over.
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

    /// An event. Whether they are to be said at once.
    pub fn add(&mut self, growth: &Growth) -> bool {
        let unsaid = self.begun(growth.time);
        unsaid.joined += u32::from(growth.is_new);
        unsaid.rose |= growth.rose;
        unsaid.positions.push(growth.position);
        growth.rose || unsaid.positions.len() >= MOST_POSITIONS
    }

    /// Something else that is to be said.
    pub fn remark(&mut self, time: i64, news: &str) {
        self.begun(time).news = Some(news.into());
    }

    /// What there is to say. It counts as said from now on.
    pub fn take(&mut self) -> Option<Unsaid> {
        self.0.take().map(|unsaid| *unsaid)
    }

    fn begun(&mut self, time: i64) -> &mut Unsaid {
        let unsaid = self.0.get_or_insert_with(|| {
            let due = time.div_euclid(SPAN_MILLIS).saturating_add(1).saturating_mul(SPAN_MILLIS);
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
    fn growth_is_due_when_its_second_is_over_and_what_is_late_does_not_move_that() {
        let mut gains = Gains::default();
        assert_eq!((gains.due(), gains.take()), (None, None));
        assert!(!gains.add(&growth(2_000, false)) && !gains.add(&growth(1_500, false)));
        assert_eq!((gains.due(), gains.take().unwrap().time, gains.due()), (Some(3_000), 2_000, None));
        gains.remark(-1, "by the way");
        assert_eq!(gains.due(), Some(0));
    }

    #[test]
    fn what_is_worse_or_as_much_as_a_change_holds_is_said_at_once() {
        let mut gains = Gains::default();
        let at_once: Vec<_> = (0..MOST_POSITIONS).map(|_| gains.add(&growth(0, false))).collect();
        assert_eq!(at_once.iter().position(|at_once| *at_once), Some(MOST_POSITIONS - 1));
        assert!(Gains::default().add(&growth(0, true)));
    }

    #[test]
    fn what_is_unsaid_survives_a_restart() {
        let mut gains = Gains::default();
        assert_eq!(read_whole(&written(&gains)), Some(gains.clone()));
        gains.add(&growth(5, true));
        gains.remark(6, "by the way");
        assert_eq!(read_whole(&written(&gains)), Some(gains));
    }
}
