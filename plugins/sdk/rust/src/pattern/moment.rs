//! What is remembered of an event.

use crate::event::{Event, Status};
use crate::severity::Severity;
use crate::stored::Stored;

/// The part that an event plays for a correlator: which selectors it fits, which value it has. `()` where being there is all.
pub trait Role: Copy + PartialEq + Stored {
    /// Order among events of one instant, before that of the bus.
    fn rank(self) -> u32 {
        0
    }
}

impl Role for () {}
impl Role for u64 {}
impl Role for f64 {}

/// An event, as far as it matters later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment<R> {
    /// When, in milliseconds.
    pub time: i64,
    /// Position on the bus.
    pub position: u64,
    /// Of its alert.
    pub fingerprint: u64,
    /// How bad.
    pub severity: Severity,
    /// Whether its alert fires and has not been resolved since.
    pub fires: bool,
    /// The part it plays.
    pub role: R,
}

impl<R: Role> Moment<R> {
    /// Of an event.
    pub fn of(event: &Event<'_>, role: R) -> Self {
        Self {
            time: event.timestamp,
            position: event.position,
            fingerprint: event.fingerprint,
            severity: event.severity,
            fires: event.status == Status::Firing,
            role,
        }
    }

    /// Its place among others: by time, within an instant by role, then as on the bus.
    pub fn order(&self) -> (i64, u32, u64) {
        (self.time, self.role.rank(), self.position)
    }
}

/// What every moment is saved as: three numbers and a byte of flags.
const FIXED_BYTES: usize = 3 * 8 + 1;
const FIRES: u8 = 0b100;
const RANK: u8 = 0b011;

impl<R: Role> Stored for Moment<R> {
    fn write(&self, out: &mut Vec<u8>) {
        // In one piece: a key that is busy saves dozens of these with every batch.
        let mut bytes = [0; FIXED_BYTES];
        let (times, rest) = bytes.split_at_mut(8);
        let (positions, rest) = rest.split_at_mut(8);
        let (fingerprints, flags) = rest.split_at_mut(8);
        times.copy_from_slice(&self.time.to_le_bytes());
        positions.copy_from_slice(&self.position.to_le_bytes());
        fingerprints.copy_from_slice(&self.fingerprint.to_le_bytes());
        flags.fill(self.severity.rank() | if self.fires { FIRES } else { 0 });
        out.extend_from_slice(&bytes);
        self.role.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (time, position, fingerprint) = (i64::read(from)?, u64::read(from)?, u64::read(from)?);
        let flags = u8::read(from).filter(|flags| flags & !(FIRES | RANK) == 0)?;
        let (severity, fires) = (Severity::from_rank(flags & RANK), flags & FIRES != 0);
        Some(Self { time, position, fingerprint, severity, fires, role: R::read(from)? })
    }
}
