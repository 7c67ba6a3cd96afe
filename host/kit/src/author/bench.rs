//! `orion-kit bench`: what a sample or an event costs, beside what it cost before.
//!
//! Fuel, memory and size are the same on every machine, so a baseline holds against them. Time is shown and decides nothing: the
//! machine that measures may be busy.

use std::process::ExitCode;
use std::time::Instant;

use orion_model::Kind;
use orion_sandbox::Plugin;

use super::baseline::Baseline;
use super::play::{self, Cost};
use super::show::per_item;
use super::{BenchArgs, given, plugin, sandbox, workload};
use crate::cli::{EXIT_FAILED, Failure, Output};
use crate::command::print;

/// What is measured.
pub struct Measured {
    /// What a baseline keeps.
    pub kept: Baseline,
    nanos_per_item: f64,
}

/// Measures a plugin.
pub fn bench(args: &BenchArgs) -> Result<ExitCode, Failure> {
    // Without a cache: what is shown is what compiling takes, and not what finding it takes.
    let sandbox = sandbox(None)?;
    let began = Instant::now();
    let (_, plugin) = plugin(&sandbox, &args.plugin)?;
    let compile_millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let measured = measure(&plugin, args.items, args.calls, &args.with)?;
    let before = args.baseline.as_deref().map(|path| Baseline::kept(path, &measured.kept)).transpose()?.flatten();
    let grown = before.as_ref().map(|before| before.grown(&measured.kept)).unwrap_or_default();
    print(&match args.output {
        Output::Json => {
            let (nanos, before) = (measured.nanos_per_item, &before);
            let value = serde_json::json!({
                "measured": measured.kept, "nanos_per_item": nanos, "compile_millis": compile_millis, "baseline": before,
                "grown": grown,
            });
            format!("{value:#}\n")
        }
        Output::Text => text(&measured, compile_millis, before.as_ref(), &grown),
    })?;
    Ok(if grown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// What a plugin costs over so many frames or batches, given these parameters as a command line has them.
pub fn measure(plugin: &Plugin, items: usize, calls: usize, with: &[String]) -> Result<Measured, Failure> {
    let cost = cost(plugin, items, calls, with)?;
    let each = per_item(&cost);
    let kept = Baseline {
        items,
        calls,
        fuel_per_item: each.fuel,
        memory_bytes: cost.memory_bytes,
        component_bytes: plugin.certificate().size_bytes,
    };
    Ok(Measured { kept, nanos_per_item: each.nanos })
}

fn cost(plugin: &Plugin, items: usize, calls: usize, with: &[String]) -> Result<Cost, Failure> {
    let parameters = given::parameters(plugin.manifest(), with)?;
    Ok(match plugin.manifest().kind {
        Kind::Detector => play::frames(plugin, &parameters, &workload::frames(items, calls))?.1,
        Kind::Correlator => play::events(plugin, &parameters, &workload::events(items.saturating_mul(calls)), 0)?.1,
    })
}

#[expect(clippy::cast_precision_loss, reason = "memory and files of plugins are far below 2^53 bytes")]
fn text(measured: &Measured, compile_millis: u64, before: Option<&Baseline>, grown: &[String]) -> String {
    let Measured { kept, nanos_per_item } = measured;
    let ratio = |now: f64, before: f64| format!("  {:.2} × the baseline", now / before);
    let beside = |of: fn(&Baseline) -> f64| before.map(|before| ratio(of(kept), of(before))).unwrap_or_default();
    let fuel = beside(|it| it.fuel_per_item);
    let memory = beside(|it| it.memory_bytes as f64);
    let size = beside(|it| it.component_bytes as f64);
    let mut text = format!("{} calls with {} items each\n", kept.calls, kept.items);
    text.push_str(&format!("fuel      {:.1} for each item{fuel}\n", kept.fuel_per_item));
    text.push_str(&format!("time      {nanos_per_item:.1} ns for each item\n"));
    text.push_str(&format!("memory    {} KiB{memory}\n", kept.memory_bytes / 1024));
    text.push_str(&format!("size      {} bytes{size}\n", kept.component_bytes));
    text.push_str(&format!("compiles  in {compile_millis} ms\n"));
    for line in grown {
        text.push_str(&format!("more      {line}\n"));
    }
    text
}
