//! `orion-kit bench`: what a sample or an event costs, beside what it cost before.
//!
//! Fuel and memory are the same on every machine, so a baseline holds against them. Time is shown as a ratio and decides
//! nothing: the machine that measures may be busy.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use orion_model::{Frame, Kind, Labels, SeriesTable, Severity, Status, Timestamp};
use orion_sandbox::Plugin;
use serde::{Deserialize, Serialize};

use super::play::{self, Cost};
use super::show::per_item;
use super::{BenchArgs, given, plugin, read, sandbox, write};
use crate::cli::{EXIT_FAILED, Failure, Output};
use crate::command::print;
use crate::input::{Frames, RecordedEvent};

/// How much more fuel or memory than in the baseline is let pass: another version of a compiler moves them by less.
const ALLOWED_GROWTH: f64 = 1.05;

/// Distance of two frames, and of an event from the next but this many.
const STEP_MILLIS: i64 = 15_000;

/// Groups that events are spread over.
const GROUPS: usize = 100;

/// What is measured.
#[derive(Serialize, Deserialize)]
struct Measured {
    items: usize,
    calls: usize,
    fuel_per_item: f64,
    nanos_per_item: f64,
    memory_bytes: usize,
    component_bytes: usize,
    compile_millis: u64,
}

/// Measures a plugin.
pub fn bench(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let sandbox = sandbox(None)?;
    let began = Instant::now();
    let (_, plugin) = plugin(&sandbox, &args.plugin)?;
    let compile_millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let cost = cost(args, &plugin)?;
    let each = per_item(&cost);
    let measured = Measured {
        items: args.items,
        calls: args.calls,
        fuel_per_item: each.fuel,
        nanos_per_item: each.nanos,
        memory_bytes: cost.memory_bytes,
        component_bytes: plugin.certificate().size_bytes,
        compile_millis,
    };
    let before = args.baseline.as_deref().map(|path| baseline(path, &measured)).transpose()?.flatten();
    let grown = before.as_ref().map(|before| grown(before, &measured)).unwrap_or_default();
    print(&match args.output {
        Output::Json => {
            let value = serde_json::json!({ "measured": measured, "baseline": before, "grown": grown });
            format!("{value:#}\n")
        }
        Output::Text => text(&measured, before.as_ref(), &grown),
    })?;
    Ok(if grown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

fn cost(args: &BenchArgs, plugin: &Plugin) -> Result<Cost, Failure> {
    let parameters = given::parameters(plugin.manifest(), &args.with)?;
    Ok(match plugin.manifest().kind {
        Kind::Detector => play::frames(plugin, &parameters, &frames(args.items, args.calls))?.1,
        Kind::Correlator => play::events(plugin, &parameters, &events(args.items.saturating_mul(args.calls)), 0)?.1,
    })
}

/// Numbers that look like chance and are the same each time.
struct Numbers(u64);

impl Numbers {
    const fn next(&mut self) -> u64 {
        // The constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// Series that go up and down a little; one value in a thousand stands out.
fn frames(series: usize, count: usize) -> Frames {
    let (mut frames, mut table) = (Frames::default(), SeriesTable::new());
    let mut numbers = Numbers(1);
    let start = Timestamp::from_millis(0);
    let ids: Vec<_> = (0..series).map(|one| table.define(&labels(one), start)).collect();
    for (_, step) in (0..count).zip(0_i64..) {
        let instant = start.plus_millis(step * STEP_MILLIS);
        let values = ids.iter().map(|_| value(numbers.next())).collect();
        let timestamps = vec![instant.as_millis(); ids.len()];
        frames.push(Frame { instant, ids: ids.clone(), timestamps, values, warnings: Vec::new() }, &table);
    }
    frames
}

#[expect(clippy::cast_precision_loss, reason = "numbers below 2^31")]
fn value(number: u64) -> f64 {
    let usual = 100.0 + (number % 64) as f64 / 8.0;
    if number.is_multiple_of(1_000) { usual * 10.0 } else { usual }
}

fn labels(one: usize) -> Labels {
    [("instance", format!("host-{one}:9100")), ("job", "node".to_owned()), ("zone", format!("z{}", one % 3))]
        .into_iter()
        .collect()
}

fn events(count: usize) -> Vec<RecordedEvent> {
    let mut numbers = Numbers(1);
    let event = |position: usize, number: u64| {
        let group = usize::try_from(number).unwrap_or_default() % GROUPS;
        let at = i64::try_from(position).unwrap_or_default();
        RecordedEvent {
            position: position as u64,
            timestamp: Timestamp::from_millis(at * STEP_MILLIS / i64::try_from(GROUPS).unwrap_or(1)),
            severity: if number.is_multiple_of(5) { Severity::Error } else { Severity::Warning },
            status: if number.is_multiple_of(3) { Status::Resolved } else { Status::Firing },
            fingerprint: number,
            value: 1.0,
            key: format!("{{service=\"service-{group}\"}}"),
            event_type: "service_down".to_owned(),
            labels: labels(group),
        }
    };
    (0..count).map(|position| event(position, numbers.next())).collect()
}

/// What was measured before; the first measurement becomes the baseline.
fn baseline(path: &Path, measured: &Measured) -> Result<Option<Measured>, Failure> {
    if !path.exists() {
        let text = serde_json::to_string_pretty(measured).map_err(|why| Failure::Configuration(why.to_string()))?;
        write(path, format!("{text}\n").as_bytes())?;
        return Ok(None);
    }
    let before: Measured = serde_json::from_slice(&read(path)?).map_err(|why| {
        Failure::BadFile(format!("{} is no baseline ({why}); remove it to measure anew", path.display()))
    })?;
    if (before.items, before.calls) != (measured.items, measured.calls) {
        let why = format!("{} was measured with --items {} --calls {}", path.display(), before.items, before.calls);
        return Err(Failure::Configuration(format!("{why}; do the same, or remove it")));
    }
    Ok(Some(before))
}

/// What grew by more than is let pass, in words.
#[expect(clippy::cast_precision_loss, reason = "the memory of a plugin is far below 2^53 bytes")]
fn grown(before: &Measured, now: &Measured) -> Vec<String> {
    let facts = [
        ("fuel for each item", before.fuel_per_item, now.fuel_per_item),
        ("bytes of memory", before.memory_bytes as f64, now.memory_bytes as f64),
    ];
    let grown = facts.iter().filter(|(_, before, now)| *now > before * ALLOWED_GROWTH);
    grown.map(|(what, before, now)| format!("{what}: {now:.1}, and before it was {before:.1}")).collect()
}

fn text(measured: &Measured, before: Option<&Measured>, grown: &[String]) -> String {
    let ratio = |now: f64, before: f64| format!("  {:.2} × the baseline", now / before);
    let beside = |of: fn(&Measured) -> f64| before.map(|before| ratio(of(measured), of(before))).unwrap_or_default();
    let mut text = format!("{} calls with {} items each\n", measured.calls, measured.items);
    text.push_str(&format!("fuel      {:.1} for each item{}\n", measured.fuel_per_item, beside(|it| it.fuel_per_item)));
    text.push_str(&format!(
        "time      {:.1} ns for each item{}\n",
        measured.nanos_per_item,
        beside(|it| it.nanos_per_item)
    ));
    #[expect(clippy::cast_precision_loss, reason = "the memory of a plugin is far below 2^53 bytes")]
    let memory = beside(|it| it.memory_bytes as f64);
    text.push_str(&format!("memory    {} KiB{memory}\n", measured.memory_bytes / 1024));
    text.push_str(&format!("compiles  {} bytes in {} ms\n", measured.component_bytes, measured.compile_millis));
    for line in grown {
        text.push_str(&format!("more      {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(fuel_per_item: f64, memory_bytes: usize) -> Measured {
        let (nanos_per_item, component_bytes, compile_millis) = (5.0, 1_000, 7);
        Measured { items: 10, calls: 10, fuel_per_item, nanos_per_item, memory_bytes, component_bytes, compile_millis }
    }

    #[test]
    fn a_twentieth_more_passes_and_more_than_that_does_not() {
        assert!(grown(&measured(100.0, 1_000), &measured(105.0, 1_050)).is_empty());
        let said = grown(&measured(100.0, 1_000), &measured(105.1, 1_051));
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(grown(&measured(100.0, 1_000), &measured(50.0, 500)).is_empty());
    }
}
