//! Where cargo puts what it builds, and for what.

use std::path::PathBuf;

use crate::program::{Failure, Program, cargo, program};

/// The folder of builds.
pub fn folder() -> Result<PathBuf, Failure> {
    let metadata = cargo(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
    let folder = metadata.split_once("\"target_directory\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let (folder, _) =
        folder.ok_or_else(|| Failure::NotUnderstood("cargo metadata".to_owned(), "it names no target_directory"))?;
    Ok(PathBuf::from(folder))
}

/// What this machine is called as a target.
pub fn host() -> Result<String, Failure> {
    let rustc = program(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let printed = rustc.args(["-vV"]).output()?;
    let host = printed.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.ok_or_else(|| Failure::NotUnderstood("rustc -vV".to_owned(), "it names no host"))
}

/// How orion is deployed: statically. And nothing is said of what the compiler warns of: that a plugin is no library of a static program, for
/// each of them. What else there is to say clippy says, which is told to.
const STATIC: [&str; 4] = ["-C", "target-feature=+crt-static", "-A", "warnings"];

/// With this, cargo builds as orion is deployed, for a target that is named, because what runs during a build cannot be static. Everything
/// that is checked is built so: what is tested is what is deployed, and is built once.
pub fn statically(cargo: Program) -> Result<Program, Failure> {
    let host = host()?;
    let flags = format!("target.{host}.rustflags={STATIC:?}");
    Ok(cargo.args(["--target", &host, "--config", &flags]))
}

/// Where cargo puts what it builds so.
pub fn built(profile: &str) -> Result<PathBuf, Failure> {
    Ok(folder()?.join(host()?).join(profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_builds_is_known() {
        assert!(folder().unwrap().is_absolute());
    }
}
