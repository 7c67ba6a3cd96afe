//! How far observation has come: the time before which no group will report anything any more.
//!
//! Timers of correlators follow this and not the wall clock. After downtime the Watcher catches up on what it missed, and
//! an incident must not be closed as idle before the events that keep it open were evaluated.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use orion_model::Timestamp;

/// The progress of all groups.
#[derive(Debug, Default)]
pub struct Watermark {
    groups: Mutex<BTreeMap<String, Option<Progress>>>,
}

/// How far one group has come.
#[derive(Clone, Copy, Debug)]
struct Progress {
    last: Timestamp,
    next: Timestamp,
}

impl Watermark {
    /// A group is there; what it will report first is not known yet.
    pub fn expect(&self, group: &str) {
        self.with(|groups| {
            groups.entry(group.to_owned()).or_insert(None);
        });
    }

    /// A group has reported up to `last`, and the next thing it reports is not before `next`.
    pub fn advance(&self, group: &str, last: Timestamp, next: Timestamp) {
        self.with(|groups| {
            if let Some(place) = groups.get_mut(group) {
                *place = Some(Progress { last, next });
            }
        });
    }

    /// A group is gone.
    pub fn forget(&self, group: &str) {
        self.with(|groups| {
            groups.remove(group);
        });
    }

    /// Up to when everything is reported, at most `now`, or what was reported last: after the clock went back that is later. `None`
    /// while a group's progress is not known.
    pub fn reached(&self, now: Timestamp) -> Option<Timestamp> {
        self.with(|groups| {
            let newest = groups.values().flatten().map(|progress| progress.last).fold(now, Timestamp::max);
            groups.values().try_fold(newest, |low, progress| Some(low.min(progress.as_ref()?.next.plus_millis(-1))))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Option<Progress>>) -> T) -> T {
        // A panic elsewhere leaves the map whole: every change of it is one call.
        act(&mut self.groups.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_group_holds_time_back_and_an_unknown_one_stops_it() {
        let at = Timestamp::from_millis;
        let mark = Watermark::default();
        assert_eq!(mark.reached(at(100)), Some(at(100)));
        mark.expect("a");
        mark.expect("b");
        mark.advance("a", at(40), at(50));
        assert_eq!(mark.reached(at(100)), None);
        mark.advance("b", at(90), at(500));
        assert_eq!(mark.reached(at(100)), Some(at(49)));
        mark.forget("a");
        mark.advance("a", at(0), at(1));
        assert_eq!(mark.reached(at(100)), Some(at(100)));
    }

    #[test]
    fn a_clock_that_went_back_does_not_stop_time() {
        let at = Timestamp::from_millis;
        let mark = Watermark::default();
        mark.expect("a");
        mark.advance("a", at(1_000), at(1_005));
        assert_eq!(mark.reached(at(10)), Some(at(1_000)));
        mark.advance("a", at(1_005), at(1_010));
        assert_eq!(mark.reached(at(20)), Some(at(1_005)));
    }
}
