//! C: the clang inside Zig, which brings a C library along, or clang, wasm-ld and a C library of the machine. The library's wishes
//! for WASI are answered inside the component.

use std::path::{Path, PathBuf};

use super::desk::{Desk, Program, ToolFailure, read, sources};
use super::{Language, Made, Project};

pub const LANGUAGE: Language = Language { name: "c", title: "C", main: "src/plugin.c", sdk: &["c"], make };

/// How to get a compiler for C and C++.
pub(super) const INSTALL: &[&str] =
    &["with pip: pip install ziglang", "Debian and Ubuntu: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32"];

const MODULE: &str = "plugin.wasm";

/// Linkers give a megabyte or sixteen, which each instance would hold and hardly any plugin needs.
const STACK: &str = "-Wl,-z,stack-size=131072";

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let compiler = compiler(desk, "clang", "cc")?;
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

/// A compiler that makes WebAssembly: the clang inside Zig, which brings its linker and libraries along and is what the tests use,
/// or the machine's own where all of these are there.
pub(super) fn compiler(desk: &Desk, clang: &str, zig: &str) -> Result<Program, ToolFailure> {
    if let Some(command) = super::zig::command(desk) {
        return Ok(command.args([zig, "--target=wasm32-wasi"]));
    }
    let is_whole = desk.find("wasm-ld").is_some() && Path::new(SYSROOT_OF_DEBIAN).is_dir();
    match desk.find(clang) {
        Some(clang) if is_whole => {
            Ok(desk.program(clang).args(["--target=wasm32-wasi", &format!("--sysroot={SYSROOT}")]))
        }
        _ => Err(ToolFailure::Missing { what: "a compiler for WebAssembly".to_owned(), install: INSTALL }),
    }
}

/// Where Debian puts the C library for WebAssembly, and what clang calls the folder that it is in.
const SYSROOT_OF_DEBIAN: &str = "/usr/include/wasm32-wasi";
const SYSROOT: &str = "/usr";
