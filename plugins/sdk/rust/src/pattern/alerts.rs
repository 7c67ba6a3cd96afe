//! Alerts that fire, and how an incident ends that waits for the end of its alerts.

use super::incident::Life;
use crate::parameters::format_duration;
use crate::severity::Severity;
use crate::stored::Stored;

/// An alert that fires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// Which alert.
    pub fingerprint: u64,
    /// The event that says that it fires.
    pub position: u64,
    /// How bad it is.
    pub severity: Severity,
}

impl Stored for Live {
    fn write(&self, out: &mut Vec<u8>) {
        self.fingerprint.write(out);
        self.position.write(out);
        self.severity.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (fingerprint, position) = <(u64, u64)>::read(from)?;
        Some(Self { fingerprint, position, severity: Severity::read(from)? })
    }
}

/// How such an incident comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The last of its alerts is resolved.
    Resolved,
    /// What occurred last in it is long enough ago.
    Idle,
    /// It is as old as one may be.
    Aged,
}

impl Rest {
    /// When and how it does if nothing more comes: whether alerts fire, when something occurred last, and when the last alert was resolved.
    pub fn of(opened: i64, fires: bool, occurred: Option<i64>, resolved: i64, life: &Life) -> (i64, Self) {
        let aged = opened.saturating_add(life.max_millis);
        if fires {
            return (aged, Self::Aged);
        }
        let idle = occurred.map(|time| time.saturating_add(life.idle_millis)).filter(|idle| *idle >= resolved);
        let (quiet, rest) = idle.map_or((resolved, Self::Resolved), |idle| (idle, Self::Idle));
        if quiet <= aged { (quiet, rest) } else { (aged, Self::Aged) }
    }

    /// In words.
    pub fn reason(self, life: &Life) -> String {
        match self {
            Self::Resolved => "all resolved".to_owned(),
            Self::Idle => format!("idle for {}", format_duration(life.idle_millis)),
            Self::Aged => format!("open for {}", format_duration(life.max_millis)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_when_all_is_resolved_what_occurred_is_long_ago_or_it_is_old() {
        let life = Life { window_millis: 0, idle_millis: 10, max_millis: 100, lateness_millis: 0, most_keys: 1 };
        let rest = |fires, occurred, resolved| Rest::of(1_000, fires, occurred, resolved, &life);
        assert_eq!(rest(true, Some(1_000), 1_001), (1_100, Rest::Aged));
        assert_eq!(rest(false, None, 1_020), (1_020, Rest::Resolved));
        assert_eq!(rest(false, Some(1_010), 1_019), (1_020, Rest::Idle));
        assert_eq!(rest(false, Some(1_010), 1_021), (1_021, Rest::Resolved));
        assert_eq!(rest(false, Some(1_091), 1_000), (1_100, Rest::Aged));
    }
}
