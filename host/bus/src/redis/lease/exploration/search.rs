//! Looks at every world that can come of the first one.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::world::{Checks, Event, Faults, World};

/// What an exploration found.
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// The way to a state from which no order of events without further faults finishes the work.
    pub(super) dead_end: Option<String>,
}

/// Looks at every state that can be. An error is the shortest way to what must never be.
pub(super) fn explore(faults: Faults, checks: Checks) -> Result<Explored, String> {
    let start = World::settled(faults);
    let mut seen = HashMap::from([(key(&start), 0)]);
    let mut came_by: Vec<Option<(usize, Event)>> = vec![None];
    let mut came_from: Vec<Vec<usize>> = vec![Vec::new()];
    let mut finished = Vec::new();
    let mut to_do = VecDeque::from([(0, start)]);
    let mut transitions = 0;
    while let Some((from, world)) = to_do.pop_front() {
        if world.is_finished() {
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
            if !event.is_fault() {
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
