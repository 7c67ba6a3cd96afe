//! Which of the nodes that fail together is suspected to be the root, and why.
//!
//! Without weights the node comes first below which nothing fails; of several that which failed first, then the worst, then the
//! one with most events. With weights a node is suspected as far as it fails itself, and as far as that explains what needs it: of
//! a node that needs it and fails worse than it, only as much as it fails itself. So a cause with its symptoms stands before
//! each of them, and a trifle far below does not stand before what fails badly.

use std::cmp::Reverse;

use orion_plugin::{format_instant, format_number};

use crate::map::Map;
use crate::region::{Node, Region};

/// Nodes that an incident ranks in words.
const MOST_SUSPECTS: usize = 5;

/// What nodes are ranked by.
pub(crate) struct Court {
    /// Who needs whom; knows nobody where there is no map.
    pub(crate) map: Map,
    /// Whether events say how badly their nodes fail.
    pub(crate) is_weighed: bool,
}

impl Court {
    /// The nodes of a region, the most suspected first.
    pub(crate) fn ranking<'a>(&self, region: &'a Region) -> Vec<&'a str> {
        let rank = |name: &str, node: &Node| {
            // Numbers from zero on are in the order of their bits.
            let weight = if self.is_weighed { self.weight(region, name, node).to_bits() } else { 0 };
            let rests_on_failure = region.nodes.keys().any(|other| self.map.is_below(other, name));
            (Reverse(weight), rests_on_failure, node.onset, Reverse(node.severity), Reverse(node.events))
        };
        let mut ranked: Vec<_> = region.nodes.iter().map(|(name, node)| (rank(name, node), &**name)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, name)| name).collect()
    }

    /// How much of what fails a node explains, itself included.
    fn weight(&self, region: &Region, name: &str, node: &Node) -> f64 {
        let above = region.nodes.iter().filter(|(other, _)| ***other != *name && self.map.needs(other, name));
        above.fold(node.weight, |sum, (_, other)| sum + other.weight.min(node.weight))
    }

    /// Why a node stands where it does in the ranking.
    pub(crate) fn reasons(&self, region: &Region, name: &str) -> String {
        let Some(node) = region.nodes.get(name) else { return String::new() };
        let others = || region.nodes.keys().map(|other| &**other);
        let below: Vec<_> = others().filter(|other| self.map.is_below(other, name)).collect();
        let rests = match below.as_slice() {
            [] => "nothing it needs fails".to_owned(),
            below => format!("it needs {}", listed(below)),
        };
        let above: Vec<_> = others().filter(|other| self.map.is_below(name, other)).collect();
        let needed = match above.as_slice() {
            [] => String::new(),
            above => format!(", {} of {} others need it", above.len(), region.nodes.len() - 1),
        };
        let (onset, severity, events) = (format_instant(node.onset), node.severity.as_str(), node.events);
        let weighed = if self.is_weighed { self.weighed(region, name, node, &above) } else { String::new() };
        format!("{weighed}{rests}{needed}, failing since {onset}, {severity}, {events} events")
    }

    fn weighed(&self, region: &Region, name: &str, node: &Node, above: &[&str]) -> String {
        let own = format_number(node.weight);
        if above.is_empty() {
            return format!("fails by {own}, ");
        }
        let explained = format_number(self.weight(region, name, node) - node.weight);
        format!("fails by {own} and explains {explained} of {}, ", listed(above))
    }

    /// The most suspected nodes, and the reasons for them, in one text each.
    pub(crate) fn suspects(&self, region: &Region) -> (String, String) {
        let ranking = self.ranking(region);
        let told = |name: &&str| format!("{name}: {}", self.reasons(region, name));
        let reasons: Vec<_> = ranking.iter().take(MOST_SUSPECTS).map(told).collect();
        (listed(&ranking), reasons.join("; "))
    }
}

/// The first few of some names.
fn listed(names: &[&str]) -> String {
    let first = names.iter().take(MOST_SUSPECTS).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(MOST_SUSPECTS);
    if more > 0 { format!("{first} and {more} more") } else { first }
}
