//! What the build server checks: the quick and frequent failures first, the test runner's summary last.

use crate::beside::Beside;
use crate::program::{Failure, cargo};
use crate::released::Build;
use crate::{conformance, fuzz, n0, setup};

/// The name of [`optimised`] as a task.
pub const OPTIMISED: &str = "optimised";

/// Compiled in for tests only: points at which they let orion crash.
pub const CRASH_POINTS: &str = "orion/crash-points";

/// The same with what sends traces. Its crates are members of the workspace, so with it only the binary and its tests are built again.
const TRACING: &str = "orion/crash-points,orion/otlp";

/// The whole check.
pub fn everything() -> Result<(), Failure> {
    cargo(["fmt", "--all", "--check"]).run()?;
    cargo(["fmt", "--manifest-path", fuzz::MANIFEST, "--check"]).run()?;
    setup::everything()?;
    cargo(["clippy", "--workspace", "--all-targets", "--features", CRASH_POINTS, "--", "--deny", "warnings"]).run()?;
    cargo(["clippy", "--workspace", "--all-targets", "--features", TRACING, "--", "--deny", "warnings"]).run()?;
    let document = cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    document.env("RUSTDOCFLAGS", "--deny warnings").run()?;
    setup::cargo_deny()?;
    cargo(["deny", "check", "bans", "licenses", "sources"]).run()?;
    conformance::say_what_is_left_out();
    test_tracing()?;
    // Tests wait for half of their time, and two more builds of everything only compute.
    let optimised = Beside::start(OPTIMISED)?;
    let tested = run_tests();
    tested.and(optimised.finish())
}

/// What needs builds of its own: the proof of what is linked into orion and how that runs where it is deployed, what it says of rule files
/// that people have, and fuzzing.
pub fn optimised() -> Result<(), Failure> {
    n0::check_built(Build::Checked)?;
    conformance::of_environment()?;
    fuzz::short()
}

/// Every test of the workspace.
pub fn test() -> Result<(), Failure> {
    setup::everything()?;
    run_tests()
}

/// What only a build that sends traces can do.
fn test_tracing() -> Result<(), Failure> {
    let behaviour = ["test", "--workspace", "--test", "behaviour", "--features", TRACING, "traces_are_sent"];
    cargo(behaviour).run()
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
