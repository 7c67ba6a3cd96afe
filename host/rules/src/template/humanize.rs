//! Prometheus' functions that make numbers readable, to the letter: people compare these texts across systems.

use super::float::general;
use super::format;
use super::value::Value;

/// Significant digits of every humanized number.
const DIGITS: Option<usize> = Some(4);

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

/// A number of whatever can be one.
pub(super) fn number(value: &Value<'_>) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "Go converts with the same loss")]
    match value {
        Value::Number(number) => Ok(*number),
        Value::Integer(integer) => Ok(*integer as f64),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::Text(text) => text.parse().map_err(|_| format!("`{text}` is no number")),
        other => Err(format!("a {} is no number", other.type_name())),
    }
}

/// `1.235k`, `12.35m`.
pub(super) fn decimal(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return general(number, DIGITS);
    }
    if number.abs() >= 1.0 { large(number, 1000.0, &LARGE) } else { small(number) }
}

/// `1.206ki`.
pub(super) fn binary(number: f64) -> String {
    if number.abs() <= 1.0 || !number.is_finite() {
        return general(number, DIGITS);
    }
    large(number, 1024.0, &BINARY)
}

fn large(mut number: f64, step: f64, prefixes: &[&'static str]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if number.abs() < step {
            break;
        }
        prefix = next;
        number /= step;
    }
    general(number, DIGITS) + prefix
}

fn small(mut number: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if number.abs() >= 1.0 {
            break;
        }
        prefix = next;
        number *= 1000.0;
    }
    general(number, DIGITS) + prefix
}

/// `1d 2h 3m 4s`, `1.5s`, `12ms`.
pub(super) fn duration(number: f64) -> String {
    if !number.is_finite() {
        return general(number, DIGITS);
    }
    if number == 0.0 || number.abs() < 1.0 {
        return if number == 0.0 { general(number, DIGITS) } else { small(number) } + "s";
    }
    let sign = if number < 0.0 { "-" } else { "" };
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are meant, and no duration is that long")]
    let whole = number.abs() as i64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", general(number.abs(), DIGITS)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// `12.35%` of 0.1235.
pub(super) fn percentage(number: f64) -> String {
    general(number * 100.0, DIGITS) + "%"
}

/// A time of seconds since the epoch, as text.
pub(super) fn timestamp(number: f64) -> Result<String, String> {
    if !number.is_finite() {
        return Ok(general(number, DIGITS));
    }
    millis(number).map(format::time)
}

/// Milliseconds of seconds, within what nanoseconds in 64 bits can count.
pub(super) fn millis(seconds: f64) -> Result<i64, String> {
    #[expect(clippy::cast_precision_loss, reason = "the bound itself need not be exact")]
    let representable = (seconds * 1e9).abs() <= i64::MAX as f64;
    if !representable || seconds.is_nan() {
        return Err(format!("{} is no time", general(seconds, None)));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just now")]
    let nanos = (seconds * 1e9) as i64;
    Ok(nanos / 1_000_000)
}
