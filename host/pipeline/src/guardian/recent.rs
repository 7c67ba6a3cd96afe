//! Events that were read lately: what is needed of them when an incident takes them in, maybe many batches later.
//!
//! An incident that goes on needs their ids, and takes them in a second after they came: of a flood that is an estate of them. One that opens
//! needs their labels, ten times as many bytes, and mostly those of an event that was just read. So ids are remembered for longer.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use orion_bus::Entry;
use orion_model::{Change, ChangeKind, Event, Labels, RecordId};
use serde::Deserialize;

/// Ids that are remembered, 24 bytes each: of more than a second in which as much comes as the store takes. Those that are not are looked up,
/// each some microseconds.
const MOST_IDS: usize = 98_304;

/// Labels that are remembered, some 400 bytes each.
const MOST_LABELS: usize = 8_192;

/// An event that was looked up for what an incident needs of it. Most need its id, which stands beside it: it is read for those that need
/// its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    id: RecordId,
    body: Arc<str>,
}

impl From<Entry> for Seen {
    fn from(entry: Entry) -> Self {
        Self { id: entry.id, body: entry.body }
    }
}

impl Seen {
    /// `None` where it is no event, which was said when it was read first.
    fn labels(&self) -> Option<Labels> {
        #[derive(Deserialize)]
        struct Labelled {
            labels: Labels,
        }
        serde_json::from_str::<Labelled>(&self.body).ok().map(|event| event.labels)
    }
}

/// Events by their bus position.
#[derive(Debug, Default)]
pub struct Recent {
    /// In order of positions.
    ids: VecDeque<(u64, RecordId)>,
    /// Of the last of them.
    labels: VecDeque<Labels>,
}

impl Recent {
    /// Remembers events; their positions are behind all earlier ones.
    pub fn remember<'e>(&mut self, events: impl Iterator<Item = &'e (u64, Event)>) {
        for (position, event) in events {
            self.ids.push_back((*position, event.event_id));
            self.labels.push_back(event.labels.clone());
        }
    }

    /// Forgets what is too much, the oldest first.
    pub fn keep_within_limits(&mut self) {
        self.ids.drain(..self.ids.len().saturating_sub(MOST_IDS));
        self.labels.drain(..self.labels.len().saturating_sub(MOST_LABELS));
    }

    /// Positions of events that a change names and of which something that it needs is not remembered.
    pub fn forgotten<'c>(&self, change: &'c Change) -> impl Iterator<Item = u64> + use<'c, '_> {
        let needs_labels = change.kind == ChangeKind::Opened;
        let is_known = move |position: u64| match needs_labels {
            true => self.labels(position).is_some(),
            false => self.id(position).is_some(),
        };
        change.positions.iter().copied().filter(move |position| !is_known(*position))
    }

    fn id(&self, position: u64) -> Option<RecordId> {
        self.ids.get(self.place(position)?).map(|(_, id)| *id)
    }

    fn labels(&self, position: u64) -> Option<&Labels> {
        let without_labels = self.ids.len() - self.labels.len();
        self.labels.get(self.place(position)?.checked_sub(without_labels)?)
    }

    fn place(&self, position: u64) -> Option<usize> {
        self.ids.binary_search_by_key(&position, |(position, _)| *position).ok()
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
    /// The id of the event at a position.
    pub fn id(&self, position: u64) -> Option<RecordId> {
        self.recent.id(position).or_else(|| Some(self.earlier.get(&position)?.id))
    }

    /// The labels of the event at a position.
    pub fn labels(&self, position: u64) -> Option<Cow<'_, Labels>> {
        let earlier = || self.earlier.get(&position)?.labels().map(Cow::Owned);
        self.recent.labels(position).map(Cow::Borrowed).or_else(earlier)
    }
}

#[cfg(test)]
mod tests {
    use orion_model::{Fingerprint, IdBuilder, Severity, Status, Timestamp};
    use serde_json::Map;

    use super::*;

    fn id(position: u64) -> RecordId {
        IdBuilder::new("event").number(position.cast_signed()).finish()
    }

    fn event(position: u64) -> (u64, Event) {
        let event = Event {
            event_id: id(position),
            event_type: "tick".to_owned(),
            severity: Severity::Info,
            status: Status::Occurred,
            ts: Timestamp::default(),
            rule: String::new(),
            source: String::new(),
            generation: 1,
            fingerprint: Fingerprint::from(id(position)),
            labels: [("at", position.to_string())].into_iter().collect(),
            annotations: Labels::empty(),
            data: Map::new(),
            evidence: None,
        };
        (position, event)
    }

    #[test]
    fn ids_are_known_for_longer_than_labels_and_each_up_to_its_limit() {
        let last = 2 * MOST_IDS as u64;
        let events: Vec<_> = (1..=last / 2).map(|at| event(2 * at)).collect();
        let mut recent = Recent::default();
        recent.remember(events.iter());
        recent.remember([event(last + 2)].iter());
        recent.keep_within_limits();
        let opens = |positions: &[u64]| change(ChangeKind::Opened, positions);
        let goes_on = |positions: &[u64]| change(ChangeKind::Updated, positions);
        let forgotten = |change: &Change| recent.forgotten(change).collect::<Vec<_>>();
        assert_eq!(forgotten(&goes_on(&[2, 4, 5, last, last + 2])), [2, 5]);
        let oldest = last + 2 - 2 * (MOST_LABELS as u64 - 1);
        assert_eq!(forgotten(&opens(&[2, 4, oldest - 2, oldest, last + 2])), [2, 4, oldest - 2]);
        let body = serde_json::to_string(&event(2).1).unwrap().into();
        let none = Seen { id: id(6), body: "{}".into() };
        let earlier = HashMap::from([(2, Seen { id: id(2), body }), (6, none)]);
        let facts = Facts { recent: &recent, earlier: &earlier };
        assert_eq!([2, 3, 4, last].map(|at| facts.id(at)), [Some(id(2)), None, Some(id(4)), Some(id(last))]);
        let at = |position| facts.labels(position).and_then(|labels| labels.get("at").map(str::to_owned));
        assert_eq!([at(2), at(4), at(6), at(oldest)], [Some("2".to_owned()), None, None, Some(oldest.to_string())]);
    }

    fn change(kind: ChangeKind, positions: &[u64]) -> Change {
        Change {
            key: String::new(),
            kind,
            severity: Severity::Info,
            timestamp: Timestamp::default(),
            reason: String::new(),
            positions: positions.to_vec(),
            fields: Vec::new(),
        }
    }
}
