//! Fuzzing: each door at which bytes of others come in, under libFuzzer.
//!
//! The stable compiler can put in what libFuzzer watches: these are its flags and need no nightly. Sanitizers would; they find
//! misuse of memory, and what is fuzzed here is safe Rust, where a defect is a panic, an overflow that is checked, work without
//! end or memory without bounds. libFuzzer sees all of these without them.

use std::path::{Path, PathBuf};

use crate::program::{Failure, cargo, program, root};
use crate::target::{self, statically};
use crate::{ci, setup};

/// Where libFuzzer sees which code an input reaches, and what it was compared with.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Calls rustc with these flags, for crates of the workspace.
const WATCHED_RUSTC: &str = "tests/fuzz/rustc-watched";

const CORPUS: &str = "tests/fuzz/corpus";

/// The program, an example of its crate.
const DRIVER: &str = "guided";

/// Time for each target when none is given: as much as an impatient person has.
const SECONDS: u64 = 60;

/// Time for each target in the check of the build server.
const SHORT_SECONDS: u64 = 10;

/// What the process may hold. A target holds some hundred megabytes at most, compiled plugins among them.
const MOST_RESIDENT_MIB: u32 = 2_048;

/// What one input may take. The largest that is made takes milliseconds.
const MOST_SECONDS_AN_INPUT: u32 = 10;

/// Most bytes of an input. Larger ones find nothing that these do not, and take longer.
const MAX_INPUT_BYTES: u32 = 64 * 1024;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Fuzzing {
    seconds: u64,
    /// All when there is none.
    target: Option<String>,
}

/// Fuzzes what the arguments name.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let fuzzing = read(arguments)?;
    let targets = chosen(fuzzing.target.as_deref())?;
    setup::wasm_target()?;
    fuzz(&targets, fuzzing.seconds, &fast_driver()?)
}

/// A short run of every target.
pub fn short() -> Result<(), Failure> {
    fuzz(&chosen(None)?, SHORT_SECONDS, &driver_beside_tests()?)
}

/// Everything in it is watched, and built for it alone.
fn fast_driver() -> Result<PathBuf, Failure> {
    let (host, into) = (target::host()?, folder()?);
    let build = cargo(["build", "--profile", "fuzz", "--locked", "--package", "orion-fuzz", "--example", DRIVER]);
    // With a target that is named, the flags are not used for what runs while building.
    let build = build.args(["--features", "libfuzzer", "--target", &host, "--target-dir"]).args([&into]);
    build.env("RUSTFLAGS", FLAGS).run()?;
    Ok(into.join(host).join("fuzz/examples").join(DRIVER))
}

/// Made of what tests are made of. Only what is Orion's own is watched and built for it: a tenth of the work.
fn driver_beside_tests() -> Result<PathBuf, Failure> {
    let wrapper = root().join(WATCHED_RUSTC).display().to_string();
    let build = cargo(["build", "--locked", "--workspace", "--example", DRIVER, "--features", ci::WITH_EVERYTHING]);
    statically(build)?.env("RUSTC_WORKSPACE_WRAPPER", &wrapper).env("ORION_FUZZ_FLAGS", FLAGS).run()?;
    Ok(target::built("debug")?.join("examples").join(DRIVER))
}

fn folder() -> Result<PathBuf, Failure> {
    Ok(target::folder()?.join("fuzz"))
}

fn fuzz(targets: &[String], seconds: u64, driver: &Path) -> Result<(), Failure> {
    let folder = folder()?;
    targets.iter().try_for_each(|name| fuzz_one(driver, &folder, name, seconds))
}

fn fuzz_one(driver: &Path, folder: &Path, name: &str, seconds: u64) -> Result<(), Failure> {
    let corpus = made(folder.join("corpus").join(name))?;
    let found = made(folder.join("found").join(name))?;
    program(driver)
        .env("ORION_FUZZ_TARGET", name)
        .env("ORION_FUZZ_CORPUS", &corpus.display().to_string())
        .args([
            format!("-max_total_time={seconds}"),
            format!("-rss_limit_mb={MOST_RESIDENT_MIB}"),
            format!("-timeout={MOST_SECONDS_AN_INPUT}"),
            format!("-max_len={MAX_INPUT_BYTES}"),
            format!("-artifact_prefix={}/", found.display()),
            "-print_final_stats=1".to_owned(),
            "-verbosity=0".to_owned(),
        ])
        .args([&corpus])
        .run()
}

fn made(folder: PathBuf) -> Result<PathBuf, Failure> {
    match std::fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => Err(Failure::NotWritten(folder.display().to_string(), error)),
    }
}

/// The targets: each has a folder of the corpus.
fn chosen(name: Option<&str>) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(root().join(CORPUS)).into_iter().flatten().flatten();
    let mut all: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    all.sort();
    match name {
        None => Ok(all),
        Some(name) if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => {
            Err(Failure::Missing(format!("there is no target `{name}` to fuzz; there are {}", all.join(", "))))
        }
    }
}

fn read(arguments: &[String]) -> Result<Fuzzing, Failure> {
    let mut fuzzing = Fuzzing { seconds: SECONDS, target: None };
    let mut words = arguments.iter();
    while let Some(name) = words.next() {
        let unexpected = || Failure::UnexpectedArgument("fuzz", name.clone());
        let value = words.next().ok_or_else(unexpected)?;
        match name.as_str() {
            "--seconds" => fuzzing.seconds = value.parse().map_err(|_| unexpected())?,
            "--target" => fuzzing.target = Some(value.clone()),
            _ => return Err(unexpected()),
        }
    }
    Ok(fuzzing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<Fuzzing, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        read(&arguments).map_err(|failure| failure.to_string())
    }

    #[test]
    fn time_and_target_may_be_given() {
        assert_eq!(asked(&[]), Ok(Fuzzing { seconds: SECONDS, target: None }));
        let both = Fuzzing { seconds: 5, target: Some("event".to_owned()) };
        assert_eq!(asked(&["--target", "event", "--seconds", "5"]), Ok(both));
        for wrong in [&["--seconds", "soon"][..], &["--seconds"], &["event", "1"]] {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_target_is_one_of_those_with_a_corpus() {
        assert!(chosen(None).unwrap().len() > 1);
        assert_eq!(chosen(Some("event")).unwrap(), ["event"]);
        assert!(chosen(Some("evnt")).unwrap_err().to_string().contains("rule_file"));
    }
}
