//! `orion-kit new`, `build`, `check`, `inspect`, `annotate`, `run`, `dev` and `bench`: from an idea to a plugin that was tried; and
//! `contract`, what all of it is about.

mod annotate;
mod args;
mod baseline;
mod bench;
mod build;
mod check;
mod contract;
mod dev;
mod explain;
mod given;
mod inspect;
mod new;
pub(crate) mod play;
mod run;
mod show;
mod workload;

use std::path::{Path, PathBuf};

use orion_model::Manifest;
use orion_sandbox::{Limits, Plugin, Sandbox, Settings};

pub use annotate::annotate;
pub use args::{AnnotateArgs, BenchArgs, BuildArgs, CheckArgs, DevArgs, InspectArgs, NewArgs, RunArgs};
pub use baseline::Baseline;
pub use bench::{Measured, bench, measure};
pub use build::build;
pub use check::check;
pub use contract::contract;
pub use dev::dev;
pub use inspect::inspect;
pub use new::new;
pub use run::run;

use crate::cli::Failure;

/// What a project says of itself.
const MANIFEST: &str = "plugin.toml";

/// A file that is needed.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|why| Failure::Configuration(format!("{} cannot be read: {why}", path.display())))
}

/// Writes a file beside its place and then into it: an Orion that looks meanwhile sees the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|why| Failure::Configuration(format!("{} cannot be written: {why}", path.display())))
}

/// A manifest, as text and as what it says.
fn manifest(path: &Path) -> Result<(String, Manifest), Failure> {
    let bytes = read(path)?;
    let manifest = Manifest::from_toml(&bytes);
    let manifest = manifest.map_err(|why| Failure::BadFile(format!("{}: {why}", path.display())))?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), manifest))
}

/// The sandbox that a deployment has, with a cache of compiled plugins or without.
fn sandbox(cache_dir: Option<PathBuf>) -> Result<Sandbox, Failure> {
    let settings = Settings { cache_dir, limits: Limits::default() };
    Sandbox::new(settings).map_err(|error| Failure::Configuration(error.to_string()))
}

/// A plugin that is to be tried: a file, or what the project in a folder was built to.
fn plugin(sandbox: &Sandbox, path: &Path) -> Result<(PathBuf, Plugin), Failure> {
    let file = if path.is_dir() {
        let (_, manifest) = manifest(&path.join(MANIFEST))?;
        path.join(format!("{}.wasm", manifest.name))
    } else {
        path.to_owned()
    };
    if path.is_dir() && !file.is_file() {
        return Err(Failure::Configuration(format!("{} is not there: `orion-kit build` makes it", file.display())));
    }
    let bytes = read(&file)?;
    let plugin =
        sandbox.load(&bytes).map_err(|why| Failure::BadFile(format!("{} is no plugin: {why}", file.display())))?;
    Ok((file, plugin))
}
