//! JavaScript: componentize-js puts the modules and an engine into one component. Bindings are made of the contract on the way.

use super::desk::{Desk, ToolFailure};
use super::{Language, Made, Project, node};

pub const LANGUAGE: Language =
    Language { name: "javascript", title: "JavaScript", main: "src/plugin.js", sdk: &["javascript"], make };

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let componentizer = node::componentizer(project, desk)?;
    let root = node::root(project)?;
    node::componentize(componentizer, project, &root, &project.dir.join(LANGUAGE.main), &node::sdk(project)?)
}
