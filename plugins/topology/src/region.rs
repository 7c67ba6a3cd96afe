//! Nodes that fail together: an incident, or too few of them for one yet.

use std::collections::BTreeMap;

use orion_plugin::pattern::{Few, Gains, Life, Live, Rest};
use orion_plugin::{Severity, Stored};

/// Alerts of a node whose end is waited for. With more, nobody waits for the further ones.
const MOST_LIVE: usize = 1_000;

/// Nodes that fail together. An incident when there are enough of them.
#[derive(Clone)]
pub(crate) struct Region {
    /// The group of the events: a region never reaches beyond it.
    pub(crate) scope: Box<str>,
    /// Whether there is an incident of it.
    pub(crate) is_said: bool,
    pub(crate) opened: i64,
    pub(crate) severity: Severity,
    pub(crate) events: u64,
    /// All that failed since it opened, also what does not any more: a cause may recover before its symptoms.
    pub(crate) nodes: BTreeMap<Box<str>, Node>,
    pub(crate) root: Box<str>,
    /// When the last alert was resolved.
    pub(crate) resolved: i64,
    /// What nobody has been told yet.
    pub(crate) gains: Gains,
}

/// What is known of a node that fails.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) onset: i64,
    pub(crate) severity: Severity,
    pub(crate) events: u64,
    /// How badly it fails: the most that an event of it said.
    pub(crate) weight: f64,
    live: Few<Live>,
    /// The latest event that was new: time and position.
    latest: (i64, u64),
    /// The latest thing of one moment.
    occurred: Option<(i64, u64)>,
}

/// An event, as far as a region has to do with it.
#[derive(Clone, Copy)]
pub(crate) struct Blow {
    pub(crate) time: i64,
    pub(crate) position: u64,
    pub(crate) fingerprint: u64,
    pub(crate) severity: Severity,
    pub(crate) fires: bool,
    pub(crate) weight: f64,
}

/// What time brings to a region.
#[derive(Clone, Copy)]
pub(crate) enum Next {
    /// What it gained is to be said.
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

/// How a region ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There were never enough for an incident.
    Forgotten,
    /// As any incident that waits for its alerts.
    Rests(Rest),
}

impl Region {
    pub(crate) fn new(scope: &str, node: &str, blow: Blow) -> Self {
        let (opened, severity) = (blow.time, blow.severity);
        let mut region = Self {
            scope: scope.into(),
            is_said: false,
            opened,
            severity,
            events: 0,
            nodes: BTreeMap::new(),
            root: node.into(),
            resolved: i64::MIN,
            gains: Gains::default(),
        };
        region.strike(node, blow);
        region
    }

    /// Takes an event of a node. Whether it is one that the region did not have.
    pub(crate) fn strike(&mut self, node: &str, blow: Blow) -> bool {
        self.severity = self.severity.max(blow.severity);
        if !self.nodes.contains_key(node) {
            self.nodes.insert(node.into(), Node::new(blow));
        }
        let is_new = self.nodes.get_mut(node).is_some_and(|known| known.strike(blow));
        self.events += u64::from(is_new);
        is_new
    }

    /// The end of an alert. Whether it changed anything.
    pub(crate) fn resolve(&mut self, node: &str, fingerprint: u64, time: i64) -> bool {
        let Some(known) = self.nodes.get_mut(node).filter(|known| known.fires(fingerprint)) else { return false };
        known.live.retain(|live| live.fingerprint != fingerprint);
        self.resolved = self.resolved.max(time);
        true
    }

    pub(crate) fn fires(&self, node: &str, fingerprint: u64) -> bool {
        self.nodes.get(node).is_some_and(|known| known.fires(fingerprint))
    }

    /// Takes over what another region has. Returns the positions of what still counts there.
    pub(crate) fn absorb(&mut self, other: Self) -> Vec<u64> {
        let positions = other.positions();
        self.severity = self.severity.max(other.severity);
        self.events += other.events;
        self.resolved = self.resolved.max(other.resolved);
        self.nodes.extend(other.nodes);
        positions
    }

