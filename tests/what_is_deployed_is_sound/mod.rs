//! What `deploy/` holds is what the tools that read it take, and says what it promises: compose files, manifests, the unit, dashboards.
//!
//! No container engine and no cluster is needed: the loader of Docker Compose, kubectl and the schemas of Kubernetes come with
//! `cargo xtask setup`, promtool with Prometheus. Nothing is passed over where a tool is missing: the test fails and says which.
#![expect(clippy::disallowed_types, reason = "these tests start tools; none of this is deployed")]

mod compose;
mod dashboards;
mod image;
mod manifests;
mod unit;

#[path = "../support/toolchains.rs"]
mod toolchains;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file or folder of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).canonicalize().unwrap()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

/// A tool of those that setup brings, or of the machine.
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    toolchains::give(&mut command);
    command
}

/// What it printed, when it took everything.
fn taken(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|why| {
        panic!("{command:?} cannot be started ({why}): `cargo xtask setup` installs it, or says what to install")
    });
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything that it said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
