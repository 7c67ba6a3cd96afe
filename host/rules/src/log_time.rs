//! When a line says that it was written.

use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use orion_model::Timestamp;

/// Where a line says when it was written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTime {
    /// The capture or field.
    pub field: String,
    /// How it is written there.
    pub format: TimeFormat,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-01-31T12:00:00Z`, with any offset.
    Rfc3339,
    /// So many of these are a second, counted since 1970; parts of one may follow a point.
    Unix {
        /// 1, 1,000 or 1,000,000,000.
        per_second: u32,
    },
    /// As strftime writes it. Without an offset it is UTC.
    Strftime(String),
}

/// The words for formats, beside strftime's.
pub(crate) const FORMATS: [&str; 4] = ["rfc3339", "unix", "unix_ms", "unix_ns"];

impl TimeFormat {
    /// By the word for it, or as strftime has it; a sentence when it is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "rfc3339" => Ok(Self::Rfc3339),
            "unix" => Ok(Self::Unix { per_second: 1 }),
            "unix_ms" => Ok(Self::Unix { per_second: 1_000 }),
            "unix_ns" => Ok(Self::Unix { per_second: 1_000_000_000 }),
            _ if !text.contains('%') => Err(format!("`{text}` is no format of time")),
            _ => {
                // A time that is written by it and read again is the same, or it lacks something.
                let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                let written = strtime::format(text, &sample).map_err(|why| why.to_string())?;
                let format = Self::Strftime(text.to_owned());
                match format.read(&written) {
                    Some(at) if at.as_millis() == 0 => Ok(format),
                    _ => Err(format!("`{text}` does not say a whole date and time")),
                }
            }
        }
    }

    fn read(&self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => text.parse().ok(),
            Self::Unix { per_second } => unix_millis(text, *per_second).map(Timestamp::from_millis),
            Self::Strftime(format) => {
                let broken = BrokenDownTime::parse(format, text).ok()?;
                let of_zone = || Some(broken.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
                let at = broken.to_timestamp().ok().or_else(of_zone)?;
                Some(Timestamp::from_millis(at.as_millisecond()))
            }
        }
    }
}

/// Milliseconds since 1970 of a number that counts parts of a second since then.
fn unix_millis(text: &str, per_second: u32) -> Option<i64> {
    // More digits than that are no time.
    const MOST_DIGITS: usize = 30;
    if text.len() > MOST_DIGITS {
        return None;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: i128 = whole.parse().ok()?;
    let millis = whole.checked_mul(1_000)? / i128::from(per_second);
    let part = match (per_second, part) {
        (1, part) if !part.is_empty() => {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part)?;
            format!("{digits:0<3}").get(..3)?.parse::<i128>().ok()?
        }
        _ => 0,
    };
    i64::try_from(millis + part).ok()
}

impl LogTime {
    /// When that was; nothing when the text says no time.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        self.format.read(text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str) -> Option<String> {
        Some(TimeFormat::parse(format).unwrap().read(text)?.to_string())
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let noon = Some("2026-01-31T12:00:00.250Z".to_owned());
        assert_eq!(read("rfc3339", "2026-01-31T13:00:00.25+01:00"), noon);
        assert_eq!(read("unix", "1769860800.25"), noon);
        assert_eq!(read("unix_ms", "1769860800250"), noon);
        assert_eq!(read("unix_ns", "1769860800250000000"), noon);
        assert_eq!(read("%d/%b/%Y:%H:%M:%S%.f %z", "31/Jan/2026:13:00:00.25 +0100"), noon);
        // Without an offset.
        assert_eq!(read("%Y-%m-%d %H:%M:%S%.f", "2026-01-31 12:00:00.25"), noon);
        for (format, text) in [("rfc3339", "noon"), ("unix", "1e9"), ("unix", &"9".repeat(40)), ("%Y-%m-%d %T", "no")] {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn a_format_that_does_not_say_all_of_a_time_is_refused() {
        for format in ["iso", "%H:%M:%S", "%b %d %H:%M:%S", "%Q nonsense"] {
            assert!(TimeFormat::parse(format).is_err(), "{format}");
        }
    }
}
