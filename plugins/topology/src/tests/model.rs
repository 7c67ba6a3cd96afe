//! Topology once more, plainly: lists of regions, and a path through the map searched for every question.

use std::collections::{BTreeMap, BTreeSet};

use orion_plugin::testing::{Cut, ToldEvent};
use orion_plugin::{Scalar, Severity, Status};

use super::NEEDS;

/// What the correlation says.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) idle: i64,
    pub(super) max: i64,
    pub(super) window: i64,
    pub(super) least: usize,
    pub(super) joins_all: bool,
}

type Outline = ((i64, Option<i64>, Vec<u64>, Severity), Option<Scalar>);

#[derive(Clone)]
struct Region {
    key: String,
    is_said: bool,
    /// The latest new event of a node.
    latest: BTreeMap<String, (i64, u64)>,
    opened: i64,
    /// Nodes and the positions of their alerts that fire.
    firing: BTreeMap<String, (u64, Severity)>,
    /// Latest thing of one moment of a node: time and position.
    occurred: BTreeMap<String, (i64, u64)>,
    resolved: i64,
    nodes: BTreeSet<String>,
    onsets: BTreeMap<String, i64>,
    severities: BTreeMap<String, Severity>,
    counts: BTreeMap<String, usize>,
    positions: Vec<u64>,
    severity: Severity,
}

fn needs(node: &str, other: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![node]);
    while let Some(at) = open.pop() {
        for (_, needed) in NEEDS.iter().filter(|(from, _)| *from == at) {
            if *needed == other {
                return true;
            }
            open.extend(seen.insert(*needed).then_some(*needed));
        }
    }
    false
}

impl Region {
    fn end(&self, terms: Terms) -> (i64, bool) {
        let Terms { idle, max, .. } = terms;
        if !self.is_said {
            return (self.latest.values().map(|(time, _)| *time).max().unwrap() + terms.window, false);
        }
        let aged = self.opened + max;
        let quiet =
            self.occurred.values().map(|(time, _)| time + idle).max().unwrap_or(self.resolved).max(self.resolved);
        if !self.firing.is_empty() || quiet > aged { (aged, true) } else { (quiet, false) }
    }

    fn forget(&mut self, node: &str) {
        self.firing.remove(node);
        self.occurred.remove(node);
        self.nodes.remove(node);
        self.onsets.remove(node);
        self.severities.remove(node);
        self.counts.remove(node);
        self.latest.remove(node);
    }

    /// Nodes that do not count any more where it is no incident.
    fn prune(&mut self, time: i64, window: i64) {
        let old: Vec<_> =
            self.latest.iter().filter(|(_, (at, _))| at + window <= time).map(|(node, _)| node.clone()).collect();
        if !self.is_said && !old.is_empty() {
            old.iter().for_each(|node| self.forget(node));
            self.severity = *self.severities.values().max().unwrap();
        }
    }

    /// What counts now: what is live, the latest things of one moment, and before it is an incident the latest of each node.
    fn counted(&self) -> Vec<u64> {
        let live = self.firing.values().map(|(position, _)| *position);
        let occurred = self.occurred.values().map(|(_, position)| *position);
        let latest = self.latest.values().filter(|_| !self.is_said).map(|(_, position)| *position);
        let counted: BTreeSet<_> = live.chain(occurred).chain(latest).collect();
        counted.into_iter().collect()
    }

    fn root(&self) -> String {
        let rank = |node: &String| {
            let rests = self.nodes.iter().any(|other| needs(node, other));
            let (onset, severity, count) = (self.onsets[node], self.severities[node], self.counts[node]);
            (rests, onset, std::cmp::Reverse(severity), std::cmp::Reverse(count), node.clone())
        };
        self.nodes.iter().min_by_key(|node| rank(node)).unwrap().clone()
    }

    fn outline(&self, closed: Option<i64>) -> (String, Outline) {
        let mut positions = self.positions.clone();
        positions.sort_unstable();
        let outline = (self.opened, closed, positions, self.severity);
        (self.key.clone(), (outline, Some(Scalar::Text(self.root()))))
    }

    fn fires_or_occurs(&mut self, node: &str, told: &ToldEvent) {
        let event = &told.event;
        self.nodes.insert(node.to_owned());
        let rose = event.severity > self.severity;
        self.severity = self.severity.max(event.severity);
        let onset = self.onsets.entry(node.to_owned()).or_insert(event.timestamp);
        *onset = event.timestamp.min(*onset);
        let severity = self.severities.entry(node.to_owned()).or_insert(event.severity);
        *severity = event.severity.max(*severity);
        let count = self.counts.entry(node.to_owned()).or_default();
        match (event.status, self.firing.get_mut(node)) {
            (Status::Firing, Some((_, known))) => {
                *known = event.severity.max(*known);
                // Only a rise of the incident's severity is told of an alert that fires already.
                self.positions.extend(rose.then_some(event.position));
                return;
            }
            (Status::Firing, None) => {
                self.firing.insert(node.to_owned(), (event.position, event.severity));
            }
            _ => {
                let latest = (event.timestamp, event.position);
                let known = self.occurred.entry(node.to_owned()).or_insert(latest);
                *known = latest.max(*known);
            }
        }
        *count += 1;
        let latest = self.latest.entry(node.to_owned()).or_insert((event.timestamp, event.position));
        *latest = (event.timestamp, event.position).max(*latest);
        self.positions.push(event.position);
    }
}

