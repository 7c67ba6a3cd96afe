//! What it costs at the start that a process confines itself, and what a system call costs afterwards.
//!
//! It can be done once and is for good, so each run is a process of its own, with the policy of a usual deployment: rules and
//! plugins in one folder, records in another, Prometheus by name, which needs the most.
#![expect(clippy::disallowed_types, reason = "the bench starts itself; none of this is deployed")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use orion_confine::{Kernel, Level, Mode, Policy, confine};
use serde_json::Value;

use super::Context;
use crate::deployment::folder_on_disk;
use crate::error::{BenchError, require};
use crate::median::{median, nanos};
use crate::report::{Figure, Target};

/// What `--only` calls it.
pub const NAME: &str = "confinement";

const MOST_MILLIS: f64 = 5.0;

/// Odd, so that there is one in the middle.
const PROCESSES: usize = 21;

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let [start, before, after] = if context.is_alone() { measure()? } else { measure_in_processes_of_their_own()? };
    Ok(vec![
        Figure::new("confining the process", Target::AtMost(MOST_MILLIS), start, "ms")
            .note("time on the wall, once at the start"),
        Figure::new("a system call without", Target::None, before, "ns"),
        Figure::new("a system call with", Target::None, after, "ns").note("one that is allowed whatever its arguments"),
    ])
}

fn measure() -> Result<[f64; 3], BenchError> {
    const WHAT: &str = "confine this process";
    // In the folder it was started in, which whoever started it removes: this process cannot, afterwards.
    let [rules, plugins, memory] = ["rules", "plugins", "memory"].map(Path::new);
    for dir in [rules, plugins, memory] {
        std::fs::create_dir(dir).map_err(BenchError::failed(WHAT))?;
    }
    let before = a_system_call()?;
    let started = Instant::now();
    let mut policy = Policy::default();
    policy.read_folder(rules);
    policy.read_folder(plugins);
    policy.write_folder(memory);
    policy.connect("prometheus", 9090);
    let attestation = confine(Mode::Auto, Kernel::ask(), &policy).map_err(BenchError::failed(WHAT))?;
    let millis = started.elapsed().as_secs_f64() * 1_000.0;
    require(attestation.level == Level::Full, || attestation.to_string())?;
    Ok([millis, before, a_system_call()?])
}

fn a_system_call() -> Result<f64, BenchError> {
    nanos(&mut || {
        std::hint::black_box(rustix::process::getppid());
        Ok(())
    })
}

fn measure_in_processes_of_their_own() -> Result<[f64; 3], BenchError> {
    let runs: Vec<[f64; 3]> = (0..PROCESSES).map(|_| measure_in_one()).collect::<Result<_, _>>()?;
    let of = |figure: fn(&[f64; 3]) -> f64| median(runs.iter().map(figure).collect());
    Ok([of(|[start, ..]| *start), of(|[_, before, _]| *before), of(|[.., after]| *after)])
}

/// Starts this program for this benchmark only; what it measured.
fn measure_in_one() -> Result<[f64; 3], BenchError> {
    const WHAT: &str = "measure in a process of its own";
    let me = std::env::current_exe().map_err(BenchError::failed(WHAT))?;
    let folder = folder_on_disk()?;
    let mut command = Command::new(me);
    command.args(["--alone", "--only", NAME, "--output", "json"]).current_dir(folder.path()).stderr(Stdio::null());
    let output = command.output().map_err(BenchError::failed(WHAT))?;
    let report: Value = serde_json::from_slice(&output.stdout).map_err(BenchError::failed(WHAT))?;
    let figures = report.get("figures").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let measured: Vec<f64> = figures.iter().filter_map(|figure| figure.get("measured")?.as_f64()).collect();
    measured.try_into().map_err(|_| BenchError::Failed { what: WHAT.to_owned(), why: report.to_string() })
}
