//! What a known cause explains opens no incident of its own, and is listed in that of the cause.
//!
//! Causes and symptoms meet where the labels of `equal` are equal: a scope. A scope with a cause that fires is one incident.
//! Symptoms of that scope add their events to it, visibly, and open nothing. A symptom without a cause waits for one as long
//! as `hold`; then its group opens an incident as any would. One that is resolved before that was never an incident. When
//! the cause is over, symptoms that still fire wait anew. A cause that comes when the incident of a symptom is open changes
//! nothing about that but what it says: it is explained.
//!
//! What happens decides, not what arrives: events wait until everything up to their instant was observed, and are then
//! looked at in order of time, causes before symptoms.

mod group;
mod happening;
mod memory;
mod scope;
mod told;

use orion_plugin::pattern::{Growth, Life, Outbox, Rest, Selector, Step};
use orion_plugin::{
    Batch, Changes, Correlator, Entry, Event, Parameters, Refused, Severity, Stateful, Status, format_duration,
};

use group::{Group, NextOfGroup};
use happening::Happening;
use memory::{Kind, Memory};
use scope::Scope;
use told::{facts_of, incident_key, shown, shown_key};

const SECOND_MILLIS: i64 = 1_000;

/// The correlator.
pub struct Suppression {
    cause: Selector,
    symptoms: Selector,
    equal: Vec<String>,
    hold_millis: i64,
    life: Life,
    memory: Memory,
    outbox: Outbox,
    /// Nothing comes any more from before this instant.
    passed: i64,
}

impl Correlator for Suppression {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let cause = Selector::of(parameters, "cause")?;
        Ok(Self {
            cause: cause.ok_or("`cause` says which events explain others: a selector such as `node_down`")?,
            symptoms: Selector::of(parameters, "symptoms")?.map_or_else(|| Selector::parse("*"), Ok)?,
            equal: parameters.texts("equal")?.to_vec(),
            hold_millis: parameters.millis("hold")?.unwrap_or(30 * SECOND_MILLIS),
            life: Life::read(parameters)?,
            memory: Memory::new(),
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
            self.keep(&event);
        }
        while self.step() {}
        self.outbox.send(changes);
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        Some(self)
    }
}

impl Stateful for Suppression {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        self.memory.restore(version, entries)
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        self.memory.checkpoint()
    }
}

impl Suppression {
    /// Keeps an event until its instant is over.
    fn keep(&mut self, event: &Event<'_>) {
        let concerns = |selector: &Selector| match event.status {
            Status::Resolved => selector.concerns(event),
            Status::Firing | Status::Occurred => selector.selects(event),
        };
        let is_cause = concerns(&self.cause);
        if !is_cause && !concerns(&self.symptoms) {
            return;
        }
        let equal = self.equal.iter().map(|name| format!("{name}={:?}", event.label(name).unwrap_or_default()));
        let scope = equal.collect::<Vec<_>>().join(", ");
        self.memory.keep(Happening::of(event, is_cause, &scope));
    }

    /// The next thing in order of time: an end or an event. `false` when everything up to now is done. At one instant ends
    /// come first: a cause that comes exactly after `hold` is too late.
    fn step(&mut self) -> bool {
        let event = self.memory.first_happening().map(|happening| happening.time);
        let timer =
            self.memory.next_due(event.unwrap_or(self.passed).min(self.passed), |memory, kind, key| match kind {
                Kind::Scope => memory.scopes.get(key).map(|scope| scope.next_at(&self.life)),
                Kind::Group => memory
                    .groups
                    .get(key)
                    .and_then(|group| group.next(self.hold_millis, &self.life))
                    .map(NextOfGroup::at),
            });
        if let Some((at, kind, key)) = timer {
            match kind {
                Kind::Scope => self.turn_scope(&key, at),
                Kind::Group => self.turn_group(&key, at),
            }
            self.look_after(kind, &key);
            return true;
        }
        // Another event of this instant may come before it, as long as the instant is not over.
        if event.is_none_or(|time| time >= self.passed) && !self.memory.is_crowded() {
            return false;
        }
        let Some(happening) = self.memory.take_happening() else { return false };
        match (happening.is_cause, happening.status) {
            (true, Status::Resolved) => self.resolve_cause(&happening),
            (true, _) => self.take_cause(&happening),
            (false, Status::Resolved) => self.resolve_symptom(&happening),
            (false, _) => self.take_symptom(&happening),
        }
        true
    }

    fn look_after(&mut self, kind: Kind, key: &str) {
        let at = match kind {
            Kind::Scope => self.memory.scopes.get(key).map(|scope| scope.next_at(&self.life)),
            Kind::Group => {
                if self.memory.groups.get(key).is_some_and(Group::is_empty) {
                    self.memory.groups.remove(key);
                }
                let group = self.memory.groups.get(key);
                group.and_then(|group| group.next(self.hold_millis, &self.life)).map(NextOfGroup::at)
            }
        };
        if let Some(at) = at {
            self.memory.look_by(at, kind, key);
        }
    }