/// What is to be said, in the order of keys.
pub(super) fn stories(events: &[(ToldEvent, Cut)], terms: Terms, end: i64) -> Vec<Outline> {
    let (mut regions, mut closed): (Vec<Region>, Vec<(String, Outline)>) = (Vec::new(), Vec::new());
    for (told, _) in events {
        let node = told.labels[0].1.clone();
        let time = told.event.timestamp;
        let home = regions.iter().position(|region| region.nodes.contains(&node));
        let relates = |region: &Region| {
            terms.joins_all || region.nodes.iter().any(|other| needs(&node, other) || needs(other, &node))
        };
        let around = |regions: &[Region]| match regions.iter().position(|region| region.nodes.contains(&node)) {
            Some(home) => vec![regions[home].key.clone()],
            None => regions.iter().filter(|region| relates(region)).map(|region| region.key.clone()).collect(),
        };
        if told.event.status == Status::Resolved {
            let Some(home) = home else { continue };
            let key = regions[home].key.clone();
            pass(&mut regions, &mut closed, std::slice::from_ref(&key), time, terms);
            let region = regions.iter_mut().find(|region| region.key == key);
            if let Some(region) = region
                && region.firing.remove(&node).is_some()
            {
                region.resolved = region.resolved.max(time);
            }
            pass(&mut regions, &mut closed, &[key], time, terms);
            continue;
        }
        let before = around(&regions);
        pass(&mut regions, &mut closed, &before, time, terms);
        regions
            .iter_mut()
            .filter(|region| before.contains(&region.key))
            .for_each(|region| region.prune(time, terms.window));
        let mut touched: Vec<Region> = Vec::new();
        let around = around(&regions);
        regions.retain(|region| {
            let touches = around.contains(&region.key);
            touched.extend(touches.then(|| region.clone()));
            !touches
        });
        touched.sort_by_key(|region| (!region.is_said, region.opened, region.key.clone()));
        let mut touched = touched.into_iter();
        let mut region = touched.next().unwrap_or_else(|| Region {
            key: node.clone(),
            is_said: false,
            latest: BTreeMap::new(),
            opened: time,
            firing: BTreeMap::new(),
            occurred: BTreeMap::new(),
            resolved: i64::MIN,
            nodes: BTreeSet::new(),
            onsets: BTreeMap::new(),
            severities: BTreeMap::new(),
            counts: BTreeMap::new(),
            positions: Vec::new(),
            severity: Severity::Info,
        });
        for other in touched {
            closed.extend(other.is_said.then(|| other.outline(Some(time))));
            region.positions.extend(other.counted());
            region.latest.extend(other.latest);
            region.severity = region.severity.max(other.severity);
            region.resolved = region.resolved.max(other.resolved);
            region.firing.extend(other.firing);
            region.occurred.extend(other.occurred);
            region.nodes.extend(other.nodes);
            region.onsets.extend(other.onsets);
            region.severities.extend(other.severities);
            region.counts.extend(other.counts);
        }
        loop {
            pass(&mut regions, &mut closed, std::slice::from_ref(&region.key), time, terms);
            if regions.iter().all(|other| other.key != region.key) {
                break;
            }
            region.key.push('\'');
        }
        region.fires_or_occurs(&node, told);
        if !region.is_said && region.nodes.len() >= terms.least {
            (region.positions, region.opened) = (region.counted(), time);
            region.is_said = true;
        }
        regions.push(region);
    }
    let all: Vec<_> = regions.iter().map(|region| region.key.clone()).collect();
    pass(&mut regions, &mut closed, &all, end, terms);
    closed.extend(regions.iter().filter(|region| region.is_said).map(|region| region.outline(None)));
    closed.sort_by(|(a, _), (b, _)| a.cmp(b));
    closed.into_iter().map(|(_, outline)| outline).collect()
}

fn pass(regions: &mut Vec<Region>, closed: &mut Vec<(String, Outline)>, keys: &[String], until: i64, terms: Terms) {
    for key in keys {
        while let Some(index) = regions.iter().position(|region| region.key == *key && region.end(terms).0 <= until) {
            let mut region = regions.remove(index);
            let (at, aged) = region.end(terms);
            closed.extend(region.is_said.then(|| region.outline(Some(at))));
            if !aged || region.firing.is_empty() {
                continue;
            }
            let firing = region.firing.clone();
            let over: Vec<_> = region.nodes.iter().filter(|node| !firing.contains_key(*node)).cloned().collect();
            over.iter().for_each(|node| region.forget(node));
            region.occurred.clear();
            region.opened = at;
            region.resolved = i64::MIN;
            region.positions = firing.values().map(|(position, _)| *position).collect();
            region.severity = firing.values().map(|(_, severity)| *severity).max().unwrap();
            regions.push(region);
        }
    }
}
