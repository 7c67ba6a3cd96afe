//! The server's side of the leases without a server: what the scripts mean, as plainly as it can be said.
//!
//! Time is left out. That a host was not heard of for too long is something that happens to it ([`Server::expire`]), at any
//! moment a test likes.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{Alive, Answer, Incarnation};
use super::{Node, Partitions, Token};
use crate::partition::{Partition, Role};

/// What a server knows of leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Server {
    pub(super) epoch: u64,
    nodes: BTreeMap<String, Listed>,
    leases: BTreeMap<Partition, (String, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Listed {
    incarnation: u64,
    roles: BTreeSet<Role>,
    is_live: bool,
}

impl Server {
    /// A tick at this time of the server.
    pub(super) fn tick(
        &mut self,
        now: u64,
        node: &str,
        incarnation: Option<Incarnation>,
        roles: &BTreeSet<Role>,
    ) -> Answer {
        let listed = self.nodes.get(node);
        let known = listed.map(|listed| listed.incarnation);
        let is_older = incarnation.is_some_and(|mine| known.is_some_and(|known| known > mine.0));
        if is_older && listed.is_some_and(|listed| listed.is_live) {
            return Answer::Replaced;
        }
        let incarnation = incarnation.filter(|_| !is_older);
        let last = self.epoch.max(known.unwrap_or(0)).max(incarnation.map_or(0, |mine| mine.0));
        let mut epoch = Epoch { of: now.max(last + 1), is_used: false };
        let incarnation = incarnation.map_or_else(|| epoch.take(), |incarnation| incarnation.0);
        self.nodes.insert(node.to_owned(), Listed { incarnation, roles: roles.clone(), is_live: true });
        let is_live = |holder: &str| self.nodes.get(holder).is_some_and(|listed| listed.is_live);
        let is_same_process = known == Some(incarnation);
        self.leases.retain(|_, (holder, _)| is_live(holder) && (holder != node || is_same_process));
        let mut surplus = Vec::new();
        for role in Role::ALL {
            surplus.extend(self.take_share(node, role, &mut epoch));
        }
        if epoch.is_used {
            self.epoch = epoch.of;
        }
        Answer::Alive(Alive {
            incarnation: Incarnation(incarnation),
            server_millis: i64::try_from(now).unwrap(),
            partitions: self.tokens().into_iter().filter(|(partition, _)| self.leases[partition].0 == node).collect(),
            surplus,
            free: Role::ALL.map(|role| (role, self.free(role).count().try_into().unwrap())).into(),
            nodes: self.nodes(),
        })
    }

    /// Takes what is free and due, and says what is held beyond that.
    fn take_share(&mut self, node: &str, role: Role, epoch: &mut Epoch) -> Vec<Partition> {
        let due = shares(role.partitions(), &self.sharers(role)).get(node).copied().unwrap_or(0);
        let missing = due.saturating_sub(self.held(node, role).len());
        for partition in self.free(role).take(missing).collect::<Vec<_>>() {
            self.leases.insert(partition, (node.to_owned(), epoch.take()));
        }
        self.held(node, role).split_off(due.min(self.held(node, role).len()))
    }

    fn held(&self, node: &str, role: Role) -> Vec<Partition> {
        Partition::all(role)
            .filter(|partition| self.leases.get(partition).is_some_and(|(holder, _)| holder == node))
            .collect()
    }

    fn free(&self, role: Role) -> impl Iterator<Item = Partition> {
        Partition::all(role).filter(|partition| !self.leases.contains_key(partition))
    }

    /// Who shares the work of a role, and how much of it each has.
    fn sharers(&self, role: Role) -> BTreeMap<&str, usize> {
        let sharing = self.nodes.iter().filter(|(_, listed)| listed.is_live && listed.roles.contains(&role));
        sharing.map(|(node, _)| (node.as_str(), self.held(node, role).len())).collect()
    }

    fn nodes(&self) -> Vec<Node> {
        let node = |(name, listed): (&String, &Listed)| Node {
            name: name.clone(),
            roles: listed.roles.clone(),
            is_live: listed.is_live,
            seen_millis: 0,
            watermark: String::new(),
            info: String::new(),
        };
        self.nodes.iter().map(node).collect()
    }

    pub(super) fn release(&mut self, leases: &Partitions) {
        let mine = self.tokens();
        self.leases.retain(|partition, _| leases.get(partition) != mine.get(partition));
    }

    pub(super) fn leave(&mut self, node: &str, incarnation: Incarnation) {
        if self.nodes.get(node).is_some_and(|listed| listed.incarnation == incarnation.0) {
            self.nodes.remove(node);
            self.leases.retain(|_, (holder, _)| holder != node);
        }
    }

    /// Nothing was heard of the node for too long.
    pub(super) fn expire(&mut self, node: &str) {
        if let Some(listed) = self.nodes.get_mut(node) {
            listed.is_live = false;
        }
    }

    /// Whether the server takes a process of this name for live that is not this one.
    pub(super) fn lives_without(&self, node: &str, incarnation: Option<Incarnation>) -> bool {
        let is_other = |listed: &Listed| listed.is_live && incarnation.is_none_or(|mine| listed.incarnation != mine.0);
        self.nodes.get(node).is_some_and(is_other)
    }

    /// Every lease with its token.
    pub(super) fn tokens(&self) -> Partitions {
        let token = |(node, epoch): &(String, u64)| Token::new(format!("{node}/{epoch}"));
        self.leases.iter().map(|(partition, lease)| (*partition, token(lease))).collect()
    }
}

/// The number of one tick, which counts only if something got it.
struct Epoch {
    of: u64,
    is_used: bool,
}

impl Epoch {
    fn take(&mut self) -> u64 {
        self.is_used = true;
        self.of
    }
}

/// How many partitions each of those who share them is due, given how many each has.
pub(super) fn shares<'a>(partitions: u16, sharers: &BTreeMap<&'a str, usize>) -> BTreeMap<&'a str, usize> {
    let Some(least) = usize::from(partitions).checked_div(sharers.len()) else { return BTreeMap::new() };
    let one_more = usize::from(partitions) % sharers.len();
    let mut by_right: Vec<_> = sharers.iter().map(|(node, has)| (*has <= least, *node)).collect();
    by_right.sort_unstable();
    by_right.into_iter().enumerate().map(|(at, (_, node))| (node, least + usize::from(at < one_more))).collect()
}

#[test]
fn shares_are_all_there_is_differ_by_one_and_move_nothing_that_need_not() {
    let due = |partitions, sharers: &[(&'static str, usize)]| {
        shares(partitions, &sharers.iter().copied().collect()).into_values().collect::<Vec<_>>()
    };
    assert!(due(64, &[]).is_empty());
    assert_eq!(due(64, &[("a", 0), ("b", 0), ("c", 0)]), [22, 21, 21]);
    assert_eq!(due(1, &[("a", 0), ("b", 1)]), [0, 1], "the one partition stays where it is");
    assert_eq!(due(64, &[("a", 0), ("b", 32), ("c", 32)]), [21, 22, 21]);
    assert_eq!(due(64, &[("a", 0), ("b", 21), ("c", 32)]), [21, 21, 22]);
    for hosts in 1..=7 {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let shares = due(64, &names[..hosts].iter().map(|name| (*name, 0)).collect::<Vec<_>>());
        assert_eq!(shares.iter().sum::<usize>(), 64);
        assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
    }
}
