//! A correlator made of a pattern: something that holds for a key from time to time, and is an incident while it does.
//!
//! Two clocks. A key's own events tell it the time they have: what ended before an event ends before it. Keys from which
//! nothing comes end by the time up to which everything was observed, which is that of a tick, or of the latest event less
//! the lateness. So nothing depends on how often ticks come or how events are cut into batches.

use super::book::Book;
use super::case::{Case, Next};
use super::incident::{End, Incident, Life};
use super::moment::{Moment, Role};
use super::outbox::{Growth, Outbox, Step};
use super::timeline::{Held, Track};
use crate::Correlator;
use crate::change::Changes;
use crate::event::{Batch, Event, Status};
use crate::finding::{Field, Scalar};
use crate::map::Id;
use crate::parameters::{Parameters, Refused, format_duration};
use crate::state::{Entry, Stateful};

/// What is looked for in the events of a key. It sees them in order of time.
pub trait Pattern: Sized {
    /// What matters of an event.
    type Role: Role;
    /// What is remembered of those so far.
    type Track: Track<Self::Role>;

    /// Version of the saved state, as in the manifest.
    const STATE_VERSION: u32;
    /// Whether the end of an alert is an event like others.
    const READS_RESOLVED: bool = false;
    /// Whether an incident lasts as long as one of its alerts fires. One that is judged window by window never does.
    const WAITS_FOR_ALERTS: bool = true;

    /// Made from `with:`, or a refusal in words. What it calls otherwise than all others it puts into `life`.
    fn configure(parameters: &Parameters, life: &mut Life) -> Result<Self, Refused>;

    /// The part an event plays; `None` when it plays none.
    fn role(&self, event: &Event<'_>) -> Option<Self::Role>;

    /// The next event. Whether the pattern is fulfilled with it, and until when if nothing more comes.
    fn follow(&self, track: &mut Self::Track, moment: &Moment<Self::Role>) -> Option<Held>;

    /// The events by which it is fulfilled. None at all: an incident that is open goes on, and none opens by the last one.
    fn members(&self, track: &Self::Track) -> Vec<Moment<Self::Role>>;

    /// Whether a further event can undo it. Then it is not followed event by event, but judged when a window has passed
    /// since its first event.
    fn is_judged_at_the_end(&self) -> bool {
        false
    }

    /// Judges the events of a whole window: what was measured, if it is fulfilled.
    fn judge(&self, _window: &[Moment<Self::Role>]) -> Option<f64> {
        None
    }

    /// What the measure is called; `None` where it says nothing that the reason does not say.
    fn measure(&self) -> Option<&str> {
        None
    }

    /// Why an incident opens.
    fn opening(&self, members: &[Moment<Self::Role>]) -> String;

    /// What is so once it is over, to be read before "for 5m".
    fn lapse(&self) -> String;
}

/// The correlator of a pattern.
pub struct Watch<P: Pattern> {
    pattern: P,
    life: Life,
    book: Book<Case<P>>,
    outbox: Outbox,
    /// Nothing comes any more from before this instant.
    passed: i64,
}

impl<P: Pattern> Correlator for Watch<P> {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let mut life = Life::read(parameters)?;
        let pattern = P::configure(parameters, &mut life)?;
        let book = Book::new(P::STATE_VERSION, life.most_keys);
        Ok(Self { pattern, life, book, outbox: Outbox::default(), passed: i64::MIN })
    }

    fn correlate(&mut self, now: i64, events: &Batch<'_>, changes: &mut Changes) {
        if events.is_empty() {
            self.passed = self.passed.max(now);
        }
        for event in events.events() {
            self.passed = self.passed.max(event.timestamp.saturating_sub(self.life.lateness_millis));
            self.take(&event);
        }
        self.pass();
        self.outbox.send(changes);
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(self)
    }
}

impl<P: Pattern> Stateful for Watch<P> {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        let (life, at_the_end) = (self.life, self.pattern.is_judged_at_the_end());
        self.book.restore(version, entries, |case| case.next(&life, at_the_end).map(|next| next.at()))
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        self.book.checkpoint()
    }
}

impl<P: Pattern> Watch<P> {
    fn take(&mut self, event: &Event<'_>) {
        if event.status == Status::Resolved && self.waits_for_alerts() {
            self.resolve(event);
        }
        if event.status == Status::Resolved && !P::READS_RESOLVED {
            return;
        }
        let Some(role) = self.pattern.role(event) else { return };
        let moment = Moment::of(event, role);
        let id = self.book.find(event.key()).unwrap_or_else(|| self.enter(event));
        if self.pattern.is_judged_at_the_end() {
            self.keep(id, moment);
        } else {
            self.end_until(id, moment.time);
            self.join(id, moment);
        }
        self.look_after(id);
    }

