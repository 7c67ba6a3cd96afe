//! C++: as C, with the C++ library.

use super::desk::{Desk, ToolFailure};
use super::{Language, Made, Project, c};

pub const LANGUAGE: Language = Language { name: "cpp", title: "C++", main: "src/plugin.cpp", make };

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let compiler = c::compiler(desk, "clang++", "c++")?;
    c::compile(project, compiler, &["cpp"], &["-std=c++20", "-fno-rtti"])
}
