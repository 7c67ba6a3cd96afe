//! Points in time, as every source and every record counts them: whole milliseconds UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. Reads and writes RFC 3339, always with milliseconds, always UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch with milliseconds, as Prometheus takes `time=`.
    pub fn as_prometheus(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}{}.{:03}", self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000)
    }

    /// This much later; stops at the ends of time instead of wrapping.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            // Beyond year 9999 there is no RFC 3339; such a time only comes from a source that lies.
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

/// Text that is not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time: write it as 2026-01-31T12:00:00Z")]
pub struct InvalidTimestamp(String);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        if let Some(millis) = text.strip_prefix('@').and_then(|rest| rest.strip_suffix("ms")) {
            return millis.parse().map(Self).map_err(|_| InvalidTimestamp(text.to_owned()));
        }
        let at: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp(text.to_owned()))?;
        Ok(Self(at.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

/// The one place where time enters. Everything that reaches an output takes it from here or from data.
pub trait Clock: Send + Sync {
    /// The time it is.
    fn now(&self) -> Timestamp;

    /// How long a wait of `millis` on this clock lasts for the one who waits. A replay's clock runs faster.
    fn real_millis(&self, millis: i64) -> u64 {
        u64::try_from(millis).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_it_was_written() {
        for millis in [0, 1, -1, 1_732_174_269_123, 253_402_300_799_999, i64::MAX] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
        assert_eq!(Timestamp::from_millis(1_500).to_string(), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn prometheus_gets_seconds_with_three_decimals() {
        assert_eq!(Timestamp::from_millis(1_732_174_269_007).as_prometheus(), "1732174269.007");
        assert_eq!(Timestamp::from_millis(-1_500).as_prometheus(), "-1.500");
    }
}
