//! A host, what it asks of the server and what it is told. It believes about leases what the client does.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::partition::{Partition, Role};
use crate::redis::lease::holding::Holding;
use crate::redis::lease::script::{Answer, Incarnation};
use crate::redis::lease::{Partitions, Token};

pub(super) const LEASE: Duration = Duration::from_secs(10);

pub(super) fn partition() -> Partition {
    Partition::of(Role::Brain, "")
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    Tick { incarnation: Option<Incarnation>, roles: BTreeSet<Role> },
    Release(Partitions),
    Commit { token: Token, expected: u8 },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Ticked(Answer),
    Loaded(Token, u8),
    Committed(Token, u8),
    /// Fenced or in conflict.
    Refused,
}

/// On its way to the server. What is no longer awaited may still arrive.
///
/// Only a commit is here while it is awaited. What else is awaited says the same whenever it is sent, so that one which
/// arrives late is the same as one that was sent late.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) at: usize,
    pub(super) request: Request,
    pub(super) is_awaited: bool,
}

#[derive(Clone, Debug, Hash, PartialEq)]
pub(super) enum Work {
    /// Nothing is known of the work.
    Unknown,
    /// An answer is awaited.
    Asking,
    /// So far under this token it is done.
    Done(Token, u8),
}

#[derive(Clone)]
pub(super) struct Host {
    pub(super) holding: Holding,
    pub(super) work: Work,
    pub(super) wants: BTreeSet<Role>,
    pub(super) is_ticking: bool,
}

impl Host {
    pub(super) fn new() -> Self {
        Self { holding: Holding::new(LEASE), work: Work::Unknown, wants: [Role::Brain].into(), is_ticking: false }
    }

    pub(super) fn tick(&self) -> Request {
        Request::Tick { incarnation: self.holding.incarnation(), roles: self.wants.clone() }
    }

    pub(super) fn give_up(&mut self) -> Request {
        self.work = Work::Unknown;
        Request::Release(self.holding.give_up(&[partition()]))
    }

    /// The token, as far as the host knows.
    pub(super) fn token(&self) -> Option<&Token> {
        self.holding.held().partitions.get(&partition())
    }
}

impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let held = self.holding.held();
        (self.holding.incarnation(), &held.partitions, &held.surplus, held.in_doubt, held.is_replaced).hash(state);
        (&self.work, &self.wants, self.is_ticking).hash(state);
    }
}
