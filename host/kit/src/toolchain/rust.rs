//! Rust: cargo makes the core module, without WASI.

use std::path::{Path, PathBuf};

use super::desk::{Desk, ToolFailure, read, sources};
use super::{Language, Made, Project};

pub const LANGUAGE: Language = Language { name: "rust", title: "Rust", main: "src/lib.rs", sdk: &["rust"], make };

const TARGET: &str = "wasm32-unknown-unknown";

const CARGO: &[&str] = &["https://rustup.rs installs Rust: curl --proto '=https' -sSf https://sh.rustup.rs | sh"];

const NO_TARGET: &[&str] = &[
    "with rustup: rustup target add wasm32-unknown-unknown",
    "Debian and Ubuntu: apt-get install libstd-rust-dev-wasm32",
];

/// Set for other builds, and wrong for this one.
const NOT_INHERITED: [&str; 7] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let cargo = desk.need("cargo", CARGO)?;
    // Asks rustc and not rustup: a toolchain from elsewhere may hold the target, too.
    let target = desk.need("rustc", CARGO)?.args(["--print", "target-libdir", "--target", TARGET]).output()?;
    if !Path::new(&target).is_dir() {
        return Err(ToolFailure::Missing { what: format!("Rust's target {TARGET}"), install: NO_TARGET });
    }
    let out = project.scratch.join("target");
    let mut cargo =
        cargo.within(&project.dir).args(["build", "--release", "--quiet", "--target", TARGET, "--target-dir"]);
    for name in NOT_INHERITED {
        cargo = cargo.without(name);
    }
    cargo.arg(&out).env("CARGO_ENCODED_RUSTFLAGS", flags(project)).run()?;
    let modules = sources(&out.join(TARGET).join("release"), &["wasm"])?;
    match &*modules {
        [module] => Ok(Made::Module(read(module)?)),
        _ => Err(ToolFailure::Refused {
            program: "cargo (one library of the type `cdylib` is wanted in Cargo.toml)".to_owned(),
        }),
    }
}

/// Vector instructions, which every engine of Orion has, halve what looking at a column costs. And panic messages name source
/// files: the same plugin has to have the same bytes, and the same digest, wherever it is built.
fn flags(project: &Project) -> String {
    let portable = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned(), portable(&project.dir, "/plugin")];
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    flags.extend(home.map(|home| portable(&home, "/cargo")));
    flags.join("\x1f")
}
