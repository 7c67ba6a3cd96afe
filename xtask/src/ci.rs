//! What the build server checks: the quick and frequent failures first, the test runner's summary last.

use crate::beside::Beside;
use crate::program::{Failure, cargo};
use crate::target::{self, statically};
use crate::{conformance, fuzz, n0, setup};

/// The name of [`beside_tests`] as a task.
pub const BESIDE_TESTS: &str = "beside-tests";

/// Compiled in for tests only: points at which they let orion crash.
pub const CRASH_POINTS: &str = "orion/crash-points";

/// The same with what sends traces. Its crates are members of the workspace, so with it only the binary and its tests are built again.
const TRACING: &str = "orion/crash-points,orion/otlp";

/// Everything that is left out unless it is asked for.
pub const WITH_EVERYTHING: &str = "orion/crash-points,orion/otlp,orion-fuzz/libfuzzer";

/// The whole check.
pub fn everything() -> Result<(), Failure> {
    cargo(["fmt", "--all", "--check"]).run()?;
    setup::everything()?;
    // As it is deployed, and with all that is left out there.
    clippy("")?;
    clippy(WITH_EVERYTHING)?;
    setup::cargo_deny()?;
    cargo(["deny", "check", "bans", "licenses", "sources"]).run()?;
    conformance::say_what_is_left_out();
    test_tracing()?;
    build_tests()?;
    // Tests wait for half of their time.
    let beside = Beside::start(BESIDE_TESTS)?;
    let tested = run_tests();
    tested.and(beside.finish())
}

/// What only computes: the proof of what is linked into the orion that tests run and how that runs where it is deployed, what it says of rule
/// files that people have, documentation, and fuzzing. In this order, because tests cannot begin while cargo builds.
pub fn beside_tests() -> Result<(), Failure> {
    setup::wasm_target()?;
    build_tests()?;
    let orion = target::built("debug")?.join("orion");
    n0::check_built(&orion)?;
    conformance::of_environment(&orion)?;
    let document = statically(cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]))?;
    document.env("RUSTDOCFLAGS", "--deny warnings").run()?;
    fuzz::short()
}

/// Every test of the workspace.
pub fn test() -> Result<(), Failure> {
    setup::everything()?;
    run_tests()
}

fn clippy(features: &str) -> Result<(), Failure> {
    let clippy = cargo(["clippy", "--workspace", "--all-targets", "--features", features]);
    statically(clippy)?.args(["--", "--deny", "warnings"]).run()
}

/// What only a build that sends traces can do.
fn test_tracing() -> Result<(), Failure> {
    let behaviour = ["test", "--workspace", "--test", "behaviour", "--features", TRACING, "traces_are_sent"];
    statically(cargo(behaviour))?.run()
}

fn build_tests() -> Result<(), Failure> {
    statically(cargo(["test", "--no-run", "--quiet", "--workspace", "--features", CRASH_POINTS]))?.run()
}

fn run_tests() -> Result<(), Failure> {
    // cargo-nextest leaves the examples in the documentation to cargo. With the same features, or all of it is built twice.
    statically(cargo(["test", "--workspace", "--doc", "--quiet", "--features", CRASH_POINTS]))?.run()?;
    if cargo(["nextest", "--version"]).succeeds() {
        // All that fails is named in one run, which takes most of an hour.
        statically(cargo(["nextest", "run", "--workspace", "--no-fail-fast", "--features", CRASH_POINTS]))?.run()
    } else {
        statically(cargo(["test", "--workspace", "--all-targets", "--features", CRASH_POINTS]))?.run()
    }
}
