//! The text form that Prometheus reads: families one after the other, each with its help and its samples.

use std::fmt::Write as _;

use crate::number::Histogram;

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyType {
    /// Counted, never taken back. Its name ends in `_total`.
    Counter,
    /// Up and down.
    Gauge,
    /// How long things took.
    Histogram,
}

impl FamilyType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A text that grows family by family.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// A new family. Its samples are to be written before the next family begins: a reader takes no other order.
    pub fn family(&mut self, name: &'static str, kind: FamilyType, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = kind.as_str();
        // Writing to a text does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text: &mut self.0, name }
    }

    /// A counter that stands alone.
    pub fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, FamilyType::Counter, help).count(&[], value);
    }

    /// A gauge that stands alone.
    pub fn gauge(&mut self, name: &'static str, help: &str, value: f64) {
        self.family(name, FamilyType::Gauge, help).sample(&[], value);
    }

    /// All of it.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A family that is being written.
pub struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Family<'_> {
    /// A sample with these labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, None, &number(value));
    }

    /// A whole number with these labels.
    pub fn count(&mut self, labels: &[(&str, &str)], value: u64) {
        self.line("", labels, None, &value.to_string());
    }

    /// All that is known of how long something took, with these labels.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut count = 0;
        for (bound, up_to) in histogram.cumulative() {
            count = up_to;
            self.line("_bucket", labels, Some(("le", &number(bound))), &up_to.to_string());
        }
        self.line("_sum", labels, None, &number(histogram.sum_seconds()));
        self.line("_count", labels, None, &count.to_string());
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], last: Option<(&str, &str)>, value: &str) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(last) {
            self.text.push(separator);
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(value);
        self.text.push('\n');
    }
}

fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.counter("orion_things_total", "Things.\nAll of them.", 3);
        let mut family = text.family("orion_state", FamilyType::Gauge, "State.");
        family.sample(&[("file", "a\\b\"c\nd")], f64::NAN);
        family.sample(&[("file", "x"), ("kind", "y")], f64::INFINITY);
        let histogram = Histogram::new(&[0.5]);
        histogram.observe(Duration::from_millis(250));
        text.family("orion_took_seconds", FamilyType::Histogram, "Took.").histogram(&[("who", "me")], &histogram);
        let expected = r#"# HELP orion_things_total Things.\nAll of them.
# TYPE orion_things_total counter
orion_things_total 3
# HELP orion_state State.
# TYPE orion_state gauge
orion_state{file="a\\b\"c\nd"} NaN
orion_state{file="x",kind="y"} +Inf
# HELP orion_took_seconds Took.
# TYPE orion_took_seconds histogram
orion_took_seconds_bucket{who="me",le="0.5"} 1
orion_took_seconds_bucket{who="me",le="+Inf"} 1
orion_took_seconds_sum{who="me"} 0.25
orion_took_seconds_count{who="me"} 1
"#;
        assert_eq!(text.into_string(), expected);
    }
}