    /// Bus positions of the alerts that fire and of the latest things of one moment; before it is an incident also of what
    /// was over by then.
    pub(crate) fn positions(&self) -> Vec<u64> {
        let of_node = |node: &Node| {
            let live: Vec<_> = node.live.iter().map(|live| live.position).collect();
            let latest = (!self.is_said).then_some(node.latest.1);
            live.into_iter().chain(node.occurred.map(|(_, position)| position)).chain(latest).collect::<Vec<_>>()
        };
        let mut positions: Vec<_> = self.nodes.values().flat_map(of_node).collect();
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// What happens to it if nothing more comes. At one instant what was gained is said first: it is part of what ends.
    pub(crate) fn next(&self, life: &Life) -> Next {
        let (at, end) = self.end(life);
        let due = self.gains.due().filter(|due| self.is_said && *due <= at);
        due.map_or(Next::End { at, end }, |at| Next::Say { at })
    }

    /// When and how it ends.
    fn end(&self, life: &Life) -> (i64, End) {
        if !self.is_said {
            let latest = self.nodes.values().map(|node| node.latest.0).max().unwrap_or(self.opened);
            return (latest.saturating_add(life.window_millis), End::Forgotten);
        }
        let fires = self.nodes.values().any(|node| !node.live.is_empty());
        let occurred = self.nodes.values().filter_map(|node| node.occurred).map(|(time, _)| time).max();
        let (at, rest) = Rest::of(self.opened, fires, occurred, self.resolved, life);
        (at, End::Rests(rest))
    }

    /// What is left of it when it was closed for its age: the nodes that fail, with the alerts that fire.
    pub(crate) fn continued(mut self, time: i64) -> Option<(Self, Vec<u64>)> {
        self.nodes.retain(|_, node| !node.live.is_empty());
        self.nodes.values_mut().for_each(|node| node.occurred = None);
        let positions = self.positions();
        let live = self.nodes.values().flat_map(|node| node.live.iter());
        self.severity = live.map(|live| live.severity).max()?;
        self.events = positions.len() as u64;
        (self.opened, self.gains, self.resolved) = (time, Gains::default(), i64::MIN);
        Some((self, positions))
    }

    /// Before it is an incident: lets go of nodes that began to fail too long ago to be of one with what fails now.
    pub(crate) fn prune(&mut self, time: i64, window_millis: i64) -> Vec<Box<str>> {
        let is_old = |node: &Node| node.latest.0.saturating_add(window_millis) <= time;
        let old: Vec<_> = self.nodes.iter().filter(|(_, node)| is_old(node)).map(|(name, _)| name.clone()).collect();
        old.iter().for_each(|name| drop(self.nodes.remove(name)));
        if !old.is_empty() {
            self.count();
        }
        old
    }

    /// It is an incident from now on.
    pub(crate) fn announce(&mut self, time: i64) {
        (self.is_said, self.opened, self.gains) = (true, time, Gains::default());
    }

    /// How bad it is and how many events it has, by the nodes that are left.
    fn count(&mut self) {
        self.severity = self.nodes.values().map(|node| node.severity).max().unwrap_or(self.severity);
        self.events = self.nodes.values().map(|node| node.events).sum();
    }

    /// How many of its nodes fail now.
    pub(crate) fn failing(&self) -> usize {
        self.nodes.values().filter(|node| !node.live.is_empty() || node.occurred.is_some()).count()
    }
}

impl Node {
    fn new(blow: Blow) -> Self {
        Self {
            onset: blow.time,
            severity: blow.severity,
            events: 0,
            weight: 0.0,
            live: Few::None,
            latest: (blow.time, blow.position),
            occurred: None,
        }
    }

    fn fires(&self, fingerprint: u64) -> bool {
        self.live.iter().any(|live| live.fingerprint == fingerprint)
    }

    fn strike(&mut self, blow: Blow) -> bool {
        let Blow { time, position, fingerprint, severity, fires, weight } = blow;
        self.onset = self.onset.min(time);
        self.weight = self.weight.max(weight);
        self.severity = self.severity.max(severity);
        if !fires {
            self.occurred = self.occurred.max(Some((time, position)));
        } else if let Some(known) = self.live.iter_mut().find(|live| live.fingerprint == fingerprint) {
            known.severity = known.severity.max(severity);
            return false;
        } else if self.live.len() < MOST_LIVE {
            self.live.push(Live { fingerprint, position, severity });
        }
        self.latest = self.latest.max((time, position));
        self.events += 1;
        true
    }
}

impl Stored for Node {
    fn write(&self, out: &mut Vec<u8>) {
        self.onset.write(out);
        self.severity.write(out);
        self.events.write(out);
        self.weight.write(out);
        self.live.write(out);
        self.latest.write(out);
        self.occurred.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            onset: i64::read(from)?,
            severity: Severity::read(from)?,
            events: u64::read(from)?,
            weight: f64::read(from)?,
            live: Few::read(from)?,
            latest: Stored::read(from)?,
            occurred: Option::read(from)?,
        })
    }
}

impl Stored for Region {
    fn write(&self, out: &mut Vec<u8>) {
        self.scope.write(out);
        self.is_said.write(out);
        self.opened.write(out);
        self.severity.write(out);
        self.events.write(out);
        self.root.write(out);
        self.resolved.write(out);
        self.gains.write(out);
        for (name, node) in &self.nodes {
            name.write(out);
            node.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut region = Self {
            scope: Box::read(from)?,
            is_said: bool::read(from)?,
            opened: i64::read(from)?,
            severity: Severity::read(from)?,
            events: u64::read(from)?,
            root: Box::read(from)?,
            resolved: i64::read(from)?,
            gains: Gains::read(from)?,
            nodes: BTreeMap::new(),
        };
        while !from.is_empty() {
            region.nodes.insert(Box::read(from)?, Node::read(from)?);
        }
        Some(region)
    }
}
