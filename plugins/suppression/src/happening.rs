//! An event that waits for its instant to be over.

use orion_plugin::{Event, Severity, Status, Stored};

/// An event, as far as it matters here.
pub(crate) struct Happening {
    pub(crate) time: i64,
    pub(crate) position: u64,
    pub(crate) fingerprint: u64,
    pub(crate) severity: Severity,
    pub(crate) status: Status,
    pub(crate) is_cause: bool,
    /// Its group.
    pub(crate) key: Box<str>,
    /// Where causes and symptoms meet.
    pub(crate) scope: Box<str>,
}

impl Happening {
    pub(crate) fn of(event: &Event<'_>, is_cause: bool, scope: &str) -> Self {
        let Event { timestamp: time, position, fingerprint, severity, status, .. } = *event;
        Self { time, position, fingerprint, severity, status, is_cause, key: event.key().into(), scope: scope.into() }
    }

    /// A text that sorts as happenings are looked at: by time, causes before symptoms, then as on the bus.
    pub(crate) fn order(&self) -> String {
        // Shifted, so that times before 1970 sort before others.
        let time = self.time.cast_unsigned() ^ (1 << 63);
        format!("{time:016x}{}{:016x}", u8::from(!self.is_cause), self.position)
    }

    pub(crate) const fn fires(&self) -> bool {
        matches!(self.status, Status::Firing)
    }
}

const STATUSES: [Status; 3] = [Status::Occurred, Status::Firing, Status::Resolved];

impl Stored for Happening {
    fn write(&self, out: &mut Vec<u8>) {
        self.time.write(out);
        self.position.write(out);
        self.fingerprint.write(out);
        self.severity.write(out);
        (self.status as u8).write(out);
        self.is_cause.write(out);
        self.key.write(out);
        self.scope.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            time: i64::read(from)?,
            position: u64::read(from)?,
            fingerprint: u64::read(from)?,
            severity: Severity::read(from)?,
            status: STATUSES.get(usize::from(u8::read(from)?)).copied()?,
            is_cause: bool::read(from)?,
            key: Box::read(from)?,
            scope: Box::read(from)?,
        })
    }
}
