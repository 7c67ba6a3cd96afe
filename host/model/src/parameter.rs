//! Values that cross between host and plugin besides frames and events: parameters and saved state.

use serde::{Deserialize, Serialize};

/// A parameter of a plugin, checked against its manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name, as in the manifest.
    pub name: String,
    /// Value; durations are integer milliseconds.
    pub value: ParameterValue,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// True or false.
    Flag(bool),
    /// A whole number; milliseconds for a duration.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// A piece of saved plugin state; no value means the key is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry<B = Vec<u8>> {
    /// The plugin's own key.
    pub key: B,
    /// The plugin's own bytes.
    pub value: Option<B>,
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Milliseconds of a duration as Prometheus writes it: `1h30m`, `15s`, `500ms`, `0`. Units from large to small, each once.
pub fn parse_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0_i64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at_checked(letters)?;
        let index = UNITS.iter().position(|(name, _)| *name == unit).filter(|index| *index >= next_unit)?;
        let (_, millis) = UNITS.get(index)?;
        total = number.parse::<i64>().ok()?.checked_mul(*millis)?.checked_add(total)?;
        next_unit = index + 1;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// Milliseconds as Prometheus would write them: `1h30m`.
pub fn format_duration(millis: i64) -> String {
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut rest = millis.max(0);
    let mut text = String::new();
    for (unit, size) in UNITS {
        // Prometheus writes years and weeks only when nothing is left over: 10d, not 1w3d.
        let exact_only = matches!(unit, "y" | "w");
        if rest >= size && (!exact_only || rest % size == 0) {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_prometheus_reads_them() {
        for (text, millis) in [("0", 0), ("15s", 15_000), ("1h30m", 5_400_000), ("500ms", 500), ("1d", 86_400_000)] {
            assert_eq!(parse_duration(text), Some(millis), "{text}");
        }
        for text in ["", "5", "m5", "1m1h", "1m1m", "1.5h", "-1m", "1 m", "99999999999999999y"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(format_duration(10 * 86_400_000), "10d");
        assert_eq!(format_duration(7 * 86_400_000), "1w");
    }

    proptest! {
        #[test]
        fn a_duration_reads_as_it_was_written(millis in 0_i64..10_000_000_000_000) {
            prop_assert_eq!(parse_duration(&format_duration(millis)), Some(millis));
        }
    }
}
