//! What the languages that run in Node.js have in common: programs that npm installs, in the project or for all of them, and a
//! main module around the plugin's own.

use std::path::{Path, PathBuf};

use orion_model::Kind;

use super::desk::{Desk, Program, ToolFailure, read};
use super::{Made, Project, world};

const NODE: &[&str] =
    &["Debian and Ubuntu: apt-get install nodejs npm (version 20 or newer is wanted)", "or from https://nodejs.org"];

const COMPONENTIZE_JS: &[&str] =
    &["in the project: npm install", "or for all projects: npm install --global @bytecodealliance/componentize-js"];

/// Parts of the engine that would reach for the world outside.
const FEATURES: [&str; 5] = ["stdio", "random", "clocks", "http", "fetch-event"];

/// A program that npm installs. What the project has itself comes first: its version is the one that was tested.
pub(super) fn tool(
    project: &Project,
    desk: &Desk,
    name: &str,
    install: &'static [&'static str],
) -> Result<Program, ToolFailure> {
    desk.need("node", NODE)?;
    let own = project.dir.join("node_modules/.bin").join(name);
    if own.is_file() { Ok(desk.program(own)) } else { desk.need(name, install) }
}

/// What makes a component of a module of JavaScript.
pub(super) fn componentizer(project: &Project, desk: &Desk) -> Result<Program, ToolFailure> {
    tool(project, desk, "componentize-js", COMPONENTIZE_JS)
}

/// Makes a component of a plugin's main module. `root` is a folder that all modules are below: in the component they are known by
/// their paths from there, so that the same plugin has the same bytes wherever it is built.
pub(super) fn componentize(
    componentizer: Program,
    project: &Project,
    root: &Path,
    main: &Path,
    sdk: &Path,
) -> Result<Made, ToolFailure> {
    let entry = project.scratch.join("plugin.js");
    let component = project.scratch.join("plugin.component.wasm");
    let failed = |why| ToolFailure::Io { what: format!("{} cannot be written", entry.display()), why };
    std::fs::write(&entry, entry_text(project, root, main, sdk)).map_err(failed)?;
    let mut program = componentizer.within(root).arg(&entry);
    program = program.arg("--wit").arg(project.scratch.join("wit/orion.wit"));
    program = program.args(["--world-name", world(project.kind)]);
    for feature in FEATURES {
        program = program.args(["--disable", feature]);
    }
    program.arg("--out").arg(&component).run()?;
    Ok(Made::Component(read(&component)?))
}

/// The module whose exports are those of the contract.
fn entry_text(project: &Project, root: &Path, main: &Path, sdk: &Path) -> String {
    let up = "../".repeat(below(root, &project.scratch).components().count());
    let import = |module: &Path| format!("./{up}{}", below(root, module).display());
    let (kind, main, runner) = (project.kind.as_str(), import(main), import(&sdk.join("runner.js")));
    let emitting = match project.kind {
        Kind::Detector => "findings",
        Kind::Correlator => "incidents",
    };
    format!(
        "import {{ emit }} from \"orion:plugin/{emitting}@1.0.0\";\n\
         import Plugin from \"{main}\";\n\
         import {{ {kind}Exports }} from \"{runner}\";\n\n\
         export const {kind} = {kind}Exports(Plugin, emit);\n"
    )
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// The folder that a project and its SDK are below: the project, or for an example of the repository one further up.
pub(super) fn root(project: &Project) -> Result<PathBuf, ToolFailure> {
    let sdk = sdk(project)?;
    Ok(project.dir.ancestors().find(|above| sdk.starts_with(above)).unwrap_or(&project.dir).to_owned())
}

/// The SDK's folder, without steps up in its path.
pub(super) fn sdk(project: &Project) -> Result<PathBuf, ToolFailure> {
    let failed = |why| ToolFailure::Io { what: format!("{} cannot be read", project.sdk.display()), why };
    project.sdk.canonicalize().map_err(failed)
}
