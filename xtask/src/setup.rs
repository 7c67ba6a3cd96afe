//! What the tests need on a machine beyond cargo itself.

use std::path::Path;

use crate::program::{Failure, cargo, program};

/// What plugins are compiled for.
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Programs the lab starts, how each is asked for its version, and the Debian package that holds it. Some packages start their servers, too: tests do not
/// speak to those, they have their own on other ports.
const SERVERS: [(&str, &str, &str); 4] = [
    ("prometheus", "--version", "prometheus"),
    ("prometheus-node-exporter", "--version", "prometheus-node-exporter"),
    ("redis-server", "--version", "redis-server"),
    // Makes the certificates of a Redis that is spoken to over TLS.
    ("openssl", "version", "openssl"),
];

/// The target and the servers.
pub fn everything() -> Result<(), Failure> {
    wasm_target()?;
    servers()
}

/// The target that plugins are compiled for.
pub fn wasm_target() -> Result<(), Failure> {
    // Asks rustc and not rustup: a toolchain from elsewhere may hold the target, too.
    let rustc = || program(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let folder = rustc().args(["--print", "target-libdir", "--target", WASM_TARGET]).output()?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    if !program("rustup").args(["--version"]).succeeds() {
        return Err(Failure::Missing(format!(
            "the target {WASM_TARGET} is missing, and there is no rustup to add it: install it the way this rustc was \
             installed (Debian: apt-get install libstd-rust-dev-wasm32)"
        )));
    }
    eprintln!("The target {WASM_TARGET} is missing; plugins are compiled for it.");
    program("rustup").args(["target", "add", WASM_TARGET]).run()
}

fn servers() -> Result<(), Failure> {
    let missing: Vec<_> = SERVERS
        .iter()
        .filter(|(name, version, _)| !program(name).args([*version]).succeeds())
        .map(|(_, _, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = || {
        let packages = missing.join(" ");
        Failure::Missing(format!(
            "tests run against real servers, and these are missing: {packages}. On Debian and Ubuntu: \
             `sudo apt-get install {packages}`; elsewhere install Prometheus, node_exporter and Redis so that the \
             programs `prometheus`, `prometheus-node-exporter`, `redis-server` and `openssl` are on the PATH"
        ))
    };
    let administrator = administrator().ok_or_else(by_hand)?;
    if !program("apt-get").args(["--version"]).succeeds() {
        return Err(by_hand());
    }
    eprintln!("Tests run against real servers; installing the missing ones: {}.", missing.join(", "));
    let apt = |arguments: &[&str]| {
        let words: Vec<_> = administrator.iter().chain(&["apt-get"]).chain(arguments).collect();
        let (first, rest) = words.split_first().ok_or_else(by_hand)?;
        program(first).args(rest).env("DEBIAN_FRONTEND", "noninteractive").run()
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], missing.as_slice()].concat())
}

/// What to put before a command to run it as the administrator; `None` when that needs a password.
fn administrator() -> Option<&'static [&'static str]> {
    let root = program("id").args(["-u"]).output().is_ok_and(|id| id.trim() == "0");
    if root {
        return Some(&[]);
    }
    program("sudo").args(["-n", "true"]).succeeds().then_some(&["sudo", "-n"])
}

/// cargo-deny, which checks what is built in.
pub fn cargo_deny() -> Result<(), Failure> {
    if cargo(["deny", "--version"]).succeeds() {
        return Ok(());
    }
    eprintln!("cargo-deny is missing; it checks licences, bans and sources of what is built in.");
    cargo(["install", "--locked", "cargo-deny"]).run()
}
