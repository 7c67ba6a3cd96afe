//! Symptoms of one group: what waits for a cause, what one explains, and what makes an incident of its own.

use orion_plugin::pattern::{Few, Gains, Life, Live, Rest};
use orion_plugin::{Severity, Stored};

use crate::happening::Happening;

/// Symptoms of a group. Further ones are counted and not followed.
const MOST_SYMPTOMS: usize = 1_000;

/// One group.
#[derive(Default)]
pub(crate) struct Group {
    symptoms: Few<Symptom>,
    pub(crate) incident: Option<Incident>,
    pub(crate) dropped: u64,
}

/// An incident of symptoms that nothing explained in time.
#[derive(Clone)]
pub(crate) struct Incident {
    pub(crate) opened: i64,
    pub(crate) severity: Severity,
    pub(crate) events: u64,
    /// The latest symptom of one moment.
    occurred: Option<i64>,
    resolved: i64,
    /// What nobody has been told yet.
    pub(crate) gains: Gains,
}

#[derive(Clone)]
struct Symptom {
    live: Live,
    /// Whether somebody will say that it is over.
    fires: bool,
    /// Since when it waits.
    since: i64,
    scope: Box<str>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// For a cause, no longer than `hold`.
    Waiting,
    /// It is in the incident of its cause.
    Silenced,
    /// It is in the incident of its group.
    Told,
}

/// What time brings to a group.
#[derive(Clone, Copy)]
pub(crate) enum NextOfGroup {
    /// What its incident gained is to be said.
    Say { at: i64 },
    /// Its symptoms waited long enough.
    Open { at: i64 },
    /// Its incident ends.
    End { at: i64, rest: Rest },
}

impl NextOfGroup {
    pub(crate) const fn at(self) -> i64 {
        match self {
            Self::Say { at } | Self::Open { at } | Self::End { at, .. } => at,
        }
    }
}

impl Incident {
    fn new(opened: i64) -> Self {
        let (severity, gains) = (Severity::Info, Gains::default());
        Self { opened, severity, events: 0, occurred: None, resolved: i64::MIN, gains }
    }

    /// Takes a symptom. Whether that makes it worse.
    pub(crate) fn join(&mut self, severity: Severity) -> bool {
        let rose = severity > self.severity;
        self.severity = self.severity.max(severity);
        self.events += 1;
        rose
    }
}

impl Group {
    /// Takes a symptom. Whether it is one that the group did not have.
    pub(crate) fn take(&mut self, symptom: &Happening, is_explained: bool) -> bool {
        let Happening { fingerprint, position, severity, time, .. } = *symptom;
        if symptom.fires() && self.fires(fingerprint) {
            return false;
        }
        // A thing of one moment that is explained is recorded, and nothing more becomes of it.
        if is_explained && !symptom.fires() {
            return true;
        }
        if self.symptoms.len() >= MOST_SYMPTOMS {
            self.dropped += 1;
            return is_explained;
        }
        let state = if is_explained { State::Silenced } else { State::Waiting };
        let live = Live { fingerprint, position, severity };
        self.symptoms.push(Symptom { live, fires: symptom.fires(), since: time, scope: symptom.scope.clone(), state });
        true
    }

    pub(crate) fn fires(&self, fingerprint: u64) -> bool {
        self.symptoms.iter().any(|symptom| symptom.fires && symptom.live.fingerprint == fingerprint)
    }

    /// The end of a symptom.
    pub(crate) fn resolve(&mut self, fingerprint: u64, time: i64) {
        let is_it = |symptom: &Symptom| symptom.fires && symptom.live.fingerprint == fingerprint;
        let was_told = self.symptoms.iter().any(|symptom| is_it(symptom) && symptom.state == State::Told);
        self.symptoms.retain(|symptom| !is_it(symptom));
        if let Some(incident) = self.incident.as_mut().filter(|_| was_told) {
            incident.resolved = incident.resolved.max(time);
        }
    }

    /// A cause has come for those that wait in its scope. Returns their positions and severities.
    pub(crate) fn silence(&mut self, scope: &str) -> Vec<(u64, Severity)> {
        let waits = |symptom: &Symptom| symptom.state == State::Waiting && *symptom.scope == *scope;
        let mut silenced = Vec::new();
        for symptom in self.symptoms.iter_mut().filter(|symptom| waits(symptom)) {
            symptom.state = State::Silenced;
            silenced.push((symptom.live.position, symptom.live.severity));
        }
        self.symptoms.retain(|symptom| symptom.fires || symptom.state != State::Silenced);
        silenced
    }

    /// The cause is over: what it explained waits anew.
    pub(crate) fn release(&mut self, scope: &str, time: i64) {
        for symptom in self.symptoms.iter_mut() {
            if symptom.state == State::Silenced && *symptom.scope == *scope {
                (symptom.state, symptom.since) = (State::Waiting, time);
            }
        }
    }

