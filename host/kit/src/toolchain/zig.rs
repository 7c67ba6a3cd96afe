//! Zig: without a C library and without WASI.

use super::desk::{Desk, Program, ToolFailure, read};
use super::{Language, Made, Project};

pub const LANGUAGE: Language = Language { name: "zig", title: "Zig", main: "src/plugin.zig", sdk: &["zig"], make };

const INSTALL: &[&str] = &["with pip: pip install ziglang", "or put `zig` on the PATH: https://ziglang.org/download"];

const MODULE: &str = "plugin.wasm";

/// Zig gives sixteen megabytes, which each instance would hold and hardly any plugin needs.
const STACK_BYTES: &str = "131072";

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let zig = needed(desk, "Zig")?;
    let module = project.scratch.join(MODULE);
    let emit = format!("-femit-bin={}", module.display());
    let root = format!("-Mroot={}", project.dir.join(LANGUAGE.main).display());
    let sdk = format!("-Morion={}", project.sdk.join("orion.zig").display());
    zig.within(&project.dir)
        .args(["build-exe", "-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory", "-OReleaseFast"])
        .args([
            "-fno-entry",
            "--stack",
            STACK_BYTES,
            "-rdynamic",
            "-fstrip",
            "-fsingle-threaded",
            "--dep",
            "orion",
            &root,
            &sdk,
            &emit,
        ])
        .run()?;
    Ok(Made::Module(read(&module)?))
}

/// Zig on the PATH, or as Python carries it. What is missing otherwise is `what`.
pub(super) fn needed(desk: &Desk, what: &str) -> Result<Program, ToolFailure> {
    let own = desk.find("zig").map(|zig| desk.program(zig));
    let found = own.or_else(|| desk.python_module("ziglang", &["version"]));
    found.ok_or_else(|| ToolFailure::Missing { what: what.to_owned(), install: INSTALL })
}
