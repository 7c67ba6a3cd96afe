//! What sources said to those who looked, for whoever looks next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orion_model::{RecordId, SeriesAround};

/// Answers that are remembered; each is one series of some hundred samples, a few kilobytes.
const MAX_REMEMBERED: usize = 512;

/// How long one is told again whose span is over: the source says the same, unless it has forgotten.
const WHOLE_SECONDS: u64 = 3_600;

/// How long one is told again whose span is not over.
const PART_SECONDS: u64 = 15;

/// By the event.
#[derive(Default)]
pub(super) struct Remembered(Mutex<BTreeMap<RecordId, (Instant, Arc<SeriesAround>)>>);

impl Remembered {
    pub(super) fn get(&self, event: RecordId, now: Instant) -> Option<Arc<SeriesAround>> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, around) = remembered.get(&event)?;
        let fresh = Duration::from_secs(if around.whole { WHOLE_SECONDS } else { PART_SECONDS });
        (now.saturating_duration_since(*at) < fresh).then(|| around.clone())
    }

    /// Of too many the oldest is forgotten.
    pub(super) fn put(&self, event: RecordId, around: Arc<SeriesAround>, now: Instant) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.insert(event, (now, around));
        while remembered.len() > MAX_REMEMBERED
            && let Some(oldest) = remembered.iter().min_by_key(|(id, (at, _))| (*at, **id)).map(|(id, _)| *id)
        {
            remembered.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::IdBuilder;

    #[test]
    fn what_is_over_is_told_for_an_hour_and_what_goes_on_for_a_moment() {
        let (remembered, now) = (Remembered::default(), Instant::now());
        let id = |number| IdBuilder::new("test").number(number).finish();
        for (number, whole) in [(1, true), (2, false)] {
            remembered.put(id(number), Arc::new(SeriesAround { whole, ..SeriesAround::default() }), now);
        }
        let knows = |number, seconds| remembered.get(id(number), now + Duration::from_secs(seconds)).is_some();
        assert_eq!([knows(1, 3_599), knows(1, 3_600), knows(2, 14), knows(2, 15)], [true, false, true, false]);
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let (remembered, begin) = (Remembered::default(), Instant::now());
        let id = |number: usize| IdBuilder::new("test").number(number as i64).finish();
        let whole = Arc::new(SeriesAround { whole: true, ..SeriesAround::default() });
        let at = |number: usize| begin + Duration::from_millis(number as u64);
        (0..=MAX_REMEMBERED).for_each(|number| remembered.put(id(number), whole.clone(), at(number)));
        let known = (0..=MAX_REMEMBERED).filter(|number| remembered.get(id(*number), at(*number)).is_some());
        assert_eq!(known.collect::<Vec<_>>(), (1..=MAX_REMEMBERED).collect::<Vec<_>>());
    }
}
