//! Who reads which event: with many correlations each is shown what it may read, and no more.

use std::collections::{BTreeMap, HashMap};

use orion_model::{Event, is_mark};

use crate::library::CorrelationPlan;

/// Which correlations may read an event of a type. Most name the types they read, so with many correlations an event is
/// looked at by few.
#[derive(Default)]
pub(super) struct Readers {
    correlations: usize,
    by_type: HashMap<String, Vec<usize>>,
    of_any_type: Vec<usize>,
}

impl Readers {
    /// Correlations are numbered in order of their ids.
    pub(super) fn of(plans: &BTreeMap<String, CorrelationPlan>) -> Self {
        let mut readers = Self { correlations: plans.len(), ..Self::default() };
        for (index, plan) in plans.values().enumerate() {
            match plan.correlation.matcher.required_event_types() {
                Some(types) => {
                    for event_type in types {
                        let of_type = readers.by_type.entry(event_type.to_owned()).or_default();
                        if of_type.last() != Some(&index) {
                            of_type.push(index);
                        }
                    }
                }
                None => readers.of_any_type.push(index),
            }
        }
        readers
    }

    pub(super) fn sort_out(&self, events: &[(u64, Event)]) -> Wanted {
        let mut wanted = Wanted { by_each: vec![Vec::new(); self.correlations], by_any: Vec::new() };
        // What a person thought of an incident makes none, also where a correlation reads events of any type.
        for (place, (_, event)) in events.iter().enumerate().filter(|(_, (_, event))| !is_mark(event)) {
            let of_type = self.by_type.get(&event.event_type).into_iter().flatten();
            for index in of_type.chain(&self.of_any_type) {
                if let Some(by_it) = wanted.by_each.get_mut(*index) {
                    by_it.push(place);
                }
                if wanted.by_any.last() != Some(&place) {
                    wanted.by_any.push(place);
                }
            }
        }
        wanted
    }
}

/// The places of events that correlations may read, in order.
pub(super) struct Wanted {
    pub(super) by_each: Vec<Vec<usize>>,
    pub(super) by_any: Vec<usize>,
}
