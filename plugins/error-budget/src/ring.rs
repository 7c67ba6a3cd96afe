//! How much was lost within a window that ends now, in a fixed number of buckets.

use orion_plugin::Stored;

/// A window is so many buckets wide. The oldest one reaches out of it, which its share makes good for as far as errors are
/// spread evenly within a bucket.
const BUCKETS: i64 = 30;

/// Those, and the one that the window is leaving: as many as there are bits in the word that says which hold anything.
const SLOTS: usize = BUCKETS as usize + 1;

/// The time that was lost to errors within the last while, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    /// How long the window is.
    pub span_millis: i64,
    /// The newest bucket that was written, by its number since 1970.
    newest: i64,
    lost: [f64; SLOTS],
}

impl Ring {
    /// Nothing lost in a window of this length.
    pub const fn of(span_millis: i64) -> Self {
        Self { span_millis, newest: i64::MIN, lost: [0.0; SLOTS] }
    }

    /// Rounded up, so that the window never reaches over more buckets than there are.
    fn width_millis(&self) -> i64 {
        self.span_millis.saturating_add(BUCKETS - 1).div_euclid(BUCKETS).max(1)
    }

    /// Adds (`since`, `until`], of which this ratio was lost. Not before what was added last.
    pub fn add(&mut self, since: i64, until: i64, ratio: f64) {
        let width = self.width_millis();
        self.reach((until - 1).div_euclid(width));
        // What is older than the window is in no bucket any more.
        let mut from = since.max((self.newest - BUCKETS).saturating_mul(width));
        while ratio > 0.0 && from < until {
            let bucket = from.div_euclid(width);
            let to = until.min((bucket + 1).saturating_mul(width));
            #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
            if let Some(lost) = self.lost.get_mut(slot(bucket)) {
                *lost += ratio * (to - from) as f64;
            }
            from = to;
        }
    }

    /// Empties the buckets between the newest one and this.
    fn reach(&mut self, bucket: i64) {
        let first = self.newest.saturating_add(1).max(bucket - BUCKETS);
        for passed in first..=bucket {
            if let Some(lost) = self.lost.get_mut(slot(passed)) {
                *lost = 0.0;
            }
        }
        self.newest = self.newest.max(bucket);
    }

    /// What was lost in (`now` − span, `now`], where `now` is when something was added last.
    pub fn sum(&self, now: i64) -> f64 {
        let width = self.width_millis();
        let start = now.saturating_sub(self.span_millis);
        let leaving = start.div_euclid(width);
        let whole: f64 = (leaving + 1..=self.newest).filter_map(|bucket| self.lost.get(slot(bucket))).sum();
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
        let share = ((leaving + 1) * width - start) as f64 / width as f64;
        whole + self.lost.get(slot(leaving)).map_or(0.0, |lost| lost * share)
    }
}

fn slot(bucket: i64) -> usize {
    usize::try_from(bucket.rem_euclid(SLOTS as i64)).unwrap_or_default()
}

/// Most buckets of most series hold nothing.
impl Stored for Ring {
    fn write(&self, out: &mut Vec<u8>) {
        let held = self.lost.iter().rev().fold(0_u32, |held, lost| held << 1 | u32::from(*lost > 0.0));
        (self.span_millis, self.newest).write(out);
        held.write(out);
        self.lost.iter().filter(|lost| **lost > 0.0).for_each(|lost| lost.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (span_millis, newest) = Stored::read(from)?;
        let held = u32::read(from)?;
        let mut ring = Self { newest, ..Self::of(span_millis) };
        for (place, lost) in ring.lost.iter_mut().enumerate() {
            if held >> place & 1 == 1 {
                *lost = f64::read(from)?;
            }
        }
        Some(ring)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was lost in a window, millisecond by millisecond.
    fn modelled(added: &[(i64, i64, f64)], start: i64, now: i64) -> f64 {
        let lost =
            |(since, until, ratio): &(i64, i64, f64)| (now.min(*until) - start.max(*since)).max(0) as f64 * ratio;
        added.iter().map(lost).sum()
    }

    #[test]
    fn what_is_exactly_as_old_as_the_window_is_out_of_it() {
        let mut ring = Ring::of(300);
        ring.add(0, 10, 1.0);
        assert_eq!(ring.sum(10), 10.0);
        ring.add(10, 300, 0.0);
        assert_eq!(ring.sum(300), 10.0);
        ring.add(300, 305, 0.0);
        assert_eq!(ring.sum(305), 5.0);
        ring.add(305, 310, 0.0);
        assert_eq!(ring.sum(310), 0.0);
    }

    proptest! {
        #[test]
        fn a_ring_is_its_model_but_for_one_bucket(
            steps in proptest::collection::vec((1_i64..2_000, 0_u8..3, any::<bool>()), 1..200), span in 300_i64..20_000, begin in -9_000_i64..9_000,
        ) {
            let mut ring = Ring::of(span);
            let mut added = vec![];
            let mut now = begin;
            for (step, ratio, is_gap) in steps {
                let since = if is_gap { now + step / 2 } else { now };
                now += step;
                let ratio = f64::from(ratio) / 2.0;
                ring.add(since, now, ratio);
                added.push((since, now, ratio));
                let width = ring.width_millis() as f64;
                let want = modelled(&added, now - span, now);
                prop_assert!((ring.sum(now) - want).abs() <= width, "{} {want} at {now}", ring.sum(now));
            }
        }
    }
}
