//! One key: what fires, what happened lately, and when that ends.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use orion_plugin::{Event, Parameters, Refused, Severity, Status, Stored};

const SECOND_MILLIS: i64 = 1_000;
const MINUTE_MILLIS: i64 = 60 * SECOND_MILLIS;
const HOUR_MILLIS: i64 = 60 * MINUTE_MILLIS;

/// Events of a key that do not fire and are remembered for the window. A key that has more has had its incident long
/// since, and its saved state would outgrow what a checkpoint may be.
const MOST_FADING: usize = 10_000;

/// What the correlation says.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) at_least: usize,
    pub(crate) window_millis: i64,
    pub(crate) idle_millis: i64,
    pub(crate) max_millis: i64,
}

impl Settings {
    pub(crate) fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let at_least = parameters.integer("at_least")?.unwrap_or(1);
        Ok(Self {
            at_least: usize::try_from(at_least).map_err(|_| "`at_least` must not be negative")?,
            window_millis: parameters.millis("window")?.unwrap_or(10 * MINUTE_MILLIS),
            idle_millis: parameters.millis("idle")?.unwrap_or(15 * MINUTE_MILLIS),
            max_millis: parameters.millis("max")?.unwrap_or(24 * HOUR_MILLIS),
        })
    }
}

/// All that is known of a key.
pub(crate) struct Group {
    /// When its incident was opened; `None` while too little has come.
    pub(crate) opened: Option<i64>,
    /// Highest so far in its incident.
    pub(crate) severity: Severity,
    /// Time of its latest event. Time does not run backwards in a group: an event that comes late counts as now.
    last: i64,
    /// Whether its incident holds things of one moment, of which nobody will say that they are over.
    occurred: bool,
    members: BTreeMap<u64, Member>,
    firing: usize,
    /// Members that do not fire, by time: these leave with the window.
    fading: BTreeSet<(i64, u64)>,
    /// When somebody will look at its end; not saved, it follows from the rest.
    pub(crate) timer: Cell<Option<i64>>,
    /// The change that further events of a call go into: which call, and which of its changes. Not saved, a call begins
    /// without.
    pub(crate) draft: Option<(u64, usize)>,
}

/// One alert, or one thing that happened.
#[derive(Clone, Copy)]
struct Member {
    time: i64,
    position: u64,
    severity: Severity,
    firing: bool,
    occurred: bool,
}

/// What an event did to its group.
pub(crate) struct Joined {
    pub(crate) time: i64,
    pub(crate) is_new: bool,
}

/// How a group ends.
pub(crate) enum End {
    /// It never was an incident, and its events are too old to make one.
    Faded,
    Idle,
    /// The incident is as old as one may be.
    Aged,
}

impl Group {
    pub(crate) fn new(first: &Event<'_>) -> Self {
        Self::empty(first.timestamp, first.severity)
    }

    const fn empty(last: i64, severity: Severity) -> Self {
        Self {
            opened: None,
            severity,
            last,
            occurred: false,
            members: BTreeMap::new(),
            firing: 0,
            fading: BTreeSet::new(),
            timer: Cell::new(None),
            draft: None,
        }
    }

    /// Takes an event that fires or occurred.
    pub(crate) fn join(&mut self, event: &Event<'_>, settings: &Settings) -> Joined {
        let time = self.pass(event.timestamp, settings);
        let (fires, occurs) = (event.status == Status::Firing, event.status == Status::Occurred);
        let (position, severity) = (event.position, event.severity);
        let (before, member) = match self.members.get(&event.fingerprint) {
            Some(known) => {
                let severity = known.severity.max(severity);
                let (firing, occurred) = (known.firing || fires, known.occurred || occurs);
                (Some(*known), Member { time, position: known.position, severity, firing, occurred })
            }
            None => (None, Member { time, position, severity, firing: fires, occurred: occurs }),
        };
        self.place(event.fingerprint, before, member);
        self.occurred |= occurs;
        Joined { time, is_new: before.is_none() }
    }

    /// Takes the end of an alert. Whoever calls this has seen that it fires.
    pub(crate) fn resolve(&mut self, event: &Event<'_>, settings: &Settings) -> i64 {
        let time = self.pass(event.timestamp, settings);
        if let Some(known) = self.members.get(&event.fingerprint).copied() {
            self.place(event.fingerprint, Some(known), Member { firing: false, ..known });
        }
        time
    }

    pub(crate) fn fires(&self, fingerprint: u64) -> bool {
        self.members.get(&fingerprint).is_some_and(|member| member.firing)
    }

