//! Events of one key are one incident. It is opened when enough distinct events are there, grows with every new one, and
//! is over when all its alerts are resolved, when nothing came for a while, or when it is as old as an incident may be.
//!
//! Time is that of the events. A key's own events tell it the time; a key from which nothing comes ends by the time up to which
//! everything was observed, which is that of a tick, or of the latest event less the lateness. An end has the time at
//! which it was due, not the time at which somebody looked. What an incident gains is said from time to time, and
//! what makes it worse at once. So it does not matter how often ticks come or how events are cut into batches.

mod group;
mod members;

use orion_plugin::pattern::{Book, Growth, Outbox, Step};
use orion_plugin::{
    Batch, Changes, Correlator, Entry, Event, Id, Parameters, Refused, Stateful, Status, format_duration,
};

use group::{End, Group, Next, Settings};

const STATE_VERSION: u32 = 1;

/// The correlator.
pub struct Grouping {
    settings: Settings,
    groups: Book<Group>,
    outbox: Outbox,
    /// Nothing comes any more from before this instant.
    passed: i64,
}

impl Correlator for Grouping {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let settings = Settings::read(parameters)?;
        let groups = Book::new(STATE_VERSION, settings.most_keys);
        Ok(Self { settings, groups, outbox: Outbox::default(), passed: i64::MIN })
    }

    fn correlate(&mut self, now: i64, events: &Batch<'_>, changes: &mut Changes) {
        if events.is_empty() {
            self.passed = self.passed.max(now);
        }
        for event in events.events() {
            self.passed = self.passed.max(event.timestamp.saturating_sub(self.settings.lateness_millis));
            match event.status {
                Status::Firing | Status::Occurred => self.join(&event),
                Status::Resolved => self.resolve(&event),
            }
        }
        self.pass();
        self.outbox.send(changes);
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(self)
    }
}

impl Stateful for Grouping {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        let settings = self.settings;
        self.groups.restore(version, entries, |group| group.next(&settings).map(Next::at))
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        self.groups.checkpoint()
    }
}

impl Grouping {
    fn join(&mut self, event: &Event<'_>) {
        let Some(id) = self.known(event).or_else(|| self.enter(event)) else { return };
        let Some(group) = self.groups.get_mut(id) else { return };
        let joined = group.join(event, &self.settings);
        if group.is_due(&self.settings) {
            self.open(id, joined.time, self.settings.opening());
        } else if group.opened.is_some() {
            let rose = event.severity > group.severity;
            group.severity = group.severity.max(event.severity);
            if joined.is_new || rose {
                let (time, severity, is_new) = (joined.time, group.severity, joined.is_new);
                self.grow(id, &Growth { time, severity, rose, position: event.position, is_new });
            }
        }
        self.look_after(id);
    }

    /// The group of an event, unless it ended before it.
    fn known(&mut self, event: &Event<'_>) -> Option<Id> {
        let id = self.groups.find(event.key())?;
        self.end_until(id, event.timestamp);
        self.groups.get(id).map(|_| id)
    }

    fn enter(&mut self, event: &Event<'_>) -> Option<Id> {
        while self.groups.is_full() {
            let settings = self.settings;
            let soonest = self.groups.soonest(|group| group.next(&settings).map(Next::at));
            // Nothing ends where everything fires and is no incident yet; then there is no room.
            let Some(soonest) = soonest else {
                self.groups.turn_away();
                return None;
            };
            if let Some(Next::Say { .. }) = self.groups.get(soonest).and_then(|group| group.next(&settings)) {
                // It does not end: it has something to say, and the question is asked again without that.
                self.say(soonest);
                self.look_after(soonest);
                continue;
            }
            let reason = format!("pushed out by other keys: more than {}", self.settings.most_keys);
            self.close(soonest, event.timestamp, reason);
            self.groups.evict(soonest);
        }
        Some(self.groups.enter(event.key(), Group::new(event)))
    }

    fn resolve(&mut self, event: &Event<'_>) {
        let Some(id) = self.known(event) else { return };
        // Looked at first: an end that changes nothing here is not saved.
        if !self.groups.get(id).is_some_and(|group| group.fires(event.fingerprint)) {
            return;
        }
        let Some(group) = self.groups.get_mut(id) else { return };
        let time = group.resolve(event, &self.settings);
        if group.is_over() {
            self.close(id, time, "all resolved".to_owned());
            self.groups.remove(id);
        } else {
            self.look_after(id);
        }
    }

    fn open(&mut self, id: Id, time: i64, reason: String) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let positions = group.open(time);
        let step = Step { time, severity: group.severity, reason };
        self.outbox.open(self.groups.key(id), step, positions, self.groups.pushed_out());
    }

    fn grow(&mut self, id: Id, growth: &Growth) {
        let Some(group) = self.groups.get_mut(id) else { return };
        // What comes later than anybody waits for finds its time over.
        let since = group.opened.unwrap_or(growth.time);
        if group.gains.add(growth, since) || group.gains.due().is_some_and(|due| due <= self.passed) {
            self.say(id);
        }
    }

    /// Says what an incident gained.
    fn say(&mut self, id: Id) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let (gained, severity) = (group.gains.take(), group.severity);
        if let Some(gained) = gained {
            self.outbox.update(self.groups.key(id), severity, gained, self.groups.pushed_out());
        }
    }

    /// Says that an incident is over, if there is one.
    fn close(&mut self, id: Id, time: i64, reason: String) {
        self.say(id);
        let Some(group) = self.groups.get(id).filter(|group| group.opened.is_some()) else { return };
        let step = Step { time, severity: group.severity, reason };
        self.outbox.resolve(self.groups.key(id), step, self.groups.pushed_out());
    }

    /// Ends what is due, in the order in which it was.
    fn pass(&mut self) {
        let settings = self.settings;
        while let Some((at, ids)) = self.groups.next_due(self.passed, |group| group.next(&settings).map(Next::at)) {
            ids.into_iter().for_each(|id| self.end_until(id, at));
        }
    }

    /// What time brings to a group until then. It may be gone after that.
    fn end_until(&mut self, id: Id, until: i64) {
        while let Some(next) = self.groups.get(id).and_then(|group| group.next(&self.settings)) {
            if next.at() > until {
                return self.look_after(id);
            }
            match next {
                Next::Say { .. } => self.say(id),
                Next::End { at, end } => self.end(id, at, end),
            }
        }
    }

    fn end(&mut self, id: Id, at: i64, end: End) {
        let reason = match end {
            End::Faded => String::new(),
            End::Idle => format!("idle for {}", format_duration(self.settings.idle_millis)),
            End::Aged => format!("open for {}", format_duration(self.settings.max_millis)),
        };
        self.close(id, at, reason);
        let still_fires = matches!(end, End::Aged) && self.groups.get_mut(id).is_some_and(Group::keep_firing);
        if still_fires {
            self.open(id, at, "continues".to_owned());
        } else {
            self.groups.remove(id);
        }
    }

    /// Sees to it that somebody looks at a group no later than it ends.
    fn look_after(&mut self, id: Id) {
        if let Some(next) = self.groups.get(id).and_then(|group| group.next(&self.settings)) {
            self.groups.look_by(id, next.at());
        }
    }
}

impl Settings {
    fn opening(&self) -> String {
        match self.at_least {
            0 | 1 => "first event".to_owned(),
            more => format!("{more} events within {}", format_duration(self.window_millis)),
        }
    }
}

orion_plugin::correlator!(Grouping);

#[cfg(test)]
mod tests;
