//! orion as it is released: one static binary, which needs nothing of a machine but its kernel.

use std::path::{Path, PathBuf};

use crate::program::{Failure, cargo};
use crate::target::{self, statically};

/// Builds it and says where it is.
pub fn build() -> Result<PathBuf, Failure> {
    statically(cargo(["build", "--release", "--locked", "--package", "orion"]))?.run()?;
    Ok(target::built("release")?.join("orion"))
}

/// `cargo xtask static [FILE]`: builds it, and copies it there.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let [_, second, ..] = arguments {
        return Err(Failure::UnexpectedArgument("static", second.clone()));
    }
    crate::setup::wasm_target()?;
    let orion = build()?;
    match arguments.first() {
        Some(file) => copied(&orion, Path::new(file)),
        None => {
            eprintln!("{}", orion.display());
            Ok(())
        }
    }
}

fn copied(orion: &Path, to: &Path) -> Result<(), Failure> {
    let not_written = |error| Failure::NotWritten(to.display().to_string(), error);
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(not_written)?;
    }
    std::fs::copy(orion, to).map(drop).map_err(not_written)
}
