//! Events as a correlator sees them: one by one, texts looked up when asked for.

use crate::frame::text;
use crate::severity::Severity;

/// The columns of a batch, as they come from the host.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) positions: Vec<u64>,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) severities: Vec<u8>,
    pub(crate) statuses: Vec<u8>,
    pub(crate) fingerprints: Vec<u64>,
    pub(crate) values: Vec<f64>,
    pub(crate) label_counts: Vec<u32>,
    pub(crate) text: Vec<u8>,
    pub(crate) ends: Vec<u32>,
}

/// Events in bus order.
#[derive(Clone, Copy)]
pub struct Batch<'a>(pub(crate) &'a Columns);

impl<'a> Batch<'a> {
    /// Number of events.
    pub const fn len(&self) -> usize {
        self.0.positions.len()
    }

    /// Whether it is a tick: no event, but time has passed.
    pub const fn is_empty(&self) -> bool {
        self.0.positions.is_empty()
    }

    /// The events.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let columns = self.0;
        let numbers = columns.positions.iter().zip(&columns.timestamps).zip(&columns.severities);
        let numbers = numbers.zip(&columns.statuses).zip(&columns.fingerprints).zip(&columns.values);
        let mut piece = 0_usize;
        numbers.zip(&columns.label_counts).map(
            move |((((((position, time), severity), status), print), value), labels)| {
                let event = Event {
                    position: *position,
                    timestamp: *time,
                    severity: Severity::from_rank(*severity),
                    status: Status::from_rank(*status),
                    fingerprint: *print,
                    value: *value,
                    labels: *labels as usize,
                    piece,
                    columns,
                };
                piece = piece.saturating_add(FIXED_PIECES).saturating_add(event.labels.saturating_mul(2));
                event
            },
        )
    }
}

/// Pieces of text of an event before its labels: key and type.
const FIXED_PIECES: usize = 2;

/// One event.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// Position on the bus; grows from event to event.
    pub position: u64,
    /// When, in milliseconds.
    pub timestamp: i64,
    /// How bad.
    pub severity: Severity,
    /// Whether it began, ended, or just happened.
    pub status: Status,
    /// The same for the firing and the resolved event of one alert.
    pub fingerprint: u64,
    /// The value it carries; NaN when it carries none.
    pub value: f64,
    labels: usize,
    piece: usize,
    columns: &'a Columns,
}

impl<'a> Event<'a> {
    fn piece(&self, offset: usize) -> &'a str {
        let index = self.piece.saturating_add(offset);
        let ends = &self.columns.ends;
        let start = index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
        let end = ends.get(index).map_or(0, |end| *end as usize);
        text(self.columns.text.get(start..end))
    }

    /// Its group.
    pub fn key(&self) -> &'a str {
        self.piece(0)
    }

    /// What kind of thing: `service_down`.
    pub fn event_type(&self) -> &'a str {
        self.piece(1)
    }

    /// Its labels, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let event = *self;
        (0..event.labels).map(move |label| {
            let name = FIXED_PIECES + label * 2;
            (event.piece(name), event.piece(name + 1))
        })
    }

    /// The value of one label.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.labels().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// Whether a thing began, ended, or just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// A thing of one moment.
    Occurred,
    /// It holds from now on.
    Firing,
    /// It held until now.
    Resolved,
}

impl Status {
    /// From 0 to 2, as batches carry it.
    const fn from_rank(rank: u8) -> Self {
        match rank {
            0 => Self::Occurred,
            1 => Self::Firing,
            _ => Self::Resolved,
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) const fn rank(self) -> u8 {
        self as u8
    }
}
