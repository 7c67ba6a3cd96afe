//! When a plugin that fails is called again.
//!
//! One fault is the fault of an input: the next call gets a fresh instance. A plugin that keeps failing is quarantined: it
//! is not called for a while, then tried once, and while it still fails each quarantine is twice as long as the one before.
//! What it may cost the others is bounded by that: a call can take as long as its deadline, and a plugin that fails with
//! every input would take that of every worker again and again.
//!
//! Time is that of the data, and all of it is kept in the store: a restart in the middle changes nothing, and a replay
//! gives what live gave.

use orion_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::draft::{Draft, NotWritable, key};

/// First part of the state keys of what is known of faults.
pub const SUPERVISION_ROOM: &[u8] = b"supervision";

/// Faults within [`CALM_MILLIS`] of each other that are too many. Two can be a coincidence of inputs.
pub const STRIKES: u32 = 3;

/// Without a fault for so long, all are forgotten.
pub const CALM_MILLIS: i64 = 10 * 60_000;

/// The first quarantine. Long enough that a plugin which spins up to its deadline takes a hundredth of the time at most.
pub const FIRST_QUARANTINE_MILLIS: i64 = 60_000;

/// The longest. A plugin that was mended without an edit, by other data, is back within the hour.
pub const LONGEST_QUARANTINE_MILLIS: i64 = 60 * 60_000;

/// What is known of the faults of one rule's or correlation's plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervisor {
    faults: Option<Faults>,
}

/// What is kept of faults until it was calm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Within the calm of each other.
    pub strikes: u32,
    /// Quarantines so far.
    pub rounds: u32,
    /// When the last fault was, or up to when the last quarantine lasts.
    pub last: Timestamp,
    /// Up to when it is quarantined, if it is.
    pub until: Option<Timestamp>,
}

/// Whether a plugin may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Called,
    /// Not before then.
    Quarantined(Timestamp),
}

impl Supervisor {
    /// Whether the plugin is called at an instant.
    pub fn admission(&self, now: Timestamp) -> Admission {
        let until = self.faults.as_ref().and_then(|faults| faults.until).filter(|until| now < *until);
        until.map_or(Admission::Called, Admission::Quarantined)
    }

    /// A call ended well. Whether anything changed.
    pub fn succeeded(&mut self, now: Timestamp) -> bool {
        let is_over = |faults: &Faults| now.millis_since(faults.last) >= CALM_MILLIS;
        if self.faults.as_ref().is_some_and(is_over) {
            self.faults = None;
            return true;
        }
        self.faults.as_mut().is_some_and(|faults| faults.until.take().is_some())
    }

    /// A call ended with a fault. Up to when the plugin is quarantined, if that is one too many.
    pub fn failed(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.succeeded(now);
        let faults = self.faults.get_or_insert(Faults { strikes: 0, rounds: 0, last: now, until: None });
        faults.strikes += 1;
        faults.last = now;
        if faults.strikes < STRIKES {
            return None;
        }
        // From now on each fault is one too many, until it is calm.
        faults.strikes = STRIKES - 1;
        let doubled = FIRST_QUARANTINE_MILLIS.checked_shl(faults.rounds).unwrap_or(i64::MAX);
        let millis = doubled.clamp(FIRST_QUARANTINE_MILLIS, LONGEST_QUARANTINE_MILLIS);
        faults.rounds = (faults.rounds + 1).min(MOST_ROUNDS);
        let until = now.plus_millis(millis);
        (faults.last, faults.until) = (until, Some(until));
        Some(until)
    }

    /// Another plugin, or other parameters: nothing is held against it.
    pub fn forgive(&mut self, id: &str, draft: &mut Draft) {
        if self.faults.take().is_some() {
            draft.delete(state_key(id));
        }
    }

    /// Keeps what is known.
    pub fn save(&self, id: &str, draft: &mut Draft) -> Result<(), NotWritable> {
        match &self.faults {
            Some(faults) => draft.put(state_key(id), faults),
            None => {
                draft.delete(state_key(id));
                Ok(())
            }
        }
    }

    /// Puts back what the store has. Bytes that are none are ignored: what fails shows again.
    pub fn restore(&mut self, value: &[u8]) {
        self.faults = serde_json::from_slice(value).ok();
    }
}

/// By then every quarantine is the longest.
const MOST_ROUNDS: u32 = 8;

fn state_key(id: &str) -> Vec<u8> {
    key::of(&[SUPERVISION_ROOM, id.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn two_faults_are_no_quarantine_and_the_third_is_one() {
        let mut supervisor = Supervisor::default();
        assert_eq!((supervisor.failed(at(0)), supervisor.failed(at(SECOND))), (None, None));
        assert!(!supervisor.succeeded(at(2 * SECOND)));
        assert_eq!(supervisor.failed(at(3 * SECOND)), Some(at(63 * SECOND)));
        assert_eq!(supervisor.admission(at(63 * SECOND - 1)), Admission::Quarantined(at(63 * SECOND)));
        assert_eq!(supervisor.admission(at(63 * SECOND)), Admission::Called);
    }

    #[test]
    fn while_it_fails_each_quarantine_is_twice_as_long_up_to_the_longest() {
        let mut supervisor = Supervisor::default();
        supervisor.failed(at(0));
        supervisor.failed(at(0));
        let mut now = at(0);
        let mut minutes = Vec::new();
        for _ in 0..8 {
            let until = supervisor.failed(now).unwrap();
            minutes.push(until.millis_since(now) / 60_000);
            now = until;
        }
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn after_a_quarantine_one_fault_is_one_too_many_until_it_was_calm() {
        let mut supervisor = Supervisor::default();
        let until = (0..3).filter_map(|_| supervisor.failed(at(0))).next().unwrap();
        assert!(supervisor.succeeded(until));
        assert!(supervisor.failed(until.plus_millis(CALM_MILLIS - 1)).is_some());
        let Admission::Quarantined(until) = supervisor.admission(until.plus_millis(CALM_MILLIS)) else { panic!() };
        assert!(supervisor.succeeded(until.plus_millis(CALM_MILLIS)));
        assert_eq!(supervisor, Supervisor::default());
        assert_eq!(supervisor.failed(until.plus_millis(CALM_MILLIS)), None);
    }

    proptest! {
        #[test]
        fn a_restart_anywhere_changes_nothing(steps in proptest::collection::vec((0_i64..400_000, any::<bool>()), 0..40)) {
            let (mut one, mut other, mut now) = (Supervisor::default(), Supervisor::default(), at(0));
            for (millis, fails) in steps {
                now = now.plus_millis(millis);
                prop_assert_eq!(one.admission(now), other.admission(now));
                if one.admission(now) == Admission::Called {
                    if fails {
                        prop_assert_eq!(one.failed(now), other.failed(now));
                    } else {
                        prop_assert_eq!(one.succeeded(now), other.succeeded(now));
                    }
                }
                let mut draft = Draft::default();
                one.save("r", &mut draft).unwrap();
                other = Supervisor::default();
                for change in draft.into_commit("o", None, 0).state {
                    if let orion_bus::StateChange::Put { value, .. } = change {
                        other.restore(&value);
                    }
                }
                prop_assert_eq!(&one, &other);
            }
        }
    }
}
