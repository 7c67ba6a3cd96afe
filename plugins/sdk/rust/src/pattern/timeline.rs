//! The events of a key in order of time, although they come in another. A pattern is written as if every event came in order;
//! here its track is kept twice, before and after the events that one which comes late might still stand between.

use super::few::Few;
use super::moment::{Moment, Role};
use crate::stored::Stored;

/// Events of a key that are kept to be put in order. Beyond that the oldest is taken for in order: nothing is lost but the
/// place of an event that comes late before it.
const MOST_RECENT: usize = 10_000;

/// Events that are gone through again for each new one rather than kept a second time: most keys have no more, and a million
/// of them would pay for it.
const FEW: usize = 4;

/// What a pattern remembers of the events so far.
pub trait Track<R: Role>: Stored + Clone + Default {
    /// How many events it holds.
    fn events(&self) -> usize;

    /// Whether there is an event of the alert that still fires.
    fn has_firing(&self, fingerprint: u64) -> bool;

    /// The alert does not fire any more.
    fn resolve(&mut self, fingerprint: u64);
}

impl<R: Role> Track<R> for Few<Moment<R>> {
    fn events(&self) -> usize {
        self.len()
    }

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
    settled: Option<Box<Settled<T>>>,
    /// Events that one which is not too late may still come before, in order.
    recent: Few<Moment<R>>,
    /// After all events. Follows from the others, and is not kept while it is cheap to come by.
    current: Option<Box<T>>,
}

/// A track, and how the pattern stood there: a late event may undo what stood since.
#[derive(Clone)]
struct Settled<T> {
    track: T,
    held: Option<Held>,
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
        let (mut track, held) = match self.current.take() {
            Some(current) if is_last => (current, before),
            _ => self.track_before(place, &follow),
        };
        self.recent.insert(place, moment);
        let mut outcome = Outcome { first: None, held: if is_last { before } else { held } };
        for next in self.recent.iter().skip(place) {
            let now = follow(&mut track, next);
            outcome.held = stands(outcome.held, now, next.time);
            if now.is_some() && before.is_none() && outcome.first.is_none() {
                let members = members(&track);
                outcome.first = (!members.is_empty()).then_some((next.time, members));
            }
        }
        // What came late may show that it never was fulfilled.
        outcome.held = outcome.held.or(before.map(|before| Held { until: i64::MIN, ..before }));
        self.settle(lateness_millis, &follow);
        let is_cheap = self.recent.len() + self.settled.as_deref().map_or(0, |settled| settled.track.events()) <= FEW;
        self.current = (!is_cheap).then_some(track);
        outcome
    }

    /// The track after what is settled and so many of the recent events, and how the pattern stood there.
    fn track_before(
        &self,
        place: usize,
        follow: &impl Fn(&mut T, &Moment<R>) -> Option<Held>,
    ) -> (Box<T>, Option<Held>) {
        let (mut track, mut held) = match self.settled.as_deref() {
            Some(settled) => (Box::new(settled.track.clone()), settled.held),
            None => (Box::default(), None),
        };
        for moment in self.recent.iter().take(place) {
            held = stands(held, follow(&mut track, moment), moment.time);
        }
        (track, held)
    }

    /// Nothing comes any more before what is older than the newest by more than the lateness.
    fn settle(&mut self, lateness_millis: i64, follow: &impl Fn(&mut T, &Moment<R>) -> Option<Held>) {
        let Some(newest) = self.newest() else { return };
        let open_from = newest.saturating_sub(lateness_millis);
        while self.recent.first().is_some_and(|first| first.time < open_from) || self.recent.len() > MOST_RECENT {
            let Some(moment) = self.recent.pop_first() else { return };
            let settled = self.settled.get_or_insert_with(|| Box::new(Settled { track: T::default(), held: None }));
            settled.held = stands(settled.held, follow(&mut settled.track, &moment), moment.time);
        }
    }

    /// Whether there is an event of the alert that still fires.
    pub fn has_firing(&self, fingerprint: u64) -> bool {
        let settled = self.settled.as_deref().map(|settled| &settled.track);
        let mut tracks = settled.into_iter().chain(self.current.as_deref());
        self.recent.has_firing(fingerprint) || tracks.any(|track| track.has_firing(fingerprint))
    }

    /// The alert does not fire any more.
    pub fn resolve(&mut self, fingerprint: u64) {
        self.recent.resolve(fingerprint);
        let settled = self.settled.as_deref_mut().map(|settled| &mut settled.track);
        for track in settled.into_iter().chain(self.current.as_deref_mut()) {
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

/// How a pattern stands after an event that says this of it.
fn stands(before: Option<Held>, now: Option<Held>, time: i64) -> Option<Held> {
    now.or_else(|| before.map(|before| Held { until: before.until.min(time), ..before }))
}

impl<T: Stored> Stored for Settled<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.track.write(out);
        self.held.map(|held| (held.until, held.measure)).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let track = T::read(from)?;
        let held = Option::<(i64, f64)>::read(from)?.map(|(until, measure)| Held { until, measure });
        Some(Self { track, held })
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
        let settled = if bool::read(from)? { Some(Box::new(Settled::read(from)?)) } else { None };
        is_sorted.then_some(Self { settled, recent, current: None })
    }
}
