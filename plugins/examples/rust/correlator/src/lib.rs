//! Many events of one group within a short time.

use std::collections::{BTreeMap, BTreeSet};

use orion_plugin::{
    Batch, Change, ChangeKind, Changes, Correlator, Entry, Event, Parameters, Refused, Severity, Stateful, Status, Stored,
};

const STATE_VERSION: u32 = 1;
const SECOND_MILLIS: i64 = 1_000;
const MINUTE_MILLIS: i64 = 60 * SECOND_MILLIS;

/// The correlator.
pub struct Burst {
    count: usize,
    window: i64,
    quiet: i64,
    groups: Groups,
}

/// One group of events.
#[derive(Default)]
struct Group {
    open: bool,
    severity: u8,
    last: i64,
    /// Events that may still become an incident, time and position; none while it is open.
    kept: Vec<(i64, u64)>,
}

/// All groups in order of their keys, and the keys of those that changed.
#[derive(Default)]
struct Groups {
    all: BTreeMap<String, Group>,
    changed: BTreeSet<String>,
}

impl Correlator for Burst {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        Ok(Self {
            count: parameters.integer("count")?.map_or(3, |count| usize::try_from(count).unwrap_or(1)),
            window: parameters.millis("window")?.unwrap_or(5 * MINUTE_MILLIS),
            quiet: parameters.millis("quiet")?.unwrap_or(10 * MINUTE_MILLIS),
            groups: Groups::default(),
        })
    }

    fn correlate(&mut self, now: i64, events: &Batch<'_>, changes: &mut Changes) {
        for event in events.events().filter(|event| event.status != Status::Resolved) {
            self.take_in(&event, changes);
        }
        self.time_passes(now, changes);
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(&mut self.groups)
    }
}

impl Burst {
    fn take_in(&mut self, event: &Event<'_>, changes: &mut Changes) {
        let time = event.timestamp;
        let key = event.key();
        if let Some(group) = self.groups.all.get(key).filter(|group| group.open && time - group.last >= self.quiet) {
            changes.emit(resolved(key, group, self.quiet));
            self.groups.remove(key);
        }
        let group = self.groups.put(key, time);
        if !group.open {
            group.kept.retain(|(kept, _)| *kept > time - self.window);
            if group.kept.is_empty() {
                group.severity = 0;
            }
            group.kept.push((time, event.position));
        }
        group.severity = group.severity.max(event.severity.rank());
        group.last = group.last.max(time);
        if group.open {
            let change = change(key, group, ChangeKind::Updated, time, "one more event".to_owned());
            changes.emit(Change { positions: vec![event.position], ..change });
        } else if group.kept.len() >= self.count {
            changes.emit(opened(key, group, time, self.window));
            group.open = true;
            group.kept.clear();
        }
    }

    /// Ends what has been quiet for long enough, and forgets what came to nothing.
    fn time_passes(&mut self, now: i64, changes: &mut Changes) {
        let mut over = Vec::new();
        for (key, group) in &self.groups.all {
            let is_over = if group.open { now - group.last >= self.quiet } else { group.last <= now - self.window };
            if is_over && group.open {
                changes.emit(resolved(key, group, self.quiet));
            }
            if is_over {
                over.push(key.clone());
            }
        }
        over.iter().for_each(|key| self.groups.remove(key));
    }
}

fn change(key: &str, group: &Group, kind: ChangeKind, timestamp: i64, reason: String) -> Change {
    let severity = Severity::from_rank(group.severity);
    Change { key: key.to_owned(), kind, severity, timestamp, reason, positions: Vec::new(), fields: Vec::new() }
}

fn opened(key: &str, group: &Group, timestamp: i64, window: i64) -> Change {
    let events = group.kept.len();
    let reason = format!("{events} events within {} s", window / SECOND_MILLIS);
    let positions = group.kept.iter().map(|(_, position)| *position).collect();
    let change = change(key, group, ChangeKind::Opened, timestamp, reason);
    Change { positions, ..change }.field("events", i64::try_from(events).unwrap_or(i64::MAX))
}

fn resolved(key: &str, group: &Group, quiet: i64) -> Change {
    let reason = format!("quiet for {} s", quiet / SECOND_MILLIS);
    change(key, group, ChangeKind::Resolved, group.last + quiet, reason)
}

impl Groups {
    /// The group of a key, to change: it will be saved.
    fn put(&mut self, key: &str, time: i64) -> &mut Group {
        self.changed.insert(key.to_owned());
        self.all.entry(key.to_owned()).or_insert_with(|| Group { last: time, ..Group::default() })
    }

    fn remove(&mut self, key: &str) {
        self.all.remove(key);
        self.changed.insert(key.to_owned());
    }
}

impl Stateful for Groups {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        if version != STATE_VERSION {
            return Err("the saved state has another version than this plugin reads; reset it".into());
        }
        for Entry { key, value } in entries {
            let read = || Some((String::from_utf8(key).ok()?, Group::read(&mut value.as_deref()?)?));
            let (key, group) = read().ok_or("the saved state is not what this plugin wrote; reset it")?;
            self.all.insert(key, group);
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let written = |group: &Group| {
            let mut bytes = Vec::new();
            group.write(&mut bytes);
            bytes
        };
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|key| Entry { value: self.all.get(&key).map(written), key: key.into_bytes() }).collect()
    }
}

impl Stored for Group {
    fn write(&self, out: &mut Vec<u8>) {
        self.open.write(out);
        self.severity.write(out);
        self.last.write(out);
        self.kept.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (open, severity) = (bool::read(from)?, u8::read(from)?);
        Some(Self { open, severity, last: i64::read(from)?, kept: Vec::read(from)? })
    }
}

orion_plugin::correlator!(Burst);

#[cfg(test)]
mod tests {
    use orion_plugin::testing::{CorrelatorProbe, TestEvent};

    use super::*;

    fn probe() -> CorrelatorProbe<Burst> {
        let given = [("count", 2_i64.into()), ("window", 60_000_i64.into()), ("quiet", 120_000_i64.into())];
        CorrelatorProbe::new(&given).unwrap()
    }

    fn event(position: u64, timestamp: i64, severity: Severity) -> TestEvent {
        let (key, status, fingerprint) = ("döor".to_owned(), Status::Occurred, 0);
        TestEvent { position, timestamp, severity, status, fingerprint, key }
    }

    #[test]
    fn two_events_within_the_window_open_an_incident_that_ends_when_it_is_quiet() {
        let mut probe = probe();
        let events = [event(1, 1_000, Severity::Info), event(2, 2_000, Severity::Error), event(3, 3_000, Severity::Info)];
        let said = probe.correlate(3_000, &events);
        assert_eq!((said[0].kind, said[0].severity, &*said[0].positions), (ChangeKind::Opened, Severity::Error, &[1, 2][..]));
        assert_eq!(said[0].reason, "2 events within 60 s");
        assert_eq!((said[1].kind, &*said[1].positions), (ChangeKind::Updated, &[3][..]));
        assert!(probe.tick(122_999).is_empty());
        let said = probe.tick(123_000);
        assert_eq!((said[0].timestamp, said[0].reason.as_str()), (123_000, "quiet for 120 s"));
    }

    #[test]
    fn events_far_apart_open_nothing() {
        let far_apart = [event(1, 1_000, Severity::Info), event(2, 61_000, Severity::Info)];
        assert!(probe().correlate(61_000, &far_apart).is_empty());
    }
}
