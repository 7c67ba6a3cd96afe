//! Figures beside their targets, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cpu;
use crate::error::BenchError;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// Stands beside the others to make them understood.
    None,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What it should be.
    pub target: Target,
    /// What it is.
    pub measured: f64,
    /// In what.
    pub unit: &'static str,
    /// What else there is to know.
    pub note: String,
}

impl Figure {
    /// A figure without a note.
    pub fn new(what: impl Into<String>, target: Target, measured: f64, unit: &'static str) -> Self {
        Self { what: what.into(), target, measured, unit, note: String::new() }
    }

    /// With a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Measured by target; above one is worse where less is better.
    fn ratio(&self) -> Option<f64> {
        match self.target {
            Target::AtMost(target) | Target::AtLeast(target) => Some(self.measured / target),
            Target::None => None,
        }
    }

    fn verdict(&self) -> &'static str {
        let held = match self.target {
            Target::AtMost(target) => self.measured <= target,
            Target::AtLeast(target) => self.measured >= target,
            Target::None => return "",
        };
        if held { "held" } else { "MISSED" }
    }

    fn target_text(&self) -> String {
        match self.target {
            Target::AtMost(target) => format!("≤ {} {}", short(target), self.unit),
            Target::AtLeast(target) => format!("≥ {} {}", short(target), self.unit),
            Target::None => String::new(),
        }
    }

    fn to_json(&self, bench: &str) -> Value {
        let (at_most, at_least) = match self.target {
            Target::AtMost(target) => (Some(target), None),
            Target::AtLeast(target) => (None, Some(target)),
            Target::None => (None, None),
        };
        json!({
            "bench": bench, "what": self.what, "unit": self.unit, "measured": self.measured, "at_most": at_most,
            "at_least": at_least, "ratio": self.ratio(), "verdict": self.verdict(), "note": self.note,
        })
    }
}

/// Three digits that count, thousands apart.
fn short(number: f64) -> String {
    let digits = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{number:.digits$}");
    let (whole, rest) = text.find('.').map_or((text.as_str(), ""), |point| text.split_at(point));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// Figures of one run.
pub struct Report {
    load_before: f64,
    rows: Vec<(&'static str, Result<Figure, String>)>,
}

impl Report {
    /// Nothing measured yet.
    pub fn begin() -> Self {
        Self { load_before: cpu::load(), rows: Vec::new() }
    }

    /// What became of a benchmark.
    pub fn add(&mut self, bench: &'static str, outcome: Result<Vec<Figure>, BenchError>) {
        match outcome {
            Ok(figures) => self.rows.extend(figures.into_iter().map(|figure| (bench, Ok(figure)))),
            Err(error) => self.rows.push((bench, Err(error.to_string()))),
        }
    }

    /// Whether everything was measured.
    pub fn is_complete(&self) -> bool {
        self.rows.iter().all(|(_, row)| row.is_ok())
    }

    /// For people.
    pub fn to_table(&self) -> String {
        let header = ["benchmark", "what", "target", "measured", "of target", "", "note"].map(str::to_owned);
        let mut lines = vec![header];
        lines.extend(self.rows.iter().map(|(bench, row)| match row {
            Ok(figure) => [
                (*bench).to_owned(),
                figure.what.clone(),
                figure.target_text(),
                format!("{} {}", short(figure.measured), figure.unit),
                figure.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                figure.verdict().to_owned(),
                figure.note.clone(),
            ],
            Err(error) => {
                let reason = error.lines().next().unwrap_or_default();
                [bench, "", "", "", "", "FAILED", reason].map(str::to_owned)
            }
        }));
        let mut text = aligned(&lines);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let _ = write!(
            text,
            "\n{cores} cores; load {:.1} before, {:.1} after, a part of it the bench's own.",
            self.load_before,
            cpu::load()
        );
        for error in self.rows.iter().filter_map(|(bench, row)| Some((bench, row.as_ref().err()?))) {
            let _ = write!(text, "\n\n{}: {}", error.0, error.1);
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(bench, row)| match row {
            Ok(figure) => figure.to_json(bench),
            Err(error) => json!({ "bench": bench, "error": error }),
        });
        let rows: Vec<Value> = rows.collect();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        json!({ "cores": cores, "load_before": self.load_before, "load_after": cpu::load(), "figures": rows })
    }
}

fn aligned<const COLUMNS: usize>(lines: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_from_the_target() {
        let verdict = |target, measured| Figure::new("x", target, measured, "ns").verdict();
        assert_eq!(verdict(Target::AtMost(3.0), 3.0), "held");
        assert_eq!(verdict(Target::AtMost(3.0), 3.1), "MISSED");
        assert_eq!(verdict(Target::AtLeast(3.0), 3.0), "held");
        assert_eq!(verdict(Target::AtLeast(3.0), 2.9), "MISSED");
        assert_eq!(verdict(Target::AtMost(3.0), f64::NAN), "MISSED");
        assert_eq!(verdict(Target::None, 1.0), "");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.1234, 2.345, 23.45, 234.5, 1_234_567.8, -1234.0].map(short);
        assert_eq!(numbers, ["0.123", "2.35", "23.4", "234", "1 234 568", "-1 234"]);
    }

    #[test]
    fn a_benchmark_that_failed_is_in_the_report_and_makes_it_incomplete() {
        let mut report = Report::begin();
        report.add("one", Ok(vec![Figure::new("a", Target::AtMost(2.0), 1.0, "ns").note("n")]));
        assert!(report.is_complete());
        report.add("two", Err(BenchError::Unequal("findings differ".to_owned())));
        assert!(!report.is_complete());
        let table = report.to_table();
        assert!(table.contains("0.50") && table.contains("FAILED") && table.contains("findings differ"), "{table}");
        assert_eq!(report.to_json()["figures"][0]["verdict"], "held");
        assert!(report.to_json()["figures"][1]["error"].is_string());
    }
}
