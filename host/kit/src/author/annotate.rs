//! `orion-kit annotate`: a component that another toolchain made becomes a plugin.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{AnnotateArgs, check, manifest, read, sandbox, write};
use crate::cli::Failure;
use crate::command::print;

/// Puts a manifest into a component, when a plugin comes of it.
pub fn annotate(args: &AnnotateArgs) -> Result<ExitCode, Failure> {
    let component = read(&args.component)?;
    let (text, manifest) = manifest(&args.manifest)?;
    let annotated = orion_componentize::annotate(&component, &text).map_err(|why| Failure::BadFile(why.to_string()))?;
    check::admitted(&sandbox(None)?, &annotated)?;
    let file = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.wasm", manifest.name)));
    write(&file, &annotated)?;
    print(&format!("{} is the {} {} {}\n", file.display(), manifest.kind.as_str(), manifest.name, manifest.version))?;
    Ok(ExitCode::SUCCESS)
}
