//! Topology once more, plainly: lists of regions, and a path through the map searched for every question.

use std::collections::{BTreeMap, BTreeSet};

use orion_plugin::testing::{Cut, ToldEvent};
use orion_plugin::{Scalar, Severity, Status};

use super::NEEDS;

type Outline = ((i64, Option<i64>, Vec<u64>, Severity), Option<Scalar>);

#[derive(Clone)]
struct Region {
    key: String,
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
    fn end(&self, idle: i64, max: i64) -> (i64, bool) {
        let aged = self.opened + max;
        let quiet =
            self.occurred.values().map(|(time, _)| time + idle).max().unwrap_or(self.resolved).max(self.resolved);
        if !self.firing.is_empty() || quiet > aged { (aged, true) } else { (quiet, false) }
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
        self.positions.push(event.position);
    }
}

/// What is to be said, in the order of keys.
pub(super) fn stories(events: &[(ToldEvent, Cut)], idle: i64, max: i64, end: i64) -> Vec<Outline> {
    let (mut regions, mut closed): (Vec<Region>, Vec<(String, Outline)>) = (Vec::new(), Vec::new());
    for (told, _) in events {
        let node = told.labels[0].1.clone();
        let time = told.event.timestamp;
        let home = regions.iter().position(|region| region.nodes.contains(&node));
        let relates = |region: &Region| region.nodes.iter().any(|other| needs(&node, other) || needs(other, &node));
        let around = |regions: &[Region]| match regions.iter().position(|region| region.nodes.contains(&node)) {
            Some(home) => vec![regions[home].key.clone()],
            None => regions.iter().filter(|region| relates(region)).map(|region| region.key.clone()).collect(),
        };
        if told.event.status == Status::Resolved {
            let Some(home) = home else { continue };
            let key = regions[home].key.clone();
            pass(&mut regions, &mut closed, std::slice::from_ref(&key), time, idle, max);
            let region = regions.iter_mut().find(|region| region.key == key);
            if let Some(region) = region
                && region.firing.remove(&node).is_some()
            {
                region.resolved = region.resolved.max(time);
            }
            pass(&mut regions, &mut closed, &[key], time, idle, max);
            continue;
        }
        let before = around(&regions);
        pass(&mut regions, &mut closed, &before, time, idle, max);
        let mut touched: Vec<Region> = Vec::new();
        let around = around(&regions);
        regions.retain(|region| {
            let touches = around.contains(&region.key);
            touched.extend(touches.then(|| region.clone()));
            !touches
        });
        touched.sort_by_key(|region| (region.opened, region.key.clone()));
        let mut touched = touched.into_iter();
        let mut region = touched.next().unwrap_or_else(|| Region {
            key: node.clone(),
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
            closed.push(other.outline(Some(time)));
            let live = other.firing.values().map(|(position, _)| *position);
            region.positions.extend(live.chain(other.occurred.values().map(|(_, position)| *position)));
            region.severity = region.severity.max(other.severity);
            region.resolved = region.resolved.max(other.resolved);
            region.firing.extend(other.firing);
            region.occurred.extend(other.occurred);
            region.nodes.extend(other.nodes);
            region.onsets.extend(other.onsets);
            region.severities.extend(other.severities);
            region.counts.extend(other.counts);
        }
        while regions.iter().any(|other| other.key == region.key) {
            region.key.push('\'');
        }
        region.fires_or_occurs(&node, told);
        regions.push(region);
    }
    let all: Vec<_> = regions.iter().map(|region| region.key.clone()).collect();
    pass(&mut regions, &mut closed, &all, end, idle, max);
    closed.extend(regions.iter().map(|region| region.outline(None)));
    closed.sort_by(|(a, _), (b, _)| a.cmp(b));
    closed.into_iter().map(|(_, outline)| outline).collect()
}

fn pass(
    regions: &mut Vec<Region>,
    closed: &mut Vec<(String, Outline)>,
    keys: &[String],
    until: i64,
    idle: i64,
    max: i64,
) {
    for key in keys {
        while let Some(index) = regions.iter().position(|region| region.key == *key && region.end(idle, max).0 <= until)
        {
            let mut region = regions.remove(index);
            let (at, aged) = region.end(idle, max);
            closed.push(region.outline(Some(at)));
            if !aged || region.firing.is_empty() {
                continue;
            }
            let firing = region.firing.clone();
            region.nodes.retain(|node| firing.contains_key(node));
            region.onsets.retain(|node, _| firing.contains_key(node));
            region.severities.retain(|node, _| firing.contains_key(node));
            region.counts.retain(|node, _| firing.contains_key(node));
            region.occurred.clear();
            region.opened = at;
            region.resolved = i64::MIN;
            region.positions = firing.values().map(|(position, _)| *position).collect();
            region.severity = firing.values().map(|(_, severity)| *severity).max().unwrap();
            regions.push(region);
        }
    }
}
