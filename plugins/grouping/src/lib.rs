//! Events of one key are one incident. It is opened when enough distinct events are there, grows with every new one, and
//! is over when all its alerts are resolved, when nothing came for a while, or when it is as old as an incident may be.
//!
//! Time is that of the events, and between them that of the calls. An end has the time at which it was due, not the time
//! at which somebody looked, so that it does not matter how often ticks come or how events are cut into batches. What
//! one batch adds to one incident is one change.

mod group;

use std::collections::BTreeSet;
use std::rc::Rc;

use orion_plugin::{
    Batch, Change, ChangeKind, Changes, Correlator, Entry, Event, Parameters, Refused, Severity, State, Stateful,
    Status, Stored, format_duration,
};

use group::{End, Group, Joined, Settings};

const STATE_VERSION: u32 = 1;

/// Positions in one change. The host takes ten times as many; an incident that gets more gets them in several steps.
const MOST_POSITIONS: usize = 1_000;

/// The correlator.
pub struct Grouping {
    settings: Settings,
    memory: Memory,
    outbox: Outbox,
}

/// What survives a restart, and the ends that follow from it.
struct Memory {
    groups: State<Rc<str>, Group>,
    settings: Settings,
    /// When to look at which group. A look may come too early, never too late: so an event that moves an end further
    /// away, as nearly every one does, costs nothing here.
    looks: BTreeSet<(i64, Rc<str>)>,
}

/// The changes of one call, in order, the last of each open group still growing.
#[derive(Default)]
struct Outbox {
    call: u64,
    drafts: Vec<Draft>,
}

/// A change, and what went into it.
struct Draft {
    change: Change,
    joined: usize,
    rose: bool,
}

impl Correlator for Grouping {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let settings = Settings::read(parameters)?;
        let memory = Memory { groups: State::of_version(STATE_VERSION), settings, looks: BTreeSet::new() };
        Ok(Self { settings, memory, outbox: Outbox::default() })
    }

    fn correlate(&mut self, now: i64, events: &Batch<'_>, changes: &mut Changes) {
        self.outbox.call += 1;
        for event in events.events() {
            self.pass(event.timestamp);
            match event.status {
                Status::Firing | Status::Occurred => self.join(&event),
                Status::Resolved => self.resolve(&event),
            }
        }
        self.pass(now);
        self.outbox.send(changes);
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.memory)
    }
}

impl Grouping {
    fn join(&mut self, event: &Event<'_>) {
        let key = event.key();
        if self.memory.groups.get(key).is_none() {
            self.memory.groups.insert(key.into(), Group::new(event));
        }
        let Some(group) = self.memory.groups.get_mut(key) else { return };
        let joined = group.join(event, &self.settings);
        if group.is_due(&self.settings) {
            let positions = group.open(joined.time);
            self.outbox.open(key, group, joined.time, self.settings.opening(), positions);
        } else if group.opened.is_some() {
            let rose = event.severity > group.severity;
            group.severity = group.severity.max(event.severity);
            if joined.is_new || rose {
                self.outbox.update(key, group, &joined, event.position, rose);
            }
        }
        self.memory.look_after(key);
    }

    fn resolve(&mut self, event: &Event<'_>) {
        let key = event.key();
        let fires = self.memory.groups.get(key).is_some_and(|group| group.fires(event.fingerprint));
        if !fires {
            return;
        }
        let Some(group) = self.memory.groups.get_mut(key) else { return };
        let time = group.resolve(event, &self.settings);
        if group.is_over() {
            self.outbox.resolve(key, group, time, "all resolved".to_owned());
            self.memory.forget(key);
        } else {
            self.memory.look_after(key);
        }
    }

    /// Ends what is due until then, in the order in which it was due.
    fn pass(&mut self, time: i64) {
        while let Some((due, key)) = self.memory.next_look(time) {
            let end = self.memory.groups.get(&*key).and_then(|group| group.end(&self.settings));
            match end {
                Some((at, end)) if at <= due => self.end(&key, at, &end),
                _ => self.memory.look_after(&key),
            }
        }
    }

