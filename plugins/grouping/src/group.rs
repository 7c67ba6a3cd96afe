//! One key: what fires, what happened lately, and when that ends.

use orion_plugin::pattern::Gains;
use orion_plugin::{Event, Parameters, Refused, Severity, Status, Stored};

use crate::members::{Member, Members};

const SECOND_MILLIS: i64 = 1_000;
const MINUTE_MILLIS: i64 = 60 * SECOND_MILLIS;
const HOUR_MILLIS: i64 = 60 * MINUTE_MILLIS;

/// Events of a key that do not fire and are remembered for the window. A key that has more has had its incident long
/// since, and its saved state would outgrow what a checkpoint may be.
const MOST_FADING: usize = 10_000;

/// Keys of a correlation without a word about it.
const MOST_KEYS: i64 = 1_000_000;

/// What the correlation says.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) at_least: usize,
    pub(crate) window_millis: i64,
    pub(crate) idle_millis: i64,
    pub(crate) max_millis: i64,
    pub(crate) lateness_millis: i64,
    pub(crate) most_keys: usize,
}

impl Settings {
    pub(crate) fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let at_least = parameters.integer("at_least")?.unwrap_or(1);
        let most_keys = parameters.integer("max_keys")?.unwrap_or(MOST_KEYS);
        Ok(Self {
            at_least: usize::try_from(at_least).map_err(|_| "`at_least` must not be negative")?,
            window_millis: parameters.millis("window")?.unwrap_or(10 * MINUTE_MILLIS),
            idle_millis: parameters.millis("idle")?.unwrap_or(15 * MINUTE_MILLIS),
            max_millis: parameters.millis("max")?.unwrap_or(24 * HOUR_MILLIS),
            lateness_millis: parameters.millis("lateness")?.unwrap_or(30 * SECOND_MILLIS),
            most_keys: usize::try_from(most_keys).map_err(|_| "`max_keys` must not be negative")?,
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
    members: Members,
    /// What nobody has been told yet of its incident.
    pub(crate) gains: Gains,
}

/// What an event did to its group.
pub(crate) struct Joined {
    pub(crate) time: i64,
    pub(crate) is_new: bool,
}

/// What time brings to a group.
#[derive(Clone, Copy)]
pub(crate) enum Next {
    /// What its incident gained is to be said.
    Say { at: i64 },
    /// It ends.
    End { at: i64, end: End },
}

impl Next {
    pub(crate) const fn at(self) -> i64 {
        match self {
            Self::Say { at } | Self::End { at, .. } => at,
        }
    }
}

/// How a group ends.
#[derive(Clone, Copy)]
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

    fn empty(last: i64, severity: Severity) -> Self {
        let (members, gains) = (Members::new(), Gains::default());
        Self { opened: None, severity, last, occurred: false, members, gains }
    }

    /// Takes an event that fires or occurred.
    pub(crate) fn join(&mut self, event: &Event<'_>, settings: &Settings) -> Joined {
        let time = self.pass(event.timestamp, settings);
        let (fires, occurs) = (event.status == Status::Firing, event.status == Status::Occurred);
        let (position, severity) = (event.position, event.severity);
        let before = self.members.get(event.fingerprint).copied();
        let member = match before {
            Some(known) => {
                let severity = known.severity.max(severity);
                let (firing, occurred) = (known.firing || fires, known.occurred || occurs);
                Member { time, position: known.position, severity, firing, occurred }
            }
            None => Member { time, position, severity, firing: fires, occurred: occurs },
        };
        self.members.place(event.fingerprint, member);
        self.occurred |= occurs;
        Joined { time, is_new: before.is_none() }
    }

    /// Takes the end of an alert. Whoever calls this has seen that it fires.
    pub(crate) fn resolve(&mut self, event: &Event<'_>, settings: &Settings) -> i64 {
        let time = self.pass(event.timestamp, settings);
        if let Some(known) = self.members.get(event.fingerprint).copied() {
            self.members.place(event.fingerprint, Member { firing: false, ..known });
        }
        time
    }

    pub(crate) fn fires(&self, fingerprint: u64) -> bool {
        self.members.get(fingerprint).is_some_and(|member| member.firing)
    }

    /// Time passes to that of an event; what the window has left behind is forgotten.
    fn pass(&mut self, timestamp: i64, settings: &Settings) -> i64 {
        self.last = self.last.max(timestamp);
        let left_behind = self.last.saturating_sub(settings.window_millis);
        while let Some((time, fingerprint)) = self.members.oldest_fading()
            && (time <= left_behind || self.members.fading() >= MOST_FADING)
        {
            self.members.remove(fingerprint);
        }
        self.last
    }

    /// Whether enough has come to be an incident.
    pub(crate) fn is_due(&self, settings: &Settings) -> bool {
        self.opened.is_none() && self.members.len() >= settings.at_least
    }

    /// Whether all alerts of an incident that holds nothing else are over.
    pub(crate) fn is_over(&self) -> bool {
        self.opened.is_some() && !self.occurred && self.members.firing() == 0
    }

    /// Becomes an incident of all members. Returns the positions of their events, in bus order.
    pub(crate) fn open(&mut self, time: i64) -> Vec<u64> {
        self.opened = Some(time);
        self.severity = self.members.iter().map(|(_, member)| member.severity).max().unwrap_or(self.severity);
        self.occurred = self.members.iter().any(|(_, member)| member.occurred);
        let mut positions: Vec<_> = self.members.iter().map(|(_, member)| member.position).collect();
        positions.sort_unstable();
        positions
    }

    /// Keeps of an incident that was closed what still fires. `false` when that is nothing.
    pub(crate) fn keep_firing(&mut self) -> bool {
        self.members.keep_firing();
        self.opened = None;
        self.members.len() > 0
    }

    /// What happens to it if nothing more comes. At one instant what was gained is said first: it is part of what ends.
    pub(crate) fn next(&self, settings: &Settings) -> Option<Next> {
        let say = self.gains.due().map(|at| Next::Say { at });
        let end = self.end(settings).map(|(at, end)| Next::End { at, end });
        say.into_iter().chain(end).min_by_key(|next| next.at())
    }

    /// When and how it ends. What fires and is no incident yet does not end.
    fn end(&self, settings: &Settings) -> Option<(i64, End)> {
        let silent = self.members.firing() == 0;
        let Some(opened) = self.opened else {
            let newest = self.members.newest_fading().map_or(self.last, |(time, _)| time);
            return silent.then(|| (newest.saturating_add(settings.window_millis), End::Faded));
        };
        let aged = opened.saturating_add(settings.max_millis);
        let idle = self.last.saturating_add(settings.idle_millis);
        if silent && idle <= aged { Some((idle, End::Idle)) } else { Some((aged, End::Aged)) }
    }
}

const FIRING: u8 = 0b01;
const OCCURRED: u8 = 0b10;
impl Stored for Group {
    fn write(&self, out: &mut Vec<u8>) {
        self.opened.write(out);
        self.severity.write(out);
        self.last.write(out);
        self.occurred.write(out);
        self.gains.write(out);
        for (fingerprint, member) in self.members.iter() {
            fingerprint.write(out);
            member.time.write(out);
            member.position.write(out);
            member.severity.write(out);
            let flags = if member.firing { FIRING } else { 0 } | if member.occurred { OCCURRED } else { 0 };
            flags.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let opened = Option::read(from)?;
        let severity = Severity::read(from)?;
        let mut group = Self { opened, ..Self::empty(i64::read(from)?, severity) };
        group.occurred = bool::read(from)?;
        group.gains = Gains::read(from)?;
        while !from.is_empty() {
            let fingerprint = u64::read(from)?;
            let (time, position, severity) = (i64::read(from)?, u64::read(from)?, Severity::read(from)?);
            let flags = u8::read(from).filter(|flags| flags & !(FIRING | OCCURRED) == 0)?;
            let member =
                Member { time, position, severity, firing: flags & FIRING != 0, occurred: flags & OCCURRED != 0 };
            // Twice the same one would count twice and end once.
            if group.members.get(fingerprint).is_some() {
                return None;
            }
            group.members.place(fingerprint, member);
        }
        Some(group)
    }
}
