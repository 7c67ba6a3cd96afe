//! C++: as C, with the C++ library.

use super::desk::{Desk, ToolFailure};
use super::{Language, Made, Project, c};

pub const LANGUAGE: Language = Language { name: "cpp", title: "C++", main: "src/plugin.cpp", sdk: &["c", "cpp"], make };

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let compiler = c::compiler(desk, "c++")?;
    let sdk = [project.sdk.join(format!("{}.cpp", project.kind.as_str()))];
    c::compile(project, compiler, c::Dialect { ending: "cpp", flags: &["-std=c++20", "-fno-rtti"] }, &sdk)
}
