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
    /// `2026-01-31T12:00:00Z`, with any offset. So the syslog of RFC 5424 writes it.
    Rfc3339,
    /// `Jan 31 12:00:00`, as the syslog of RFC 3164 writes it: without year and offset.
    Rfc3164,
    /// So many of these are a second, counted since 1970; parts of one may follow a point.
    Unix {
        /// 1, 1,000 or 1,000,000,000.
        per_second: u32,
    },
    /// As strftime writes it. Without an offset it is UTC.
    Strftime(String),
}

/// The words for formats, beside strftime's.
pub(crate) const FORMATS: [&str; 5] = ["rfc3339", "rfc3164", "unix", "unix_ms", "unix_ns"];

/// As strftime has what RFC 3164 writes.
const RFC_3164: &str = "%b %e %H:%M:%S";

/// How far the clock of who writes may be ahead: no further ahead is a line's time taken. What would be later is of the year before.
const MOST_AHEAD_MILLIS: i64 = 60_000;

impl TimeFormat {
    /// By the word for it, or as strftime has it; a sentence when it is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "rfc3339" => Ok(Self::Rfc3339),
            "rfc3164" => Ok(Self::Rfc3164),
            "rfc5424" => Err("the times of RFC 5424 are `rfc3339`".to_owned()),
            "unix" => Ok(Self::Unix { per_second: 1 }),
            "unix_ms" => Ok(Self::Unix { per_second: 1_000 }),
            "unix_ns" => Ok(Self::Unix { per_second: 1_000_000_000 }),
            _ if !text.contains('%') => Err(format!("`{text}` is no format of time")),
            _ => {
                // A time that is written by it and read again is the same, or it lacks something.
                let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                let written = strtime::format(text, &sample).map_err(|why| why.to_string())?;
                let format = Self::Strftime(text.to_owned());
                match format.read(&written, Timestamp::default()) {
                    Some(at) if at.as_millis() == 0 => Ok(format),
                    _ => Err(format!("`{text}` does not say a whole date and time")),
                }
            }
        }
    }

    fn read(&self, text: &str, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => text.parse().ok(),
            Self::Rfc3164 => without_year(text, now),
            Self::Unix { per_second } => unix_millis(text, *per_second).map(Timestamp::from_millis),
            Self::Strftime(format) => {
                let broken = BrokenDownTime::parse(format, text).ok()?;
                let with_offset = broken.to_timestamp().ok();
                with_offset.map(|at| Timestamp::from_millis(at.as_millisecond())).or_else(|| in_utc(&broken))
            }
        }
    }
}

