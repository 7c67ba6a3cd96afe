//! Which events a correlation reads, and which of them belong together.

use orion_model::{Event, Labels};

/// The `match:` of a correlation.
#[derive(Clone, Debug, Default)]
pub struct EventMatcher {}

impl EventMatcher {
    /// Whether the event meets every condition.
    pub fn matches(&self, event: &Event) -> bool {
        let _ = event;
        true
    }
}

/// What the event has for each name of `group_by`; a name it has nothing for is left out.
pub fn group_key(event: &Event, group_by: &[String]) -> Labels {
    group_by.iter().filter_map(|name| Some((name.clone(), event.labels.get(name)?.to_owned()))).collect()
}