    /// What waits becomes part of the incident. Returns the positions and severities.
    pub(crate) fn tell_waiting(&mut self) -> Vec<(u64, Severity)> {
        let mut told = Vec::new();
        for symptom in self.symptoms.iter_mut().filter(|symptom| symptom.state == State::Waiting) {
            symptom.state = State::Told;
            told.push((symptom.live.position, symptom.live.severity));
            if let Some(incident) = self.incident.as_mut().filter(|_| !symptom.fires) {
                incident.occurred = incident.occurred.max(Some(symptom.since));
            }
        }
        // A thing of one moment has had its say.
        self.symptoms.retain(|symptom| symptom.fires || symptom.state != State::Told);
        told
    }

    /// Opens an incident of all that waits. Returns the positions, in bus order.
    pub(crate) fn open(&mut self, time: i64) -> Vec<u64> {
        self.incident = Some(Incident::new(time));
        let told = self.tell_waiting();
        self.joined(told)
    }

    /// Opens the incident that follows on one that was closed for its age, of what fires.
    pub(crate) fn open_anew(&mut self, time: i64) -> Vec<u64> {
        self.incident = Some(Incident::new(time));
        let told = self.symptoms.iter().filter(|symptom| symptom.state == State::Told);
        let told = told.map(|symptom| (symptom.live.position, symptom.live.severity)).collect();
        self.joined(told)
    }

    fn joined(&mut self, told: Vec<(u64, Severity)>) -> Vec<u64> {
        let Some(incident) = &mut self.incident else { return Vec::new() };
        let mut positions = Vec::with_capacity(told.len());
        for (position, severity) in told {
            incident.join(severity);
            positions.push(position);
        }
        positions.sort_unstable();
        positions
    }

    pub(crate) fn has_told(&self) -> bool {
        self.symptoms.iter().any(|symptom| symptom.state == State::Told)
    }

    /// The incident is over, and nothing of it fires.
    pub(crate) fn forget_told(&mut self) {
        self.symptoms.retain(|symptom| symptom.state != State::Told);
    }

    pub(crate) fn next(&self, hold_millis: i64, life: &Life) -> Option<NextOfGroup> {
        if let Some(incident) = &self.incident {
            let Incident { opened, occurred, resolved, .. } = *incident;
            let (at, rest) = Rest::of(opened, self.has_told(), occurred, resolved, life);
            // At one instant what was gained is said first: it is part of what ends.
            let say = incident.gains.due().filter(|due| *due <= at).map(|at| NextOfGroup::Say { at });
            return say.or(Some(NextOfGroup::End { at, rest }));
        }
        let waiting = self.symptoms.iter().filter(|symptom| symptom.state == State::Waiting);
        let since = waiting.map(|symptom| symptom.since).min()?;
        Some(NextOfGroup::Open { at: since.saturating_add(hold_millis) })
    }

    /// The scopes of its symptoms; one may come several times.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.symptoms.iter().map(|symptom| &*symptom.scope)
    }

    pub(crate) fn is_silenced_by(&self, scope: &str) -> bool {
        self.symptoms.iter().any(|symptom| symptom.state == State::Silenced && *symptom.scope == *scope)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.incident.is_none() && self.symptoms.is_empty()
    }

    /// Since when it is there.
    pub(crate) fn since(&self) -> i64 {
        let first = self.symptoms.iter().map(|symptom| symptom.since).min();
        self.incident.as_ref().map(|incident| incident.opened).into_iter().chain(first).min().unwrap_or(i64::MIN)
    }
}

const STATES: [State; 3] = [State::Waiting, State::Silenced, State::Told];

impl Stored for Symptom {
    fn write(&self, out: &mut Vec<u8>) {
        self.live.write(out);
        self.fires.write(out);
        self.since.write(out);
        self.scope.write(out);
        (self.state as u8).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            live: Live::read(from)?,
            fires: bool::read(from)?,
            since: i64::read(from)?,
            scope: Box::read(from)?,
            state: STATES.get(usize::from(u8::read(from)?)).copied()?,
        })
    }
}

impl Stored for Incident {
    fn write(&self, out: &mut Vec<u8>) {
        self.opened.write(out);
        self.severity.write(out);
        self.events.write(out);
        self.occurred.write(out);
        self.resolved.write(out);
        self.gains.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            opened: i64::read(from)?,
            severity: Severity::read(from)?,
            events: u64::read(from)?,
            occurred: Option::read(from)?,
            resolved: i64::read(from)?,
            gains: Gains::read(from)?,
        })
    }
}

impl Stored for Group {
    fn write(&self, out: &mut Vec<u8>) {
        self.symptoms.write(out);
        self.incident.write(out);
        self.dropped.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self { symptoms: Few::read(from)?, incident: Option::read(from)?, dropped: u64::read(from)? })
    }
}
