//! How long something took, by the kind of edit, as percentiles.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::edits::Edit;

/// Times taken.
#[derive(Default)]
pub struct Numbers(BTreeMap<Edit, Vec<Duration>>);

impl Numbers {
    pub fn add(&mut self, edit: Edit, took: Duration) {
        self.0.entry(edit).or_default().push(took);
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (edit, took) in &self.0 {
            line(out, &format!("{edit:?}"), took.clone())?;
        }
        line(out, "all", self.0.values().flatten().copied().collect())
    }
}

fn line(out: &mut fmt::Formatter<'_>, what: &str, mut took: Vec<Duration>) -> fmt::Result {
    took.sort();
    let percentile = |percent: usize| took.get((took.len() * percent).div_ceil(100).max(1) - 1).map_or(0, millis);
    let (p50, p99, most) = (percentile(50), percentile(99), percentile(100));
    writeln!(out, "  {what:20} {:5} times   p50 {p50:5} ms   p99 {p99:5} ms   most {most:5} ms", took.len())
}

fn millis(took: &Duration) -> u128 {
    took.as_millis()
}
