//! C: the clang inside Zig, which brings its linker and a C library along. The one compiler for C and C++: the same version makes
//! the same plugin on every machine. The library's wishes for WASI are answered inside the component.

use std::path::PathBuf;

use super::desk::{Desk, Program, ToolFailure, read, sources};
use super::{Language, Made, Project, zig};

pub const LANGUAGE: Language = Language { name: "c", title: "C", main: "src/plugin.c", sdk: &["c"], make };

const MODULE: &str = "plugin.wasm";

/// Linkers give a megabyte or sixteen, which each instance would hold and hardly any plugin needs.
const STACK: &str = "-Wl,-z,stack-size=131072";

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let compiler = compiler(desk, "cc")?;
    let sdk = [project.sdk.join("orion.c"), project.sdk.join(format!("{}.c", project.kind.as_str()))];
    compile(project, compiler, Dialect { ending: "c", flags: &["-std=c11"] }, &sdk)
}

/// What C and C++ differ in.
pub(super) struct Dialect {
    pub(super) ending: &'static str,
    pub(super) flags: &'static [&'static str],
}

/// Compiles and links all sources of a project, and those of the SDK that are given.
pub(super) fn compile(
    project: &Project,
    compiler: Program,
    dialect: Dialect,
    sdk: &[PathBuf],
) -> Result<Made, ToolFailure> {
    let module = project.scratch.join(MODULE);
    // Assertions name source files: the same plugin has to have the same bytes wherever it is built.
    let portable = format!("-ffile-prefix-map={}=/plugin", project.dir.display());
    let program = compiler
        .within(&project.dir)
        .args(["-O3", "-flto", "-Wall", "-Wextra", "-mexec-model=reactor", "-msimd128", "-fno-exceptions"])
        // One rounding for each operation: a sum that is rounded once is another number than the other languages get.
        .args(["-ffp-contract=off", "-Wl,--no-entry", "-Wl,--strip-all", STACK, &portable])
        .args(dialect.flags)
        .arg("-I")
        .arg(&project.sdk)
        .args(sources(&project.dir.join("src"), &[dialect.ending])?)
        .args(sdk)
        .arg("-o")
        .arg(&module);
    program.run()?;
    Ok(Made::Module(read(&module)?))
}

/// What compiles C (`cc`) or C++ (`c++`) to WebAssembly.
pub(super) fn compiler(desk: &Desk, language: &str) -> Result<Program, ToolFailure> {
    Ok(zig::needed(desk, "Zig, which has clang in it,")?.args([language, "--target=wasm32-wasi"]))
}