    fn waits_for_alerts(&self) -> bool {
        P::WAITS_FOR_ALERTS && !self.pattern.is_judged_at_the_end()
    }

    fn enter(&mut self, event: &Event<'_>) -> Id {
        let (life, at_the_end) = (self.life, self.pattern.is_judged_at_the_end());
        while self.book.is_full()
            && let Some(soonest) = self.book.soonest(|case| case.next(&life, at_the_end).map(Next::at))
        {
            if let Some(Next::Say { .. }) = self.book.get(soonest).and_then(|case| case.next(&life, at_the_end)) {
                // It does not end: it has something to say, and the question is asked again without that.
                self.say(soonest);
                self.look_after(soonest);
                continue;
            }
            let reason = format!("pushed out by other keys: more than {}", self.life.most_keys);
            self.close(soonest, event.timestamp, reason);
            self.book.evict(soonest);
        }
        self.book.enter(event.key(), Case::default())
    }

    /// Keeps an event for when its window is judged.
    fn keep(&mut self, id: Id, moment: Moment<P::Role>) {
        let Some(case) = self.book.get_mut(id) else { return };
        if !case.timeline.keep(moment) {
            case.dropped = case.dropped.saturating_add(1);
        }
    }

    /// An event of a pattern that is followed event by event.
    fn join(&mut self, id: Id, moment: Moment<P::Role>) {
        let Self { pattern, life, book, .. } = self;
        let Some(case) = book.get_mut(id) else { return };
        let before = case.incident.as_deref().map(|incident| incident.held);
        let follow = |track: &mut P::Track, next: &Moment<P::Role>| pattern.follow(track, next);
        let members = |track: &P::Track| pattern.members(track);
        let outcome = case.timeline.insert(moment, life.lateness_millis, before, follow, members);
        if let Some(incident) = &mut case.incident {
            incident.stands(outcome.held);
            self.grow(id, &moment);
        } else if let (Some((time, members)), Some(held)) = (outcome.first, outcome.held) {
            self.open(id, time, held, &members);
        }
    }

    fn open(&mut self, id: Id, time: i64, held: Held, members: &[Moment<P::Role>]) {
        let waits = self.waits_for_alerts();
        let Some(case) = self.book.get_mut(id) else { return };
        let incident = case.incident.insert(Box::new(Incident::open(time, held, members, waits)));
        incident.dropped = u64::from(std::mem::take(&mut case.dropped));
        let step = Step { time, severity: incident.severity, reason: self.pattern.opening(members) };
        let mut positions: Vec<_> = members.iter().map(|member| member.position).collect();
        positions.sort_unstable();
        self.say_opened(id, step, positions);
    }

    fn say_opened(&mut self, id: Id, step: Step, positions: Vec<u64>) {
        let Some(incident) = self.book.get(id).and_then(|case| case.incident.as_deref()) else { return };
        let facts = facts(&self.pattern, incident, self.book.pushed_out());
        self.outbox.open(self.book.key(id), step, positions, facts);
    }

    fn grow(&mut self, id: Id, moment: &Moment<P::Role>) {
        let at_once = self.gain(id, moment);
        let due = self.incident_mut(id).and_then(|incident| incident.gains.due());
        // What comes later than anybody waits for finds its time over.
        if at_once || due.is_some_and(|due| due <= self.passed) {
            self.say(id);
        }
    }

    /// An open incident takes an event. Whether that is to be said at once.
    fn gain(&mut self, id: Id, moment: &Moment<P::Role>) -> bool {
        let waits = self.waits_for_alerts();
        let Some(incident) = self.incident_mut(id) else { return false };
        let rose = incident.join(moment, waits);
        let Moment { time, position, .. } = *moment;
        let growth = Growth { time, severity: incident.severity, rose, position, is_new: true };
        incident.gains.add(&growth, incident.opened)
    }

    fn incident_mut(&mut self, id: Id) -> Option<&mut Incident> {
        self.book.get_mut(id)?.incident.as_deref_mut()
    }

    /// Says what an incident gained.
    fn say(&mut self, id: Id) {
        let Some(incident) = self.incident_mut(id) else { return };
        let (gained, severity) = (incident.gains.take(), incident.severity);
        let incident = self.book.get(id).and_then(|case| case.incident.as_deref());
        let (Some(gained), Some(incident)) = (gained, incident) else { return };
        let facts = facts(&self.pattern, incident, self.book.pushed_out());
        self.outbox.update(self.book.key(id), severity, gained, facts);
    }