    fn end(&mut self, key: &str, at: i64, end: &End) {
        let Some(group) = self.memory.groups.get_mut(key) else { return };
        let still_fires = match end {
            End::Faded => false,
            End::Idle => {
                let reason = format!("idle for {}", format_duration(self.settings.idle_millis));
                self.outbox.resolve(key, group, at, reason);
                false
            }
            End::Aged => {
                let reason = format!("open for {}", format_duration(self.settings.max_millis));
                self.outbox.resolve(key, group, at, reason);
                group.keep_firing()
            }
        };
        if still_fires {
            let positions = group.open(at);
            self.outbox.open(key, group, at, "continues".to_owned(), positions);
            self.memory.look_after(key);
        } else {
            self.memory.forget(key);
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

impl Memory {
    /// Sees to it that somebody looks at a group no later than it ends.
    fn look_after(&mut self, key: &str) {
        let Some((key, group)) = self.groups.get_key_value(key) else { return };
        let Some((at, _)) = group.end(&self.settings) else { return };
        let planned = group.timer.get();
        if planned.is_some_and(|planned| planned <= at) {
            return;
        }
        group.timer.set(Some(at));
        if let Some(planned) = planned {
            self.looks.remove(&(planned, Rc::clone(key)));
        }
        self.looks.insert((at, Rc::clone(key)));
    }

    /// The next group to look at, when that is due.
    fn next_look(&mut self, time: i64) -> Option<(i64, Rc<str>)> {
        self.looks.first().filter(|(due, _)| *due <= time)?;
        let (due, key) = self.looks.pop_first()?;
        if let Some(group) = self.groups.get(&*key) {
            group.timer.set(None);
        }
        Some((due, key))
    }

    fn forget(&mut self, key: &str) {
        // The host is told that the key is gone.
        if let Some(planned) = self.groups.remove(key).and_then(|group| group.timer.get()) {
            self.looks.remove(&(planned, key.into()));
        }
    }
}

impl Stateful for Memory {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        let keys: Vec<_> = entries.iter().filter_map(|entry| Rc::<str>::read(&mut &*entry.key)).collect();
        self.groups.restore(version, entries)?;
        keys.iter().for_each(|key| self.look_after(key));
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        self.groups.checkpoint()
    }
}

impl Outbox {
    fn push(&mut self, key: &str, kind: ChangeKind, severity: Severity, timestamp: i64, reason: String) -> &mut Draft {
        let (key, positions, fields) = (key.to_owned(), Vec::new(), Vec::new());
        let change = Change { key, kind, severity, timestamp, reason, positions, fields };
        self.drafts.push_mut(Draft { change, joined: 0, rose: false })
    }

    fn open(&mut self, key: &str, group: &mut Group, time: i64, reason: String, positions: Vec<u64>) {
        group.draft = Some((self.call, self.drafts.len()));
        self.push(key, ChangeKind::Opened, group.severity, time, reason).change.positions = positions;
    }

    fn update(&mut self, key: &str, group: &mut Group, joined: &Joined, position: u64, rose: bool) {
        let growing = group.draft.filter(|(call, _)| *call == self.call).map(|(_, index)| index);
        let index = growing.unwrap_or(self.drafts.len());
        if growing.is_none() {
            group.draft = Some((self.call, index));
            self.push(key, ChangeKind::Updated, group.severity, joined.time, String::new());
        }
        let Some(draft) = self.drafts.get_mut(index) else { return };
        draft.joined += usize::from(joined.is_new);
        draft.rose |= rose;
        draft.change.severity = group.severity;
        draft.change.positions.push(position);
        if draft.change.kind == ChangeKind::Updated {
            draft.change.timestamp = joined.time;
        }
    }

    fn resolve(&mut self, key: &str, group: &Group, time: i64, reason: String) {
        self.push(key, ChangeKind::Resolved, group.severity, time, reason);
    }

    fn send(&mut self, changes: &mut Changes) {
        for draft in self.drafts.drain(..) {
            draft.finish().into_iter().for_each(|change| changes.emit(change));
        }
    }
}

impl Draft {
    /// The change, in as many steps as its positions need.
    fn finish(mut self) -> Vec<Change> {
        if self.change.kind == ChangeKind::Updated {
            self.change.reason = self.growth();
        }
        let positions = std::mem::take(&mut self.change.positions);
        let mut pieces = positions.chunks(MOST_POSITIONS);
        self.change.positions = pieces.next().unwrap_or_default().to_vec();
        let further = |piece: &[u64]| Change {
            kind: ChangeKind::Updated,
            reason: "further events".to_owned(),
            positions: piece.to_vec(),
            ..self.change.clone()
        };
        let further: Vec<_> = pieces.map(further).collect();
        std::iter::once(self.change).chain(further).collect()
    }

    fn growth(&self) -> String {
        let joined = match self.joined {
            0 => None,
            1 => Some("1 new event".to_owned()),
            more => Some(format!("{more} new events")),
        };
        let rose = self.rose.then(|| format!("severity rose to {}", self.change.severity.as_str()));
        joined.into_iter().chain(rose).collect::<Vec<_>>().join(", ")
    }
}

orion_plugin::correlator!(Grouping);

#[cfg(test)]
mod tests;
