//! TypeScript: the compiler checks types and leaves JavaScript, which becomes a component as any other. The SDK is that of
//! JavaScript, whose types the compiler reads.

use super::desk::{Desk, ToolFailure};
use super::{Language, Made, Project, node};

pub const LANGUAGE: Language =
    Language { name: "typescript", title: "TypeScript", main: "src/plugin.ts", sdk: &["javascript"], make };

const TSC: &[&str] = &["in the project: npm install", "or for all projects: npm install --global typescript"];

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let tsc = node::tool(project, desk, "tsc", TSC)?;
    let componentizer = node::componentizer(project, desk)?;
    let (root, sdk) = (node::root(project)?, node::sdk(project)?);
    let out = project.scratch.join("js");
    let compiled = |path: &std::path::Path| out.join(path.strip_prefix(&root).unwrap_or(path));
    let program = tsc.within(&project.dir).args(["--project", "tsconfig.json", "--noEmit", "false", "--rootDir"]);
    program.arg(&root).arg("--outDir").arg(&out).run()?;
    let main = compiled(&project.dir.join(LANGUAGE.main)).with_extension("js");
    node::componentize(componentizer, project, &root, &main, &compiled(&sdk))
}
