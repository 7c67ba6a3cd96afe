//! Suppression once more, plainly: all events known and in order from the start, and everything scanned for what is due next.

use std::collections::BTreeMap;

use orion_plugin::testing::{Cut, ToldEvent};
use orion_plugin::{Severity, Status};

type Outline = (i64, Option<i64>, Vec<u64>, Severity);

#[derive(Clone, Default)]
struct Incident {
    opened: i64,
    positions: Vec<u64>,
    severity: Option<Severity>,
    occurred: Option<i64>,
    resolved: Option<i64>,
}

#[derive(Clone, PartialEq)]
enum State {
    WaitingSince(i64),
    Silenced,
    Told,
}

#[derive(Clone)]
struct Symptom {
    told: ToldEvent,
    group: String,
    node: String,
    state: State,
}

#[derive(Default)]
struct World {
    /// By node: the causes that fire.
    causes: BTreeMap<String, Vec<ToldEvent>>,
    symptoms: Vec<Symptom>,
    /// By key: a node's is "cause …".
    open: BTreeMap<String, Incident>,
    closed: Vec<(String, Outline)>,
    hold: i64,
    idle: i64,
    max: i64,
}

impl Incident {
    fn add(&mut self, told: &ToldEvent, time: i64) {
        self.severity = self.severity.max(Some(told.event.severity));
        self.positions.push(told.event.position);
        if told.event.status == Status::Occurred {
            self.occurred = self.occurred.max(Some(time));
        }
    }

    fn outline(&self, closed: Option<i64>) -> Outline {
        let mut positions = self.positions.clone();
        positions.sort_unstable();
        (self.opened, closed, positions, self.severity.unwrap())
    }
}

fn key_of(node: &str) -> String {
    format!("cause node={node:?}")
}

impl World {
    fn fires(&self, key: &str) -> Vec<ToldEvent> {
        let causes = self.causes.iter().filter(|(node, _)| key_of(node) == key).flat_map(|(_, causes)| causes.clone());
        let told = self.symptoms.iter().filter(|symptom| symptom.group == key && symptom.state == State::Told);
        causes.chain(told.map(|symptom| symptom.told.clone())).collect()
    }

    /// When each incident ends, and whether for its age.
    fn end(&self, key: &str, incident: &Incident) -> (i64, bool) {
        let aged = incident.opened + self.max;
        let quiet = incident.occurred.map(|time| time + self.idle).max(incident.resolved).unwrap_or(i64::MIN);
        if !self.fires(key).is_empty() || quiet > aged { (aged, true) } else { (quiet, false) }
    }

    /// What is due first: when, causes first, whose.
    fn due(&self, until: i64) -> Option<(i64, bool, String)> {
        let ends = self
            .open
            .iter()
            .map(|(key, incident)| (self.end(key, incident).0, !key.starts_with("cause "), key.clone()));
        let holds = self.symptoms.iter().filter_map(|symptom| match symptom.state {
            State::WaitingSince(since) => Some((since + self.hold, true, symptom.group.clone())),
            _ => None,
        });
        ends.chain(holds).filter(|(at, ..)| *at <= until).min()
    }

    fn pass(&mut self, until: i64) {
        while let Some((at, _, key)) = self.due(until) {
            match self.open.remove(&key) {
                Some(incident) => self.close(&key, &incident, at),
                None => self.tell(&key, at),
            }
        }
    }

    fn close(&mut self, key: &str, incident: &Incident, at: i64) {
        let (_, aged) = self.end(key, incident);
        self.closed.push((key.to_owned(), incident.outline(Some(at))));
        let fires = self.fires(key);
        if aged && !fires.is_empty() {
            let mut next = Incident { opened: at, ..Incident::default() };
            fires.iter().for_each(|told| next.add(told, at));
            self.open.insert(key.to_owned(), next);
            return;
        }
        self.causes.retain(|node, _| key_of(node) != key);
        for symptom in self.symptoms.iter_mut().filter(|symptom| key_of(&symptom.node) == key) {
            if symptom.state == State::Silenced {
                symptom.state = State::WaitingSince(at);
            }
        }
        let open: Vec<_> = self.open.keys().cloned().collect();
        open.iter().for_each(|group| self.tell(group, at));
    }