    /// A cause that fires or occurred.
    fn take_cause(&mut self, cause: &Happening) {
        let (time, position) = (cause.time, cause.position);
        if let Some(scope) = self.memory.scopes.get_mut(&cause.scope) {
            let before = scope.severity;
            let is_new = scope.take(cause);
            let growth = Growth { time, severity: scope.severity, rose: scope.severity > before, position, is_new };
            if (is_new || growth.rose) && scope.gains.add(&growth, scope.opened) {
                self.say(Kind::Scope, &cause.scope);
            }
        } else {
            let mut scope = Scope::new(cause);
            let mut positions = vec![position];
            let groups = self.memory.groups_of(&cause.scope);
            let silenced = groups.iter().flat_map(|key| self.silence(key, &cause.scope));
            for (position, severity) in silenced {
                scope.record(severity);
                positions.push(position);
            }
            let reason = format!("{} is a cause", shown(cause));
            let step = Step { time, severity: scope.severity, reason };
            self.memory.scopes.insert(&cause.scope, scope);
            self.say_opened(Kind::Scope, &cause.scope, step, positions);
            for key in &groups {
                self.explain(key, &cause.scope, time);
            }
        }
        self.look_after(Kind::Scope, &cause.scope);
    }

    /// Symptoms of a group that waited for this cause are explained. Their positions and severities.
    fn silence(&mut self, key: &str, scope: &str) -> Vec<(u64, Severity)> {
        let silenced = self.memory.groups.get_mut(key).map(|group| group.silence(scope)).unwrap_or_default();
        self.look_after(Kind::Group, key);
        silenced
    }

    /// An incident that is open is told what explains it.
    fn explain(&mut self, key: &str, scope: &str, time: i64) {
        let incident = self.memory.groups.get_mut(key).and_then(|group| group.incident.as_mut());
        let Some(incident) = incident else { return };
        incident.gains.remark(time, &format!("explained by {}", incident_key(scope)), incident.opened);
        self.say(Kind::Group, key);
    }

    /// A symptom goes into the incident of its cause.
    fn record(&mut self, key: &str, time: i64, position: u64, severity: Severity) {
        let Some(scope) = self.memory.scopes.get_mut(key) else { return };
        let rose = scope.record(severity);
        let growth = Growth { time, severity: scope.severity, rose, position, is_new: true };
        if scope.gains.add(&growth, scope.opened) {
            self.say(Kind::Scope, key);
        }
        self.look_after(Kind::Scope, key);
    }

    /// Says what an incident gained.
    fn say(&mut self, kind: Kind, key: &str) {
        let said = match kind {
            Kind::Scope => self.memory.scopes.get_mut(key).map(|scope| (scope.gains.take(), scope.severity)),
            Kind::Group => {
                let incident = self.memory.groups.get_mut(key).and_then(|group| group.incident.as_mut());
                incident.map(|incident| (incident.gains.take(), incident.severity))
            }
        };
        let Some((Some(gained), severity)) = said else { return };
        self.outbox.update(&shown_key(kind, key), severity, gained, facts_of(&self.memory, kind, key));
    }

    fn say_opened(&mut self, kind: Kind, key: &str, step: Step, positions: Vec<u64>) {
        self.outbox.open(&shown_key(kind, key), step, positions, facts_of(&self.memory, kind, key));
    }

    fn resolve_cause(&mut self, cause: &Happening) {
        if self.memory.scopes.get(&cause.scope).is_some_and(|scope| scope.fires(cause.fingerprint))
            && let Some(scope) = self.memory.scopes.get_mut(&cause.scope)
        {
            scope.resolve(cause.fingerprint, cause.time);
            self.look_after(Kind::Scope, &cause.scope);
        }
    }

    /// What time brings to a cause.
    fn turn_scope(&mut self, key: &str, at: i64) {
        let Some(scope) = self.memory.scopes.get(key) else { return };
        let (rests_at, rest) = scope.rest(&self.life);
        self.say(Kind::Scope, key);
        if rests_at <= at {
            self.end_scope(key, at, rest);
        }
    }

    /// A cause is over, or its incident as old as one may be.
    fn end_scope(&mut self, key: &str, at: i64, rest: Rest) {
        let facts = facts_of(&self.memory, Kind::Scope, key);
        let Some(closed) = self.memory.scopes.remove(key) else { return };
        let step = Step { time: at, severity: closed.severity, reason: rest.reason(&self.life) };
        self.outbox.resolve(&incident_key(key), step, facts);
        if let Some((next, positions)) = closed.continued(at).filter(|_| rest == Rest::Aged) {
            let step = Step { time: at, severity: next.severity, reason: "continues".to_owned() };
            self.memory.scopes.insert(key, next);
            self.say_opened(Kind::Scope, key, step, positions);
            return;
        }
        for key_of_group in self.memory.groups_of(key) {
            let Some(group) = self.memory.groups.get_mut(&key_of_group) else { continue };
            group.release(key, at);
            self.tell_waiting_if_open(&key_of_group, at);
            self.look_after(Kind::Group, &key_of_group);
        }
    }

