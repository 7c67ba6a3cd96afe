//! `orion-kit build`: from sources to a plugin that was proven to fit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orion_componentize::ComponentizeError;
use orion_model::Manifest;
use orion_sandbox::Sandbox;

use super::{BuildArgs, MANIFEST, check, manifest, sandbox, write};
use crate::cli::Failure;
use crate::command::{plugin_cache, print};
use crate::toolchain::{self, Desk, Language, Made, Project, ToolFailure};

/// Below a project: what toolchains make on the way.
const SCRATCH: &str = ".orion";

/// Builds the project of a folder.
pub fn build(args: &BuildArgs) -> Result<ExitCode, Failure> {
    // What is proven to start is compiled, and `run` finds it compiled.
    print(&make(&args.project, &sandbox(plugin_cache())?)?.1)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a plugin of a project: the file, and what is said of it.
pub fn make(folder: &Path, sandbox: &Sandbox) -> Result<(PathBuf, String), Failure> {
    let dir = folder.canonicalize();
    let dir = dir.map_err(|why| Failure::Configuration(format!("{} cannot be read: {why}", folder.display())))?;
    let (text, manifest) = manifest(&dir.join(MANIFEST))?;
    let language = toolchain::language_of(&dir).ok_or_else(|| unknown(&dir))?;
    let project = project(dir, language, &manifest)?;
    let made = (language.make)(&project, &Desk::here()).map_err(told)?;
    let component = component(&made, &text)?;
    let plugin = check::admitted(sandbox, &component)?;
    let file = project.dir.join(format!("{}.wasm", manifest.name));
    write(&file, &component)?;
    let said = format!(
        "{} is the {} {} {}, made of {}: {} bytes, sha256:{}\n",
        shown(&file, folder),
        manifest.kind.as_str(),
        manifest.name,
        manifest.version,
        language.title,
        component.len(),
        plugin.digest(),
    );
    Ok((file, said))
}

/// As the author would write the path.
fn shown(file: &Path, project: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if project == Path::new(".") { name.into_owned() } else { project.join(&*name).display().to_string() }
}

fn project(dir: PathBuf, language: &Language, manifest: &Manifest) -> Result<Project, Failure> {
    let scratch = dir.join(SCRATCH);
    let failed = |why| Failure::Configuration(format!("{} cannot be written: {why}", scratch.display()));
    let wit = scratch.join("wit");
    std::fs::create_dir_all(&wit).map_err(failed)?;
    // Whoever keeps the project in git should not have to think of this folder.
    std::fs::write(scratch.join(".gitignore"), "*\n").map_err(failed)?;
    std::fs::write(wit.join("orion.wit"), orion_componentize::CONTRACT_WIT).map_err(failed)?;
    let own = dir.join("sdk");
    // The examples of the repository lie three folders below the SDKs.
    let shared = dir.join("../../../sdk").join(language.sdk.last().copied().unwrap_or(language.name));
    let sdk = if own.is_dir() { own } else { shared };
    if !sdk.is_dir() {
        let why = format!(
            "{} is missing: `orion-kit new` puts the SDK of {} there",
            dir.join("sdk").display(),
            language.title
        );
        return Err(Failure::Configuration(why));
    }
    Ok(Project { dir, sdk, kind: manifest.kind, scratch })
}

fn unknown(dir: &Path) -> Failure {
    let mains = toolchain::LANGUAGES.iter().map(|language| format!("{} ({})", language.main, language.title));
    let mains = mains.collect::<Vec<_>>().join(", ");
    Failure::Configuration(format!(
        "{} is a project in no language known here: none of {mains} is there",
        dir.display()
    ))
}

fn told(failure: ToolFailure) -> Failure {
    match failure {
        ToolFailure::Refused { .. } => Failure::BadFile(failure.to_string()),
        ToolFailure::Missing { .. } | ToolFailure::Io { .. } => Failure::Configuration(failure.to_string()),
    }
}

fn component(made: &Made, manifest: &str) -> Result<Vec<u8>, Failure> {
    let component = match made {
        Made::Module(module) => orion_componentize::componentize(module, manifest),
        Made::Component(component) => orion_componentize::annotate(component, manifest),
    };
    component.map_err(|error| match error {
        ComponentizeError::Misfit { kind, mismatches, .. } if !mismatches.is_empty() => {
            let lines = mismatches.iter().map(|mismatch| format!("\n  {mismatch}")).collect::<String>();
            Failure::BadFile(format!("what was built is no {}:{lines}", kind.as_str()))
        }
        other => Failure::BadFile(other.to_string()),
    })
}
