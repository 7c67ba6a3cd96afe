//! Two hosts, a server, what is on its way between them, and what each event makes of that.

use std::hash::{Hash, Hasher};

use tokio::time::Instant;

use super::host::{Asked, Host, LEASE, Reply, Request, Work, partition};
use crate::redis::lease::Token;
use crate::redis::lease::model::Server;
use crate::redis::lease::script::Answer;

const NAMES: [&str; 2] = ["a", "b"];

/// How far the work goes.
const LAST_OFFSET: u8 = 2;

/// What the commit script checks. Without either of these the exploration finds what goes wrong.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Checks {
    pub(super) token: bool,
    pub(super) offset: bool,
}

pub(super) const BOTH: Checks = Checks { token: true, offset: true };

/// Whatever a server keeps.
#[derive(Clone, Default, Hash)]
struct Stored {
    leases: Server,
    offset: u8,
    /// The offset from which each commit was made, and the number of its token.
    log: Vec<(u8, u64)>,
}

/// How often each fault may still happen.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Faults {
    pub(super) timeouts: u8,
    pub(super) crashes: u8,
    pub(super) expiries: u8,
    pub(super) drains: u8,
    pub(super) doubts: u8,
    pub(super) forgets: u8,
}

#[derive(Clone)]
pub(super) struct World {
    server: Stored,
    /// What the server comes back with when it forgets.
    kept: Option<Stored>,
    /// The server's time, as far as numbers were taken from it: no failover turns it back.
    clock: u64,
    hosts: [Host; 2],
    asked: Vec<Asked>,
    replies: Vec<(usize, Reply)>,
    faults: Faults,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.server, &self.kept, self.clock, &self.hosts, self.faults).hash(state);
        self.asked.hash(state);
        // Replies hold what is no part of any decision, such as the list of nodes; what is left of them is in this form.
        for (at, reply) in &self.replies {
            at.hash(state);
            match reply {
                Reply::Ticked(Answer::Alive(alive)) => {
                    (0, alive.incarnation, &alive.partitions, &alive.surplus).hash(state)
                }
                Reply::Ticked(Answer::Replaced) => 1.hash(state),
                Reply::Loaded(token, offset) => (2, token, offset).hash(state),
                Reply::Committed(token, offset) => (3, token, offset).hash(state),
                Reply::Refused => 4.hash(state),
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Tick(usize),
    /// The next step of the work: forget what another token was for, load, or commit.
    Work(usize),
    GiveUp(usize),
    /// The server does what was asked: the n-th thing on its way.
    Arrives(usize),
    /// The n-th answer on its way.
    Returns(usize),
    /// The lease of a process that is gone ends.
    RunsOut(usize),
    // From here on faults.
    /// It is no longer awaited before the server has heard of it.
    TickIsLate(usize),
    GiveUpIsLate(usize),
    /// It is no longer awaited although the server has done it.
    TickTimesOut(usize),
    WorkTimesOut(usize),
    Crash(usize),
    /// A live host is not heard of.
    Expire(usize),
    Drain(usize),
    Doubt(usize),
    Remember,
    Forget,
}

impl Event {
    pub(super) const fn is_fault(self) -> bool {
        use Event::{Arrives, GiveUp, Returns, RunsOut, Tick, Work};
        !matches!(self, Tick(_) | Work(_) | GiveUp(_) | Arrives(_) | Returns(_) | RunsOut(_))
    }
}

impl World {
    fn new(faults: Faults) -> Self {
        let hosts = [Host::new(), Host::new()];
        let (asked, replies) = (Vec::new(), Vec::new());
        Self { server: Stored::default(), kept: None, clock: 0, hosts, asked, replies, faults }
    }

    /// Both hosts live, and the first one has the partition.
    pub(super) fn settled(faults: Faults) -> Self {
        let ticks = [Event::Tick(0), Event::Returns(0), Event::Tick(1), Event::Returns(0)];
        ticks.into_iter().fold(Self::new(faults), |world, event| world.after(event, BOTH).unwrap())
    }

    /// Whether all work is done.
    pub(super) fn is_finished(&self) -> bool {
        self.server.offset == LAST_OFFSET
    }

    pub(super) fn possible(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut may = |is_possible: bool, event: Event| {
            if is_possible {
                events.push(event);
            }
        };
        let faults = self.faults;
        for (at, host) in self.hosts.iter().enumerate() {
            let held = host.holding.held();
            let is_asking = host.work == Work::Asking;
            let is_current = |token: &Token| host.token() == Some(token);
            may(!host.is_ticking, Event::Tick(at));
            may(faults.timeouts > 0 && !host.is_ticking, Event::TickIsLate(at));
            may(faults.timeouts > 0 && host.is_ticking, Event::TickTimesOut(at));
            may(faults.timeouts > 0 && is_asking, Event::WorkTimesOut(at));
            let has_to_do = match &host.work {
                Work::Unknown => host.token().is_some(),
                Work::Asking => false,
                Work::Done(token, offset) => !is_current(token) || *offset < LAST_OFFSET,
            };
            may(has_to_do && !held.in_doubt, Event::Work(at));
            let gives_up = !is_asking && !host.is_ticking && !held.surplus.is_empty();
            may(gives_up, Event::GiveUp(at));
            may(gives_up && faults.timeouts > 0, Event::GiveUpIsLate(at));
            may(faults.crashes > 0, Event::Crash(at));
            may(faults.expiries > 0, Event::Expire(at));
            may(self.server.leases.lives_without(NAMES[at], host.holding.incarnation()), Event::RunsOut(at));
            may(faults.drains > 0 && !host.wants.is_empty(), Event::Drain(at));
            may(faults.doubts > 0 && host.holding.doubt_at().is_some(), Event::Doubt(at));
        }
        (0..self.asked.len()).for_each(|n| may(true, Event::Arrives(n)));
        (0..self.replies.len()).for_each(|n| may(true, Event::Returns(n)));
        may(faults.forgets > 0 && self.kept.is_none(), Event::Remember);
        may(faults.forgets > 0 && self.kept.is_some(), Event::Forget);
        events
    }

    /// The world after an event, or what must never be.
    pub(super) fn after(&self, event: Event, checks: Checks) -> Result<Self, String> {
        let mut world = self.clone();
        match event {
            Event::Tick(at) => {
                world.hosts[at].is_ticking = true;
                let asked = Asked { at, request: world.hosts[at].tick(), is_awaited: true };
                world.is_heard(asked, checks)?;
            }
            Event::TickIsLate(at) => {
                world.faults.timeouts -= 1;
                world.ask(at, world.hosts[at].tick(), false);
            }
            Event::Work(at) => world.work(at),
            Event::GiveUp(at) => {
                let request = world.hosts[at].give_up();
                world.is_heard(Asked { at, request, is_awaited: false }, checks)?;
            }
            Event::GiveUpIsLate(at) => {
                world.faults.timeouts -= 1;
                let request = world.hosts[at].give_up();
                world.ask(at, request, false);
            }
            Event::Arrives(n) => {
                let asked = world.asked.remove(n);
                world.is_heard(asked, checks)?;
            }
            Event::Returns(n) => world.returns(n)?,
            Event::TickTimesOut(at) => {
                world.faults.timeouts -= 1;
                world.hosts[at].is_ticking = false;
                world.replies.retain(|(to, reply)| *to != at || !matches!(reply, Reply::Ticked(_)));
            }
            Event::WorkTimesOut(at) => {
                world.faults.timeouts -= 1;
                world.hosts[at].work = Work::Unknown;
                world.replies.retain(|(to, reply)| *to != at || matches!(reply, Reply::Ticked(_)));
                world.abandon(at);
            }
            Event::Crash(at) => {
                world.faults.crashes -= 1;
                world.hosts[at] = Host::new();
                world.replies.retain(|(to, _)| *to != at);
                world.abandon(at);
            }
            Event::Expire(at) => {
                world.faults.expiries -= 1;
                world.server.leases.expire(NAMES[at]);
            }
            Event::RunsOut(at) => world.server.leases.expire(NAMES[at]),
            Event::Drain(at) => {
                world.faults.drains -= 1;
                world.hosts[at].wants.clear();
            }
            Event::Doubt(at) => {
                world.faults.doubts -= 1;
                world.hosts[at].holding.doubt_if_due(Instant::now() + LEASE);
            }
            Event::Remember => world.kept = Some(world.server.clone()),
            Event::Forget => {
                world.faults.forgets -= 1;
                world.server = world.kept.take().unwrap();
                world.is_another_server();
            }
        }
        // Everything on its way can be next, so the order in which it was sent is no difference.
        world.asked.sort_unstable();
        world.replies.sort_unstable_by_key(|(at, reply)| (*at, matches!(reply, Reply::Ticked(_))));
        Ok(world)
    }

    /// What was on its way to the process that is gone never arrives. Over a new connection a host first asks what the server
    /// still has, before it goes on with anything.
    fn is_another_server(&mut self) {
        self.asked.clear();
        self.replies.retain(|(_, reply)| matches!(reply, Reply::Ticked(_)));
        self.hosts.iter_mut().for_each(|host| host.work = Work::Unknown);
    }

    fn ask(&mut self, at: usize, request: Request, is_awaited: bool) {
        self.asked.push(Asked { at, request, is_awaited });
    }

    fn abandon(&mut self, at: usize) {
        self.asked.iter_mut().filter(|asked| asked.at == at).for_each(|asked| asked.is_awaited = false);
    }

    fn work(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let Some(token) = host.token().cloned() else {
            host.work = Work::Unknown;
            return;
        };
        match std::mem::replace(&mut host.work, Work::Asking) {
            Work::Done(under, expected) if under == token => self.ask(at, Request::Commit { token, expected }, true),
            _ => self.replies.push((at, Reply::Loaded(token, self.server.offset))),
        }
    }

    fn is_heard(&mut self, Asked { at, request, is_awaited }: Asked, checks: Checks) -> Result<(), String> {
        let reply = match request {
            Request::Tick { incarnation, roles } => {
                let answer = self.server.leases.tick(self.clock + 1, NAMES[at], incarnation, &roles);
                self.clock = self.clock.max(self.server.leases.epoch);
                Some(Reply::Ticked(answer))
            }
            Request::Release(leases) => {
                self.server.leases.release(&leases);
                None
            }
            Request::Commit { token, expected } => Some(self.commit(&token, expected, checks)?),
        };
        if let Some(reply) = reply.filter(|_| is_awaited) {
            self.replies.push((at, reply));
        }
        Ok(())
    }

    /// The commit script.
    fn commit(&mut self, token: &Token, expected: u8, checks: Checks) -> Result<Reply, String> {
        let holds = self.server.leases.tokens().get(&partition()) == Some(token);
        if (checks.token && !holds) || (checks.offset && self.server.offset != expected) {
            return Ok(Reply::Refused);
        }
        let number = number_of(token);
        if self.server.log.iter().any(|(from, _)| *from == expected) {
            return Err(format!("two commits were made from offset {expected}"));
        }
        if self.server.log.iter().any(|(_, newer)| *newer > number) {
            return Err(format!("the stale token {} committed after a newer one", token.as_str()));
        }
        if expected < self.server.offset {
            return Err(format!("the offset went from {} to {}", self.server.offset, expected + 1));
        }
        self.server.log.push((expected, number));
        self.server.offset = expected + 1;
        Ok(Reply::Committed(token.clone(), self.server.offset))
    }

    fn returns(&mut self, n: usize) -> Result<(), String> {
        let (at, reply) = self.replies.remove(n);
        let host = &mut self.hosts[at];
        match reply {
            Reply::Ticked(answer) => {
                host.is_ticking = false;
                host.holding.answered(Instant::now(), answer);
            }
            Reply::Loaded(token, offset) => host.work = Work::Done(token, offset),
            Reply::Committed(token, offset) => {
                if !self.server.log.contains(&(offset - 1, number_of(&token))) {
                    return Err(format!("a commit to {offset} was confirmed and is not there"));
                }
                host.work = Work::Done(token, offset);
            }
            Reply::Refused => host.work = Work::Unknown,
        }
        Ok(())
    }
}

fn number_of(token: &Token) -> u64 {
    token.as_str().rsplit_once('/').unwrap().1.parse().unwrap()
}
