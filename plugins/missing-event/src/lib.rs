//! An event that another should have followed, and did not: an incident.
//!
//! Each event that fits `first` expects one that fits `then`, at the same instant or later, and sooner than `window` after it;
//! one is enough for all that expect it. Exactly `window` after the first the incident opens. It is over when the expected
//! event comes after all, or when nothing was missed for `idle`.
//!
//! What happens decides what is missed, not what arrives: events wait until everything up to their instant was observed,
//! and are then looked at in order of time. So an event that comes late, within the lateness, is not missed.

mod case;

use orion_plugin::pattern::{Book, End, Growth, Held, Incident, Life, Moment, Outbox, Role, Selector, Step};
use orion_plugin::{
    Batch, Changes, Correlator, Entry, Event, Field, Id, Parameters, Refused, Scalar, Stateful, Stored, format_duration,
};

use case::{Case, Next};

const STATE_VERSION: u32 = 1;

/// The correlator.
pub struct MissingEvent {
    first: Selector,
    then: Selector,
    life: Life,
    book: Book<Case>,
    outbox: Outbox,
    /// Nothing comes any more from before this instant.
    passed: i64,
}

/// What an event does: expect another, be the one expected, or both, as in a chain of heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(u8);

const EXPECTS: u8 = 0b01;
const ANSWERS: u8 = 0b10;

impl Part {
    const fn expects(self) -> bool {
        self.0 & EXPECTS != 0
    }

    const fn answers(self) -> bool {
        self.0 & ANSWERS != 0
    }
}

impl Role for Part {
    /// At one instant what expects comes first, because nobody can tell that it did not.
    fn rank(self) -> u32 {
        u32::from(!self.expects())
    }
}

impl Stored for Part {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u8::read(from).filter(|part| (1..=EXPECTS | ANSWERS).contains(part)).map(Self)
    }
}

impl Correlator for MissingEvent {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let life = Life::read(parameters)?;
        let needed = |name: &str| Refused(format!("`{name}` says which events: a selector such as `backup_started`"));
        Ok(Self {
            first: Selector::of(parameters, "first")?.ok_or_else(|| needed("first"))?,
            then: Selector::of(parameters, "then")?.ok_or_else(|| needed("then"))?,
            life,
            book: Book::new(STATE_VERSION, life.most_keys),
            outbox: Outbox::default(),
            passed: i64::MIN,
        })
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

impl Stateful for MissingEvent {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        let life = self.life;
        self.book.restore(version, entries, |case| case.next(&life).map(Next::due))
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        self.book.checkpoint()
    }
}

impl MissingEvent {
    fn take(&mut self, event: &Event<'_>) {
        let part =
            if self.first.selects(event) { EXPECTS } else { 0 } | if self.then.selects(event) { ANSWERS } else { 0 };
        if part == 0 {
            return;
        }
        let id = self.book.find(event.key()).unwrap_or_else(|| self.enter(event));
        let Some(case) = self.book.get_mut(id) else { return };
        case.keep(Moment::of(event, Part(part)));
        while let Some(next) = self.book.get(id).filter(|case| case.is_crowded()).and_then(|case| case.next(&self.life))
        {
            self.step(id, next);
        }
        self.look_after(id);
    }

    fn enter(&mut self, event: &Event<'_>) -> Id {
        let life = self.life;
        while self.book.is_full()
            && let Some(soonest) = self.book.soonest(|case| case.next(&life).map(Next::due))
        {
            if let Some(Next::Say { .. }) = self.book.get(soonest).and_then(|case| case.next(&life)) {
                // It does not end: it has something to say, and the question is asked again without that.
                self.say(soonest);
                self.look_after(soonest);
                continue;
            }
            self.close(
                soonest,
                event.timestamp,
                format!("pushed out by other keys: more than {}", self.life.most_keys),
            );
            self.book.evict(soonest);
        }
        self.book.enter(event.key(), Case::default())
    }

    /// Looks at what was waited for, in the order in which it happened.
    fn pass(&mut self) {
        let life = self.life;
        while let Some((at, ids)) = self.book.next_due(self.passed, |case| case.next(&life).map(Next::due)) {
            for id in ids {
                while let Some(next) = self.book.get(id).and_then(|case| case.next(&life))
                    && next.due() <= at
                {
                    self.step(id, next);
                }
                self.look_after(id);
            }
        }
    }

