//! AssemblyScript: `asc` makes the core module, without WASI.

use super::desk::{Desk, ToolFailure, read};
use super::{Language, Made, Project, node};

pub const LANGUAGE: Language = Language {
    name: "assemblyscript",
    title: "AssemblyScript",
    main: "assembly/index.ts",
    sdk: &["assemblyscript"],
    make,
};

const ASC: &[&str] = &["in the project: npm install", "or for all projects: npm install --global assemblyscript"];

const MODULE: &str = "plugin.wasm";

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let asc = node::tool(project, desk, "asc", ASC)?;
    let module = project.scratch.join(MODULE);
    // Named here and not in the configuration, which cannot name a file below its own folder.
    let names = project.sdk.join("names.mjs");
    let asc = asc.within(&project.dir).args(["--config", "asconfig.json", "--transform"]).arg(names);
    asc.arg("--outFile").arg(&module).run()?;
    Ok(Made::Module(read(&module)?))
}
