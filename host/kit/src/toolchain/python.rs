//! Python: componentize-py puts the modules and an interpreter into one component. Bindings are made of the contract on the way,
//! and what the interpreter wants of WASI is stubbed.

use super::desk::{Desk, ToolFailure, read};
use super::{Language, Made, Project, world};

pub const LANGUAGE: Language =
    Language { name: "python", title: "Python", main: "src/plugin.py", sdk: &["python"], make };

const COMPONENTIZE_PY: &[&str] = &["with pip: pip install componentize-py"];

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let componentizer = desk.need("componentize-py", COMPONENTIZE_PY)?;
    let component = project.scratch.join("plugin.component.wasm");
    // Modules of the author's own environment are none of the plugin's.
    let program = componentizer.within(&project.dir).without("VIRTUAL_ENV").without("PYTHONPATH");
    let program = program.arg("--quiet").arg("--wit-path").arg(project.scratch.join("wit/orion.wit"));
    let program = program.args(["--world", world(project.kind), "componentize", "--stub-wasi", "--python-path", "src"]);
    let program = program.arg("--python-path").arg(&project.sdk).arg("--output").arg(&component);
    program.arg(format!("orion_{}", project.kind.as_str())).run()?;
    Ok(Made::Component(read(&component)?))
}