    /// The end of an alert.
    fn resolve(&mut self, event: &Event<'_>) {
        let Some(id) = self.book.find(event.key()) else { return };
        self.end_until(id, event.timestamp);
        // Looked at first: an end that changes nothing here is not saved.
        if !self.book.get(id).is_some_and(|case| case.has_firing(event.fingerprint)) {
            return;
        }
        let Some(case) = self.book.get_mut(id) else { return };
        case.timeline.resolve(event.fingerprint);
        if let Some(incident) = &mut case.incident {
            incident.resolve(event.fingerprint, event.timestamp);
        }
        self.end_until(id, event.timestamp);
        self.look_after(id);
    }

    /// Ends what is due, in the order in which it was.
    fn pass(&mut self) {
        let (life, at_the_end) = (self.life, self.pattern.is_judged_at_the_end());
        let end = |case: &Case<P>| case.next(&life, at_the_end).map(Next::at);
        while let Some((at, ids)) = self.book.next_due(self.passed, end) {
            for id in ids {
                self.end_until(id, at);
                self.look_after(id);
            }
        }
    }

    /// What time brings to a key until then.
    fn end_until(&mut self, id: Id, until: i64) {
        let at_the_end = self.pattern.is_judged_at_the_end();
        while let Some(next) = self.book.get(id).and_then(|case| case.next(&self.life, at_the_end)) {
            if next.at() > until {
                return;
            }
            match next {
                // Who looks after the key forgets it, once the event in hand is in.
                Next::Forget { .. } => return,
                Next::Say { .. } => self.say(id),
                Next::Judge { at } => self.judge(id, at),
                Next::End { at, end } => self.end(id, at, end),
            }
        }
    }

    fn judge(&mut self, id: Id, at: i64) {
        let Some(case) = self.book.get_mut(id) else { return };
        let window = case.timeline.take_window(at);
        match (self.pattern.judge(&window), &mut case.incident) {
            (Some(measure), None) => self.open(id, at, Held { until: at, measure }, &window),
            (Some(measure), Some(incident)) => {
                incident.held = Held { until: at, measure };
                incident.dropped += u64::from(std::mem::take(&mut case.dropped));
                window.iter().for_each(|moment| _ = self.gain(id, moment));
                self.say(id);
            }
            (None, Some(incident)) => {
                incident.kept_until = at;
                case.dropped = 0;
            }
            (None, None) => case.dropped = 0,
        }
    }

    fn end(&mut self, id: Id, at: i64, end: End) {
        let reason = match end {
            End::Lapsed => format!("{} for {}", self.pattern.lapse(), format_duration(self.life.idle_millis)),
            End::Resolved => "all resolved".to_owned(),
            End::Aged => format!("open for {}", format_duration(self.life.max_millis)),
        };
        let Some(closed) = self.close(id, at, reason) else { return };
        let Some((next, positions)) = closed.continued(at).filter(|_| end == End::Aged) else { return };
        let step = Step { time: at, severity: next.severity, reason: "continues".to_owned() };
        if let Some(case) = self.book.get_mut(id) {
            case.incident = Some(Box::new(next));
        }
        self.say_opened(id, step, positions);
    }

    fn close(&mut self, id: Id, time: i64, reason: String) -> Option<Incident> {
        self.say(id);
        let closed = *self.book.get_mut(id)?.incident.take()?;
        let facts = facts(&self.pattern, &closed, self.book.pushed_out());
        let step = Step { time, severity: closed.severity, reason };
        self.outbox.resolve(self.book.key(id), step, facts);
        Some(closed)
    }

    /// Sees to it that somebody looks at a key no later than something happens to it.
    fn look_after(&mut self, id: Id) {
        let Some(case) = self.book.get(id) else { return };
        match case.next(&self.life, self.pattern.is_judged_at_the_end()) {
            Some(Next::Forget { at }) if at <= self.passed => drop(self.book.remove(id)),
            Some(next) => self.book.look_by(id, next.at()),
            None => drop(self.book.remove(id)),
        }
    }
}

/// What an incident says of itself.
fn facts<P: Pattern>(pattern: &P, incident: &Incident, pushed_out: Vec<Field>) -> Vec<Field> {
    let field = |name: &str, value: Scalar| Field { name: name.to_owned(), value };
    let count = |name: &str, number: u64| field(name, Scalar::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    let measure = pattern.measure().map(|name| field(name, Scalar::Number(incident.held.measure)));
    let mut facts: Vec<_> = measure.into_iter().collect();
    facts.push(count("events", incident.events));
    facts.extend((incident.dropped > 0).then(|| count("events_dropped", incident.dropped)));
    facts.extend(pushed_out);
    facts
}
