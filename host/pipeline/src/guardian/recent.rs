//! Events that were read lately: what is needed of them when an incident takes them in, maybe many batches later.

use std::collections::{HashMap, VecDeque};

use orion_model::{Event, Labels, RecordId};

/// What an incident needs of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its id.
    pub id: RecordId,
    /// Its labels.
    pub labels: Labels,
}

/// Events by their bus position.
#[derive(Debug, Default)]
pub struct Recent {
    /// In order of positions.
    events: VecDeque<(u64, Seen)>,
}

impl Recent {
    /// Remembers events; their positions are behind all earlier ones.
    pub fn remember<'e>(&mut self, events: impl Iterator<Item = &'e (u64, Event)>) {
        let seen = |event: &Event| Seen { id: event.event_id, labels: event.labels.clone() };
        self.events.extend(events.map(|(position, event)| (*position, seen(event))));
    }

    /// Forgets all but so many, the oldest first.
    pub fn keep(&mut self, most: usize) {
        let surplus = self.events.len().saturating_sub(most);
        self.events.drain(..surplus);
    }

    /// The event at a position.
    pub fn at(&self, position: u64) -> Option<&Seen> {
        let place = self.events.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        self.events.get(place).map(|(_, seen)| seen)
    }
}

/// What the changes of a step may refer to: the events of late, and older ones that were looked up for them.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Of late.
    pub recent: &'a Recent,
    /// Older ones.
    pub earlier: &'a HashMap<u64, Seen>,
}

impl Facts<'_> {
    /// The event at a position.
    pub fn at(&self, position: u64) -> Option<&Seen> {
        self.recent.at(position).or_else(|| self.earlier.get(&position))
    }
}
