//! Where `cargo xtask setup` puts toolchains, before whatever else is on the machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folders of programs below `target/toolchains`.
const FOLDERS: [&str; 2] = ["python/bin", "node/node_modules/.bin"];

/// The PATH with which toolchains are found.
pub fn path() -> OsString {
    let toolchains = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/toolchains");
    let own = FOLDERS.iter().map(|folder| toolchains.join(folder));
    let given = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = own.chain(std::env::split_paths(&given)).collect();
    std::env::join_paths(all).unwrap_or(given)
}
