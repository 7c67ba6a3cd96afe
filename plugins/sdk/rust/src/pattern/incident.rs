//! The life of an incident: how long it lasts after what opened it, and what keeps it open.

use super::alerts::Live;
use super::few::Few;
use super::gains::Gains;
use super::moment::Moment;
use super::timeline::Held;
use crate::parameters::{Parameters, Refused};
use crate::severity::Severity;
use crate::stored::Stored;

const SECOND_MILLIS: i64 = 1_000;
const MINUTE_MILLIS: i64 = 60 * SECOND_MILLIS;
const HOUR_MILLIS: i64 = 60 * MINUTE_MILLIS;

/// Keys of a correlation without a word about it: what a guest's memory holds with room to spare.
const MOST_KEYS: i64 = 1_000_000;

/// Alerts whose end an incident waits for. One with more has had everybody's attention since long, and its saved state would
/// outgrow what a checkpoint may be.
const MOST_LIVE: usize = 10_000;

/// The times that all correlations know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Events within the window (t − window, t] belong together.
    pub window_millis: i64,
    /// How long what an incident is about must not have been so, until it is over.
    pub idle_millis: i64,
    /// How long an incident may be open.
    pub max_millis: i64,
    /// How much later than others an event may come.
    pub lateness_millis: i64,
    /// How many keys are remembered.
    pub most_keys: usize,
}

impl Life {
    /// As the correlation says.
    pub fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let most_keys = parameters.integer("max_keys")?.unwrap_or(MOST_KEYS);
        Ok(Self {
            window_millis: parameters.millis("window")?.unwrap_or(10 * MINUTE_MILLIS),
            idle_millis: parameters.millis("idle")?.unwrap_or(5 * MINUTE_MILLIS),
            max_millis: parameters.millis("max")?.unwrap_or(24 * HOUR_MILLIS),
            lateness_millis: parameters.millis("lateness")?.unwrap_or(30 * SECOND_MILLIS),
            most_keys: usize::try_from(most_keys).map_err(|_| "`max_keys` must not be negative")?,
        })
    }
}

/// An incident that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Since when.
    pub opened: i64,
    /// The highest so far.
    pub severity: Severity,
    /// How many events it has.
    pub events: u64,
    /// How what it is about stands.
    pub held: Held,
    /// The last instant at which something else than that kept it open.
    pub kept_until: i64,
    /// Its alerts that fire.
    live: Few<Live>,
    /// Events of it that were not looked at, for want of room.
    pub dropped: u64,
    /// What nobody has been told yet.
    pub gains: Gains,
}

/// How an incident ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What it is about was not so for long enough.
    Lapsed,
    /// The last of its alerts is resolved.
    Resolved,
    /// It is as old as one may be.
    Aged,
}

impl Incident {
    /// Of these events.
    pub fn open<R>(time: i64, held: Held, members: &[Moment<R>], waits_for_alerts: bool) -> Self {
        let severity = members.iter().map(|member| member.severity).max().unwrap_or(Severity::Info);
        let events = members.len() as u64;
        let (live, kept_until) = (Few::None, i64::MIN);
        let mut incident =
            Self { opened: time, severity, events, held, kept_until, live, dropped: 0, gains: Gains::default() };
        if waits_for_alerts {
            members.iter().for_each(|member| incident.follow(member));
        }
        incident
    }

    /// How what it is about stands now. A late event may show that it never was so; the incident ends no sooner than it began.
    pub fn stands(&mut self, held: Option<Held>) {
        let Some(held) = held else { return };
        let least = self.held.until.min(self.opened);
        // What stood before the incident says nothing of its measure.
        let measure = if held.until > self.opened { held.measure } else { self.held.measure };
        self.held = Held { until: held.until.max(least), measure };
    }

    /// Takes another event. Whether it made the incident worse.
    pub fn join<R>(&mut self, member: &Moment<R>, waits_for_alerts: bool) -> bool {
        let rose = member.severity > self.severity;
        self.severity = self.severity.max(member.severity);
        self.events += 1;
        if waits_for_alerts {
            self.follow(member);
        }
        rose
    }

    fn follow<R>(&mut self, member: &Moment<R>) {
        let Moment { fingerprint, position, severity, .. } = *member;
        if !member.fires || self.waits_for(fingerprint) || self.live.len() >= MOST_LIVE {
            return;
        }
        self.live.push(Live { fingerprint, position, severity });
    }

    /// Whether it has the alert, and that fires.
    pub fn waits_for(&self, fingerprint: u64) -> bool {
        self.live.iter().any(|live| live.fingerprint == fingerprint)
    }

    /// The alert is resolved.
    pub fn resolve(&mut self, fingerprint: u64, time: i64) {
        if self.waits_for(fingerprint) {
            self.live.retain(|live| live.fingerprint != fingerprint);
            self.kept_until = self.kept_until.max(time);
        }
    }

    /// When and how it ends if nothing more comes.
    pub fn end(&self, life: &Life) -> (i64, End) {
        let aged = self.opened.saturating_add(life.max_millis);
        let lapsed = self.held.until.saturating_add(life.idle_millis);
        let quiet = lapsed.max(self.kept_until);
        if !self.live.is_empty() || quiet > aged {
            return (aged, End::Aged);
        }
        (quiet, if self.kept_until > lapsed { End::Resolved } else { End::Lapsed })
    }

    /// The incident that follows on one that was closed for its age, and the positions of the alerts that still fire.
    /// `None` when nothing does.
    pub fn continued(&self, time: i64) -> Option<(Self, Vec<u64>)> {
        let severity = self.live.iter().map(|live| live.severity).max()?;
        let mut positions: Vec<_> = self.live.iter().map(|live| live.position).collect();
        positions.sort_unstable();
        let (events, gains) = (positions.len() as u64, Gains::default());
        Some((Self { opened: time, severity, events, dropped: 0, gains, ..self.clone() }, positions))
    }
}

const MOST_RANK: u8 = Severity::Critical.rank();

impl Stored for Severity {
    fn write(&self, out: &mut Vec<u8>) {
        self.rank().write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        // A severity beyond the known ones is not what was written.
        u8::read(from).filter(|rank| *rank <= MOST_RANK).map(Self::from_rank)
    }
}

impl Stored for Incident {
    fn write(&self, out: &mut Vec<u8>) {
        self.opened.write(out);
        self.severity.write(out);
        self.events.write(out);
        self.held.until.write(out);
        self.held.measure.write(out);
        self.kept_until.write(out);
        self.live.write(out);
        self.dropped.write(out);
        self.gains.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            opened: i64::read(from)?,
            severity: Severity::read(from)?,
            events: u64::read(from)?,
            held: Held { until: i64::read(from)?, measure: f64::read(from)? },
            kept_until: i64::read(from)?,
            live: Few::read(from)?,
            dropped: u64::read(from)?,
            gains: Gains::read(from)?,
        })
    }
}
