//! What is released is tried as it is deployed: the binary in a root with nothing else in it, the package on this Debian.
//!
//! Both happen in mounts of their own, of which nothing is left on the machine. They take a root user; who has none, and no sudo that
//! asks for no password, is told loudly what was not checked.

use std::fs;
use std::path::Path;

use crate::package::{self, Packed};
use crate::program::{Failure, program, root};
use crate::{setup, target};

/// Mounts of this process alone.
const OWN_MOUNTS: [&str; 4] = ["unshare", "--mount", "--propagation", "private"];

/// Tries a binary and the package around it.
pub fn check(orion: &Path) -> Result<(), Failure> {
    in_own_mounts("empty-root.sh", orion)?;
    if !program("dpkg-deb").args(["--version"]).succeeds() {
        eprintln!("NOT CHECKED: the .deb, which is built and installed where there is dpkg.");
        return Ok(());
    }
    in_own_mounts("install.sh", &package::build(orion, Packed::Quickly)?)
}

/// Runs one of the scripts beside this file, with a folder to use and what is to be tried.
fn in_own_mounts(script: &str, tried: &Path) -> Result<(), Failure> {
    let Some(administrator) = setup::administrator() else {
        eprintln!(
            "NOT CHECKED: xtask/src/{script} mounts and changes its root, which takes root, or sudo without a password."
        );
        return Ok(());
    };
    let folder = target::folder()?.join("release-check");
    fs::create_dir_all(&folder).map_err(|error| Failure::NotWritten(folder.display().to_string(), error))?;
    let words: Vec<&str> = administrator.iter().copied().chain(OWN_MOUNTS).chain(["sh"]).collect();
    let Some((first, rest)) = words.split_first() else { return Ok(()) };
    let script = root().join("xtask/src").join(script);
    program(first).args(rest).args([&script, &folder, &tried.to_owned(), &root().join("rules")]).run()
}
