//! Patterns as plainly as they can be said: for every event the whole history of its key again, in order, and a question
//! about it that remembers nothing.

use std::collections::BTreeMap;

use super::{Story, ToldEvent};
use crate::{Severity, Status};

/// How a plain model of a correlator is set up.
pub struct Naive<'a> {
    /// How long what holds must have lapsed.
    pub idle: i64,
    /// How long an incident may be open.
    pub max: i64,
    /// Whether an incident lasts as long as an alert of it fires.
    pub waits_for_alerts: bool,
    /// Whether resolved events are events like others.
    pub reads_resolved: bool,
    /// Place of an event among those of its instant; `None` when it plays no part.
    pub rank: &'a dyn Fn(&ToldEvent) -> Option<u32>,
    /// Whether it holds at the last of these events, which are in order: until when, and by which of them.
    pub holds: &'a dyn Fn(&[ToldEvent]) -> Option<Holding>,
}

/// What holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// Until when, if nothing more comes.
    pub until: i64,
    /// Which events: their places in what was asked about.
    pub members: Vec<usize>,
}

#[derive(Default)]
struct Key {
    history: Vec<ToldEvent>,
    open: Option<Open>,
    stories: Vec<Story>,
    resolved: Vec<(u64, u64)>,
}

struct Open {
    since: i64,
    until: i64,
    kept_until: i64,
    positions: Vec<u64>,
    severity: Severity,
    live: Vec<(u64, u64, Severity)>,
}

impl Naive<'_> {
    /// What is to be said of each key.
    pub fn stories(&self, events: &[ToldEvent], end: i64) -> BTreeMap<String, Vec<Story>> {
        let mut keys: BTreeMap<String, Key> = BTreeMap::new();
        for told in events {
            let key = keys.entry(told.event.key.clone()).or_default();
            let is_end = told.event.status == Status::Resolved;
            let resolves = is_end && self.waits_for_alerts;
            let plays = (!is_end || self.reads_resolved) && (self.rank)(told).is_some();
            // An event that plays no part does not tell the time either.
            if resolves || plays {
                self.end(key, told.event.timestamp);
            }
            if resolves {
                self.resolve(key, told);
                self.end(key, told.event.timestamp);
            }
            if plays {
                self.join(key, told);
            }
        }
        keys.values_mut().for_each(|key| self.end(key, end));
        let told = keys.into_iter().map(|(name, key)| (name, key.told()));
        told.filter(|(_, stories)| !stories.is_empty()).collect()
    }

    fn resolve(&self, key: &mut Key, told: &ToldEvent) {
        let fingerprint = told.event.fingerprint;
        key.resolved.push((fingerprint, told.event.position));
        if let Some(open) = &mut key.open
            && open.live.iter().any(|(live, ..)| *live == fingerprint)
        {
            open.live.retain(|(live, ..)| *live != fingerprint);
            open.kept_until = open.kept_until.max(told.event.timestamp);
        }
    }

    fn join(&self, key: &mut Key, told: &ToldEvent) {
        let Some(rank) = (self.rank)(told) else { return };
        let order = |told: &ToldEvent| (told.event.timestamp, (self.rank)(told), told.event.position);
        let own = (told.event.timestamp, Some(rank), told.event.position);
        let place = key.history.iter().filter(|other| order(other) <= own).count();
        key.history.insert(place, told.clone());
        let (mut until, mut first) = (None, None);
        for index in 0..key.history.len() {
            let (history, _) = key.history.split_at(index + 1);
            let time = history.last().map_or(0, |last| last.event.timestamp);
            match (self.holds)(history) {
                Some(holding) => {
                    until = Some(holding.until);
                    if index >= place && first.is_none() && !holding.members.is_empty() {
                        first = Some((time, holding.members));
                    }
                }
                None => until = until.map(|until: i64| until.min(time)),
            }
        }
        if let Some(open) = &mut key.open {
            // A late event may show that it never held; it ends no sooner than it began.
            open.until = until.unwrap_or(i64::MIN).max(open.until.min(open.since));
            open.add(told, self.waits_for_alerts && key.resolved.iter().all(|ended| !ended.is_of(told)));
        } else if let (Some((since, members)), Some(until)) = (first, until) {
            let (positions, live, severity) = (Vec::new(), Vec::new(), Severity::Info);
            let mut open = Open { since, until, kept_until: i64::MIN, positions, severity, live };
            for told in members.iter().filter_map(|index| key.history.get(*index)) {
                open.add(told, self.waits_for_alerts && key.resolved.iter().all(|ended| !ended.is_of(told)));
            }
            key.open = Some(open);
        }
    }

    fn end(&self, key: &mut Key, until: i64) {
        while let Some(open) = &key.open {
            let aged = open.since + self.max;
            let quiet = (open.until + self.idle).max(open.kept_until);
            let ages = !open.live.is_empty() || quiet > aged;
            let at = if ages { aged } else { quiet };
            if at > until {
                return;
            }
            let Some(mut closed) = key.open.take() else { return };
            key.stories.push(closed.story(Some(at)));
            if ages && !closed.live.is_empty() {
                closed.since = at;
                closed.positions = closed.live.iter().map(|(_, position, _)| *position).collect();
                closed.severity = closed.live.iter().map(|(.., severity)| *severity).max().unwrap_or(Severity::Info);
                key.open = Some(closed);
            }
        }
    }
}

/// A resolved alert and the position at which it was.
trait Ended {
    fn is_of(&self, told: &ToldEvent) -> bool;
}

impl Ended for (u64, u64) {
    fn is_of(&self, told: &ToldEvent) -> bool {
        self.0 == told.event.fingerprint && self.1 > told.event.position
    }
}

impl Open {
    fn add(&mut self, told: &ToldEvent, may_fire: bool) {
        let event = &told.event;
        self.positions.push(event.position);
        self.severity = self.severity.max(event.severity);
        let is_known = self.live.iter().any(|(live, ..)| *live == event.fingerprint);
        if may_fire && !is_known && event.status == Status::Firing {
            self.live.push((event.fingerprint, event.position, event.severity));
        }
    }

    fn story(&self, closed: Option<i64>) -> Story {
        let mut positions = self.positions.clone();
        positions.sort_unstable();
        let closed = closed.map(|at| (at, String::new()));
        Story { opened: (self.since, String::new()), positions, severity: self.severity, facts: Vec::new(), closed }
    }
}

impl Key {
    fn told(mut self) -> Vec<Story> {
        self.stories.extend(self.open.map(|open| open.story(None)));
        self.stories
    }
}
