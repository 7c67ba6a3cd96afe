//! What a host knows of its leases, and how that changes: no I/O, no clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::script::{Alive, Answer, Incarnation};
use super::{Held, Partitions, ServerTime};
use crate::partition::{Partition, Role};

/// A host stops trusting its leases this long before the server can end them, so that what it has begun in good faith is
/// done before another one begins it, too. That is politeness: what keeps the log whole is the commit script.
pub(super) const DOUBT_BEFORE_END: Duration = Duration::from_secs(1);

/// What a host holds, as far as it knows.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    held: Held,
    incarnation: Option<Incarnation>,
    lease: Duration,
    doubt_at: Option<Instant>,
}

impl Holding {
    /// Nothing was heard yet.
    pub(super) fn new(lease: Duration) -> Self {
        let held = Held { in_doubt: true, ..Held::default() };
        Self { held, incarnation: None, lease, doubt_at: None }
    }

    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    pub(super) fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    /// When the leases will be in doubt; `None` while they are.
    pub(super) fn doubt_at(&self) -> Option<Instant> {
        self.doubt_at
    }

    /// The answer to a tick. Life is counted from when it was sent: the server may have seen it then, and not before.
    pub(super) fn answered(&mut self, sent_at: Instant, answer: Answer) {
        match answer {
            Answer::Alive(alive) => self.alive(sent_at, alive),
            Answer::Replaced => {
                self.change(|held| {
                    *held = Held { is_replaced: true, in_doubt: true, version: held.version, ..Held::default() }
                });
                self.doubt_at = None;
            }
        }
    }

    fn alive(&mut self, sent_at: Instant, alive: Alive) {
        self.incarnation = Some(alive.incarnation);
        self.doubt_at = Some(sent_at + self.lease.saturating_sub(DOUBT_BEFORE_END));
        self.change(|held| {
            held.partitions = alive.partitions;
            held.surplus = alive.surplus;
            held.in_doubt = false;
            held.is_replaced = false;
        });
        self.held.nodes = alive.nodes;
        self.held.free_watcher_slots = alive.free.get(&Role::Watcher).copied().unwrap_or_default();
        self.held.server_time = Some(ServerTime { millis: alive.server_millis, sent_at });
        self.held.trouble = None;
    }

    /// No answer came, or another one than was hoped for.
    pub(super) fn failed(&mut self, why: String) {
        self.held.trouble = Some(why);
    }

    /// Time has passed.
    pub(super) fn doubt_if_due(&mut self, now: Instant) {
        if self.doubt_at.is_some_and(|at| at <= now) {
            self.doubt_at = None;
            self.change(|held| held.in_doubt = true);
        }
    }

    /// These are no longer the host's work. What it held of them is to be released.
    pub(super) fn give_up(&mut self, partitions: &[Partition]) -> Partitions {
        let mut given_up = Partitions::new();
        self.change(|held| {
            given_up.extend(partitions.iter().filter_map(|partition| held.partitions.remove_entry(partition)));
            held.surplus.retain(|partition| !partitions.contains(partition));
        });
        given_up
    }

    /// Changes what the host does; a new version says so if it is another now.
    fn change(&mut self, change: impl FnOnce(&mut Held)) {
        let work = |held: &Held| (held.partitions.clone(), held.surplus.clone(), held.in_doubt, held.is_replaced);
        let before = work(&self.held);
        change(&mut self.held);
        if work(&self.held) != before {
            self.held.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::redis::lease::Token;

    const LEASE: Duration = Duration::from_secs(4);

    fn alive(partitions: &[(&str, &str)], surplus: &[&str]) -> Answer {
        let parsed = |text: &str| text.parse().unwrap();
        Answer::Alive(Alive {
            incarnation: Incarnation(7),
            server_millis: 1_000,
            partitions: partitions.iter().map(|(name, token)| (parsed(name), Token::new((*token).into()))).collect(),
            surplus: surplus.iter().map(|name| parsed(name)).collect(),
            free: BTreeMap::from([(Role::Watcher, 9)]),
            nodes: Vec::new(),
        })
    }

    #[test]
    fn leases_are_in_doubt_a_second_before_the_server_can_end_them_counted_from_sending() {
        let start = Instant::now();
        let mut holding = Holding::new(LEASE);
        assert!(holding.held().in_doubt && holding.doubt_at().is_none());
        holding.answered(start, alive(&[("brain:00", "a/7")], &[]));
        let end = start + LEASE - DOUBT_BEFORE_END;
        assert_eq!(holding.doubt_at(), Some(end));
        holding.doubt_if_due(end - Duration::from_millis(1));
        assert!(!holding.held().in_doubt);
        holding.doubt_if_due(end);
        assert!(holding.held().in_doubt);
        assert_eq!(holding.held().partitions.len(), 1, "what is in doubt is held on to");
        holding.answered(end, alive(&[("brain:00", "a/7")], &[]));
        assert!(!holding.held().in_doubt);
    }

    #[test]
    fn the_version_changes_with_the_work_and_with_nothing_else() {
        let start = Instant::now();
        let mut holding = Holding::new(LEASE);
        let mut versions = vec![holding.held().version];
        let mut after = |holding: &Holding| {
            versions.push(holding.held().version);
            versions[versions.len() - 1] - versions[versions.len() - 2]
        };
        holding.answered(start, alive(&[("brain:00", "a/7")], &[]));
        assert_eq!(after(&holding), 1);
        holding.answered(start + LEASE, alive(&[("brain:00", "a/7")], &[]));
        holding.failed("away".into());
        assert_eq!(after(&holding), 0);
        assert_eq!(holding.held().trouble.as_deref(), Some("away"));
        holding.answered(start, alive(&[("brain:00", "a/8")], &[]));
        assert_eq!((after(&holding), holding.held().trouble.as_deref()), (1, None), "another token is other work");
        holding.answered(start, alive(&[("brain:00", "a/8")], &["brain:00"]));
        assert_eq!(after(&holding), 1);
        assert_eq!(holding.held().free_watcher_slots, 9);
    }

    #[test]
    fn what_is_given_up_is_no_longer_held_and_comes_back_only_when_the_server_says_so() {
        let start = Instant::now();
        let mut holding = Holding::new(LEASE);
        let held = [("watcher:01", "a/7"), ("watcher:02", "a/7")];
        holding.answered(start, alive(&held, &["watcher:02"]));
        let two = "watcher:02".parse().unwrap();
        let given_up = holding.give_up(&[two, "watcher:09".parse().unwrap()]);
        assert_eq!(given_up, BTreeMap::from([(two, Token::new("a/7".into()))]));
        assert_eq!((holding.held().partitions.len(), holding.held().surplus.len()), (1, 0));
        assert!(holding.give_up(&[two]).is_empty());
        holding.answered(start, alive(&held, &["watcher:02"]));
        assert_eq!(holding.held().partitions.len(), 2);
    }

    #[test]
    fn a_replaced_process_holds_nothing() {
        let mut holding = Holding::new(LEASE);
        holding.answered(Instant::now(), alive(&[("brain:00", "a/7")], &[]));
        holding.answered(Instant::now(), Answer::Replaced);
        let held = holding.held();
        assert!(held.is_replaced && held.in_doubt && held.partitions.is_empty() && holding.doubt_at().is_none());
    }
}