    /// A symptom that fires or occurred.
    fn take_symptom(&mut self, symptom: &Happening) {
        let (time, position, severity) = (symptom.time, symptom.position, symptom.severity);
        let is_explained = self.memory.scopes.get(&symptom.scope).is_some();
        if self.memory.groups.get(&symptom.key).is_none() {
            self.make_room(time);
            self.memory.groups.insert(&symptom.key, Group::default());
        }
        let Some(group) = self.memory.groups.get_mut(&symptom.key) else { return };
        if group.take(symptom, is_explained) {
            if is_explained {
                self.record(&symptom.scope, time, position, severity);
            } else {
                self.tell_waiting_if_open(&symptom.key, time);
            }
        }
        self.look_after(Kind::Group, &symptom.key);
    }

    /// In a group whose incident is open nothing waits.
    fn tell_waiting_if_open(&mut self, key: &str, time: i64) {
        let Some(group) = self.memory.groups.get_mut(key).filter(|group| group.incident.is_some()) else { return };
        let told = group.tell_waiting();
        for (position, worst) in told {
            let Some(incident) = self.memory.groups.get_mut(key).and_then(|group| group.incident.as_mut()) else {
                return;
            };
            let rose = incident.join(worst);
            let growth = Growth { time, severity: incident.severity, rose, position, is_new: true };
            if incident.gains.add(&growth, incident.opened) {
                self.say(Kind::Group, key);
            }
        }
    }

    fn resolve_symptom(&mut self, symptom: &Happening) {
        if self.memory.groups.get(&symptom.key).is_some_and(|group| group.fires(symptom.fingerprint))
            && let Some(group) = self.memory.groups.get_mut(&symptom.key)
        {
            group.resolve(symptom.fingerprint, symptom.time);
            self.look_after(Kind::Group, &symptom.key);
        }
    }

    /// What time brings to a group: its symptoms waited long enough, or its incident ends.
    fn turn_group(&mut self, key: &str, at: i64) {
        let next = self.memory.groups.get(key).and_then(|group| group.next(self.hold_millis, &self.life));
        match next {
            Some(NextOfGroup::Say { .. }) => self.say(Kind::Group, key),
            Some(NextOfGroup::Open { .. }) => self.open_group(key, at),
            Some(NextOfGroup::End { rest, .. }) => {
                let reason = rest.reason(&self.life);
                self.close_group(key, at, reason);
                let Some(group) = self.memory.groups.get_mut(key) else { return };
                if rest == Rest::Aged && group.has_told() {
                    self.reopen_group(key, at);
                } else {
                    group.forget_told();
                }
            }
            None => {}
        }
    }

    fn open_group(&mut self, key: &str, at: i64) {
        let Some(group) = self.memory.groups.get_mut(key) else { return };
        let reason = format!("no cause within {}", format_duration(self.hold_millis));
        let positions = group.open(at);
        self.say_group_opened(key, at, reason, positions);
    }

    fn reopen_group(&mut self, key: &str, at: i64) {
        let Some(group) = self.memory.groups.get_mut(key) else { return };
        let positions = group.open_anew(at);
        self.say_group_opened(key, at, "continues".to_owned(), positions);
    }

    fn say_group_opened(&mut self, key: &str, time: i64, reason: String, positions: Vec<u64>) {
        let incident = self.memory.groups.get(key).and_then(|group| group.incident.as_ref());
        let severity = incident.map_or(Severity::Info, |incident| incident.severity);
        self.say_opened(Kind::Group, key, Step { time, severity, reason }, positions);
    }

    /// Says that the incident of a group is over, if there is one.
    fn close_group(&mut self, key: &str, time: i64, reason: String) {
        self.say(Kind::Group, key);
        let facts = facts_of(&self.memory, Kind::Group, key);
        let Some(closed) = self.memory.groups.get_mut(key).and_then(|group| group.incident.take()) else { return };
        self.outbox.resolve(key, Step { time, severity: closed.severity, reason }, facts);
    }

    fn make_room(&mut self, time: i64) {
        if let Some(oldest) = self.memory.surplus_group() {
            self.close_group(&oldest, time, "pushed out by other groups".to_owned());
            self.memory.groups.remove(&oldest);
        }
    }
}

orion_plugin::correlator!(Suppression);

#[cfg(test)]
mod tests;
