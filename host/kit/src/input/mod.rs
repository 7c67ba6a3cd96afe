//! What a plugin is shown at an author's desk: frames from a file, a recording or a Prometheus, and events of an audit trail.

pub(crate) mod csv;
mod events;
mod frames;

use std::collections::BTreeMap;

use orion_model::{Frame, Labels, SeriesId, SeriesTable};

pub use events::{RecordedEvent, events};
pub use frames::{from_file, from_source};

/// Frames of one query in order of time.
#[derive(Default)]
pub struct Frames {
    /// The frames.
    pub frames: Vec<Shown>,
    /// What each id stood for the last time it was there.
    labels: BTreeMap<SeriesId, Labels>,
}

/// A frame, and what a detector has to be told before it sees it.
pub struct Shown {
    /// Series that it is the first to have.
    pub new: Vec<(SeriesId, Labels)>,
    /// The frame.
    pub frame: Frame,
}

impl Frames {
    /// A frame more, of series that the table knows.
    pub fn push(&mut self, frame: Frame, table: &SeriesTable) {
        let mut new = Vec::new();
        for (id, labels) in frame.ids.iter().filter_map(|id| Some((*id, table.labels(*id)?))) {
            if self.labels.get(&id) != Some(labels) {
                self.labels.insert(id, labels.clone());
                new.push((id, labels.clone()));
            }
        }
        self.frames.push(Shown { new, frame });
    }

    /// What an id stands for.
    pub fn labels(&self, id: SeriesId) -> Option<&Labels> {
        self.labels.get(&id)
    }
}
