//! Has a real browser read the console.
#![expect(clippy::disallowed_types, reason = "the browser is a program; none of this is deployed")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::toolchains;

/// One story of `tests/browser/console.mjs`.
pub fn read(story: &str, address: SocketAddr, arguments: &[&str]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let output = toolchains::give(&mut Command::new("node"))
        .arg(tests.join("browser/console.mjs"))
        .args([story, &format!("http://{address}")])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{story}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}
