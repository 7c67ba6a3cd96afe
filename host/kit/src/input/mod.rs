//! What a plugin is shown at an author's desk: frames from a file, a recording or a Prometheus, and events of an audit trail.

mod csv;
mod events;
mod frames;

use orion_model::{Frame, SeriesId, SeriesTable};

pub use events::{RecordedEvent, events};
pub use frames::{from_file, from_source};

/// Frames of one query in order of time.
#[derive(Default)]
pub struct Frames {
    /// Which series have which id.
    pub table: SeriesTable,
    /// The frames, each with the series that were not there before it.
    pub frames: Vec<(Vec<SeriesId>, Frame)>,
}

impl Frames {
    /// A frame more, and the series that it is the first to have.
    fn push(&mut self, frame: Frame) {
        let known = |id: &SeriesId| self.frames.iter().any(|(new, _)| new.contains(id));
        let new = frame.ids.iter().copied().filter(|id| !known(id)).collect();
        self.frames.push((new, frame));
    }
}
