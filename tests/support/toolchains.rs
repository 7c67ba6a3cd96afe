//! Where `cargo xtask setup` puts toolchains, before whatever else is on the machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of programs below `target/toolchains`.
const FOLDERS: [&str; 2] = ["python/bin", "node/node_modules/.bin"];

/// Has a command find them. What Zig builds once for all, its C libraries, stays beside them. What else toolchains and the kit keep
/// for a next time is kept for all tests: Go builds its whole library when it is first asked, and compiling a plugin with an engine
/// in it takes most of a minute.
pub fn give(command: &mut Command) -> &mut Command {
    command.env("PATH", path(&[])).env("ZIG_GLOBAL_CACHE_DIR", toolchains().join("zig-cache"));
    command.env("XDG_CACHE_HOME", cache()).env("NODE_PATH", node_modules())
}

/// Where they keep it.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Where programs of Node find packages, before whatever else is set.
fn node_modules() -> OsString {
    let own = toolchains().join("node/node_modules");
    let given = std::env::var_os("NODE_PATH").unwrap_or_default();
    let all: Vec<PathBuf> = std::iter::once(own).chain(std::env::split_paths(&given)).collect();
    std::env::join_paths(all).unwrap_or(given)
}

fn toolchains() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/toolchains")
}

/// The PATH with which toolchains are found, behind these folders.
pub fn path(first: &[&Path]) -> OsString {
    let own = FOLDERS.iter().map(|folder| toolchains().join(folder));
    let own = first.iter().map(|folder| (*folder).to_owned()).chain(own);
    let given = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = own.chain(std::env::split_paths(&given)).collect();
    std::env::join_paths(all).unwrap_or(given)
}
