//! `orion-kit new`: a project that builds, with a test, a rule and a recorded input.

use std::path::Path;
use std::process::ExitCode;

use orion_model::Kind;

use super::NewArgs;
use crate::cli::Failure;
use crate::command::print;
use crate::{template, toolchain};

/// Writes a new project.
pub fn new(args: &NewArgs) -> Result<ExitCode, Failure> {
    let Some(language) = toolchain::language(&args.lang) else {
        let known = toolchain::names();
        return Err(Failure::Configuration(format!("there is no SDK for `{}`; there is one for {known}", args.lang)));
    };
    let name = args.name.as_str();
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_name {
        return Err(Failure::Configuration(format!("`{name}` is no name: lower-case letters, digits and hyphens")));
    }
    let kind = Kind::from(args.kind);
    let folder = Path::new(name);
    let files = template::project(language, kind, name).map_err(Failure::Configuration)?;
    template::write(folder, &files).map_err(|why| match why.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::Configuration(format!("{name} is there already; take another name"))
        }
        _ => Failure::Configuration(format!("{name} cannot be written: {why}")),
    })?;
    let title = language.title;
    let run = match kind {
        Kind::Detector => "orion-kit run",
        Kind::Correlator => "orion-kit run --group-by site",
    };
    let main = language.main;
    print(&format!(
        "{name} is a {kind} in {title}; {name}/{main} is what it does, {name}/README.md how to test it\n\n\
         cd {name}\n\
         orion-kit build    # makes {name}.wasm\n\
         {run}    # shows it the recorded input\n\
         orion-kit test . --plugins .    # plays its rule\n",
        kind = kind.as_str(),
    ))?;
    Ok(ExitCode::SUCCESS)
}
