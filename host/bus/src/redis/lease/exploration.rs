//! Leases and commits together, every order of events: two hosts and one partition, with crashes, delays, lost answers, leases
//! that end and a server that forgets, at every step.
//!
//! The server is the model, the hosts' knowledge of leases is the client's own ([`Holding`]), and what a host does about its
//! work is the contract of [`crate::Bus`]: commit from the offset that was loaded or committed last; after anything but success
//! load again. Each fault happens a few times at most, which bounds the states; within that all of them are looked at.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::holding::Holding;
use super::model::Server;
use super::script::{Answer, Incarnation};
use super::{Partitions, Token};
use crate::partition::{Partition, Role};

const NAMES: [&str; 2] = ["a", "b"];

/// How far the work goes.
const LAST_OFFSET: u8 = 2;

const LEASE: Duration = Duration::from_secs(10);

/// What the commit script checks. Without either of these the exploration finds what goes wrong.
#[derive(Clone, Copy, PartialEq)]
struct Checks {
    token: bool,
    offset: bool,
}

const BOTH: Checks = Checks { token: true, offset: true };

/// Whatever a server keeps.
#[derive(Clone, Default, Hash)]
struct Stored {
    leases: Server,
    offset: u8,
    /// The offset from which each commit was made, and the number of its token.
    log: Vec<(u8, u64)>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    Tick { incarnation: Option<Incarnation>, roles: BTreeSet<Role> },
    Release(Partitions),
    Commit { token: Token, expected: u8 },
}

#[derive(Clone, Debug, PartialEq)]
enum Reply {
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
struct Asked {
    at: usize,
    request: Request,
    is_awaited: bool,
}

#[derive(Clone, Debug, Hash, PartialEq)]
enum Work {
    /// Nothing is known of the work.
    Unknown,
    /// An answer is awaited.
    Asking,
    /// So far under this token it is done.
    Done(Token, u8),
}

#[derive(Clone)]
struct Host {
    holding: Holding,
    work: Work,
    wants: BTreeSet<Role>,
    is_ticking: bool,
}

impl Host {
    fn new() -> Self {
        Self { holding: Holding::new(LEASE), work: Work::Unknown, wants: [Role::Brain].into(), is_ticking: false }
    }

    fn tick(&self) -> Request {
        Request::Tick { incarnation: self.holding.incarnation(), roles: self.wants.clone() }
    }

    fn give_up(&mut self) -> Request {
        self.work = Work::Unknown;
        Request::Release(self.holding.give_up(&[partition()]))
    }