    fn step(&mut self, id: Id, next: Next) {
        match next {
            Next::Say { .. } => self.say(id),
            Next::Missed { at } => self.miss(id, at),
            Next::Happened { .. } => self.happen(id),
            Next::End { at, end } => self.end(id, at, end),
        }
    }

    fn miss(&mut self, id: Id, at: i64) {
        let pushed_out = self.book.pushed_out();
        let Some(case) = self.book.get_mut(id) else { return };
        let Some(missing) = case.waiting.pop_first() else { return };
        let held = Held { until: at, measure: f64::NAN };
        let dropped = u64::from(std::mem::take(&mut case.dropped));
        let (first, then) = (self.first.text(), self.then.text());
        if let Some(incident) = &mut case.incident {
            let rose = incident.join(&missing, false);
            incident.stands(Some(held));
            incident.dropped += dropped;
            let growth =
                Growth { time: at, severity: incident.severity, rose, position: missing.position, is_new: true };
            if incident.gains.add(&growth, incident.opened) {
                self.say(id);
            }
            return;
        }
        let mut incident = Incident::open(at, held, &[missing], false);
        incident.dropped = dropped;
        let incident = &*case.incident.insert(Box::new(incident));
        let reason = format!("no {then} within {} of {first}", format_duration(self.life.window_millis));
        let step = Step { time: at, severity: incident.severity, reason };
        let facts = facts(&self.then, incident, pushed_out);
        self.outbox.open(self.book.key(id), step, vec![missing.position], facts);
    }

    /// Says what an incident gained.
    fn say(&mut self, id: Id) {
        let Some(incident) = self.book.get_mut(id).and_then(|case| case.incident.as_deref_mut()) else { return };
        let Some(gained) = incident.gains.take() else { return };
        let severity = incident.severity;
        let Some(incident) = self.book.get(id).and_then(|case| case.incident.as_deref()) else { return };
        let facts = facts(&self.then, incident, self.book.pushed_out());
        self.outbox.update(self.book.key(id), severity, gained, facts);
    }

    fn happen(&mut self, id: Id) {
        let Some(case) = self.book.get_mut(id) else { return };
        let Some(moment) = case.recent.pop_first() else { return };
        if moment.role.answers() {
            case.waiting.retain(|_| false);
            case.dropped = 0;
        }
        let late = case.incident.as_deref().map(|incident| moment.time.saturating_sub(incident.opened));
        if moment.role.expects() {
            case.wait(moment);
        }
        if let Some(late) = late.filter(|_| moment.role.answers()) {
            let reason = format!("{} came, {} late", self.then.text(), format_duration(late));
            self.close(id, moment.time, reason);
        }
    }

    fn end(&mut self, id: Id, at: i64, end: End) {
        let reason = match end {
            End::Aged => format!("open for {}", format_duration(self.life.max_millis)),
            End::Lapsed | End::Resolved => {
                format!("nothing else missed for {}", format_duration(self.life.idle_millis))
            }
        };
        self.close(id, at, reason);
    }

    fn close(&mut self, id: Id, time: i64, reason: String) {
        self.say(id);
        let Some(closed) = self.book.get_mut(id).and_then(|case| case.incident.take()) else { return };
        let step = Step { time, severity: closed.severity, reason };
        let facts = facts(&self.then, &closed, self.book.pushed_out());
        self.outbox.resolve(self.book.key(id), step, facts);
    }

    fn look_after(&mut self, id: Id) {
        match self.book.get(id).and_then(|case| case.next(&self.life)) {
            Some(next) => self.book.look_by(id, next.due()),
            None => drop(self.book.remove(id)),
        }
    }
}

fn facts(then: &Selector, incident: &Incident, pushed_out: Vec<Field>) -> Vec<Field> {
    let count = |number: u64| Scalar::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let mut facts = vec![
        Field { name: "expected".to_owned(), value: then.text().into() },
        Field { name: "events".to_owned(), value: count(incident.events) },
    ];
    if incident.dropped > 0 {
        facts.push(Field { name: "events_dropped".to_owned(), value: count(incident.dropped) });
    }
    facts.extend(pushed_out);
    facts
}

orion_plugin::correlator!(MissingEvent);

#[cfg(test)]
mod tests;