    /// All that waits in a group goes into its incident, which opens now if there is none.
    fn tell(&mut self, group: &str, at: i64) {
        let waits = |symptom: &Symptom| symptom.group == group && matches!(symptom.state, State::WaitingSince(_));
        if !self.symptoms.iter().any(waits) {
            return;
        }
        let incident = self.open.entry(group.to_owned()).or_insert(Incident { opened: at, ..Incident::default() });
        for symptom in self.symptoms.iter_mut().filter(|symptom| waits(symptom)) {
            incident.add(&symptom.told, symptom.told.event.timestamp);
            symptom.state = State::Told;
        }
        self.symptoms.retain(|symptom| symptom.state != State::Told || symptom.told.event.status == Status::Firing);
    }

    fn take(&mut self, told: &ToldEvent) {
        let (time, fingerprint) = (told.event.timestamp, told.event.fingerprint);
        let node = told.labels[0].1.clone();
        let is_cause = told.event_type == "node_down";
        let key = if is_cause { key_of(&node) } else { told.event.key.clone() };
        let of_alert = |other: &ToldEvent| other.event.fingerprint == fingerprint;
        match (is_cause, told.event.status) {
            (true, Status::Resolved) => {
                let causes = self.causes.entry(node).or_default();
                let before = causes.len();
                causes.retain(|cause| !of_alert(cause));
                if causes.len() < before {
                    let incident = self.open.get_mut(&key).unwrap();
                    incident.resolved = incident.resolved.max(Some(time));
                }
            }
            (true, status) => {
                let causes = self.causes.entry(node.clone()).or_default();
                let is_known = status == Status::Firing && causes.iter().any(of_alert);
                if status == Status::Firing && !is_known {
                    causes.push(told.clone());
                }
                let is_new = !self.open.contains_key(&key);
                let incident = self.open.entry(key).or_insert(Incident { opened: time, ..Incident::default() });
                // An alert that fires already is told of only when it makes the incident worse.
                if !is_known || Some(told.event.severity) > incident.severity {
                    incident.add(told, time);
                }
                if is_new {
                    self.silence(&node);
                }
            }
            (false, Status::Resolved) => {
                let is_it = |symptom: &Symptom| {
                    symptom.group == key && of_alert(&symptom.told) && symptom.told.event.status == Status::Firing
                };
                let was_told = self.symptoms.iter().any(|symptom| is_it(symptom) && symptom.state == State::Told);
                self.symptoms.retain(|symptom| !is_it(symptom));
                if was_told {
                    let incident = self.open.get_mut(&key).unwrap();
                    incident.resolved = incident.resolved.max(Some(time));
                }
            }
            (false, status) => {
                let fires = |symptom: &Symptom| {
                    symptom.group == key && of_alert(&symptom.told) && symptom.told.event.status == Status::Firing
                };
                if status == Status::Firing && self.symptoms.iter().any(fires) {
                    return;
                }
                let state = State::WaitingSince(time);
                self.symptoms.push(Symptom { told: told.clone(), group: key.clone(), node: node.clone(), state });
                if self.open.contains_key(&key_of(&node)) {
                    self.silence(&node);
                } else if self.open.contains_key(&key) {
                    self.tell(&key, time);
                }
            }
        }
    }

    /// What waits at a node is explained.
    fn silence(&mut self, node: &str) {
        let incident = self.open.get_mut(&key_of(node)).unwrap();
        for symptom in self.symptoms.iter_mut().filter(|symptom| symptom.node == node) {
            if matches!(symptom.state, State::WaitingSince(_)) {
                symptom.state = State::Silenced;
                incident.severity = incident.severity.max(Some(symptom.told.event.severity));
                incident.positions.push(symptom.told.event.position);
            }
        }
        self.symptoms.retain(|symptom| symptom.state != State::Silenced || symptom.told.event.status == Status::Firing);
    }
}

/// What is to be said, in the order of keys.
pub(super) fn stories(events: &[(ToldEvent, Cut)], hold: i64, idle: i64, max: i64, end: i64) -> Vec<(String, Outline)> {
    let mut world = World { hold, idle, max, ..World::default() };
    let mut sorted: Vec<_> = events.iter().map(|(told, _)| told).collect();
    sorted.sort_by_key(|told| (told.event.timestamp, told.event_type != "node_down", told.event.position));
    for told in sorted {
        world.pass(told.event.timestamp);
        world.take(told);
    }
    world.pass(end);
    let open = world.open.iter().map(|(key, incident)| (key.clone(), incident.outline(None)));
    let mut all: Vec<_> = world.closed.iter().cloned().chain(open).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}
