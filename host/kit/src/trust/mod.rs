//! `orion-kit key`, `sign`, `lock` and `token`: who stands behind a plugin, what a plugin folder is meant to hold, and who may ask a
//! host over HTTP.
//!
//! Secrets are made and used here, at an author's desk; a deployment has public keys alone.

mod key;
mod lock;
mod sign;
mod token;

use std::io::Write;
use std::path::Path;

use orion_sandbox::{Certificate, Limits, Sandbox, Settings};

pub use key::key;
pub use lock::lock;
pub(crate) use lock::look_at;
pub use sign::sign;
pub use token::token;

use crate::cli::Failure;

/// What is proven of a plugin file. Who signs or locks a file means a plugin that a deployment would take.
fn inspect(sandbox: &Sandbox, path: &Path) -> Result<Certificate, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Configuration(format!("{} cannot be read: {error}", path.display())))?;
    sandbox.inspect(&bytes).map_err(|error| Failure::BadFile(format!("{} is no plugin: {error}", path.display())))
}

/// Nothing is compiled in it.
pub(crate) fn sandbox() -> Result<Sandbox, Failure> {
    let settings = Settings { cache_dir: None, limits: Limits::default() };
    Sandbox::new(settings).map_err(|error| Failure::Configuration(error.to_string()))
}

/// Writes a file beside its place and then into it: a host that looks meanwhile sees the old one or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::Configuration(format!("{} cannot be written: {error}", path.display()));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    let mut file = std::fs::File::create(&partial).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}
