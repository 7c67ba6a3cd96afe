//! Numbers, spans and instants as messages say them.

use std::fmt::Write as _;

const DAY_MILLIS: i64 = 86_400_000;

/// A number with four digits that count, as people write it: `12.3`, `0.004`, `4.2M`.
pub fn format_number(number: f64) -> String {
    const UNITS: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let size = number.abs();
    if !number.is_finite() || size >= 1e18 {
        return format!("{number:e}");
    }
    // What rounds up to the next unit is said in it: `1M` and not `1000k`.
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| size >= unit * 0.99995 && size >= 9_999.5).unwrap_or((1.0, ""));
    let scaled = number / unit;
    if scaled != 0.0 && scaled.abs() < 1e-4 {
        return format!("{number:.1e}");
    }
    let mut digits = 3_usize;
    let mut bound = 10.0;
    while digits > 0 && scaled.abs() >= bound {
        (digits, bound) = (digits - 1, bound * 10.0);
    }
    let mut bound = 1.0;
    while scaled != 0.0 && scaled.abs() < bound && digits < 8 {
        (digits, bound) = (digits + 1, bound / 10.0);
    }
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{}{name}", if text == "-0" { "0" } else { text })
}

/// About how long, in its two largest units: `2d3h`, `5h20m`, `45s`.
pub fn format_about(millis: i64) -> String {
    const UNITS: [(&str, i64); 5] = [("d", DAY_MILLIS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let millis = millis.max(0);
    let Some(largest) = UNITS.iter().position(|(_, size)| millis >= *size) else { return "0s".to_owned() };
    let mut text = String::new();
    let mut rest = millis;
    for (name, size) in UNITS.iter().skip(largest).take(2) {
        if rest >= *size {
            text.push_str(&format!("{}{name}", rest / size));
        }
        rest %= size;
    }
    text
}

/// An instant in milliseconds since 1970, to the second: `2026-11-21T10:56:21Z`.
pub fn format_instant(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(DAY_MILLIS), millis.rem_euclid(DAY_MILLIS) / 1_000);
    let (year, month, day) = civil(days);
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    // Writing to a text cannot fail.
    let _ = write!(text, "T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60);
    text
}

/// Year, month and day of a number of days since 1970. Years begin in March here, so that the leap day is a year's last.
const fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    let days = days.saturating_add(FROM_MARCH_OF_YEAR_0);
    let (cycle, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let january_comes_later = if month < 10 { 0 } else { 1 };
    (cycle * 400 + year + january_comes_later, if month < 10 { month + 3 } else { month - 9 }, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_that_count() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (12.3456, "12.35"),
            (-0.004_321, "-0.004321"),
            (0.5, "0.5"),
            (999.96, "1000"),
            (9_999.4, "9999"),
            (9_999.9, "10k"),
            (123_456.0, "123.5k"),
            (999_999.0, "1M"),
            (4.2e9, "4.2G"),
            (1e18, "1e18"),
            (0.000_012_3, "1.2e-5"),
            (f64::INFINITY, "inf"),
            (100.0, "100"),
            (0.1, "0.1"),
            (99.99, "99.99"),
        ];
        for (number, text) in cases {
            assert_eq!(format_number(number), text);
        }
    }

    #[test]
    fn spans_have_two_units() {
        let cases = [
            (0, "0s"),
            (45_000, "45s"),
            (19_210_000, "5h20m"),
            (183_600_000, "2d3h"),
            (86_400_000, "1d"),
            (1_500, "1s500ms"),
            (-5, "0s"),
            (86_460_000, "1d"),
        ];
        for (millis, text) in cases {
            assert_eq!(format_about(millis), text);
        }
    }

    #[test]
    fn instants_are_dates_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59Z"),
            (1_763_722_581_000, "2025-11-21T10:56:21Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(format_instant(millis), text);
        }
    }
}