    /// Time passes to that of an event; what the window has left behind is forgotten.
    fn pass(&mut self, timestamp: i64, settings: &Settings) -> i64 {
        self.last = self.last.max(timestamp);
        let left_behind = self.last.saturating_sub(settings.window_millis);
        while let Some(&(time, fingerprint)) = self.fading.first()
            && (time <= left_behind || self.fading.len() >= MOST_FADING)
        {
            self.fading.pop_first();
            self.members.remove(&fingerprint);
        }
        self.last
    }

    fn place(&mut self, fingerprint: u64, before: Option<Member>, member: Member) {
        match before {
            Some(before) if before.firing => self.firing -= 1,
            Some(before) => drop(self.fading.remove(&(before.time, fingerprint))),
            None => {}
        }
        if member.firing {
            self.firing += 1;
        } else {
            self.fading.insert((member.time, fingerprint));
        }
        self.members.insert(fingerprint, member);
    }

    /// Whether enough has come to be an incident.
    pub(crate) fn is_due(&self, settings: &Settings) -> bool {
        self.opened.is_none() && self.members.len() >= settings.at_least
    }

    /// Whether all alerts of an incident that holds nothing else are over.
    pub(crate) const fn is_over(&self) -> bool {
        self.opened.is_some() && self.firing == 0 && !self.occurred
    }

    /// Becomes an incident of all members. Returns the positions of their events, in bus order.
    pub(crate) fn open(&mut self, time: i64) -> Vec<u64> {
        self.opened = Some(time);
        self.severity = self.members.values().map(|member| member.severity).max().unwrap_or(self.severity);
        self.occurred = self.members.values().any(|member| member.occurred);
        let mut positions: Vec<_> = self.members.values().map(|member| member.position).collect();
        positions.sort_unstable();
        positions
    }

    /// Keeps of an incident that was closed what still fires. `false` when that is nothing.
    pub(crate) fn keep_firing(&mut self) -> bool {
        self.members.retain(|_, member| member.firing);
        self.fading.clear();
        self.opened = None;
        self.draft = None;
        self.firing > 0
    }

    /// When and how it ends if nothing more comes. What fires and is no incident yet does not end.
    pub(crate) fn end(&self, settings: &Settings) -> Option<(i64, End)> {
        let silent = self.firing == 0;
        let Some(opened) = self.opened else {
            let newest = self.fading.last().map_or(self.last, |(time, _)| *time);
            return silent.then(|| (newest.saturating_add(settings.window_millis), End::Faded));
        };
        let aged = opened.saturating_add(settings.max_millis);
        let idle = self.last.saturating_add(settings.idle_millis);
        if silent && idle <= aged { Some((idle, End::Idle)) } else { Some((aged, End::Aged)) }
    }
}

const FIRING: u8 = 0b01;
const OCCURRED: u8 = 0b10;
const MOST_RANK: u8 = Severity::Critical.rank();

/// A severity beyond the known ones is not what was written.
fn read_severity(from: &mut &[u8]) -> Option<Severity> {
    u8::read(from).filter(|rank| *rank <= MOST_RANK).map(Severity::from_rank)
}

impl Stored for Group {
    fn write(&self, out: &mut Vec<u8>) {
        self.opened.write(out);
        self.severity.rank().write(out);
        self.last.write(out);
        self.occurred.write(out);
        for (fingerprint, member) in &self.members {
            fingerprint.write(out);
            member.time.write(out);
            member.position.write(out);
            member.severity.rank().write(out);
            let flags = if member.firing { FIRING } else { 0 } | if member.occurred { OCCURRED } else { 0 };
            flags.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let opened = Option::read(from)?;
        let severity = read_severity(from)?;
        let mut group = Self { opened, ..Self::empty(i64::read(from)?, severity) };
        group.occurred = bool::read(from)?;
        while !from.is_empty() {
            let fingerprint = u64::read(from)?;
            let (time, position, severity) = (i64::read(from)?, u64::read(from)?, read_severity(from)?);
            let flags = u8::read(from).filter(|flags| flags & !(FIRING | OCCURRED) == 0)?;
            let member =
                Member { time, position, severity, firing: flags & FIRING != 0, occurred: flags & OCCURRED != 0 };
            // Twice the same one would count twice and end once.
            if group.members.contains_key(&fingerprint) {
                return None;
            }
            group.place(fingerprint, None, member);
        }
        Some(group)
    }
}
