//! The events of a key in order of time, although they come in another. A pattern is written as if every event came in order;
//! here its track is kept twice, before and after the events that one which comes late might still stand between.

use super::few::Few;
use super::moment::{Moment, Role};
use crate::stored::Stored;

/// Events of a key that are kept to be put in order. Beyond that the oldest is taken for in order: nothing is lost but the
/// place of an event that comes late before it.
const MOST_RECENT: usize = 10_000;

/// What a pattern remembers of the events so far.
pub trait Track<R: Role>: Stored + Clone + Default {
    /// Whether there is an event of the alert that still fires.
    fn has_firing(&self, fingerprint: u64) -> bool;

    /// The alert does not fire any more.
    fn resolve(&mut self, fingerprint: u64);
}

impl<R: Role> Track<R> for Few<Moment<R>> {
    fn has_firing(&self, fingerprint: u64) -> bool {
        self.iter().any(|moment| moment.fires && moment.fingerprint == fingerprint)
    }

    fn resolve(&mut self, fingerprint: u64) {
        self.iter_mut().filter(|moment| moment.fingerprint == fingerprint).for_each(|moment| moment.fires = false);
    }
}

/// Events of a key.
pub struct Timeline<R, T> {
    /// After all events before the recent ones.
    settled: Option<Box<T>>,
    /// Events that one which is not too late may still come before, in order.
    recent: Few<Moment<R>>,
    /// After all events. Follows from the others, and is not kept while it is cheap to come by.
    current: Option<Box<T>>,
}

impl<R, T> Default for Timeline<R, T> {
    fn default() -> Self {
        Self { settled: None, recent: Few::None, current: None }
    }
}

/// What a pattern says after an event: it is fulfilled, until then if nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// The first instant at which it is not fulfilled any more.
    pub until: i64,
    /// What was measured; NaN where that says nothing.
    pub measure: f64,
}

/// What came of an event.
pub struct Outcome<R> {
    /// When it was fulfilled first, of what follows from the event, and by which events. Not asked where it stood so before.
    pub first: Option<(i64, Vec<Moment<R>>)>,
    /// How it stands after all events, or stood last.
    pub held: Option<Held>,
}

impl<R: Role, T: Track<R>> Timeline<R, T> {
    /// The latest time of all events.
    pub fn newest(&self) -> Option<i64> {
        self.recent.last().map(|moment| moment.time)
    }

    /// Puts an event in its place. `before` is how it stood; `follow` tells a track the next event, and `members` asks one that is
    /// fulfilled by what.
    pub fn insert(
        &mut self,
        moment: Moment<R>,
        lateness_millis: i64,
        before: Option<Held>,
        follow: impl Fn(&mut T, &Moment<R>) -> Option<Held>,
        members: impl Fn(&T) -> Vec<Moment<R>>,
    ) -> Outcome<R> {
        let place = self.recent.partition_point(|other| other.order() <= moment.order());
        let is_last = place == self.recent.len();
        let mut track = match self.current.take() {
            Some(current) if is_last => current,
            _ => self.track_before(place, &follow),
        };
        self.recent.insert(place, moment);
        let mut outcome = Outcome { first: None, held: before };
        for next in self.recent.iter().skip(place) {
            match follow(&mut track, next) {
                Some(held) => {
                    if before.is_none() && outcome.first.is_none() {
                        let members = members(&track);
                        outcome.first = (!members.is_empty()).then_some((next.time, members));
                    }
                    outcome.held = Some(held);
                }
                None => {
                    outcome.held = outcome.held.map(|held| Held { until: held.until.min(next.time), ..held });
                }
            }
        }
        self.settle(lateness_millis, &follow);
        let is_cheap = self.settled.is_none() && self.recent.len() == 1;
        self.current = (!is_cheap).then_some(track);
        outcome
    }

    /// The track after what is settled and so many of the recent events.
    fn track_before(&self, place: usize, follow: &impl Fn(&mut T, &Moment<R>) -> Option<Held>) -> Box<T> {
        let mut track = self.settled.clone().unwrap_or_default();
        for moment in self.recent.iter().take(place) {
            follow(&mut track, moment);
        }
        track
    }

    /// Nothing comes any more before what is older than the newest by more than the lateness.
    fn settle(&mut self, lateness_millis: i64, follow: &impl Fn(&mut T, &Moment<R>) -> Option<Held>) {
        let Some(newest) = self.newest() else { return };
        let open_from = newest.saturating_sub(lateness_millis);
        while self.recent.first().is_some_and(|first| first.time < open_from) || self.recent.len() > MOST_RECENT {
            let Some(moment) = self.recent.pop_first() else { return };
            follow(self.settled.get_or_insert_default(), &moment);
        }
    }

    /// Whether there is an event of the alert that still fires.
    pub fn has_firing(&self, fingerprint: u64) -> bool {
        let mut tracks = self.settled.iter().chain(&self.current);
        self.recent.has_firing(fingerprint) || tracks.any(|track| track.has_firing(fingerprint))
    }

    /// The alert does not fire any more.
    pub fn resolve(&mut self, fingerprint: u64) {
        self.recent.resolve(fingerprint);
        for track in self.settled.iter_mut().chain(&mut self.current) {
            track.resolve(fingerprint);
        }
    }

    /// Keeps an event for [`Timeline::take_window`] and asks nothing; `false` when there is no room for it.
    pub fn keep(&mut self, moment: Moment<R>) -> bool {
        if self.recent.len() >= MOST_RECENT {
            return false;
        }
        let place = self.recent.partition_point(|other| other.order() <= moment.order());
        self.recent.insert(place, moment);
        true
    }

    /// When the first event kept was.
    pub fn oldest(&self) -> Option<i64> {
        self.recent.first().map(|moment| moment.time)
    }

    /// Takes out the events kept from before then.
    pub fn take_window(&mut self, end: i64) -> Vec<Moment<R>> {
        let mut window = Vec::new();
        while self.oldest().is_some_and(|oldest| oldest < end) {
            window.extend(self.recent.pop_first());
        }
        window
    }
}

impl<R: Role, T: Track<R>> Stored for Timeline<R, T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.recent.write(out);
        self.settled.is_some().write(out);
        if let Some(settled) = &self.settled {
            settled.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let recent = Few::<Moment<R>>::read(from)?;
        let is_sorted = recent.iter().is_sorted_by_key(Moment::order);
        let settled = if bool::read(from)? { Some(Box::new(T::read(from)?)) } else { None };
        is_sorted.then_some(Self { settled, recent, current: None })
    }
}
