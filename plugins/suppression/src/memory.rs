//! All that is remembered: events that wait, causes that fire, groups of symptoms, and when to look at which of them.

use std::collections::BTreeSet;

use orion_plugin::pattern::Shelf;
use orion_plugin::{Entry, Refused, Stateful};

use crate::group::Group;
use crate::happening::Happening;
use crate::scope::Scope;

pub(crate) const STATE_VERSION: u32 = 1;

/// Events that wait for their instant to be over. With more, the oldest is looked at at once.
const MOST_HAPPENINGS: usize = 20_000;

/// Groups of symptoms. One more pushes out the one that is there for longest.
const MOST_GROUPS: usize = 10_000;

/// What is remembered.
pub(crate) struct Memory {
    /// By [`Happening::order`].
    happenings: Shelf<Happening>,
    pub(crate) scopes: Shelf<Scope>,
    pub(crate) groups: Shelf<Group>,
    /// Not saved: follows from the rest. A look may come too early, never too late.
    looks: BTreeSet<(i64, Kind, Box<str>)>,
}

/// What may be due. At one instant causes end first: the symptoms that they leave join what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Scope,
    Group,
}

/// First byte of the keys of saved entries, for each room.
const ROOMS: [u8; 3] = *b"hsg";

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            happenings: Shelf::of_version(STATE_VERSION),
            scopes: Shelf::of_version(STATE_VERSION),
            groups: Shelf::of_version(STATE_VERSION),
            looks: BTreeSet::new(),
        }
    }

    pub(crate) fn keep(&mut self, happening: Happening) {
        let order = happening.order();
        self.happenings.insert(&order, happening);
    }

    pub(crate) fn first_happening(&self) -> Option<&Happening> {
        self.happenings.iter().next().map(|(_, happening)| happening)
    }

    pub(crate) fn take_happening(&mut self) -> Option<Happening> {
        let order = self.first_happening()?.order();
        self.happenings.remove(&order)
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.happenings.len() > MOST_HAPPENINGS
    }

    pub(crate) fn look_by(&mut self, at: i64, kind: Kind, key: &str) {
        self.looks.insert((at, kind, key.into()));
    }

    /// The first thing that is due until then. `when` says when something really is.
    pub(crate) fn next_due(
        &mut self,
        until: i64,
        when: impl Fn(&Self, Kind, &str) -> Option<i64>,
    ) -> Option<(i64, Kind, Box<str>)> {
        while let Some((at, kind, key)) = self.looks.first().filter(|(at, ..)| *at <= until).cloned() {
            self.looks.pop_first();
            match when(self, kind, &key) {
                Some(due) if due > at => self.look_by(due, kind, &key),
                Some(_) => return Some((at, kind, key)),
                None => {}
            }
        }
        None
    }

    /// The groups that have to do with a scope.
    pub(crate) fn groups_of(&self, scope: &str) -> Vec<Box<str>> {
        let of_scope = |group: &Group| group.scopes().any(|own| own == scope);
        self.groups.iter().filter(|(_, group)| of_scope(group)).map(|(key, _)| key.into()).collect()
    }

    /// The group to push out before another one comes.
    pub(crate) fn surplus_group(&self) -> Option<Box<str>> {
        if self.groups.len() < MOST_GROUPS {
            return None;
        }
        self.groups.iter().min_by_key(|(key, group)| (group.since(), *key)).map(|(key, _)| key.into())
    }
}

impl Stateful for Memory {
    fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        let mut rooms: [Vec<Entry>; 3] = [Vec::new(), Vec::new(), Vec::new()];
        for mut entry in entries {
            let room = entry.key.first().and_then(|room| ROOMS.iter().position(|known| known == room));
            let room = room.and_then(|room| rooms.get_mut(room));
            let room = room.ok_or("the saved state is not what this plugin wrote; reset it")?;
            entry.key.remove(0);
            room.push(entry);
        }
        let [happenings, scopes, groups] = rooms;
        self.happenings.restore(version, happenings)?;
        self.scopes.restore(version, scopes)?;
        self.groups.restore(version, groups)?;
        let scopes = self.scopes.iter().map(|(key, _)| (i64::MIN, Kind::Scope, key.into()));
        let groups = self.groups.iter().map(|(key, _)| (i64::MIN, Kind::Group, key.into()));
        self.looks = scopes.chain(groups).collect();
        Ok(())
    }

    fn checkpoint(&mut self) -> Vec<Entry> {
        let rooms = [self.happenings.checkpoint(), self.scopes.checkpoint(), self.groups.checkpoint()];
        let named = ROOMS.into_iter().zip(rooms).flat_map(|(room, entries)| {
            entries.into_iter().map(move |entry| Entry { key: [&[room], &*entry.key].concat(), value: entry.value })
        });
        named.collect()
    }
}
