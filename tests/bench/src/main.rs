//! What Orion promises in numbers, measured as it is released.
//!
//! Every benchmark first makes sure that it computes the right thing, then takes the median of several runs, and states its
//! figure beside the target. What can be compared with something else on the same machine is compared in the same run,
//! because a ratio means the same on every machine. CPU time is that of the thread or process that is measured, not time on
//! the wall: a busy neighbour shows in the load that is printed, and hardly in the figures.

mod answer;
mod benches;
mod cpu;
mod deployment;
mod error;
mod events;
mod flood;
mod median;
mod plugins;
mod prometheus;
mod report;
mod rule_set;
mod stand_in;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tikv_jemallocator::Jemalloc;

use benches::{ALL, Bench, Context};
use error::BenchError;
use report::Report;

/// That of `orion`, so that what runs in this process allocates as it does when deployed.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Measures Orion.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Only this benchmark; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How the result looks
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The binary to measure [default: `cargo build --release --package orion`]
    #[arg(long, value_name = "FILE")]
    orion: Option<PathBuf>,
    /// The author's binary to measure [default: `cargo build --release --package orion-kit`]
    #[arg(long, value_name = "FILE")]
    kit: Option<PathBuf>,
    /// Measures in this process what otherwise gets one of its own
    #[arg(long, hide = true)]
    alone: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One JSON document
    Json,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every benchmark could be carried out. A missed target is in the report, and is no failure of the bench.
fn run(arguments: Arguments) -> Result<bool, BenchError> {
    let chosen = choose(&arguments.only)?;
    let context = Context::new(arguments.orion, arguments.kit, arguments.alone);
    let mut report = Report::begin();
    for bench in chosen {
        eprintln!("{}: {}", bench.name, bench.about);
        report.add(bench.name, (bench.run)(&context));
    }
    match arguments.output {
        Output::Table => println!("{}", report.to_table()),
        Output::Json => println!("{:#}", report.to_json()),
    }
    Ok(report.is_complete())
}

fn choose(names: &[String]) -> Result<Vec<&'static Bench>, BenchError> {
    if let Some(unknown) = names.iter().find(|name| ALL.iter().all(|bench| bench.name != name.as_str())) {
        let known = ALL.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ");
        return Err(BenchError::Unknown { name: unknown.clone(), known });
    }
    Ok(ALL.iter().filter(|bench| names.is_empty() || names.iter().any(|name| name == bench.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_chooses_its_benchmark_no_name_all_of_them_and_a_wrong_one_is_told() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            choose(&only).map(|chosen| chosen.iter().map(|bench| bench.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["bus"]).unwrap(), ["bus"]);
        assert_eq!(names(&[]).unwrap().len(), ALL.len());
        assert!(names(&["bus", "buss"]).unwrap_err().to_string().contains("`buss`"));
    }
}
