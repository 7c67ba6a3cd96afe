//! orion as it is released: one static binary, which needs nothing of a machine but its kernel.

use std::path::{Path, PathBuf};

use crate::program::{Failure, cargo};
use crate::target;

/// How much of it is optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// As it is released.
    Released,
    /// The same code, in a third of the time: enough to see what is in it and whether it runs, which is what the build server asks. What
    /// an optimisation leaves out is still in it.
    Checked,
}

impl Build {
    /// The profile of cargo.
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Released => "release",
            Self::Checked => "checked",
        }
    }
}

/// Builds it and says where it is. With the target named, what runs during the build is not linked statically: macros cannot be.
pub fn build(how: Build) -> Result<PathBuf, Failure> {
    let (host, profile) = (target::host()?, how.profile());
    let flags = format!("target.{host}.rustflags=[\"-C\", \"target-feature=+crt-static\"]");
    let built = cargo(["build", "--profile", profile, "--locked", "--package", "orion", "--target", &host]);
    built.args(["--config", &flags]).run()?;
    Ok(target::folder()?.join(host).join(profile).join("orion"))
}

/// `cargo xtask static [FILE]`: builds it, and copies it there.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    if let [_, second, ..] = arguments {
        return Err(Failure::UnexpectedArgument("static", second.clone()));
    }
    crate::setup::wasm_target()?;
    let orion = build(Build::Released)?;
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