fn in_utc(broken: &BrokenDownTime) -> Option<Timestamp> {
    let at = broken.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// A time whose year is not said. It is the past that is nearest to now, as far as clocks agree.
fn without_year(text: &str, now: Timestamp) -> Option<Timestamp> {
    let mut broken = BrokenDownTime::parse(RFC_3164, text).ok()?;
    let this_year = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(TimeZone::UTC).year();
    let latest = now.plus_millis(MOST_AHEAD_MILLIS);
    // At the end of a year the next one may have begun where it was written, and at its beginning the one before is meant.
    (this_year - 1..=this_year + 1).rev().find_map(|year| {
        broken.set_year(Some(year)).ok()?;
        in_utc(&broken).filter(|at| *at <= latest)
    })
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
    /// When that was, as is said now; nothing when the text says no time.
    pub fn read(&self, text: &str, now: Timestamp) -> Option<Timestamp> {
        self.format.read(text.trim(), now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_at(now: &str, format: &str, text: &str) -> Option<String> {
        let format = TimeFormat::parse(format).unwrap();
        Some(LogTime { field: String::new(), format }.read(text, now.parse().unwrap())?.to_string())
    }

    fn read(format: &str, text: &str) -> Option<String> {
        read_at("2026-01-31T12:00:01Z", format, text)
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
        for format in ["iso", "%H:%M:%S", "%b %d %H:%M:%S", "%Q nonsense", "rfc5424"] {
            assert!(TimeFormat::parse(format).is_err(), "{format}");
        }
    }

    #[test]
    fn times_of_rfc_5424_are_those_of_rfc_3339() {
        for (text, at) in [
            ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z"),
            ("1985-04-12T19:20:50.52-04:00", "1985-04-12T23:20:50.520Z"),
            ("2003-10-11T22:14:15.003Z", "2003-10-11T22:14:15.003Z"),
            ("2003-08-24T05:14:15.000003-07:00", "2003-08-24T12:14:15.000Z"),
        ] {
            assert_eq!(read("rfc3339", text).as_deref(), Some(at), "{text}");
        }
        // What it writes where nobody knows the time.
        assert_eq!(read("rfc3339", "-"), None);
    }

    #[test]
    fn the_year_that_rfc_3164_leaves_out_is_that_of_the_nearest_past() {
        for (now, text, at) in [
            ("2026-11-29T09:00:00Z", "Nov 29 08:53:50", Some("2026-11-29T08:53:50.000Z")),
            // Days have a space before them, or a zero, or nothing.
            ("2026-11-29T09:00:00Z", "Nov  9 08:53:50", Some("2026-11-09T08:53:50.000Z")),
            ("2026-11-29T09:00:00Z", "Nov 09 08:53:50", Some("2026-11-09T08:53:50.000Z")),
            ("2026-11-29T09:00:00Z", "Nov 9 08:53:50", Some("2026-11-09T08:53:50.000Z")),
            ("2026-11-29T09:00:00Z", "Dec 24 18:00:00", Some("2025-12-24T18:00:00.000Z")),
            // Read when the year is over, and written when it had begun elsewhere.
            ("2027-01-01T00:00:02Z", "Dec 31 23:59:59", Some("2026-12-31T23:59:59.000Z")),
            ("2026-12-31T23:59:58Z", "Jan  1 00:00:03", Some("2027-01-01T00:00:03.000Z")),
            ("2026-12-31T23:59:58Z", "Jan  1 00:00:58", Some("2027-01-01T00:00:58.000Z")),
            ("2026-12-31T23:59:58Z", "Jan  1 00:00:59", Some("2026-01-01T00:00:59.000Z")),
            // A day that is not in each year.
            ("2028-02-29T12:00:00Z", "Feb 29 11:59:59", Some("2028-02-29T11:59:59.000Z")),
            ("2029-01-31T12:00:00Z", "Feb 29 11:59:59", Some("2028-02-29T11:59:59.000Z")),
            ("2026-02-28T23:59:59Z", "Feb 29 00:00:00", None),
            ("2026-11-29T09:00:00Z", "Nov 31 08:53:50", None),
            ("2026-11-29T09:00:00Z", "Nov 29 24:00:00", None),
            ("2026-11-29T09:00:00Z", "Nov 29 08:53:50 host", None),
            ("2026-11-29T09:00:00Z", "29 Nov 08:53:50", None),
            ("2026-11-29T09:00:00Z", "Nov 29 2026 08:53:50", None),
        ] {
            assert_eq!(read_at(now, "rfc3164", text).as_deref(), at, "{text} at {now}");
        }
    }

    proptest! {
        #[test]
        fn what_rfc_3164_writes_is_read_as_it_was_within_the_times_that_are_taken(
            at_seconds in 0_i64..4_102_444_800, ahead_millis in -60_000_i64..3_600_000,
        ) {
            let at = jiff::Timestamp::from_second(at_seconds).unwrap();
            let written = strtime::format(RFC_3164, &at.to_zoned(TimeZone::UTC)).unwrap();
            let now = Timestamp::from_millis(at_seconds * 1_000 + ahead_millis);
            let read = TimeFormat::Rfc3164.read(&written, now);
            prop_assert_eq!(read, Some(Timestamp::from_millis(at_seconds * 1_000)), "{}", written);
        }
    }
}
