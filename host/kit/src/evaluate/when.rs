//! Points in time as people and other programs write them into tables.

use orion_model::Timestamp;

/// From here on a whole number counts milliseconds and not seconds: as seconds it would be the year 5138.
const LEAST_MILLIS: f64 = 1e11;

/// RFC 3339; a date and a time without a zone, which is UTC; or seconds or milliseconds since 1970.
pub fn when(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        let millis = if number.abs() < LEAST_MILLIS { number * 1e3 } else { number };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a number that is too large becomes the largest, which no table has"
        )]
        let millis = millis.round() as i64;
        return Ok(Timestamp::from_millis(millis));
    }
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    let zoned = civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let at = zoned.map(|zoned| Timestamp::from_millis(zoned.timestamp().as_millisecond()));
    at.ok_or_else(|| {
        format!("`{text}` is no time: write it as 2026-01-31T12:00:00Z, 2026-01-31 12:00:00 or in seconds since 1970")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_tables_have_them() {
        let noon = Timestamp::from_millis(1_769_860_800_000);
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31T13:00:00+01:00",
            "2026-01-31 12:00:00",
            "2026-01-31 12:00:00.000000",
            "1769860800",
            "1769860800000",
            " 1769860800.0 ",
        ] {
            assert_eq!(when(text), Ok(noon), "{text}");
        }
        for wrong in ["", "noon", "2026-13-01 00:00:00", "NaN", "inf"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
}