    /// The token, as far as the host knows.
    fn token(&self) -> Option<&Token> {
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

/// How often each fault may still happen.
#[derive(Clone, Copy, Debug, Hash)]
struct Faults {
    timeouts: u8,
    crashes: u8,
    expiries: u8,
    drains: u8,
    doubts: u8,
    forgets: u8,
}

#[derive(Clone)]
struct World {
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
enum Event {
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

fn partition() -> Partition {
    Partition::of(Role::Brain, "")
}

impl World {
    fn new(faults: Faults) -> Self {
        let hosts = [Host::new(), Host::new()];
        let (asked, replies) = (Vec::new(), Vec::new());
        Self { server: Stored::default(), kept: None, clock: 0, hosts, asked, replies, faults }
    }

    /// Both hosts live, and the first one has the partition.
    fn settled(faults: Faults) -> Self {
        let ticks = [Event::Tick(0), Event::Returns(0), Event::Tick(1), Event::Returns(0)];
        ticks.into_iter().fold(Self::new(faults), |world, event| world.after(event, BOTH).unwrap())
    }

    fn possible(&self) -> Vec<Event> {
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
    fn after(&self, event: Event, checks: Checks) -> Result<Self, String> {
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

/// What an exploration found.
struct Explored {
    states: usize,
    transitions: usize,
    /// The way to a state from which no order of events without further faults finishes the work.
    dead_end: Option<String>,
}

/// Looks at every state that can be. An error is the shortest way to what must never be.
fn explore(faults: Faults, checks: Checks) -> Result<Explored, String> {
    let start = World::settled(faults);
    let mut seen = HashMap::from([(key(&start), 0)]);
    let mut came_by: Vec<Option<(usize, Event)>> = vec![None];
    let mut came_from: Vec<Vec<usize>> = vec![Vec::new()];
    let mut finished = Vec::new();
    let mut to_do = VecDeque::from([(0, start)]);
    let mut transitions = 0;
    while let Some((from, world)) = to_do.pop_front() {
        if world.server.offset == LAST_OFFSET {
            finished.push(from);
        }
        for event in world.possible() {
            let next =
                world.after(event, checks).map_err(|what| format!("{what}:\n{}  {event:?}", trace(&came_by, from)))?;
            transitions += 1;
            let new = came_by.len();
            let to = *seen.entry(key(&next)).or_insert(new);
            if to == new {
                came_by.push(Some((from, event)));
                came_from.push(Vec::new());
                to_do.push_back((to, next));
            }
            if !is_fault(event) {
                came_from[to].push(from);
            }
        }
    }
    let dead_end = dead_end(&came_from, finished).map(|at| trace(&came_by, at));
    Ok(Explored { states: came_by.len(), transitions, dead_end })
}

/// 128 bits of a state: that two of some million are taken for one is not to be feared.
fn key(world: &World) -> (u64, u64) {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        hasher.finish()
    };
    (hash(0), hash(1))
}

const fn is_fault(event: Event) -> bool {
    use Event::{Arrives, GiveUp, Returns, RunsOut, Tick, Work};
    !matches!(event, Tick(_) | Work(_) | GiveUp(_) | Arrives(_) | Returns(_) | RunsOut(_))
}

fn trace(came_by: &[Option<(usize, Event)>], mut at: usize) -> String {
    let mut events = Vec::new();
    while let Some((from, event)) = came_by[at] {
        events.push(event);
        at = from;
    }
    events.iter().rev().map(|event| format!("  {event:?}\n")).collect()
}

fn dead_end(came_from: &[Vec<usize>], finished: Vec<usize>) -> Option<usize> {
    let mut can_finish = vec![false; came_from.len()];
    let mut to_do = finished;
    while let Some(at) = to_do.pop() {
        if !std::mem::replace(&mut can_finish[at], true) {
            to_do.extend(&came_from[at]);
        }
    }
    can_finish.iter().position(|can| !can)
}

const NONE: Faults = Faults { timeouts: 0, crashes: 0, expiries: 0, drains: 0, doubts: 0, forgets: 0 };

/// Nothing that must never be can be reached, and from everything that can be there is a way on.
fn is_safe(faults: Faults) {
    let explored = explore(faults, BOTH).unwrap_or_else(|violation| panic!("{violation}"));
    eprintln!("{faults:?}: {} states, {} transitions", explored.states, explored.transitions);
    if let Some(trace) = explored.dead_end {
        panic!("nothing more is ever done after\n{trace}");
    }
}

#[test]
fn a_lease_may_end_and_an_answer_be_late_or_lost() {
    is_safe(Faults { timeouts: 1, expiries: 1, ..NONE });
    is_safe(Faults { timeouts: 1, doubts: 1, ..NONE });
    is_safe(Faults { timeouts: 2, ..NONE });
}

#[test]
fn a_host_may_crash_and_its_lease_end() {
    is_safe(Faults { crashes: 1, expiries: 1, ..NONE });
}

#[test]
fn a_host_may_leave_and_its_farewell_be_late() {
    is_safe(Faults { timeouts: 1, drains: 1, ..NONE });
    is_safe(Faults { expiries: 1, drains: 1, ..NONE });
}

#[test]
fn a_server_may_forget_what_it_did_last() {
    is_safe(Faults { timeouts: 1, forgets: 1, ..NONE });
    is_safe(Faults { expiries: 1, forgets: 1, ..NONE });
    is_safe(Faults { drains: 1, forgets: 1, ..NONE });
}

#[test]
#[ignore = "some minutes: the same with one fault more, for who changes the protocol"]
fn all_of_it_may_happen_in_one_life() {
    is_safe(Faults { timeouts: 2, expiries: 1, ..NONE });
    is_safe(Faults { timeouts: 1, expiries: 2, ..NONE });
    is_safe(Faults { timeouts: 1, crashes: 1, ..NONE });
    is_safe(Faults { timeouts: 1, drains: 1, expiries: 1, ..NONE });
    is_safe(Faults { crashes: 1, drains: 1, ..NONE });
    is_safe(Faults { crashes: 1, forgets: 1, ..NONE });
    is_safe(Faults { timeouts: 1, expiries: 1, forgets: 1, ..NONE });
}

#[test]
fn without_the_token_a_zombie_commits() {
    let faults = Faults { expiries: 1, ..NONE };
    assert!(explore(faults, BOTH).is_ok());
    let violation = explore(faults, Checks { token: false, ..BOTH }).err().unwrap();
    assert!(violation.starts_with("the stale token"), "{violation}");
}

#[test]
fn without_the_offset_a_commit_is_made_twice() {
    let faults = Faults { timeouts: 1, ..NONE };
    assert!(explore(faults, BOTH).is_ok());
    let violation = explore(faults, Checks { offset: false, ..BOTH }).err().unwrap();
    assert!(violation.starts_with("two commits"), "{violation}");
}
