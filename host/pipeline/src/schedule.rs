//! When a rule group is evaluated: at slots, k·interval + a stable offset of the group, never "now".
//!
//! Slots make every evaluation repeatable: after a restart, on another host or in a replay the same group asks for the
//! same instants. The offset spreads groups over the interval, so that they do not all ask at once.

use orion_model::{IdBuilder, Timestamp};

/// The slots of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    interval_millis: i64,
    offset_millis: i64,
}

/// The instants that are due, and those that are lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be evaluated, oldest first.
    pub instants: Vec<Timestamp>,
    /// Older than the catch-up span: not evaluated any more. First, last, how many.
    pub missed: Option<(Timestamp, Timestamp, u64)>,
}

impl Slots {
    /// The slots of the group with this id. An interval below one millisecond counts as one.
    pub fn new(group_id: &str, interval_millis: i64) -> Self {
        let interval_millis = interval_millis.max(1);
        let hash = IdBuilder::new("slot").text(group_id).finish();
        let [a, b, c, d, e, f, g, ..] = *hash.as_bytes();
        let offset_millis = i64::from_le_bytes([a, b, c, d, e, f, g, 0]) % interval_millis;
        Self { interval_millis, offset_millis }
    }

    /// Slots at multiples of the interval: for tests of rules, which speak of minutes since their beginning.
    pub fn aligned(interval_millis: i64) -> Self {
        Self { interval_millis: interval_millis.max(1), offset_millis: 0 }
    }

    /// Time between slots.
    pub fn interval_millis(self) -> i64 {
        self.interval_millis
    }

    /// The last slot that is not after `now`.
    pub fn at_or_before(self, now: Timestamp) -> Timestamp {
        let since = now.as_millis().saturating_sub(self.offset_millis);
        Timestamp::from_millis(since.div_euclid(self.interval_millis) * self.interval_millis + self.offset_millis)
    }

    /// The first slot after `now`.
    pub fn after(self, now: Timestamp) -> Timestamp {
        self.at_or_before(now).plus_millis(self.interval_millis)
    }

    /// What is due at `now` when `last` was evaluated last. A group that never was evaluated starts with the present
    /// slot; one that was away is given every slot it missed, as far back as `catch_up_millis`.
    pub fn due(self, last: Option<Timestamp>, now: Timestamp, catch_up_millis: i64) -> Due {
        let present = self.at_or_before(now);
        let Some(last) = last else { return Due { instants: vec![present], missed: None } };
        let mut first = self.after(last);
        if first > present {
            return Due::default();
        }
        let oldest = self.after(now.plus_millis(-catch_up_millis.max(0)).plus_millis(-1)).min(present);
        let mut missed = None;
        if first < oldest {
            let last_missed = oldest.plus_millis(-self.interval_millis);
            let count = oldest.millis_since(first) / self.interval_millis;
            missed = Some((first, last_missed, count.unsigned_abs()));
            first = oldest;
        }
        let count = present.millis_since(first) / self.interval_millis;
        let instants = (0..=count).map(|k| first.plus_millis(k * self.interval_millis)).collect();
        Due { instants, missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_offset_is_stable_and_within_the_interval() {
        let slots = Slots::new("media-stack.yaml/media-stack", 60_000);
        assert_eq!(slots, Slots::new("media-stack.yaml/media-stack", 60_000));
        assert_ne!(slots, Slots::new("host.yaml/host", 60_000));
        // Of a thousand groups about as many fall into each tenth of the interval.
        let offset = |group: i64| Slots::new(&format!("a.yaml/{group}"), 60_000).offset_millis;
        let mut tenths = [0; 10];
        (0..1_000).for_each(|group| tenths[usize::try_from(offset(group) / 6_000).unwrap()] += 1);
        assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{tenths:?}");
    }

    #[test]
    fn a_group_never_evaluated_starts_with_the_present_slot() {
        let slots = Slots { interval_millis: 10, offset_millis: 3 };
        assert_eq!(slots.due(None, at(27), 1_000).instants, [at(23)]);
        assert_eq!(slots.due(Some(at(23)), at(27), 1_000), Due::default());
    }

    #[test]
    fn missed_slots_are_caught_up_as_far_as_allowed_and_the_rest_is_counted() {
        let slots = Slots { interval_millis: 10, offset_millis: 0 };
        assert_eq!(slots.due(Some(at(0)), at(35), 1_000).instants, [at(10), at(20), at(30)]);
        let due = slots.due(Some(at(0)), at(100), 20);
        assert_eq!(due.instants, [at(80), at(90), at(100)]);
        assert_eq!(due.missed, Some((at(10), at(70), 7)));
        let off = slots.due(Some(at(0)), at(105), 0);
        assert_eq!((off.instants, off.missed), (vec![at(100)], Some((at(10), at(90), 9))));
    }

    proptest! {
        #[test]
        fn every_slot_is_due_once_or_counted_as_missed(
            interval in 1_i64..1_000, offset in 0_i64..1_000, last in -5_000_i64..5_000, ahead in 0_i64..20_000, catch_up in 0_i64..20_000,
        ) {
            let slots = Slots { interval_millis: interval, offset_millis: offset % interval };
            let last = slots.at_or_before(at(last));
            let now = last.plus_millis(ahead);
            let due = slots.due(Some(last), now, catch_up);
            let total = slots.at_or_before(now).millis_since(last) / interval;
            let missed = due.missed.map_or(0, |(_, _, count)| count);
            prop_assert_eq!(due.instants.len() as u64 + missed, total.unsigned_abs());
            for pair in due.instants.windows(2) {
                prop_assert_eq!(pair[1].millis_since(pair[0]), interval);
            }
            prop_assert!(due.instants.iter().all(|instant| *instant <= now && slots.at_or_before(*instant) == *instant));
        }
    }
}
