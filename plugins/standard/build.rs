//! Builds the guests, makes components of them, and writes the list that the crate includes.
#![expect(clippy::disallowed_types, reason = "a build script starts the compiler; it is no part of what is deployed")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// In the order in which they are listed everywhere.
const PLUGINS: [&str; 20] = [
    "absence",
    "aggregate",
    "anomaly",
    "count",
    "counter-reset",
    "distinct",
    "distribution-change",
    "error-budget",
    "flapping",
    "flatline",
    "forecast",
    "grouping",
    "missing-event",
    "outlier-among-peers",
    "rate-of-change",
    "sequence",
    "suppression",
    "temporal",
    "threshold",
    "topology",
];

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "guest";

/// What cargo puts into each folder of builds.
const MARK: &str = "CACHEDIR.TAG";

/// Set for the host's build, and wrong for a guest's.
const NOT_INHERITED: [&str; 9] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = here.ancestors().nth(2).ok_or("this crate lies two folders below the workspace")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    watch(root);
    let guests = guests(&out);
    build(root, &guests)?;
    let mut list = String::from("&[\n");
    for name in PLUGINS {
        let library = format!("orion_{}.wasm", name.replace('-', "_"));
        let module = fs::read(guests.join(TARGET).join(PROFILE).join(library))?;
        let manifest = fs::read_to_string(root.join("plugins").join(name).join("plugin.toml"))?;
        let component = orion_componentize::componentize(&module, &manifest)
            .map_err(|error| format!("plugins/{name} makes no component: {error}"))?;
        let file = out.join(format!("{name}.wasm"));
        fs::write(&file, component)?;
        list.push_str(&format!("StandardPlugin {{ name: {name:?}, component: include_bytes!({file:?}) }},\n"));
    }
    list.push(']');
    fs::write(out.join("standard.rs"), list)?;
    Ok(())
}

fn watch(root: &Path) {
    let sources = PLUGINS.iter().map(|name| format!("plugins/{name}"));
    let shared = ["plugins/sdk/rust", "wit", "host/componentize/src", "Cargo.toml", "Cargo.lock"].map(str::to_owned);
    for path in sources.chain(shared) {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
}

/// Where guests are built: in the outermost folder of builds, so that whoever builds with another profile, other features or other flags, for
/// which this script runs again, has them already. None of that is for guests: they are the same for all, and take over a minute.
fn guests(out: &Path) -> PathBuf {
    out.ancestors().filter(|folder| folder.join(MARK).is_file()).last().unwrap_or(out).join("guests")
}

fn build(root: &Path, guests: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo sets CARGO for build scripts")?);
    cargo.current_dir(root).args(["build", "--profile", PROFILE, "--target", TARGET, "--target-dir"]).arg(guests);
    for name in PLUGINS {
        cargo.args(["-p", &format!("orion-{name}")]);
    }
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(root));
    // Cargo reads the standard output of a build script as instructions.
    let done = cargo.stdout(Stdio::null()).status()?;
    if done.success() {
        return Ok(());
    }
    Err(format!("the standard plugins do not build for {TARGET}; if that target is missing, run `cargo xtask setup`")
        .into())
}

/// Vector instructions, which every engine of Orion has, halve what looking at a column costs. And panic messages name
/// source files: the same plugin has to have the same bytes, and the same digest, wherever it is built.
fn flags(root: &Path) -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let portable = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned(), portable(root, "/orion")];
    flags.extend(home.map(|home| portable(&home, "/cargo")));
    flags.join("\x1f")
}
