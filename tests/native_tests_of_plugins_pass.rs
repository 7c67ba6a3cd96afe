//! The tests that authors run, without Orion: those of the SDKs, and those of the examples that new projects begin with.
#![expect(clippy::disallowed_types, reason = "these tests start compilers; none of it is deployed")]
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

#[path = "support/toolchains.rs"]
mod toolchains;

use std::path::Path;
use std::process::Command;

/// Runs a command in the folder of an SDK, and another in those of a language's examples.
fn pass(language: &str, sdk: &str, of_sdk: &str, of_examples: &str) {
    let example = |kind: &str| format!("examples/{language}/{kind}");
    let folders =
        [(format!("sdk/{sdk}"), of_sdk), (example("detector"), of_examples), (example("correlator"), of_examples)];
    for (folder, command) in folders {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(&folder);
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(dir);
        let output = toolchains::give(&mut shell).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{command} in plugins/{folder}: {said}");
    }
}

#[test]
fn those_of_go_pass() {
    const CHECKED: &str = "go vet ./... && go test ./...";
    pass("go", "go", CHECKED, CHECKED);
}

#[test]
fn those_of_javascript_pass() {
    pass("javascript", "javascript", "npm test && tsc", "npm test");
}

/// The SDK is that of JavaScript.
#[test]
fn those_of_typescript_pass() {
    pass("typescript", "javascript", "tsc", "npm test");
}

#[test]
fn those_of_python_pass() {
    const UNITTEST: &str = "python3 -B -m unittest discover -s tests";
    pass("python", "python", UNITTEST, &format!("PYTHONPATH=src:../../../sdk/python {UNITTEST}"));
}

#[test]
fn those_of_assemblyscript_pass() {
    pass("assemblyscript", "assemblyscript", "npm test", "npm test");
}
