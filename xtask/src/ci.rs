//! What the build server checks: the quick and frequent failures first, the test runner's summary last.

use crate::program::{Failure, cargo};
use crate::released::Build;
use crate::{conformance, fuzz, n0, setup};

/// Compiled in for tests only: points at which they let orion crash.
pub const CRASH_POINTS: &str = "orion/crash-points";

/// The whole check.
pub fn everything() -> Result<(), Failure> {
    cargo(["fmt", "--all", "--check"]).run()?;
    cargo(["fmt", "--manifest-path", fuzz::MANIFEST, "--check"]).run()?;
    setup::everything()?;
    cargo(["clippy", "--workspace", "--all-targets", "--features", CRASH_POINTS, "--", "--deny", "warnings"]).run()?;
    let document = cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    document.env("RUSTDOCFLAGS", "--deny warnings").run()?;
    setup::cargo_deny()?;
    cargo(["deny", "check", "bans", "licenses", "sources"]).run()?;
    n0::check_built(Build::Checked)?;
    conformance::of_environment()?;
    fuzz::short()?;
    run_tests()
}

/// Every test of the workspace.
pub fn test() -> Result<(), Failure> {
    setup::everything()?;
    run_tests()
}

fn run_tests() -> Result<(), Failure> {
    // cargo-nextest leaves the examples in the documentation to cargo. With the same features, or all of it is built twice.
    cargo(["test", "--workspace", "--doc", "--quiet", "--features", CRASH_POINTS]).run()?;
    if cargo(["nextest", "--version"]).succeeds() {
        cargo(["nextest", "run", "--workspace", "--features", CRASH_POINTS]).run()
    } else {
        cargo(["test", "--workspace", "--all-targets", "--features", CRASH_POINTS]).run()
    }
}
